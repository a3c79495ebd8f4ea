//! Runs cases through the binary and keeps what came out.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::case::Case;
use crate::public::Container;
use crate::verdict::{Answer, ask};

/// One case and what the binary said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The case.
    pub case: Case,
    /// What is true about it.
    pub truth: Value,
    /// What was answered.
    pub answer: Answer,
}

/// How trials are run.
#[derive(Debug, Clone)]
pub struct TrialOptions {
    /// The binary.
    pub binary: PathBuf,
    /// Where cases are written; each is removed again once it is answered.
    pub folder: PathBuf,
    /// Cases stay.
    pub keeps_cases: bool,
    /// Cases at the same time.
    pub jobs: usize,
    /// What holds the records.
    pub container: Container,
}

/// Runs every case, in order of the list; `progress` hears of each that is done.
///
/// # Errors
/// When a case cannot be written or the binary not be started.
pub fn run_trials(
    cases: &[Case],
    options: &TrialOptions,
    progress: &(dyn Fn(usize, &Trial) + Sync),
) -> Result<Vec<Trial>> {
    let next = AtomicUsize::new(0);
    let n_done = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Trial>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { return };
                    let trial = run_trial(case, options);
                    if let Ok(trial) = &trial {
                        progress(n_done.fetch_add(1, Ordering::Relaxed) + 1, trial);
                    }
                    let mut results =
                        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.push((at, trial));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, trial)| trial).collect()
}

fn run_trial(case: &Case, options: &TrialOptions) -> Result<Trial> {
    let truth = case.write(&options.folder.join("cases"), options.container)?;
    let folder = options.folder.join("cases").join(&truth.name);
    let answer = ask(&options.binary, &folder)?;
    if options.keeps_cases {
        write_truth(&options.folder, &truth.name, &truth.document)?;
    } else {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(Trial { case: *case, truth: truth.document, answer })
}

/// Writes `truth/<name>.json` below `folder`, beside the cases and not in them.
///
/// # Errors
/// What the file system returns.
pub fn write_truth(folder: &Path, name: &str, document: &Value) -> Result<()> {
    let folder = folder.join("truth");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, serde_json::to_string_pretty(document)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
