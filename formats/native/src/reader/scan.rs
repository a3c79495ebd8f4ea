//! Finding the chunks of a file by going from header to header.

use std::collections::BTreeMap;
use std::path::Path;

use super::moment::moment;
use super::{ChunkEntry, Fault, FaultKind};
use crate::error::{LayoutError, Result};
use crate::index::{self, TableSummary};
use crate::layout::{
    CHUNK_HEADER_LEN, CHUNK_MAGIC, ChunkHeader, ChunkKind, FILE_HEADER_LEN, FileHeader, NO_TIMES,
    TRAILER_LEN, Trailer,
};

const TORN: &str = "bytes of a chunk";
const WHOLE: &str = "all of them";

/// The chunks of a file and what is wrong between them.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) version: u16,
    pub(crate) chunks: Vec<ChunkEntry>,
    pub(crate) faults: Vec<Fault>,
    /// Whether the writer's closing chunk is there.
    pub(crate) is_finished: bool,
    /// Sums over the chunks of each table, from an index that fits the chunks.
    pub(crate) tables: Option<BTreeMap<u16, TableSummary>>,
}

impl Scan {
    /// Goes through `file` from the front; payloads are not looked at. An index is not relied on
    /// for where chunks are: going from header to header costs one page each, and an index cannot
    /// then leave any out.
    pub(crate) fn of(file: &[u8], path: &Path) -> Result<Self> {
        let version = FileHeader::parse(file, path)?.version;
        let trailer = Trailer::of_file(file);
        let end = file.len() - if trailer.is_some() { TRAILER_LEN } else { 0 };
        let mut scan = Self {
            version,
            chunks: Vec::new(),
            faults: Vec::new(),
            is_finished: false,
            tables: None,
        };
        scan.walk(file.get(..end).unwrap_or_default());
        if let Some(trailer) = trailer {
            match index::load(file, &trailer, &scan.chunks) {
                Ok(tables) => scan.tables = Some(tables),
                Err(reason) => {
                    let (offset, kind) = (trailer.index_offset, FaultKind::NoIndex);
                    let expected = "a copy of the chunk headers";
                    scan.faults.push(Fault::new(kind, offset, "index", expected, reason));
                }
            }
        }
        if !scan.is_finished {
            let (what, expected) = ("closing chunk", "one at the end");
            let found = match scan.latest_ns() {
                Some(latest_ns) => format!("none; its rows end at {}", moment(latest_ns)),
                None => "none, and no rows".to_owned(),
            };
            scan.faults.push(Fault::new(FaultKind::Unfinished, end as u64, what, expected, found));
        }
        Ok(scan)
    }

    /// The end of the last row: what was written last is not much older.
    fn latest_ns(&self) -> Option<i64> {
        let rows = self.chunks.iter().filter(|chunk| chunk.header.kind == ChunkKind::Rows);
        let times = rows.map(|chunk| chunk.header.times);
        times.filter(|times| *times != NO_TIMES).map(|(_, latest)| latest).max()
    }

    fn walk(&mut self, file: &[u8]) {
        let mut at = FILE_HEADER_LEN;
        let mut next_sequence = 0;
        // Bytes whose checksum may be computed to find torn chunks: bounds the work on a file made
        // to have many of them.
        let mut budget = file.len().saturating_mul(2);
        while at < file.len() {
            let rest = &file[at..];
            match chunk_at(rest, next_sequence) {
                Ok(header) => {
                    self.note_missing(at, next_sequence, header.sequence);
                    next_sequence = header.sequence.wrapping_add(1);
                    let entry = ChunkEntry { offset: at as u64, header };
                    let whole_len = CHUNK_HEADER_LEN + header.payload_len as usize;
                    if whole_len <= rest.len() {
                        self.is_finished |= header.kind == ChunkKind::End;
                        self.chunks.push(entry);
                        at += whole_len;
                    } else if let Some(skipped) = next_chunk(rest, next_sequence) {
                        // A write that failed in the middle, and others after it.
                        self.faults.push(Fault::corrupt(
                            &entry,
                            TORN,
                            WHOLE,
                            format_args!("{skipped}"),
                        ));
                        at += skipped;
                    } else {
                        self.torn(at, header.rows.max(1).into(), rest.len(), whole_len);
                        return;
                    }
                }
                Err(fault) => {
                    // A torn chunk's length leads into the chunks behind it.
                    let is_torn = self.take_torn(file, at, &mut budget);
                    let from = match self.faults.last() {
                        Some(fault) if is_torn => fault.offset as usize,
                        _ => at,
                    };
                    let next = next_chunk(&file[from..], next_sequence);
                    if !is_torn && rest.len() < CHUNK_HEADER_LEN {
                        return self.torn(at, 1, rest.len(), CHUNK_HEADER_LEN);
                    }
                    if !is_torn {
                        self.unreadable(at, fault, rest, next);
                    }
                    at = next.map_or(file.len(), |skipped| from + skipped);
                }
            }
        }
    }

