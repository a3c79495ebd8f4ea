//! Chunk headers to a flatbuffer.

use std::collections::BTreeMap;

use flatbuffers::FlatBufferBuilder;

use crate::generated::{Chunk, Index, IndexArgs, TableStatistics, finish_index_buffer};
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, FileHeader, NO_TIMES};
use crate::writer::StartOrder;

/// What all chunks of one table come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableSummary {
    pub(crate) rows: u64,
    /// Headers included.
    pub(crate) bytes: u64,
    pub(crate) chunks: u32,
    pub(crate) times: (i64, i64),
    /// Whether every row starts no earlier than the row in front of it.
    pub(crate) is_sorted: bool,
    /// Start of the last row.
    pub(crate) last_start: i64,
}

impl Default for TableSummary {
    fn default() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            chunks: 0,
            times: NO_TIMES,
            is_sorted: true,
            last_start: i64::MIN,
        }
    }
}

impl TableSummary {
    /// Adds the next chunk of the table.
    pub(crate) fn add(&mut self, header: &ChunkHeader, order: StartOrder) {
        self.add_header(header);
        self.is_sorted &= order.is_sorted && self.last_start <= order.first;
        self.last_start = order.last;
    }

    /// Adds what a chunk's header says.
    pub(crate) fn add_header(&mut self, header: &ChunkHeader) {
        self.rows += u64::from(header.rows);
        self.bytes += CHUNK_HEADER_LEN as u64 + u64::from(header.payload_len);
        self.chunks += 1;
        self.times = (self.times.0.min(header.times.0), self.times.1.max(header.times.1));
    }
}

/// The index of a file with these chunks.
pub(crate) fn build(
    chunks: &[(u64, ChunkHeader)],
    tables: &BTreeMap<u16, TableSummary>,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::with_capacity(64 + chunks.len() * 56 + tables.len() * 40);
    let chunks: Vec<Chunk> = chunks
        .iter()
        .map(|(offset, header)| {
            Chunk::new(
                *offset,
                header.first_row,
                header.times.0,
                header.times.1,
                header.rows,
                header.payload_len,
                header.sequence,
                header.payload_crc,
                header.decoded_len,
                header.table,
                header.kind.code(),
                header.layout,
            )
        })
        .collect();
    let tables: Vec<TableStatistics> = tables
        .iter()
        .map(|(table, summary)| {
            TableStatistics::new(
                summary.rows,
                summary.bytes,
                summary.times.0,
                summary.times.1,
                summary.chunks,
                *table,
                summary.is_sorted,
            )
        })
        .collect();
    let chunks = builder.create_vector(&chunks);
    let tables = builder.create_vector(&tables);
    let index = Index::create(
        &mut builder,
        &IndexArgs {
            version: FileHeader::PLAIN.version,
            chunks: Some(chunks),
            tables: Some(tables),
        },
    );
    finish_index_buffer(&mut builder, index);
    builder.finished_data().to_vec()
}
