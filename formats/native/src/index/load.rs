//! A flatbuffer to chunk headers, with everything that can be checked without reading the chunks.

use std::collections::BTreeMap;

use flatbuffers::VerifierOptions;

use super::TableSummary;
use crate::generated::root_as_index_with_opts;
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, FILE_HEADER_LEN, Trailer};
use crate::reader::ChunkEntry;

/// What an index says.
#[derive(Debug)]
pub(crate) struct LoadedIndex {
    /// Every chunk, the index itself at the end.
    pub(crate) chunks: Vec<ChunkEntry>,
    pub(crate) tables: BTreeMap<u16, TableSummary>,
}

/// Loads the index that the trailer of `file` points to; in words why not.
///
/// The chunks must lie end to end from the file header to the index and be numbered without a
/// gap, so that an index cannot leave any of them out.
pub(crate) fn load(file: &[u8], trailer: &Trailer) -> Result<LoadedIndex, String> {
    let at = usize::try_from(trailer.index_offset).map_err(|_| "an offset too large")?;
    let bytes = file.get(at..).ok_or("an offset behind the end")?;
    let header = ChunkHeader::parse(bytes).map_err(|fault| {
        format!("{}: expected {}, found {}", fault.what, fault.expected, fault.found)
    })?;
    if header.kind != ChunkKind::Index {
        return Err(format!("a chunk of kind {}", header.kind.name()));
    }
    let payload = bytes
        .get(CHUNK_HEADER_LEN..CHUNK_HEADER_LEN + header.payload_len as usize)
        .ok_or("a chunk that ends behind the end of the file")?;
    if crc32c::crc32c(payload) != header.payload_crc {
        return Err("a checksum that is wrong".to_owned());
    }
    // The vectors hold plain structs: however many chunks, the verifier meets one table.
    let limits = VerifierOptions {
        max_depth: 8,
        max_tables: 16,
        max_apparent_size: 1 << 30,
        ignore_missing_null_terminator: false,
    };
    let index = root_as_index_with_opts(&limits, payload).map_err(|error| error.to_string())?;

    let mut chunks = Vec::with_capacity(index.chunks().len() + 1);
    let mut next_offset = FILE_HEADER_LEN as u64;
    for (sequence, chunk) in index.chunks().iter().enumerate() {
        let header = ChunkHeader {
            kind: ChunkKind::from_code(chunk.kind()),
            layout: chunk.layout(),
            table: chunk.table(),
            rows: chunk.rows(),
            payload_len: chunk.payload_len(),
            sequence: chunk.sequence(),
            payload_crc: chunk.payload_crc(),
            first_row: chunk.first_row(),
            times: (chunk.earliest(), chunk.latest()),
            decoded_len: chunk.decoded_len(),
        };
        header.check_bounds().map_err(|fault| fault.what.to_owned())?;
        if chunk.offset() != next_offset || header.sequence as usize != sequence {
            return Err(format!("chunk {sequence} at offset {}", chunk.offset()));
        }
        next_offset += CHUNK_HEADER_LEN as u64 + u64::from(header.payload_len);
        chunks.push(ChunkEntry { offset: chunk.offset(), header });
    }
    if next_offset != trailer.index_offset || header.sequence as usize != chunks.len() {
        return Err(format!("chunks up to offset {next_offset}"));
    }
    if !chunks.iter().any(|chunk| chunk.header.kind == ChunkKind::End) {
        return Err("no closing chunk".to_owned());
    }
    chunks.push(ChunkEntry { offset: trailer.index_offset, header });
    let tables = index.tables().iter().map(|table| {
        let summary = TableSummary {
            rows: table.rows(),
            bytes: table.bytes(),
            chunks: table.chunks(),
            times: (table.earliest(), table.latest()),
            is_sorted: table.is_sorted(),
            last_start: table.latest(),
        };
        (table.table(), summary)
    });
    Ok(LoadedIndex { chunks, tables: tables.collect() })
}

impl LoadedIndex {
    /// Whether the sums over each table's chunks are those of the chunks listed.
    pub(crate) fn fits_its_chunks(&self) -> bool {
        let mut summed = BTreeMap::<u16, TableSummary>::new();
        for ChunkEntry { header, .. } in &self.chunks {
            if header.kind == ChunkKind::Rows {
                summed.entry(header.table).or_default().add_header(header);
            }
        }
        let sums = |table: &TableSummary| (table.rows, table.bytes, table.chunks, table.times);
        summed.len() == self.tables.len()
            && summed
                .iter()
                .zip(&self.tables)
                .all(|((code, summed), (of, listed))| code == of && sums(summed) == sums(listed))
    }
}
