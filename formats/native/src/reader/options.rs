//! Choices a reader leaves to its caller.

use underspan_model::Interval;
use underspan_model::tables::TableKind;

use crate::mapped_file::FileAccess;

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// How the file's bytes are brought into memory.
    pub access: FileAccess,
    /// Only chunks with rows in this time; rows outside it in the same chunks come along.
    /// Everything when `None`. Tables without times are always read whole.
    pub range: Option<Interval>,
    /// Only these event tables. All when `None`.
    pub tables: Option<Vec<TableKind>>,
    /// Bytes that [`crate::Reader::read_timeline`] may take; by default 1 GiB or 64 times the
    /// length of the file, whichever is more.
    pub memory_limit: Option<u64>,
}

impl ReadOptions {
    pub(crate) fn memory_limit_for(&self, file_len: u64) -> u64 {
        self.memory_limit.unwrap_or((1 << 30).max(file_len.saturating_mul(64)))
    }

    pub(crate) fn wants(&self, table: TableKind) -> bool {
        self.tables.as_ref().is_none_or(|tables| tables.contains(&table))
    }
}
