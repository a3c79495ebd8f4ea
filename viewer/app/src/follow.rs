//! Watching files that a recorder adds to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Files that may grow.
#[derive(Debug)]
pub(crate) struct Follow {
    paths: Vec<PathBuf>,
    lengths: Vec<u64>,
    looked: Instant,
}

impl Follow {
    /// How often the files are looked at.
    pub(crate) const INTERVAL: Duration = Duration::from_millis(500);

    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let lengths = lengths(&paths);
        Self { paths, lengths, looked: Instant::now() }
    }

    /// Whether a file has another length than when it was last looked at.
    pub(crate) fn has_grown(&mut self) -> bool {
        if self.looked.elapsed() < Self::INTERVAL {
            return false;
        }
        self.looked = Instant::now();
        let lengths = lengths(&self.paths);
        let has_grown = lengths != self.lengths;
        self.lengths = lengths;
        has_grown
    }
}

/// The length of each file; of a folder, where a flight recorder keeps its segments, those of its
/// files together.
fn lengths(paths: &[PathBuf]) -> Vec<u64> {
    let in_folder = |path: &PathBuf| -> u64 {
        let files = std::fs::read_dir(path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|of| of.len()).sum()
    };
    let length = |path: &PathBuf| match std::fs::metadata(path) {
        Ok(of) if of.is_dir() => in_folder(path),
        Ok(of) => of.len(),
        Err(_) => 0,
    };
    paths.iter().map(length).collect()
}
