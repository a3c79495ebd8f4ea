//! A capture written piece by piece, with a note of where every piece ends.

use underspan_model::Timeline;
use underspan_model::tables::TableKind;
use underspan_native::{WriteOptions, Writer};

/// The bytes of a file and what lies where in them.
pub struct Written {
    pub bytes: Vec<u8>,
    pub pieces: Vec<Piece>,
}

/// A run of bytes between two chunk boundaries.
pub struct Piece {
    pub start: usize,
    pub end: usize,
    pub content: Content,
}

#[derive(Clone, PartialEq)]
pub enum Content {
    /// Everything that rows refer to.
    Head,
    /// Rows of an event table.
    Rows(TableKind, std::ops::Range<usize>),
    /// The problem ledger.
    Problems,
    /// Closing chunk, index and trailer.
    Tail,
}

/// Writes a timeline with at most `rows_per_chunk` rows in a chunk.
pub fn write(timeline: &Timeline, rows_per_chunk: usize, predictors: bool) -> Written {
    let options = WriteOptions { predictors, ..WriteOptions::default() };
    let mut bytes = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut writer = Writer::new(&mut bytes, &options).unwrap();
    let mut note = |end: u64, content| {
        let start = pieces.last().map_or(64, |piece| piece.end);
        pieces.push(Piece { start, end: end as usize, content });
    };
    writer.write_info(&timeline.info).unwrap();
    writer.write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions).unwrap();
    note(writer.len_bytes(), Content::Head);
    for table in timeline.tables() {
        if table.kind().code() >= TableKind::Source.code() {
            continue;
        }
        for start in (0..table.len()).step_by(rows_per_chunk) {
            let rows = start..(start + rows_per_chunk).min(table.len());
            writer.write_rows(table, rows.clone()).unwrap();
            note(writer.len_bytes(), Content::Rows(table.kind(), rows));
        }
    }
    writer.write_problems(&timeline.problems).unwrap();
    note(writer.len_bytes(), Content::Problems);
    let summary = writer.finish().unwrap();
    note(summary.bytes, Content::Tail);
    Written { bytes, pieces }
}

impl Written {
    /// The rows of a table that are in pieces for which `is_there`.
    pub fn rows(&self, kind: TableKind, is_there: impl Fn(&Piece) -> bool) -> Vec<usize> {
        let pieces = self.pieces.iter().filter(|piece| is_there(piece));
        pieces
            .filter_map(|piece| match &piece.content {
                Content::Rows(of, rows) if *of == kind => Some(rows.clone()),
                _ => None,
            })
            .flatten()
            .collect()
    }
}
