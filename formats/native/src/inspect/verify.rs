//! `verify`: every header, every checksum, every value decoded.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use underspan_model::tables::TableKind;
use underspan_model::{ProblemKind, Severity, Timeline};

use crate::chunk::TableDecoder;
use crate::error::Result;
use crate::layout::ChunkKind;
use crate::lod::read_leaves;
use crate::reader::{ChunkEntry, Fault, FaultKind, ReadOptions, Reader, column_targets, set_len};
use crate::writer::is_dimension;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where in the file.
    pub offset: u64,
    /// What.
    pub kind: ProblemKind,
    /// Rows, entries or chunks it concerns.
    pub count: u64,
    /// What was expected and what found.
    pub detail: String,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Version of the format the file was written in.
    pub version: u16,
    /// Length of the file.
    pub bytes: u64,
    /// Chunks that are whole.
    pub chunks: u64,
    /// Rows of event tables in chunks that are whole.
    pub rows: u64,
    /// Whether the writer finished.
    pub is_finished: bool,
    /// Whether the index is there and sound.
    pub has_index: bool,
    /// What is wrong, in file order.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing is lost and nothing damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind.severity() < Severity::Loss)
    }
}

/// Checks all of a file, chunk by chunk, in memory that does not grow with the number of rows.
///
/// # Errors
/// When the file cannot be read, is not a `.uspan` file or needs a newer program. Damage is not an
/// error but a finding.
pub fn verify(path: &Path) -> Result<VerifyReport> {
    let reader = Reader::open(path, &ReadOptions::default())?;
    let mut faults = reader.faults().to_vec();
    faults.extend(reader.unknown_chunks());
    reader.check_head_memory()?;
    let mut head = Timeline::new();
    reader.read_dictionaries(&mut head, &mut faults)?;

    check_leaves(&reader, &mut faults)?;

    let chunks: Vec<(TableKind, &ChunkEntry)> = event_tables()
        .flat_map(|kind| {
            let chunks = reader.row_chunks(kind, None, &mut faults);
            chunks.into_iter().map(move |entry| (kind, entry)).collect::<Vec<_>>()
        })
        .collect();
    let failed: Vec<Option<Fault>> = chunks
        .par_iter()
        .map_init(
            || (TableDecoder::new(), Timeline::new()),
            |(decoder, scratch), (kind, entry)| decode(&reader, *kind, entry, decoder, scratch),
        )
        .collect();
    let mut rows = BTreeMap::<TableKind, u64>::new();
    for ((kind, entry), fault) in chunks.iter().zip(failed) {
        match fault {
            Some(fault) => faults.push(fault),
            None => *rows.entry(*kind).or_default() += u64::from(entry.header.rows),
        }
    }
    let rows_of = |kind| match is_dimension(kind) {
        true => head.table(kind).len() as u64,
        false => rows.get(&kind).copied().unwrap_or_default(),
    };
    reader.compare_with_end(rows_of, &mut faults);
    let mut findings: Vec<Finding> = faults.iter().map(finding).collect();
    findings.sort_by_key(|finding| finding.offset);
    Ok(VerifyReport {
        version: reader.version(),
        bytes: reader.len_bytes(),
        chunks: reader.chunks().len() as u64,
        rows: rows.values().sum(),
        is_finished: reader.is_finished(),
        has_index: reader.has_index(),
        findings,
    })
}

/// Checks the chunks that reading a timeline does not touch.
fn check_leaves(reader: &Reader, faults: &mut Vec<Fault>) -> Result<()> {
    let mut decoder = TableDecoder::new().map_err(reader.set_up_error())?;
    for entry in reader.chunks() {
        let checked = match entry.header.kind {
            ChunkKind::Lod => reader.payload(entry).and_then(|payload| {
                read_leaves(payload, entry.header.rows as usize, &mut decoder)
                    .map(|_| ())
                    .map_err(|fault| Fault::in_payload(entry, fault))
            }),
            ChunkKind::Unknown(_) | ChunkKind::Index => reader.payload(entry).map(|_| ()),
            ChunkKind::Rows | ChunkKind::Dimension
                if TableKind::from_code(entry.header.table).is_none() =>
            {
                reader.payload(entry).map(|_| ())
            }
            _ => Ok(()),
        };
        faults.extend(checked.err());
    }
    Ok(())
}

pub(super) fn finding(fault: &Fault) -> Finding {
    Finding {
        offset: fault.offset,
        kind: fault.problem_kind(),
        count: fault.count,
        detail: fault.detail(),
    }
}

pub(super) fn event_tables() -> impl Iterator<Item = TableKind> {
    TableKind::ALL.iter().copied().filter(|kind| !is_dimension(*kind))
}

/// Decodes a chunk into `scratch`; the fault when that does not work.
fn decode(
    reader: &Reader,
    kind: TableKind,
    entry: &ChunkEntry,
    decoder: &mut std::io::Result<TableDecoder>,
    scratch: &mut Timeline,
) -> Option<Fault> {
    let decoder = match decoder {
        Ok(decoder) => decoder,
        Err(error) => return Some(Fault::corrupt(entry, "decompression", "memory", error)),
    };
    let rows = entry.header.rows as usize;
    let table = scratch.table_mut(kind);
    let specs = table.specs();
    for column in table.columns_mut() {
        set_len(column, rows);
    }
    let mut targets = column_targets(specs, table.columns_mut(), 0, rows);
    let decoded = reader.payload(entry).and_then(|payload| {
        decoder
            .decode(payload, rows, specs, &mut targets)
            .map_err(|fault| Fault::in_payload(entry, fault))
    });
    match decoded {
        Ok(0) => None,
        Ok(n_unknown) => {
            let found = format!("{n_unknown} more in a chunk of {}", kind.name());
            let (what, expected) = ("columns", "those of this version");
            Some(Fault::new(FaultKind::UnknownColumn, entry.offset, what, expected, found))
        }
        Err(fault) => Some(fault),
    }
}
