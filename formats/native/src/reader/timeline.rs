//! A whole file to a [`Timeline`]: columns are made as long as all chunks together, and every
//! chunk is decoded into its own part of them, side by side.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use underspan_model::tables::{Table, TableKind};
use underspan_model::{ColumnMut, ColumnSpec, ProblemKind, Timeline, give_up_if_cancelled};

use super::references::References;
use super::{ChunkEntry, Fault, Reader};
use crate::chunk::{ColumnSlice, TableDecoder, TargetColumn};
use crate::error::{Error, Result};
use crate::layout::ChunkKind;
use crate::mapped_file::prefer_huge_pages;
use crate::writer::is_dimension;

/// One chunk and the part of the columns it fills.
struct Job<'a> {
    entry: &'a ChunkEntry,
    specs: &'static [ColumnSpec],
    targets: Vec<TargetColumn<'a>>,
}

/// What came of a [`Job`].
#[derive(Default)]
struct Decoded {
    n_unknown_columns: usize,
    n_dangling: u64,
}

impl Reader {
    /// Reads everything into memory, in order of start within each table.
    ///
    /// # Errors
    /// When it would take more memory than [`crate::ReadOptions::memory_limit`].
    pub fn read_timeline(&self) -> Result<Timeline> {
        self.read_timeline_with_faults().map(|(timeline, _)| timeline)
    }

    pub(crate) fn read_timeline_with_faults(&self) -> Result<(Timeline, Vec<Fault>)> {
        self.check_memory(|entry| self.is_wanted(entry))?;
        let mut timeline = Timeline::new();
        let mut faults = self.scan.faults.clone();
        let (maps, mut n_dangling) = self.read_dictionaries(&mut timeline, &mut faults)?;
        let references = References::new(&timeline, &maps);

        let chunks = self.wanted_chunks(&mut faults);
        let mut n_unknown_columns = 0;
        let mut failed: BTreeMap<TableKind, Vec<Range<usize>>> = BTreeMap::new();
        let outcomes: Vec<_> = {
            let jobs = self.jobs(&mut timeline, &chunks);
            jobs.into_par_iter()
                .map_init(TableDecoder::new, |decoder, job| {
                    give_up_if_cancelled();
                    self.decode(decoder, job, &references)
                })
                .collect()
        };
        let mut rows_before: BTreeMap<TableKind, usize> = BTreeMap::new();
        for ((kind, entry), outcome) in chunks.iter().copied().zip(outcomes) {
            let first = rows_before.entry(kind).or_default();
            let rows = *first..*first + entry.header.rows as usize;
            *first = rows.end;
            match outcome {
                Ok(decoded) => {
                    n_dangling += decoded.n_dangling;
                    n_unknown_columns += decoded.n_unknown_columns;
                }
                Err(fault) => {
                    faults.push(fault);
                    failed.entry(kind).or_default().push(rows);
                }
            }
        }
        for (kind, ranges) in failed {
            for rows in ranges.into_iter().rev() {
                remove_rows(timeline.table_mut(kind), &rows);
            }
        }
        if self.options.range.is_none() && self.options.tables.is_none() {
            self.compare_with_end(|kind| timeline.table(kind).len() as u64, &mut faults);
        }

        let source = self.source_name();
        for fault in &faults {
            fault.record(&mut timeline.problems, &source);
        }
        let problems = &mut timeline.problems;
        problems.record(ProblemKind::UnknownColumn, &source, n_unknown_columns as u64, || {
            "columns of a later version".to_owned()
        });
        problems.record(ProblemKind::DanglingReference, &source, n_dangling, || {
            "a row of the file".to_owned()
        });
        timeline.sort();
        Ok((timeline, faults))
    }

    /// Refuses a file whose chunks decode to more than the limit, as far as they are `counted`.
    pub(super) fn check_memory(&self, counted: impl Fn(&ChunkEntry) -> bool) -> Result<()> {
        let example = Timeline::new();
        let row_len =
            |kind| example.table(kind).specs().iter().map(|s| s.ty.width()).sum::<usize>();
        let counted = self.scan.chunks.iter().filter(|entry| counted(entry));
        let needed = counted.map(|entry| {
            let header = &entry.header;
            let rows = u64::from(header.rows);
            match (header.kind, TableKind::from_code(header.table)) {
                (ChunkKind::Rows, Some(kind)) => rows * row_len(kind) as u64,
                (ChunkKind::Dimension, Some(kind)) => {
                    (header.first_row.saturating_add(rows)).saturating_mul(row_len(kind) as u64)
                }
                (ChunkKind::Strings | ChunkKind::Shapes, _) => {
                    u64::from(header.decoded_len) + rows * 64
                }
                _ => u64::from(header.payload_len),
            }
        });
        let needed = needed.fold(0u64, u64::saturating_add);
        let limit = self.options.memory_limit_for(self.file.bytes().len() as u64);
        if needed <= limit {
            return Ok(());
        }
        Err(Error::OverMemoryLimit { path: self.path.clone(), needed, limit })
    }

    /// Whether a chunk is of a kind, table and time that the options ask for.
    fn is_wanted(&self, entry: &ChunkEntry) -> bool {
        let header = &entry.header;
        let kind = TableKind::from_code(header.table);
        header.kind != ChunkKind::Rows
            || kind.is_some_and(|kind| self.options.wants(kind))
                && self.options.range.is_none_or(|range| header.may_overlap(range))
    }

