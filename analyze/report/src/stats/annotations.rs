//! NVTX ranges and framework annotations by name.

use underspan_engine::{Analysis, annotation_stats};
use underspan_model::Timeline;

use super::table::{Cell, DURATION_COLUMNS, StatsTable, duration_cells};

pub(super) fn table(timeline: &Timeline, _analysis: &Analysis) -> StatsTable {
    let mut columns = vec![("kind", "kind")];
    columns.extend(DURATION_COLUMNS);
    columns.push(("name", "annotation"));
    let mut table = StatsTable::new(&columns);
    for (kind, rows) in annotation_stats(timeline) {
        for row in rows {
            let mut cells = vec![Cell::Text(kind.as_str().to_owned())];
            cells.extend(duration_cells(&row.stats));
            cells.push(Cell::Text(timeline.strings.resolve_or_empty(row.name).to_owned()));
            table.row(cells);
        }
    }
    table
}
