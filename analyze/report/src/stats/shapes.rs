//! GPU time by launch shape: the same kernel on different problem sizes apart.

use underspan_classifier::short_name;
use underspan_engine::Analysis;
use underspan_model::{Bytes, DurationNs, NONE_U32, Timeline};

use super::table::{Cell, DURATION_COLUMNS, StatsTable, duration_cells};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut columns = vec![("share", "share")];
    columns.extend(DURATION_COLUMNS);
    columns.extend([
        ("grid", "grid"),
        ("block", "block"),
        ("registers_per_thread", "registers"),
        ("shared_bytes", "shared"),
        ("name", "kernel"),
    ]);
    let mut table = StatsTable::new(&columns);
    let rows = &analysis.kernels.by_shape;
    let total: DurationNs = rows.iter().map(|row| row.stats.total).sum();
    for row in rows {
        let full = timeline.strings.resolve_or_empty(row.name).to_owned();
        let mut cells = vec![Cell::share_of(row.stats.total, total)];
        cells.extend(duration_cells(&row.stats));
        match timeline.shapes.resolve(row.shape) {
            Some(shape) => cells.extend([
                dimensions(shape.grid),
                dimensions(shape.block),
                known(shape.registers_per_thread, |n| Cell::Count(n.into())),
                shared(shape.static_shared_bytes, shape.dynamic_shared_bytes),
            ]),
            None => cells.extend([Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing]),
        }
        cells.push(Cell::Name { short: short_name(&full), full });
        table.row(cells);
    }
    table
}

fn dimensions([x, y, z]: [u32; 3]) -> Cell {
    if [x, y, z] == [0; 3] { Cell::Missing } else { Cell::Text(format!("{x}x{y}x{z}")) }
}

fn known(value: u32, cell: impl Fn(u32) -> Cell) -> Cell {
    if value == NONE_U32 { Cell::Missing } else { cell(value) }
}

fn shared(fixed: u32, dynamic: u32) -> Cell {
    let size = |bytes: u32| if bytes == NONE_U32 { 0 } else { u64::from(bytes) };
    if fixed == NONE_U32 && dynamic == NONE_U32 {
        return Cell::Missing;
    }
    Cell::Size(Bytes::new(size(fixed) + size(dynamic)))
}
