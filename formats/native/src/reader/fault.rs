//! What is wrong with a stretch of a file.

use std::path::Path;

use underspan_model::{ProblemKind, ProblemLedger};

use super::ChunkEntry;
use crate::error::{Error, LayoutError};
use crate::layout::CHUNK_HEADER_LEN;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// The file ends inside a chunk.
    TornTail,
    /// Bytes that are not what the format says.
    Corrupt,
    /// Chunks that were written and are not there.
    Missing,
    /// A chunk of a later version.
    UnknownChunk,
    /// Columns of a later version.
    UnknownColumn,
    /// The index is not usable.
    NoIndex,
    /// The writer did not finish.
    Unfinished,
}

/// What is wrong with a stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) offset: u64,
    /// Rows or entries that are lost, one when that cannot be known.
    pub(crate) count: u64,
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Fault {
    pub(crate) fn new(
        kind: FaultKind,
        offset: u64,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self { kind, offset, count: 1, what, expected, found }
    }

    pub(crate) fn with_count(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// A chunk that cannot be used.
    pub(crate) fn corrupt(
        entry: &ChunkEntry,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::new(FaultKind::Corrupt, entry.offset, what, expected, found)
            .with_count(u64::from(entry.header.rows).max(1))
    }

    /// A fault in the payload of a chunk.
    pub(crate) fn in_payload(entry: &ChunkEntry, fault: LayoutError) -> Self {
        let LayoutError { offset, what, expected, found } = fault;
        let offset = entry.offset + (CHUNK_HEADER_LEN + offset) as u64;
        Self { offset, ..Self::corrupt(entry, what, expected, found) }
    }

    /// `what: expected …, found …`.
    pub(crate) fn detail(&self) -> String {
        format!("{}: expected {}, found {}", self.what, self.expected, self.found)
    }

    pub(crate) fn problem_kind(&self) -> ProblemKind {
        match self.kind {
            FaultKind::TornTail => ProblemKind::TornTail,
            FaultKind::Corrupt | FaultKind::Missing => ProblemKind::CorruptChunk,
            FaultKind::UnknownChunk => ProblemKind::UnknownChunk,
            FaultKind::UnknownColumn => ProblemKind::UnknownColumn,
            FaultKind::NoIndex => ProblemKind::MissingIndex,
            FaultKind::Unfinished => ProblemKind::UnfinishedFile,
        }
    }

    pub(crate) fn record(&self, problems: &mut ProblemLedger, source: &str) {
        problems.record(self.problem_kind(), source, self.count, || {
            format!("at offset {}: {}", self.offset, self.detail())
        });
    }

    pub(crate) fn into_error(self, path: &Path) -> Error {
        Error::Malformed {
            path: path.to_owned(),
            offset: self.offset,
            what: self.what,
            expected: self.expected,
            found: self.found,
        }
    }
}
