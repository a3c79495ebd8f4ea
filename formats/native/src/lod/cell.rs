//! What a query gives.

use super::detail::MissingChunk;

/// Something to draw: one event that is wider than a pixel, or all events that are not and start
/// in the same pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// First pixel it touches.
    pub first_pixel: u32,
    /// Last pixel it touches.
    pub last_pixel: u32,
    /// Earliest start among its events.
    pub start_ns: i64,
    /// Latest end among its events.
    pub end_ns: i64,
    /// Time within its pixels that was busy.
    pub busy_ns: u64,
    /// Number of events; none when it is only the tail of what starts one pixel earlier.
    pub events: u64,
    /// Name (or shape, or kind) that took the most time: a value of the table's name column.
    pub dominant: u32,
    /// Row of the event when it is one alone: its position in the table, in file order.
    pub row: Option<u64>,
}

/// How far the cells of a query can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Chunks that have to be loaded to draw this in full detail; until then their events are in
    /// cells wider than a pixel. Empty when the cells are exact.
    pub missing: Vec<MissingChunk>,
}

impl Coverage {
    /// Whether every event is drawn as finely as the pixels allow.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}
