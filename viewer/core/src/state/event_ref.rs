//! One event, wherever its row is kept.

use serde::{Deserialize, Serialize};
use underspan_model::tables::TableKind;

use crate::timeline::TimeRange;

/// One event: where its row is, and enough of it to find and draw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Code of the table, see [`TableKind::code`].
    pub table: u16,
    /// Row of the table.
    pub row: u64,
    /// Stream, thread, process or service.
    pub key: u32,
    /// Shape, name or kind.
    pub name: u32,
    /// Start in nanoseconds of the capture's clock.
    pub start_ns: i64,
    /// End in nanoseconds of the capture's clock.
    pub end_ns: i64,
}

impl EventRef {
    /// The table; `None` for a code of a later version.
    pub fn kind(&self) -> Option<TableKind> {
        TableKind::from_code(self.table)
    }

    /// From its start to its end.
    pub fn range(&self) -> TimeRange {
        TimeRange::from_ns(self.start_ns, self.end_ns)
    }

    /// Length in nanoseconds.
    pub fn len_ns(&self) -> u64 {
        self.end_ns.abs_diff(self.start_ns)
    }
}
