//! What a writer gathers for the end of the file: the pyramid's leaves and the index.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use underspan_model::tables::Table;

use super::{StartOrder, Writer};
use crate::error::{Error, Result};
use crate::index::{self, TableSummary};
use crate::layout::{ChunkHeader, ChunkKind, TRAILER_LEN, Trailer};
use crate::lod::{DECODED_LEN, LeafBuilder, write_leaves};
use crate::track::TrackRows;

/// Tables with fewer events have no stored leaves: their rows are decoded as quickly.
const MIN_EVENTS: u64 = 8192;

/// What a writer gathers for the end of the file.
#[derive(Debug, Default)]
pub(super) struct Finishing {
    tables: BTreeMap<u16, TableSummary>,
    leaves: BTreeMap<u16, LeafBuilder>,
}

impl Finishing {
    /// Adds a chunk of rows to the summary of its table.
    pub(super) fn note(&mut self, header: &ChunkHeader, order: StartOrder) {
        self.tables.entry(header.table).or_default().add(header, order);
    }

    /// Adds the rows of a table's next chunk to its pyramid.
    pub(super) fn add_leaves(&mut self, table: &dyn Table, rows: Range<usize>) {
        if let Some(track_rows) = TrackRows::of(table) {
            let builder = self.leaves.entry(table.kind().code()).or_default();
            builder.add_chunk(track_rows.range(rows));
        }
    }
}

impl<W: Write> Writer<W> {
    /// Writes the leaves of all pyramids.
    pub(super) fn write_leaves(&mut self) -> Result<()> {
        for (table, builder) in std::mem::take(&mut self.finishing.leaves) {
            if builder.n_events() < MIN_EVENTS {
                continue;
            }
            let leaves = builder.finish();
            let mut first_row = 0;
            for part in leaves.chunks(self.options.chunk_rows()) {
                self.chunk.start(ChunkKind::Lod, table);
                self.chunk.header.rows = part.len() as u32;
                self.chunk.header.first_row = first_row;
                self.chunk.header.decoded_len = (part.len() * DECODED_LEN) as u32;
                write_leaves(part, &mut self.encoder, &mut self.chunk.bytes);
                self.append_current()?;
                first_row += part.len() as u64;
            }
        }
        Ok(())
    }

    /// Writes the index and the trailer that points to it.
    pub(super) fn write_index(&mut self) -> Result<()> {
        self.chunk.start(ChunkKind::Index, 0);
        let index = index::build(&self.chunks, &self.finishing.tables);
        self.chunk.bytes.extend_from_slice(&index);
        let index_offset = self.offset;
        self.append_current()?;
        let file_len = self.offset + TRAILER_LEN as u64;
        let trailer = Trailer { index_offset, file_len }.to_bytes();
        self.sink.write_all(&trailer).map_err(Error::io(&self.path, "write"))?;
        self.offset = file_len;
        Ok(())
    }
}
