//! `recover`: a sound file out of a damaged or unfinished one.

use std::path::Path;

use crate::error::Result;
use crate::inspect::verify::{Finding, finding};
use crate::reader::{ReadOptions, Reader};
use crate::writer::{WriteOptions, WriteSummary, write_timeline};

/// What [`recover`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverReport {
    /// Rows of event tables that were saved.
    pub rows: u64,
    /// What was wrong with the input, in file order. The output's problem ledger says the same.
    pub findings: Vec<Finding>,
    /// The file that was written.
    pub written: WriteSummary,
}

/// Reads whatever is whole in `input` and writes it to `output` as a finished file with an index.
///
/// What could not be read is in the report, and in the problem ledger of the new file.
///
/// # Errors
/// When `input` cannot be read at all or decodes to more than [`ReadOptions::memory_limit`], or
/// `output` cannot be written.
pub fn recover(input: &Path, output: &Path, options: &WriteOptions) -> Result<RecoverReport> {
    let reader = Reader::open(input, &ReadOptions::default())?;
    let (timeline, faults) = reader.read_timeline_with_faults()?;
    let written = write_timeline(output, &timeline, options)?;
    let mut findings: Vec<Finding> = faults.iter().map(finding).collect();
    findings.sort_by_key(|finding| finding.offset);
    Ok(RecoverReport { rows: timeline.event_count(), findings, written })
}
