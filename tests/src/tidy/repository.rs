//! The files of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The tracked files of the repository and what they say.
#[derive(Debug)]
pub struct Repository {
    /// Path from the root with `/`, and content, of every tracked text file, in order of path.
    pub files: Vec<(String, String)>,
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("..")).to_owned()
}

impl Repository {
    /// Reads every tracked file that is text. Where the checkout is not one of git, every file
    /// outside `.git`, `.cache` and `target`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(root: &Path) -> std::io::Result<Self> {
        let mut paths = match tracked(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        paths.sort();
        let files = paths
            .into_iter()
            // A file that was deleted and not yet committed is still listed; binary files say
            // nothing to a reader.
            .filter_map(|path| {
                std::fs::read_to_string(root.join(&path)).ok().map(|text| (path, text))
            })
            .collect();
        Ok(Self { files })
    }

    /// Rust files.
    pub fn rust_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(|path| path.ends_with(".rs"))
    }

    /// Manifests of the workspace's crates. The fuzz targets are a workspace of their own.
    pub fn manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.named(|path| path.ends_with("/Cargo.toml") && path != "tests/fuzz/Cargo.toml")
    }

    /// Whether a file is there and says something.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|(known, text)| known == path && !text.trim().is_empty())
    }

    fn named(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |(path, _)| wanted(path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output().ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<_> =
        listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walked(root: &Path) -> std::io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if ["target", ".git", ".cache"].iter().any(|skipped| name == *skipped) {
                continue;
            }
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Ok(inside) = path.strip_prefix(root) {
                paths.push(inside.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(paths)
}
