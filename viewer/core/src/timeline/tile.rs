//! What is to be drawn of one row: asked of the level-of-detail pyramid on a worker thread.

use underspan_model::tables::TableKind;
use underspan_native::{Cell, MissingChunk};

use super::TimeRange;
use super::lanes::assign_lanes;
use crate::document::{CounterCell, Document, RowKind};

/// One event, or all events that start in the same pixel and are no wider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DrawCell {
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    /// Part of its time that was busy, from zero to one.
    pub(crate) busy: f32,
    pub(crate) events: u64,
    /// Name (shape, kind) that took the most time.
    pub(crate) name: u32,
    pub(crate) table: TableKind,
    /// The row, when it is one event.
    pub(crate) row: Option<u64>,
    /// Whether it stands for what is in one pixel.
    pub(crate) is_pixel: bool,
    pub(crate) lane: u8,
}

/// What is drawn of one row in a window of time.
#[derive(Debug, Clone)]
pub(crate) struct RowTile {
    /// Position of the row in the document.
    pub(crate) row: usize,
    pub(crate) content: TileContent,
    /// Chunks that have to be loaded to draw it in full detail.
    pub(crate) missing: Vec<MissingChunk>,
    /// Events that overlap so many others that no lane was left.
    pub(crate) n_left_out: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum TileContent {
    Events { cells: Vec<DrawCell>, n_lanes: usize },
    Counter(Vec<CounterCell>),
}

impl RowTile {
    /// The cells in `[start_ns, end_ns)`, in order of start.
    pub(crate) fn cells(&self) -> &[DrawCell] {
        match &self.content {
            TileContent::Events { cells, .. } => cells,
            TileContent::Counter(_) => &[],
        }
    }

    /// Lanes its events stand on.
    pub(crate) fn n_lanes(&self) -> usize {
        match &self.content {
            TileContent::Events { n_lanes, .. } => *n_lanes,
            TileContent::Counter(_) => 1,
        }
    }

    /// Events drawn, in cells of one or of many.
    pub(crate) fn n_events(&self) -> u64 {
        self.cells().iter().map(|cell| cell.events).sum()
    }
}

/// The chunks that tiles miss, each once and as deep as any needs it.
pub(crate) fn missing_chunks(tiles: &[RowTile]) -> Vec<MissingChunk> {
    let mut missing: Vec<_> = tiles.iter().flat_map(|tile| tile.missing.iter().copied()).collect();
    MissingChunk::merge(&mut missing);
    missing
}

/// Asks what is to be drawn of a row (by its position in the document) in `window` on `n_pixels`
/// pixels. Never reads the file.
pub(crate) fn query_row(
    document: &Document,
    row: usize,
    window: TimeRange,
    n_pixels: u32,
    scratch: &mut Vec<Cell>,
) -> RowTile {
    let kind = document.rows.get(row).map(|row| row.kind);
    let (content, missing, n_left_out) = match kind {
        Some(RowKind::Events { track, table }) => {
            let tolerance = document.tolerance(window);
            let coverage = document.events.cells(track, window, n_pixels, tolerance, scratch);
            let pixel_ns = window.len_ns() as f64 / f64::from(n_pixels.max(1));
            let mut cells: Vec<DrawCell> =
                scratch.iter().map(|cell| draw_cell(cell, table, pixel_ns)).collect();
            let (n_lanes, n_left_out) = assign_lanes(&mut cells);
            (TileContent::Events { cells, n_lanes }, coverage.missing, n_left_out)
        }
        Some(RowKind::Counter(at)) => {
            let series = document.counters.get(at);
            let cells = series.map(|series| series.cells(window, n_pixels)).unwrap_or_default();
            (TileContent::Counter(cells), Vec::new(), 0)
        }
        Some(RowKind::Derived(derived)) => {
            let rows = document.derived();
            let cells = rows.map(|rows| rows.cells(derived, window, n_pixels));
            let mut cells = cells.unwrap_or_default();
            let (n_lanes, n_left_out) = assign_lanes(&mut cells);
            (TileContent::Events { cells, n_lanes }, Vec::new(), n_left_out)
        }
        Some(RowKind::Group) | None => {
            (TileContent::Events { cells: Vec::new(), n_lanes: 1 }, Vec::new(), 0)
        }
    };
    RowTile { row, content, missing, n_left_out }
}

fn draw_cell(cell: &Cell, table: TableKind, pixel_ns: f64) -> DrawCell {
    let is_pixel = cell.row.is_none() && cell.first_pixel == cell.last_pixel;
    let len = cell.end_ns.abs_diff(cell.start_ns) as f64;
    let whole = if is_pixel { pixel_ns } else { len };
    let busy =
        if cell.row.is_some() { 1.0 } else { (cell.busy_ns as f64 / whole.max(1.0)).min(1.0) };
    DrawCell {
        start_ns: cell.start_ns,
        end_ns: cell.end_ns,
        busy: busy as f32,
        events: cell.events,
        name: cell.dominant,
        table,
        row: cell.row,
        is_pixel,
        lane: 0,
    }
}
