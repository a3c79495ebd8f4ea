//! How much there is to join, and whether this machine can do it beside the server.

use std::path::Path;

use underspan_launcher::Pieces;

/// Memory that a row may take while captures are joined, bytes: twice its columns, since parts and
/// the whole are there at the same time.
const ROW_BYTES: u64 = 120;
/// A single capture of this length is moved rather than read and written again.
const MOVE_FROM_BYTES: u64 = 64 << 20;

/// What pieces weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Rows of captures.
    pub(super) n_rows: u64,
    /// Bytes of captures.
    pub(super) bytes: u64,
}

/// How pieces become one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Read, joined and written.
    Join,
    /// The only capture is the whole.
    Move,
    /// From file to file: in memory it would take this much, in bytes.
    Stream(u64),
}

/// Adds up what is known without reading rows.
pub(super) fn weigh(pieces: &Pieces) -> Weight {
    let segments = pieces.rings.iter().flat_map(|ring| Pieces::segments(ring).unwrap_or_default());
    let mut weight = Weight::default();
    for path in pieces.captures.iter().cloned().chain(segments) {
        let (n_rows, bytes) = weight_of(&path);
        weight.n_rows = weight.n_rows.saturating_add(n_rows);
        weight.bytes = weight.bytes.saturating_add(bytes);
    }
    weight
}

/// Rows and bytes of one file; what cannot be read weighs nothing and is counted later.
fn weight_of(path: &Path) -> (u64, u64) {
    let Ok(description) = underspan_native::describe(path) else { return (0, 0) };
    (description.tables.iter().map(|table| table.rows).sum(), description.bytes)
}

/// Decides, with `available_bytes` of memory free.
pub(super) fn way(pieces: &Pieces, weight: Weight, available_bytes: u64) -> Way {
    let is_alone = pieces.captures.len() == 1
        && pieces.rings.is_empty()
        && pieces.others.is_empty()
        && pieces.flushed.is_empty()
        && pieces.stretch.is_none();
    let needed = weight.n_rows.saturating_mul(ROW_BYTES);
    // The server needs memory too.
    let is_too_much = needed > available_bytes / 2;
    match (is_alone, is_too_much) {
        (true, _) if is_too_much || weight.bytes >= MOVE_FROM_BYTES => Way::Move,
        (_, true) => Way::Stream(needed),
        _ => Way::Join,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_captures_are_moved_or_joined_from_file_to_file() {
        let pieces = |n: usize| Pieces { captures: vec!["a".into(); n], ..Pieces::default() };
        let heavy = Weight { n_rows: 1_000_000, bytes: 5_000_000 };
        assert_eq!(way(&pieces(1), heavy, 1 << 30), Way::Join);
        assert_eq!(way(&pieces(2), heavy, 1 << 30), Way::Join);
        assert_eq!(way(&pieces(1), heavy, 100 << 20), Way::Move);
        assert_eq!(way(&pieces(2), heavy, 100 << 20), Way::Stream(120_000_000));
        let long = Weight { n_rows: 10, bytes: 64 << 20 };
        assert_eq!(way(&pieces(1), long, u64::MAX), Way::Move);
        let cut = Pieces { stretch: Some((0, 1)), ..pieces(1) };
        assert_eq!(way(&cut, heavy, 100 << 20), Way::Stream(120_000_000));
    }
}
