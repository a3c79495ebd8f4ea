//! Which columns of a table say on what a row ran and what it was: the key and the name that the
//! level-of-detail pyramid groups by and that predictions are made from.

use underspan_model::tables::TableKind;

/// Name of the column with starts.
pub(crate) const START_COLUMN: &str = "start_ns";
/// Name of the column with lengths.
pub(crate) const DURATION_COLUMN: &str = "duration_ns";

/// The columns of a table that group its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackColumns {
    /// What a row ran on.
    pub(crate) key: &'static str,
    /// What a row was.
    pub(crate) name: &'static str,
}

/// The grouping columns of a table; `None` for tables whose rows have no length.
pub(crate) const fn track_columns(kind: TableKind) -> Option<TrackColumns> {
    let (key, name) = match kind {
        TableKind::Kernel => ("stream", "shape"),
        TableKind::Memcpy | TableKind::Sync => ("stream", "kind"),
        TableKind::Memset => ("stream", "memory"),
        TableKind::GraphLaunch => ("stream", "graph_id"),
        TableKind::ApiCall | TableKind::Overhead | TableKind::Annotation | TableKind::CpuOp => {
            ("thread", "name")
        }
        TableKind::Span => ("service", "name"),
        TableKind::Step => ("process", "name"),
        _ => return None,
    };
    Some(TrackColumns { key, name })
}
