//! Where the collector and the hook are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::LaunchError;

/// The collector's library.
const COLLECTOR: &str = "libunderspan_collector.so";

macro_rules! hook_files {
    ($($name:literal),* $(,)?) => {
        /// The Python hook: names and contents, as they stand in `capture/hook`.
        pub const HOOK_FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../hook/", $name)))),*];
    };
}

hook_files! {
    "sitecustomize.py",
    "underspan_hook/__init__.py",
    "underspan_hook/asgi.py",
    "underspan_hook/context.py",
    "underspan_hook/generate.py",
    "underspan_hook/imports.py",
    "underspan_hook/lanes.py",
    "underspan_hook/members.py",
    "underspan_hook/patching.py",
    "underspan_hook/recorder.py",
    "underspan_hook/sglang.py",
    "underspan_hook/sink.py",
    "underspan_hook/targets.py",
    "underspan_hook/transformers.py",
    "underspan_hook/vllm.py",
    "underspan_hook/wire.py",
    "underspan_hook-0.1.0.dist-info/METADATA",
    "underspan_hook-0.1.0.dist-info/entry_points.txt",
}

/// What is injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The collector's library, an absolute path.
    pub collector: PathBuf,
    /// The folder to put on Python's path, absolute; none without the hook.
    pub hook: Option<PathBuf>,
}

/// Finds the collector: where `UNDERSPAN_COLLECTOR` says, beside the program, in
/// `../lib/underspan`, or in the folders that Cargo builds into.
///
/// # Errors
/// When it is in none of them.
pub fn find_collector() -> Result<PathBuf, LaunchError> {
    let named = std::env::var_os("UNDERSPAN_COLLECTOR").filter(|value| !value.is_empty());
    if let Some(path) = named.map(PathBuf::from) {
        return usable(&path).ok_or_else(|| LaunchError::NoCollector {
            library: COLLECTOR,
            looked_in: format!("UNDERSPAN_COLLECTOR={}", path.display()),
        });
    }
    let program = std::env::current_exe().unwrap_or_default();
    let folders = folders_near(&program);
    folders.iter().find_map(|folder| usable(&folder.join(COLLECTOR))).ok_or_else(|| {
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        LaunchError::NoCollector { library: COLLECTOR, looked_in: folders.join(", ") }
    })
}

/// Finds something else that belongs to this program by its file name, in the same folders.
pub fn find_beside(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    folders_near(&program).iter().find_map(|folder| usable(&folder.join(name)))
}

/// Folders in which what belongs to a program lies: its own, the one an installation has, and
/// those of a Cargo build, from which programs and tests run.
pub(crate) fn folders_near(program: &Path) -> Vec<PathBuf> {
    let Some(own) = program.parent() else { return Vec::new() };
    let build = [Some(own), own.parent()].into_iter().flatten().find(|dir| is_build_folder(dir));
    match build {
        // Cargo builds every library into `deps` and links some of them above it.
        Some(build) => vec![build.join("deps"), build.to_owned(), build.join("examples")],
        None => vec![own.to_owned(), own.join("../lib/underspan")],
    }
}

/// Cargo marks the folder above a profile's.
fn is_build_folder(folder: &Path) -> bool {
    folder.join(".fingerprint").is_dir()
}

fn usable(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|path| path.is_file())
}

/// Writes the hook into a folder that only this user can change.
///
/// # Errors
/// When a file cannot be written.
pub fn unpack_hook(folder: &Path) -> io::Result<()> {
    for (name, content) in HOOK_FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn below(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with("__pycache__") {
                    below(&path, root, found);
                }
            } else {
                let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_hook_is_carried_along() {
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hook");
        let mut there = BTreeSet::new();
        below(&hook, &hook, &mut there);
        for not_needed in ["README.md", "bench.py", "underspan.h"] {
            assert!(there.remove(not_needed), "{not_needed}");
        }
        let carried: BTreeSet<_> = HOOK_FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, there);
        let dir = tempfile::TempDir::new().expect("a folder");
        unpack_hook(dir.path()).expect("writable");
        let mut unpacked = BTreeSet::new();
        below(dir.path(), dir.path(), &mut unpacked);
        assert_eq!(unpacked, carried);
    }
}
