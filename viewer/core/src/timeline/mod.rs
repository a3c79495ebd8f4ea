//! The timeline: what part of the time is in view, which rows stand where, and what is to be drawn
//! of each. Pure functions; drawing itself is in `paint`.

mod axis;
mod lanes;
mod layout;
mod range;
mod tile;

pub use axis::{Tick, bytes_text, count_text, duration_text, moment_text, ticks};
pub(crate) use layout::{PlacedRow, RowChoices, RowHeights, place};
pub use range::TimeRange;
pub(crate) use tile::{DrawCell, RowTile, TileContent, missing_chunks, query_row};
