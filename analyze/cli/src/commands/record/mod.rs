//! `underspan record`.

mod gather;
mod memory;
mod progress;
mod stream;
mod weigh;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use underspan_launcher::{AttachOptions, Observer, Pieces, ProcessTree, RecordOptions, Totals};

use super::import::ensure_writable;
use crate::args::RecordArgs;
use crate::exit::Outcome;
use crate::terminal;

use gather::gather;
pub(super) use progress::ProgressLine;

pub(super) fn run(args: &RecordArgs) -> Result<Outcome> {
    let output = free_path(args.output.as_deref(), args.force, "capture")?;
    if let Some(pid) = args.pid {
        let options = AttachOptions {
            pid,
            output: output.clone(),
            last: args.last,
            duration: args.duration,
            kinds: args.what.kinds.kinds(),
        };
        underspan_launcher::record_running(&options, &mut Watcher::new(output))?;
        return Ok(Outcome::Done);
    }
    let options = RecordOptions {
        command: args.command.clone(),
        output: output.clone(),
        mode: args.mode.mode(),
        kinds: args.what.kinds.kinds(),
        duration: args.duration,
        delay: args.delay,
        max_size_bytes: args.max_size,
        overhead_budget_percent: args.what.overhead_budget,
        ring_window: args.last,
        without_hook: args.what.no_hook,
        without_otlp: args.what.no_otlp,
        chain: args.what.chain,
        extra_variables: Vec::new(),
    };
    let recorded = underspan_launcher::record(&options, &mut Watcher::new(output))?;
    Ok(Outcome::Ending(recorded.ending))
}

/// Where to write: what was asked for, or the next free of `stem.uspan`, `stem-2.uspan`, ….
pub(super) fn free_path(asked: Option<&Path>, force: bool, stem: &str) -> Result<PathBuf> {
    if let Some(path) = asked {
        ensure_writable(path, force)?;
        return Ok(path.to_owned());
    }
    let names = std::iter::once(format!("{stem}.uspan"))
        .chain((2..10_000).map(|number| format!("{stem}-{number}.uspan")));
    match names.map(PathBuf::from).find(|path| !path.exists()) {
        Some(path) => Ok(path),
        None => bail!("every name up to {stem}-9999.uspan is taken; name one with -o"),
    }
}

/// Says how it goes, and makes the capture.
pub(super) struct Watcher {
    output: PathBuf,
    line: ProgressLine,
}

impl Watcher {
    /// For a capture at `output`.
    pub(super) fn new(output: PathBuf) -> Self {
        Self { output, line: ProgressLine::new() }
    }
}

impl Observer for Watcher {
    fn note(&mut self, line: &str) {
        self.line.clear();
        terminal::error(line);
    }

    fn progress(&mut self, totals: &Totals) {
        self.line.show(totals);
    }

    fn complete(&mut self, pieces: &Pieces, processes: &ProcessTree) {
        self.line.clear();
        finish(pieces, processes, &self.output);
    }
}

/// Makes the capture and removes the pieces. When that fails they stay, and how to go on is said:
/// the command's exit code is not the place for it.
pub(super) fn finish(pieces: &Pieces, processes: &ProcessTree, output: &Path) {
    if pieces.is_empty() {
        terminal::error("nothing was recorded: no process used CUDA, NVTX or the hook");
        let _ = pieces.remove();
        return;
    }
    match gather(pieces, processes, output) {
        Ok(gathered) => {
            terminal::note(&gathered.summary(output));
            if let Err(error) = pieces.remove() {
                terminal::error(&format!("{error}"));
            }
        }
        Err(error) => terminal::error(&format!(
            "{error:#}; what was recorded is in {folder}: underspan import {folder} -o {}",
            output.display(),
            folder = pieces.folder.display(),
        )),
    }
}