    /// The chunks of rows to read, table by table; whatever is not fit to be read is noted.
    fn wanted_chunks(&self, faults: &mut Vec<Fault>) -> Vec<(TableKind, &ChunkEntry)> {
        faults.extend(self.unknown_chunks());
        let tables = TableKind::ALL.iter().filter(|kind| !is_dimension(**kind));
        let mut chunks = Vec::new();
        for kind in tables.filter(|kind| self.options.wants(**kind)) {
            let of_table = self.row_chunks(*kind, self.options.range, faults);
            chunks.extend(of_table.into_iter().map(|entry| (*kind, entry)));
        }
        chunks
    }

    /// Makes the columns as long as the chunks together, and hands each chunk its part.
    fn jobs<'a>(
        &self,
        timeline: &'a mut Timeline,
        chunks: &[(TableKind, &'a ChunkEntry)],
    ) -> Vec<Job<'a>> {
        let mut jobs = Vec::with_capacity(chunks.len());
        let mut tables = timeline.tables_mut();
        tables.sort_by_key(|table| table.kind());
        for table in tables {
            let kind = table.kind();
            let entries: Vec<_> =
                chunks.iter().filter(|(of, _)| *of == kind).map(|(_, entry)| *entry).collect();
            if entries.is_empty() {
                continue;
            }
            let n_rows = entries.iter().map(|entry| entry.header.rows as usize).sum();
            let specs = table.specs();
            let mut rest: Vec<_> = table
                .columns_mut()
                .into_iter()
                .map(|column| whole_column(column, n_rows))
                .collect();
            for entry in entries {
                let rows = entry.header.rows as usize;
                let targets = specs
                    .iter()
                    .zip(&mut rest)
                    .map(|(spec, rest)| TargetColumn { spec, values: rest.split_front(rows) })
                    .collect();
                jobs.push(Job { entry, specs, targets });
            }
        }
        jobs
    }

    fn decode(
        &self,
        decoder: &mut std::io::Result<TableDecoder>,
        mut job: Job<'_>,
        references: &References<'_>,
    ) -> Result<Decoded, Fault> {
        let entry = job.entry;
        let decoder = match decoder {
            Ok(decoder) => decoder,
            Err(error) => return Err(Fault::corrupt(entry, "decompression", "memory", error)),
        };
        let payload = self.payload(entry)?;
        let rows = entry.header.rows as usize;
        let n_unknown_columns = decoder
            .decode(payload, rows, job.specs, &mut job.targets)
            .map_err(|fault| Fault::in_payload(entry, fault))?;
        Ok(Decoded { n_unknown_columns, n_dangling: references.settle_targets(&mut job.targets) })
    }
}

/// The part `first_row..first_row + rows` of each column, as targets to decode into. The columns
/// must be that long.
pub(crate) fn column_targets<'a>(
    specs: &'static [ColumnSpec],
    columns: Vec<ColumnMut<'a>>,
    first_row: usize,
    rows: usize,
) -> Vec<TargetColumn<'a>> {
    let part = |column| {
        let mut whole = match column {
            ColumnMut::U8(values) => ColumnSlice::U8(values),
            ColumnMut::U32(values) => ColumnSlice::U32(values),
            ColumnMut::U64(values) => ColumnSlice::U64(values),
            ColumnMut::I64(values) => ColumnSlice::I64(values),
            ColumnMut::F64(values) => ColumnSlice::F64(values),
        };
        whole.split_front(first_row);
        whole.split_front(rows)
    };
    let targets = specs.iter().zip(columns);
    targets.map(|(spec, column)| TargetColumn { spec, values: part(column) }).collect()
}

/// Makes an empty column `n_rows` long. A new vector of zeros comes from the system without being
/// written to.
fn whole_column(column: ColumnMut<'_>, n_rows: usize) -> ColumnSlice<'_> {
    fn zeros<T: Clone + Default>(values: &mut Vec<T>, n_rows: usize) -> &mut [T] {
        *values = vec![T::default(); n_rows];
        prefer_huge_pages(values);
        values
    }
    match column {
        ColumnMut::U8(values) => ColumnSlice::U8(zeros(values, n_rows)),
        ColumnMut::U32(values) => ColumnSlice::U32(zeros(values, n_rows)),
        ColumnMut::U64(values) => ColumnSlice::U64(zeros(values, n_rows)),
        ColumnMut::I64(values) => ColumnSlice::I64(zeros(values, n_rows)),
        ColumnMut::F64(values) => ColumnSlice::F64(zeros(values, n_rows)),
    }
}

fn remove_rows(table: &mut dyn Table, rows: &Range<usize>) {
    for column in table.columns_mut() {
        let rows = rows.clone();
        match column {
            ColumnMut::U8(values) => drop(values.drain(rows)),
            ColumnMut::U32(values) => drop(values.drain(rows)),
            ColumnMut::U64(values) => drop(values.drain(rows)),
            ColumnMut::I64(values) => drop(values.drain(rows)),
            ColumnMut::F64(values) => drop(values.drain(rows)),
        }
    }
}
