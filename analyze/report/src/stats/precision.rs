//! GPU time by role, type computed in and kind of core.

use underspan_engine::Analysis;
use underspan_model::Timeline;

use super::table::{Cell, StatsTable};

pub(super) fn table(_timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let census = &analysis.precision;
    let mut table = StatsTable::new(&[
        ("share", "share"),
        ("total_ns", "total"),
        ("count", "count"),
        ("role", "role"),
        ("compute_dtype", "computes in"),
        ("tensor_core", "tensor cores"),
        ("multiplies", "multiplies"),
    ]);
    for row in &census.classes {
        table.row([
            Cell::share_of(row.total, census.total),
            Cell::Time(row.total),
            Cell::Count(row.count),
            Cell::Text(row.role.as_str().to_owned()),
            Cell::Text(row.dtype.as_str().to_owned()),
            Cell::Text(row.tensor_core.as_str().to_owned()),
            Cell::Text(if row.is_multiply { "yes" } else { "no" }.to_owned()),
        ]);
    }
    table
}
