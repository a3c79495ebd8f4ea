//! What is wrong with a stretch of a file.

use underspan_model::{ProblemKind, ProblemLedger};

use super::ChunkEntry;
use crate::error::LayoutError;
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
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn corrupt(entry: &ChunkEntry, detail: String) -> Self {
        let count = u64::from(entry.header.rows).max(1);
        Self { kind: FaultKind::Corrupt, offset: entry.offset, count, detail }
    }

    /// A fault in the payload of a chunk.
    pub(crate) fn in_payload(entry: &ChunkEntry, fault: &LayoutError) -> Self {
        let LayoutError { offset, what, expected, found } = fault;
        let offset = entry.offset + (CHUNK_HEADER_LEN + offset) as u64;
        Self {
            offset,
            ..Self::corrupt(entry, format!("{what}: expected {expected}, found {found}"))
        }
    }

    pub(crate) fn record(&self, problems: &mut ProblemLedger, source: &str) {
        let kind = match self.kind {
            FaultKind::TornTail => ProblemKind::TornTail,
            FaultKind::Corrupt | FaultKind::Missing => ProblemKind::CorruptChunk,
            FaultKind::UnknownChunk => ProblemKind::UnknownChunk,
            FaultKind::Unfinished => ProblemKind::MissingIndex,
        };
        problems.record(kind, source, self.count, || {
            format!("at offset {}: {}", self.offset, self.detail)
        });
    }
}
