//! A flatbuffer to sums per table, once it is known to be a true copy of the chunk headers.

use std::collections::BTreeMap;

use flatbuffers::VerifierOptions;

use super::TableSummary;
use crate::generated::{Chunk, root_as_index_with_opts};
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, Trailer};
use crate::reader::ChunkEntry;

/// Loads the sums per table of the index that the trailer of `file` points to, when the index is a
/// true copy of the headers of `chunks`; in words why not.
pub(crate) fn load(
    file: &[u8],
    trailer: &Trailer,
    chunks: &[ChunkEntry],
) -> Result<BTreeMap<u16, TableSummary>, String> {
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

    // The index is the last chunk and does not list itself.
    let listed = index.chunks();
    if listed.len() + 1 != chunks.len() {
        return Err(format!("{} chunks of {}", listed.len(), chunks.len().saturating_sub(1)));
    }
    if let Some((_, entry)) = listed.iter().zip(chunks).find(|(chunk, entry)| !is_of(chunk, entry))
    {
        return Err(format!("another chunk at offset {}", entry.offset));
    }
    let tables: BTreeMap<u16, TableSummary> = index
        .tables()
        .iter()
        .map(|table| {
            let summary = TableSummary {
                rows: table.rows(),
                bytes: table.bytes(),
                chunks: table.chunks(),
                times: (table.earliest(), table.latest()),
                is_sorted: table.is_sorted(),
                last_start: table.latest(),
            };
            (table.table(), summary)
        })
        .collect();
    if !fits(&tables, chunks) {
        return Err("other sums over the chunks".to_owned());
    }
    Ok(tables)
}

fn is_of(chunk: &Chunk, entry: &ChunkEntry) -> bool {
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
    *entry == ChunkEntry { offset: chunk.offset(), header }
}

/// Whether the sums over each table's chunks are those of the chunks.
fn fits(tables: &BTreeMap<u16, TableSummary>, chunks: &[ChunkEntry]) -> bool {
    let mut summed = BTreeMap::<u16, TableSummary>::new();
    for ChunkEntry { header, .. } in chunks {
        if header.kind == ChunkKind::Rows {
            summed.entry(header.table).or_default().add_header(header);
        }
    }
    let sums = |table: &TableSummary| (table.rows, table.bytes, table.chunks, table.times);
    summed.len() == tables.len()
        && summed
            .iter()
            .zip(tables)
            .all(|((code, summed), (of, listed))| code == of && sums(summed) == sums(listed))
}
