//! Toolkits from PyPI, in a cache that survives between runs.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cupti_sys::Toolkit;

/// The compared releases: CUPTI package, its version. One for each length that any record had.
const COMPARED: &[(&str, &str)] = &[
    ("nvidia-cuda-cupti-cu11", "11.8.87"),
    ("nvidia-cuda-cupti-cu12", "12.0.146"),
    ("nvidia-cuda-cupti-cu12", "12.1.105"),
    ("nvidia-cuda-cupti-cu12", "12.4.127"),
    ("nvidia-cuda-cupti-cu12", "12.6.80"),
    ("nvidia-cuda-cupti-cu12", "12.8.90"),
    ("nvidia-cuda-cupti-cu12", "12.9.79"),
    ("nvidia-cuda-cupti", "13.0.85"),
    ("nvidia-cuda-cupti", "13.1.115"),
    ("nvidia-cuda-cupti", "13.2.86"),
    ("nvidia-cuda-cupti", "13.3.75"),
    ("nvidia-cuda-cupti", "13.4.92"),
    ("nvidia-cuda-cupti", "13.5.25"),
];

/// `crt/host_defines.h`, which the runtime headers include; one release serves all.
const CRT: (&str, &str) = ("nvidia-cuda-crt", "13.5.37");

/// libclang, which `bindgen` needs; the wheel is self-contained.
const LIBCLANG: (&str, &str) = ("libclang", "18.1.1");

/// How long the index's answer about its newest release is good for.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// One toolkit's headers and library.
#[derive(Clone, Debug)]
pub struct InstalledToolkit {
    /// The release.
    pub toolkit: Toolkit,
    /// The CUPTI package's full version.
    pub version: String,
    /// Whether the ledger of `cupti-sys` was made with this release. If not, it is newer: its
    /// records may have grown.
    pub compared: bool,
    /// Where its headers are.
    pub include_dirs: Vec<PathBuf>,
    /// Its libcupti.
    pub library: PathBuf,
}

/// The toolkits in the cache.
#[derive(Debug)]
pub enum Toolkits {
    /// All compared releases, and the newest one on the index if that is newer.
    Installed(Vec<InstalledToolkit>),
    /// Nothing could be installed, and why: no Python, no pip, no registry.
    Unreachable(String),
}

impl Toolkits {
    /// Installs what the cache lacks and lists it, oldest release first.
    ///
    /// # Errors
    /// When some packages can be installed and others cannot, or the cache cannot be written.
    pub fn installed(cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("{}", cache.display()))?;
        let lock_path = cache.join(".lock");
        let lock = File::create(&lock_path).with_context(|| format!("{}", lock_path.display()))?;
        lock.lock().with_context(|| format!("{}", lock_path.display()))?;

        let crt = match install(cache, "crt", &[format!("{}=={}", CRT.0, CRT.1)]) {
            Ok(dir) => dir,
            Err(error) => return Ok(Self::Unreachable(format!("{error:#}"))),
        };
        let mut toolkits = Vec::new();
        for (package, version) in COMPARED {
            toolkits.push(toolkit(cache, &crt, package, version, true)?);
        }
        if let Some(newest) = newest_version(cache, "nvidia-cuda-cupti")
            && COMPARED.iter().all(|(_, version)| *version != newest)
        {
            toolkits.push(toolkit(cache, &crt, "nvidia-cuda-cupti", &newest, false)?);
        }
        Ok(Self::Installed(toolkits))
    }
}

/// The folder with a libclang from PyPI, installed if the cache lacks it.
///
/// # Errors
/// When it cannot be installed.
pub fn libclang(cache: &Path) -> Result<PathBuf> {
    let dir = install(cache, LIBCLANG.0, &[format!("{}=={}", LIBCLANG.0, LIBCLANG.1)])?;
    let library = find(&dir, &is_libclang)?.into_iter().next();
    let library = library.with_context(|| format!("{}: no libclang.so", dir.display()))?;
    Ok(library.parent().unwrap_or(&dir).to_owned())
}

/// Where wheels are kept: `UNDERSPAN_CACHE`, or a folder of the build's target directory.
pub fn cache_dir(target_tmp: &str) -> PathBuf {
    let base = env::var_os("UNDERSPAN_CACHE").map_or_else(
        || Path::new(target_tmp).parent().map_or_else(|| PathBuf::from(target_tmp), Path::to_owned),
        PathBuf::from,
    );
    base.join("cupti-wheels")
}

fn toolkit(
    cache: &Path,
    crt: &Path,
    package: &str,
    version: &str,
    compared: bool,
) -> Result<InstalledToolkit> {
    let release = Toolkit::parse(version).with_context(|| format!("{package}: {version}"))?;
    let runtime = package.replace("cupti", "runtime");
    let dir = install(
        cache,
        version,
        &[format!("{package}=={version}"), format!("{runtime}=={release}.*")],
    )?;
    let mut include_dirs = find(&dir, &|path| path.is_dir() && path.ends_with("include"))?;
    include_dirs.extend(find(crt, &|path| path.is_dir() && path.ends_with("include"))?);
    let mut libraries = find(&dir, &is_libcupti)?;
    ensure!(libraries.len() == 1, "{}: {} libcupti", dir.display(), libraries.len());
    Ok(InstalledToolkit {
        toolkit: release,
        version: version.to_owned(),
        compared,
        include_dirs,
        library: libraries.remove(0),
    })
}

/// Installs `requirements` into `cache/name` unless they are there, and drops what is not needed.
fn install(cache: &Path, name: &str, requirements: &[String]) -> Result<PathBuf> {
    let dir = cache.join(name);
    if dir.is_dir() {
        return Ok(dir);
    }
    let partial = cache.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("{}", partial.display()))?;
    }
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--retries", "1", "--timeout", "20", "--only-binary", ":all:", "--target"])
        .arg(&partial)
        .args(requirements)
        .output()
        .context("python3")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().last().unwrap_or("no message");
        bail!("pip install {}: {last}", requirements.join(" "));
    }
    for library in find(&partial, &|path| path.to_string_lossy().contains(".so"))? {
        if !is_libcupti(&library) && !is_libclang(&library) {
            fs::remove_file(&library).with_context(|| format!("{}", library.display()))?;
        }
    }
    fs::rename(&partial, &dir).with_context(|| format!("{}", dir.display()))?;
    Ok(dir)
}

fn is_libcupti(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libcupti.so"))
}

fn is_libclang(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libclang"))
        && path.extension().is_some_and(|extension| extension == "so")
}

/// The newest release on the index, asked for once a day; `None` when it does not answer.
fn newest_version(cache: &Path, package: &str) -> Option<String> {
    let remembered = cache.join(".newest");
    let age = fs::metadata(&remembered).and_then(|data| data.modified()).map(|at| at.elapsed());
    if let Ok(Ok(age)) = age
        && age < ASK_AGAIN_AFTER
    {
        return fs::read_to_string(&remembered).ok();
    }
    let output = Command::new("python3")
        .args(["-m", "pip", "--disable-pip-version-check"])
        .args(["index", "versions", "--retries", "1", "--timeout", "20", package])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.lines().next()?.split_once('(')?.1.split_once(')')?.0.to_owned();
    // If it cannot be remembered, the index is asked again next time.
    let _ = fs::write(&remembered, &version);
    Some(version)
}

fn find(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("{}", dir.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("{}", dir.display()))?.path();
        if wanted(&path) {
            found.push(path);
        } else if path.is_dir() {
            found.extend(find(&path, wanted)?);
        }
    }
    found.sort();
    Ok(found)
}
