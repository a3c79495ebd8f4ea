//! `describe`: what is in a file and how large it is.

use std::collections::BTreeMap;
use std::path::Path;

use underspan_model::Interval;
use underspan_model::TimestampNs;
use underspan_model::tables::TableKind;

use crate::chunk::read_heads;
use crate::codec::Encoding;
use crate::error::Result;
use crate::inspect::verify::{Finding, finding};
use crate::layout::ChunkKind;
use crate::reader::{ReadOptions, Reader};

/// What is in a file and how large it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Version of the format the file was written in.
    pub version: u16,
    /// Length of the file.
    pub bytes: u64,
    /// Whether the writer finished.
    pub is_finished: bool,
    /// Whether there is an index.
    pub has_index: bool,
    /// Earliest start and latest end of all rows with times.
    pub window: Option<Interval>,
    /// Chunks and bytes by kind of chunk, headers included; in a packed file, those in packs.
    pub chunks: BTreeMap<ChunkKind, (u64, u64)>,
    /// Tables that have chunks, in code order.
    pub tables: Vec<TableDescription>,
    /// What is wrong between the chunks. Payloads are not checked.
    pub findings: Vec<Finding>,
}

/// One table in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// Which table; `None` for one of a later version.
    pub kind: Option<TableKind>,
    /// The table's code.
    pub code: u16,
    /// Rows in its chunks.
    pub rows: u64,
    /// Number of its chunks.
    pub chunks: u64,
    /// Bytes of its chunks, headers included.
    pub bytes: u64,
    /// Its columns, in the order they were first met; none in a packed file.
    pub columns: Vec<ColumnDescription>,
}

/// One column in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// The column's name.
    pub name: String,
    /// Bytes its values take when decoded.
    pub decoded_bytes: u64,
    /// Bytes its values take in the file.
    pub stored_bytes: u64,
    /// Chunks by encoding.
    pub encodings: Vec<EncodingUse>,
}

/// How often an encoding is used for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingUse {
    /// The encoding.
    pub encoding: Encoding,
    /// Chunks that use it.
    pub chunks: u64,
    /// Bytes in them.
    pub stored_bytes: u64,
}

impl Description {
    /// Rows of all event tables.
    pub fn event_count(&self) -> u64 {
        let is_event = |table: &&TableDescription| table.code < TableKind::Source.code();
        self.tables.iter().filter(is_event).map(|table| table.rows).sum()
    }

    /// Bytes of the file per row of an event table; `None` without rows.
    pub fn bytes_per_event(&self) -> Option<f64> {
        let n_events = self.event_count();
        (n_events > 0).then(|| self.bytes as f64 / n_events as f64)
    }
}

/// Describes a file from its chunk headers and column heads; values are not decoded.
///
/// # Errors
/// When the file cannot be read, is not a `.uspan` file or needs a newer program.
pub fn describe(path: &Path) -> Result<Description> {
    let reader = Reader::open(path, &ReadOptions::default())?;
    let mut chunks = BTreeMap::<ChunkKind, (u64, u64)>::new();
    let mut tables = BTreeMap::<u16, TableDescription>::new();
    let mut window: Option<(i64, i64)> = None;
    for entry in reader.chunks() {
        let header = &entry.header;
        let bytes = reader.stored_len(entry);
        let (n_chunks, n_bytes) = chunks.entry(header.kind).or_default();
        *n_chunks += 1;
        *n_bytes += bytes;
        if !matches!(header.kind, ChunkKind::Rows | ChunkKind::Dimension) {
            continue;
        }
        if header.times.0 <= header.times.1 {
            let (earliest, latest) = window.unwrap_or(header.times);
            window = Some((earliest.min(header.times.0), latest.max(header.times.1)));
        }
        let table = tables.entry(header.table).or_insert_with(|| TableDescription {
            kind: TableKind::from_code(header.table),
            code: header.table,
            rows: 0,
            chunks: 0,
            bytes: 0,
            columns: Vec::new(),
        });
        table.rows = match header.kind {
            // Later entries may replace earlier ones.
            ChunkKind::Dimension => table.rows.max(header.first_row + u64::from(header.rows)),
            _ => table.rows + u64::from(header.rows),
        };
        table.chunks += 1;
        table.bytes += bytes;
        // Columns of a packed chunk share what it takes.
        if reader.is_packed() {
            continue;
        }
        // A payload that cannot be read is for `verify` to tell of.
        let Ok(payload) = reader.payload_unchecked(entry) else { continue };
        for head in read_heads(payload).unwrap_or_default() {
            let decoded_bytes = (head.ty.width() * header.rows as usize) as u64;
            table.add(head.name, head.encoding, decoded_bytes, head.body.len() as u64);
        }
    }
    let instant = TimestampNs::from_ns;
    Ok(Description {
        version: reader.version(),
        bytes: reader.len_bytes(),
        is_finished: reader.is_finished(),
        has_index: reader.has_index(),
        window: window.map(|(earliest, latest)| Interval::new(instant(earliest), instant(latest))),
        chunks,
        tables: tables.into_values().collect(),
        findings: reader.faults().iter().map(finding).collect(),
    })
}

impl TableDescription {
    fn add(&mut self, name: &str, encoding: Encoding, decoded_bytes: u64, stored_bytes: u64) {
        let at = match self.columns.iter().position(|column| column.name == name) {
            Some(at) => at,
            None => {
                self.columns.push(ColumnDescription {
                    name: name.to_owned(),
                    decoded_bytes: 0,
                    stored_bytes: 0,
                    encodings: Vec::new(),
                });
                self.columns.len() - 1
            }
        };
        let column = &mut self.columns[at];
        column.decoded_bytes += decoded_bytes;
        column.stored_bytes += stored_bytes;
        match column.encodings.iter_mut().find(|used| used.encoding == encoding) {
            Some(used) => {
                used.chunks += 1;
                used.stored_bytes += stored_bytes;
            }
            None => column.encodings.push(EncodingUse { encoding, chunks: 1, stored_bytes }),
        }
    }
}
