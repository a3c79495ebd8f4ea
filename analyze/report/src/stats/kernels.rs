//! GPU time by kernel name.

use underspan_classifier::short_name;
use underspan_engine::{Analysis, NamedStats};
use underspan_model::{DurationNs, Timeline};

use super::table::{Cell, DURATION_COLUMNS, StatsTable, duration_cells};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    named(timeline, &analysis.kernels.by_name, "kernel")
}

/// One row per name, with its share of the total.
pub(super) fn named(timeline: &Timeline, rows: &[NamedStats], title: &'static str) -> StatsTable {
    let mut columns = vec![("share", "share")];
    columns.extend(DURATION_COLUMNS);
    columns.push(("name", title));
    let mut table = StatsTable::new(&columns);
    let total: DurationNs = rows.iter().map(|row| row.stats.total).sum();
    for row in rows {
        let full = timeline.strings.resolve_or_empty(row.name).to_owned();
        let mut cells = vec![Cell::share_of(row.stats.total, total)];
        cells.extend(duration_cells(&row.stats));
        cells.push(Cell::Name { short: short_name(&full), full });
        table.row(cells);
    }
    table
}