    /// Takes the last chunk back when it ends at `at` and its payload is not what its header says.
    fn take_torn(&mut self, file: &[u8], at: usize, budget: &mut usize) -> bool {
        let Some(last) = self.chunks.last().copied() else { return false };
        let payload = last.offset as usize + CHUNK_HEADER_LEN..at;
        let len = last.header.payload_len as usize;
        if payload.len() != len || *budget < len {
            return false;
        }
        *budget -= len;
        if file.get(payload).is_some_and(|bytes| crc32c::crc32c(bytes) == last.header.payload_crc) {
            return false;
        }
        self.chunks.pop();
        self.is_finished = self.chunks.iter().any(|chunk| chunk.header.kind == ChunkKind::End);
        self.faults.push(Fault::corrupt(&last, TORN, WHOLE, "others in its place"));
        true
    }

    fn unreadable(&mut self, at: usize, fault: LayoutError, rest: &[u8], next: Option<usize>) {
        let skipped = next.unwrap_or(rest.len());
        let is_blank = next.is_none() && rest.iter().all(|byte| *byte == 0);
        let LayoutError { offset, what, expected, found } = fault;
        let kind = match (is_blank, self.is_finished && next.is_none()) {
            // Only the index and its trailer stand behind the closing chunk.
            (_, true) => FaultKind::NoIndex,
            (true, false) => FaultKind::TornTail,
            (false, false) => FaultKind::Corrupt,
        };
        let found = format!("{found}; {skipped} bytes skipped");
        self.faults.push(Fault::new(kind, (at + offset) as u64, what, expected, found));
    }

    fn note_missing(&mut self, at: usize, expected: u32, found: u32) {
        // A stretch that was skipped already stands for the chunks that were in it.
        let is_explained = self.faults.last().is_some_and(|fault| {
            fault.kind == FaultKind::Corrupt
                && self.chunks.last().is_none_or(|chunk| chunk.offset < fault.offset)
        });
        if found > expected && !is_explained {
            let what = "sequence of a chunk";
            let fault = Fault::new(FaultKind::Missing, at as u64, what, expected, found);
            self.faults.push(fault.with_count((found - expected).into()));
        }
    }

    fn torn(&mut self, at: usize, count: u64, found: usize, expected: usize) {
        let expected = format!("{expected} bytes");
        let found = format!("{found} before the end of the file");
        // After the closing chunk only the index can be torn, and it holds nothing of its own.
        let (kind, count, what) = match self.is_finished {
            true => (FaultKind::NoIndex, 1, "index"),
            false => (FaultKind::TornTail, count, "chunk"),
        };
        let fault = Fault::new(kind, at as u64, what, expected, found);
        self.faults.push(fault.with_count(count));
    }
}

/// The header at the front of `bytes`, when it can follow the chunks before it.
fn chunk_at(bytes: &[u8], next_sequence: u32) -> Result<ChunkHeader, LayoutError> {
    let header = ChunkHeader::parse(bytes)?;
    if header.sequence < next_sequence {
        return Err(LayoutError::new(
            16,
            "sequence of a chunk",
            format_args!("at least {next_sequence}"),
            header.sequence,
        ));
    }
    Ok(header)
}

/// Offset of the next whole chunk in `bytes` after its first byte.
fn next_chunk(bytes: &[u8], next_sequence: u32) -> Option<usize> {
    let mut from = 1;
    loop {
        let found = bytes.get(from..)?.windows(CHUNK_MAGIC.len()).position(|w| w == CHUNK_MAGIC)?;
        let at = from + found;
        if let Ok(header) = chunk_at(&bytes[at..], next_sequence)
            && CHUNK_HEADER_LEN + header.payload_len as usize <= bytes.len() - at
        {
            return Some(at);
        }
        from = at + 1;
    }
}
