//! GPU time by layer: the annotations around a launch, or around what a graph was captured from.

use underspan_engine::{Analysis, layer_stats};
use underspan_model::{DurationNs, Timeline};

use super::table::{Cell, DURATION_COLUMNS, StatsTable, duration_cells};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut columns = vec![("share", "share")];
    columns.extend(DURATION_COLUMNS);
    columns.push(("name", "layer"));
    let mut table = StatsTable::new(&columns);
    let total: DurationNs = analysis.kernels.by_name.iter().map(|row| row.stats.total).sum();
    for row in layer_stats(timeline, &analysis.correlation) {
        let mut cells = vec![Cell::share_of(row.stats.total, total)];
        cells.extend(duration_cells(&row.stats));
        cells.push(Cell::Text(row.layer));
        table.row(cells);
    }
    table
}
