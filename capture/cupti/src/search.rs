//! Where a libcupti may be, best first.
//!
//! One that the user names is a decision: it is that one or none. Otherwise the one already in the
//! process wins. A process that brought its own CUDA runtime (a Python wheel) has the matching
//! libcupti in a known place beside it; toolkits come after.
#![expect(unsafe_code, reason = "loads a C library")]

use std::collections::HashSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::library::{Library, Origin, driver_version, loaded_objects};
use crate::{Api, Error};

/// Names under which the loader knows libcupti, newest first.
const SONAMES: &[&str] = &["libcupti.so.13", "libcupti.so.12", "libcupti.so.11.8", "libcupti.so"];

/// Names a libcupti, or a folder with one, which is then the only one that is taken.
pub const LIBRARY_VARIABLE: &str = "UNDERSPAN_CUPTI";

/// A libcupti on disk that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The library.
    pub path: PathBuf,
    /// Why it was looked at.
    pub origin: Origin,
    /// Its major CUDA release, where the name tells.
    pub major: Option<u32>,
}

/// What decides where to look.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// A library or folder that the user named.
    pub named: Option<OsString>,
    /// The process's libcudart.
    pub runtime: Option<PathBuf>,
    /// Roots of installed toolkits.
    pub toolkit_roots: Vec<PathBuf>,
    /// The driver's CUDA version, 1000 × major + 10 × minor.
    pub driver: Option<u32>,
}

impl Search {
    /// What this process and its environment say.
    pub fn of_this_process() -> Self {
        let mut toolkit_roots: Vec<PathBuf> = ["CUDA_HOME", "CUDA_PATH"]
            .into_iter()
            .filter_map(env::var_os)
            .filter(|root| !root.is_empty())
            .map(PathBuf::from)
            .collect();
        toolkit_roots.push("/usr/local/cuda".into());
        let mut numbered: Vec<PathBuf> = read_dir(Path::new("/usr/local"))
            .filter(|path| name_of(path).starts_with("cuda-"))
            .collect();
        numbered.sort_by_key(|path| std::cmp::Reverse(release_in(name_of(path))));
        toolkit_roots.extend(numbered);
        Self {
            named: env::var_os(LIBRARY_VARIABLE).filter(|named| !named.is_empty()),
            runtime: loaded_objects()
                .into_iter()
                .find(|path| name_of(path).starts_with("libcudart.so")),
            toolkit_roots,
            driver: driver_version(),
        }
    }

    /// Every libcupti found on disk, best first. Those too new for the driver come last.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        if let Some(named) = &self.named {
            let path = PathBuf::from(named);
            if path.is_dir() {
                collect(&mut candidates, &path, Origin::Environment);
            } else {
                let major = major_in(name_of(&path));
                candidates.push(Candidate { path, origin: Origin::Environment, major });
            }
        }
        let wanted = self.runtime.as_deref().and_then(|path| major_in(name_of(path)));
        if let Some(runtime) = &self.runtime {
            let mut beside = Vec::new();
            for dir in dirs_beside_runtime(runtime) {
                collect(&mut beside, &dir, Origin::BesideRuntime);
            }
            beside.retain(|candidate| {
                wanted.is_none() || candidate.major.is_none_or(|m| Some(m) == wanted)
            });
            candidates.extend(beside);
        }
        let mut toolkits = Vec::new();
        for root in &self.toolkit_roots {
            for dir in [
                "extras/CUPTI/lib64",
                "lib64",
                "targets/x86_64-linux/lib",
                "targets/sbsa-linux/lib",
            ] {
                collect(&mut toolkits, &root.join(dir), Origin::Toolkit);
            }
        }
        // The release of the process's own runtime first; the order of roots otherwise.
        let other = |candidate: &Candidate| wanted.is_some() && candidate.major != wanted;
        lowest_first(&mut toolkits, &|candidate| u32::from(other(candidate)));
        candidates.extend(toolkits);

        let mut seen = HashSet::new();
        candidates.retain(|candidate| {
            seen.insert(
                fs::canonicalize(&candidate.path).unwrap_or_else(|_| candidate.path.clone()),
            )
        });
        if let Some(driver) = self.driver {
            let is_too_new = |candidate: &Candidate| {
                candidate.origin != Origin::Environment
                    && candidate.major.is_some_and(|major| major > driver / 1000)
            };
            lowest_first(&mut candidates, &|candidate| u32::from(is_too_new(candidate)));
        }
        candidates
    }
}

/// The libcupti that the process has loaded, if any.
pub fn already_loaded() -> Option<Library> {
    SONAMES.iter().find_map(|name| Library::loaded(Path::new(name))).or_else(|| {
        loaded_objects()
            .into_iter()
            .find(|path| name_of(path).starts_with("libcupti.so"))
            .and_then(|path| Library::loaded(&path))
    })
}

