//! One chunk on its way to the file.

use std::ops::Range;

use underspan_model::ColumnRef;
use underspan_model::tables::Table;

use crate::chunk::TableEncoder;
use crate::layout::{CHUNK_HEADER_LEN, ChunkHeader, ChunkKind, NO_TIMES, limits};

/// The starts of a chunk's rows: the first, the last, and whether all are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartOrder {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) is_sorted: bool,
}

/// A chunk's header and bytes. The bytes begin with room for the header.
#[derive(Debug)]
pub(crate) struct EncodedChunk {
    pub(crate) header: ChunkHeader,
    pub(crate) bytes: Vec<u8>,
    pub(crate) order: StartOrder,
}

impl Default for EncodedChunk {
    fn default() -> Self {
        let header = ChunkHeader {
            kind: ChunkKind::Rows,
            layout: ChunkHeader::LAYOUT,
            table: 0,
            rows: 0,
            payload_len: 0,
            sequence: 0,
            payload_crc: 0,
            first_row: 0,
            times: NO_TIMES,
            decoded_len: 0,
        };
        let order = StartOrder { first: 0, last: 0, is_sorted: true };
        Self { header, bytes: Vec::new(), order }
    }
}

impl EncodedChunk {
    /// Begins a chunk; its payload is appended to `bytes`.
    pub(crate) fn start(&mut self, kind: ChunkKind, table: u16) {
        let empty = Self::default().header;
        self.header = ChunkHeader { kind, table, ..empty };
        self.bytes.clear();
        self.bytes.resize(CHUNK_HEADER_LEN, 0);
    }

    /// Makes this the chunk of some rows of a table. The rows must be within it.
    pub(crate) fn encode_rows(
        &mut self,
        encoder: &mut TableEncoder,
        table: &dyn Table,
        rows: Range<usize>,
    ) {
        self.start(ChunkKind::Rows, table.kind().code());
        self.header.rows = rows.len() as u32;
        self.header.times = time_bounds(table, &rows);
        self.order = start_order(table, &rows);
        let columns: Vec<_> =
            table.columns().into_iter().map(|column| slice(column, &rows)).collect();
        let row_len: usize = columns.iter().map(|column| column.ty().width()).sum();
        self.header.decoded_len = (row_len * rows.len()) as u32;
        encoder.encode(Some(table.kind()), table.specs(), &columns, &mut self.bytes);
    }

    /// Completes the header and returns the whole chunk; the payload's length when the format has
    /// no room for it.
    pub(crate) fn seal(&mut self) -> Result<&[u8], usize> {
        let len = self.payload().len();
        if len > limits::MAX_PAYLOAD_LEN as usize {
            return Err(len);
        }
        self.header.payload_len = len as u32;
        self.header.payload_crc = crc32c::crc32c(self.payload());
        self.bytes[..CHUNK_HEADER_LEN].copy_from_slice(&self.header.to_bytes());
        Ok(&self.bytes)
    }

    fn payload(&self) -> &[u8] {
        self.bytes.get(CHUNK_HEADER_LEN..).unwrap_or_default()
    }
}

fn slice<'a>(column: ColumnRef<'a>, rows: &Range<usize>) -> ColumnRef<'a> {
    let rows = rows.clone();
    match column {
        ColumnRef::U8(values) => ColumnRef::U8(&values[rows]),
        ColumnRef::U32(values) => ColumnRef::U32(&values[rows]),
        ColumnRef::U64(values) => ColumnRef::U64(&values[rows]),
        ColumnRef::I64(values) => ColumnRef::I64(&values[rows]),
        ColumnRef::F64(values) => ColumnRef::F64(&values[rows]),
    }
}

fn start_order(table: &dyn Table, rows: &Range<usize>) -> StartOrder {
    let starts = table.start_column().and_then(|starts| starts.get(rows.clone()));
    match starts {
        Some(starts @ [first, .., last]) => {
            StartOrder { first: *first, last: *last, is_sorted: starts.is_sorted() }
        }
        Some([only]) => StartOrder { first: *only, last: *only, is_sorted: true },
        _ => StartOrder { first: i64::MIN, last: i64::MIN, is_sorted: true },
    }
}

fn time_bounds(table: &dyn Table, rows: &Range<usize>) -> (i64, i64) {
    let Some(starts) = table.start_column() else { return NO_TIMES };
    let starts = &starts[rows.clone()];
    let earliest = starts.iter().copied().min().unwrap_or(NO_TIMES.0);
    let latest = match table.duration_column() {
        Some(durations) => {
            let rows = starts.iter().zip(&durations[rows.clone()]);
            rows.map(|(start, duration)| start.saturating_add_unsigned(*duration)).max()
        }
        None => starts.iter().copied().max(),
    };
    (earliest, latest.unwrap_or(NO_TIMES.1))
}
