//! The last stretch of time of what NVML tells, beside a flight recorder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use underspan_model::ProblemLedger;

use super::NvmlSampler;

/// Samples into one file after the other, and keeps the last two.
pub(crate) struct NvmlRing {
    folder: PathBuf,
    window: Duration,
    n_files: u64,
    current: Option<(NvmlSampler, PathBuf, Instant)>,
    previous: Option<PathBuf>,
    problems: ProblemLedger,
}

impl NvmlRing {
    /// Starts to sample into files in `folder` that together hold `window` at least.
    pub(crate) fn start(folder: PathBuf, window: Duration) -> Self {
        let problems = ProblemLedger::new();
        let mut ring = Self { folder, window, n_files: 0, current: None, previous: None, problems };
        ring.begin();
        ring
    }

    fn begin(&mut self) {
        self.n_files += 1;
        let path = self.folder.join(format!("nvml-{:06}.uspan", self.n_files));
        let sampler = NvmlSampler::start(path.clone()).ok();
        self.current = sampler.map(|sampler| (sampler, path, Instant::now()));
    }

    /// Completes the file that is being written, and removes the one before it.
    fn complete(&mut self) {
        let Some((sampler, path, _)) = self.current.take() else { return };
        self.problems = sampler.stop();
        if let Some(old) = self.previous.replace(path) {
            // Without NVML there never was one.
            let _ = std::fs::remove_file(old);
        }
    }

    /// Begins a new file when it is time for it. Without NVML it is looked for again then.
    pub(crate) fn turn(&mut self) {
        if self.current.as_ref().is_some_and(|(_, _, begun)| begun.elapsed() >= self.window) {
            self.complete();
            self.begin();
        }
    }

    /// Files of the last stretch of time, as copies in `into`, and what is missing from them.
    pub(crate) fn last_files(&mut self, into: &Path) -> (Vec<PathBuf>, ProblemLedger) {
        let before = self.previous.take();
        self.complete();
        let files = before.iter().chain(&self.previous).filter_map(|path| {
            let link = into.join(path.file_name()?);
            std::fs::copy(path, &link).ok()?;
            Some(link)
        });
        let files = files.collect();
        if let Some(old) = before {
            let _ = std::fs::remove_file(old);
        }
        self.begin();
        (files, self.problems.clone())
    }

    /// Ends sampling, and removes its files.
    pub(crate) fn stop(mut self) {
        self.complete();
        if let Some(old) = self.previous.take() {
            let _ = std::fs::remove_file(old);
        }
    }
}