/// Loads the best libcupti: the one that was named, or else the one in the process, or else the
/// first candidate that loads.
///
/// # Safety
/// Candidates are loaded into the process and their initializers run; `search` must name real
/// libraries, as [`Search::of_this_process`] does.
///
/// # Errors
/// When there is none, none loads, or the one that was named does not.
pub unsafe fn load(search: &Search) -> Result<Api, Error> {
    let mut candidates = search.candidates();
    let mut names = SONAMES;
    if search.named.is_some() {
        candidates.retain(|candidate| candidate.origin == Origin::Environment);
        names = &[];
    } else if let Some(library) = already_loaded() {
        // SAFETY: a library of this name in a CUDA process is NVIDIA's, and is not unloaded.
        return Ok(unsafe { Api::new(library) });
    }
    let mut refused = None;
    let mut looked_at = Vec::new();
    for candidate in candidates {
        looked_at.push(candidate.path.display().to_string());
        // SAFETY: the caller vouches for the candidates.
        match unsafe { Library::open(&candidate.path, candidate.origin) } {
            // SAFETY: as above; `Library` never unloads.
            Ok(library) => return Ok(unsafe { Api::new(library) }),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    for name in names {
        looked_at.push((*name).to_owned());
        // SAFETY: the system's loader path is trusted as for any program on it.
        if let Ok(library) = unsafe { Library::open(Path::new(name), Origin::LoaderPath) } {
            // SAFETY: as above.
            return Ok(unsafe { Api::new(library) });
        }
    }
    let nothing = || match &search.named {
        Some(folder) => Error::NothingNamed { folder: folder.into() },
        None => Error::NoLibrary { looked_at },
    };
    Err(refused.unwrap_or_else(nothing))
}

/// Another libcupti in the process than the one that is used.
#[derive(Debug)]
pub struct Bystander {
    /// The library.
    pub path: PathBuf,
    /// Its API version; the error where it does not work, as that of a stand-in without functions.
    pub version: Result<u32, Error>,
}

/// Every libcupti in the process besides `used`. Two that work get into each other's way: only one
/// may hear of what the driver does.
pub fn bystanders(used: &Api) -> Vec<Bystander> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let own = real(used.path());
    let others = loaded_objects().into_iter().filter(|path| {
        // A link has any name; the loader shows the name that was asked for.
        let is_cupti = |path: &Path| name_of(path).starts_with("libcupti.so");
        (is_cupti(path) || is_cupti(&real(path))) && real(path) != own
    });
    let ask = |path: PathBuf| {
        // SAFETY: a library of this name is NVIDIA's or a stand-in for it, whose `cuptiGetVersion`
        // has the same type, and is not unloaded.
        let api = unsafe { Api::new(Library::loaded(&path)?) };
        Some(Bystander { version: api.version(), path })
    };
    others.filter_map(ask).collect()
}

/// Folders that hold the libcupti of a libcudart: wheels of CUDA 11 and 12 keep each library in a
/// package of its own, wheels of 13 and toolkits keep them together or under `extras`.
fn dirs_beside_runtime(runtime: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let runtime = fs::canonicalize(runtime).unwrap_or_else(|_| runtime.to_owned());
    if let Some(dir) = runtime.parent() {
        dirs.push(dir.to_owned());
        if let Some(packages) = dir.parent().and_then(Path::parent) {
            dirs.push(packages.join("cuda_cupti/lib"));
            dirs.push(packages.join("nvidia/cuda_cupti/lib"));
        }
        for root in dir.ancestors().skip(1).take(3) {
            dirs.push(root.join("extras/CUPTI/lib64"));
        }
    }
    dirs
}

fn collect(candidates: &mut Vec<Candidate>, dir: &Path, origin: Origin) {
    let mut found: Vec<Candidate> = read_dir(dir)
        .filter(|path| name_of(path).starts_with("libcupti.so"))
        .map(|path| Candidate { major: major_in(name_of(&path)), path, origin })
        .collect();
    // Names with a release before those without, and the newest release first.
    lowest_first(&mut found, &|candidate| {
        candidate.major.map_or(u32::MAX, |major| u32::MAX - 1 - major)
    });
    candidates.extend(found);
}

/// A stable sort, one for every rank there is: each kind of sort is 5 KB of the collector.
fn lowest_first(candidates: &mut [Candidate], rank: &dyn Fn(&Candidate) -> u32) {
    candidates.sort_by_key(rank);
}

fn read_dir(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The CUDA major of `libcupti.so.12` or `libcudart.so.11.0`. Toolkit files also carry names like
/// `libcupti.so.2024.1.0`, whose year is no release.
fn major_in(name: &str) -> Option<u32> {
    let (_, version) = name.split_once(".so.")?;
    let major = version.split('.').next()?.parse().ok()?;
    (major < 1000).then_some(major)
}

/// `cuda-12.4` as a sortable pair.
fn release_in(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.strip_prefix("cuda-")?.split_once('.').unwrap_or(("0", "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}
