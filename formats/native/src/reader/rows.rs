//! Reading rows chunk by chunk: only the columns and the time that are asked for, into buffers
//! that are used again.

use std::collections::BTreeMap;

use rayon::prelude::*;
use underspan_model::tables::{Table, TableKind};
use underspan_model::{ColumnMut, ColumnSpec, Interval, Timeline};

use super::references::References;
use super::timeline::column_targets;
use super::{ChunkEntry, Fault, FaultKind, Reader};
use crate::chunk::TableDecoder;
use crate::error::{Error, Result};
use crate::layout::ChunkKind;
use crate::track::{DURATION_COLUMN, START_COLUMN, track_columns};
use crate::writer::is_dimension;

/// Which rows and columns of a table to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowQuery<'a> {
    /// Names of the columns; all when empty. The other columns of the chunks' tables stay empty.
    pub columns: &'a [&'a str],
    /// Only chunks with rows in this time; rows outside it in the same chunks come along.
    pub range: Option<Interval>,
}

/// The rows of one chunk.
#[derive(Debug)]
pub struct RowChunk<'a, T> {
    /// Rows of the table in front of these, in the order of the file.
    pub first_row: u64,
    /// Number of rows.
    pub n_rows: usize,
    /// The columns asked for.
    pub table: &'a T,
}

/// Goes through the chunks of one table; see [`Reader::rows`].
#[derive(Debug)]
pub struct Rows<'r, T> {
    reader: &'r Reader,
    entries: Vec<&'r ChunkEntry>,
    next: usize,
    scratch: RowScratch<T>,
    columns: Vec<usize>,
    head: &'r super::Head,
}

/// The buffers one thread decodes into.
#[derive(Debug)]
struct RowScratch<T> {
    decoder: TableDecoder,
    table: T,
}

impl<T: Table + Default> RowScratch<T> {
    fn new() -> std::io::Result<Self> {
        Ok(Self { decoder: TableDecoder::new()?, table: T::default() })
    }

    /// Decodes the columns at the positions `columns` of one chunk.
    fn decode(
        &mut self,
        reader: &Reader,
        entry: &ChunkEntry,
        columns: &[usize],
        references: &References<'_>,
    ) -> Result<RowChunk<'_, T>, Fault> {
        let Self { decoder, table } = self;
        decode_columns(reader, entry, columns, references, decoder, table)?;
        let n_rows = entry.header.rows as usize;
        Ok(RowChunk { first_row: entry.header.first_row, n_rows, table: &self.table })
    }
}

/// Decodes the columns at the positions `columns` of one chunk into `table`; the others become
/// empty.
pub(super) fn decode_columns(
    reader: &Reader,
    entry: &ChunkEntry,
    columns: &[usize],
    references: &References<'_>,
    decoder: &mut TableDecoder,
    table: &mut dyn Table,
) -> Result<(), Fault> {
    let payload = reader.payload(entry)?;
    let n_rows = entry.header.rows as usize;
    let specs = table.specs();
    for (at, column) in table.columns_mut().into_iter().enumerate() {
        set_len(column, if columns.contains(&at) { n_rows } else { 0 });
    }
    let mut targets = column_targets(specs, table.columns_mut(), 0, n_rows);
    let mut at = 0..specs.len();
    targets.retain(|_| at.next().is_some_and(|at| columns.contains(&at)));
    decoder
        .decode(payload, n_rows, specs, &mut targets)
        .map_err(|fault| Fault::in_payload(entry, fault))?;
    references.settle_targets(&mut targets);
    Ok(())
}

pub(crate) fn set_len(column: ColumnMut<'_>, len: usize) {
    match column {
        ColumnMut::U8(values) => values.resize(len, 0),
        ColumnMut::U32(values) => values.resize(len, 0),
        ColumnMut::U64(values) => values.resize(len, 0),
        ColumnMut::I64(values) => values.resize(len, 0),
        ColumnMut::F64(values) => values.resize(len, 0.0),
    }
}

impl<'r, T: Table + Default> Rows<'r, T> {
    /// The next chunk; `None` after the last. After an error the chunk behind it can be asked for.
    ///
    /// # Errors
    /// When the chunk is damaged.
    pub fn next_chunk(&mut self) -> Result<Option<RowChunk<'_, T>>> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        self.next += 1;
        let references = References::new(&self.head.timeline, &self.head.maps);
        self.scratch
            .decode(self.reader, entry, &self.columns, &references)
            .map(Some)
            .map_err(|fault| fault.into_error(&self.reader.path))
    }
}

impl Reader {
    /// Names, shapes and lists of the file, and its problems, in a timeline without rows.
    ///
    /// # Errors
    /// When it would take more memory than [`crate::ReadOptions::memory_limit`].
    pub fn head(&self) -> Result<&Timeline> {
        Ok(&self.read_head()?.timeline)
    }

    /// Goes through the rows of the table that `T` holds, in file order.
    ///
    /// # Errors
    /// When a column asked for does not exist, or the dictionaries take too much memory.
    pub fn rows<T: Table + Default>(&self, query: &RowQuery<'_>) -> Result<Rows<'_, T>> {
        let scratch = RowScratch::<T>::new().map_err(self.set_up_error())?;
        Ok(Rows {
            reader: self,
            columns: self.positions(&scratch.table, query.columns)?,
            entries: self.row_chunks(scratch.table.kind(), query.range, &mut Vec::new()),
            next: 0,
            scratch,
            head: self.read_head()?,
        })
    }

    /// Calls `f` with every chunk, on all threads, and returns the answers in file order.
    ///
    /// # Errors
    /// As [`Reader::rows`], and when a chunk is damaged.
    pub fn map_rows<T, R>(
        &self,
        query: &RowQuery<'_>,
        f: impl Fn(&RowChunk<'_, T>) -> R + Sync,
    ) -> Result<Vec<R>>
    where
        T: Table + Default,
        R: Send,
    {
        self.map_rows_until(query, &|| false, f)
    }

    /// As [`Reader::map_rows`], but chunks whose turn comes once `is_cancelled` says so are left
    /// out: it ends within the time that one chunk takes.
    ///
    /// # Errors
    /// As [`Reader::map_rows`].
    pub fn map_rows_until<T, R>(
        &self,
        query: &RowQuery<'_>,
        is_cancelled: &(dyn Fn() -> bool + Sync),
        f: impl Fn(&RowChunk<'_, T>) -> R + Sync,
    ) -> Result<Vec<R>>
    where
        T: Table + Default,
        R: Send,
    {
        let table = T::default();
        let columns = self.positions(&table, query.columns)?;
        let head = self.read_head()?;
        let references = References::new(&head.timeline, &head.maps);
        self.row_chunks(table.kind(), query.range, &mut Vec::new())
            .into_par_iter()
            .filter(|_| !is_cancelled())
            .map_init(RowScratch::<T>::new, |scratch, entry| match scratch {
                Ok(scratch) => scratch
                    .decode(self, entry, &columns, &references)
                    .map(|chunk| f(&chunk))
                    .map_err(|fault| fault.into_error(&self.path)),
                Err(error) => Err(Error::io(&self.path, "set up decompression")(
                    std::io::Error::new(error.kind(), error.to_string()),
                )),
            })
            .collect()
    }

    /// Decodes the columns that make tracks of one chunk into `table`, whose other columns stay
    /// empty.
    pub(crate) fn decode_track_rows(
        &self,
        entry: &ChunkEntry,
        decoder: &mut TableDecoder,
        table: &mut dyn Table,
    ) -> Result<()> {
        let Some(names) = track_columns(table.kind()) else { return Ok(()) };
        let names = [names.key, names.name, START_COLUMN, DURATION_COLUMN];
        let columns = self.positions(table, &names)?;
        let head = self.read_head()?;
        let references = References::new(&head.timeline, &head.maps);
        decode_columns(self, entry, &columns, &references, decoder, table)
            .map_err(|fault| fault.into_error(&self.path))
    }

    /// The chunks with rows of a table, in file order; whatever repeats rows is noted.
    pub(crate) fn row_chunks(
        &self,
        kind: TableKind,
        range: Option<Interval>,
        faults: &mut Vec<Fault>,
    ) -> Vec<&ChunkEntry> {
        let mut next_row = 0;
        let mut chunks = Vec::new();
        for entry in &self.scan.chunks {
            let header = &entry.header;
            if header.kind != ChunkKind::Rows || header.table != kind.code() {
                continue;
            }
            if header.first_row < next_row {
                let expected = format!("at least {next_row}");
                let found = header.first_row;
                faults.push(Fault::corrupt(entry, "first row of a chunk", expected, found));
                continue;
            }
            next_row = header.first_row + u64::from(header.rows);
            if range.is_none_or(|range| header.may_overlap(range)) {
                chunks.push(entry);
            }
        }
        chunks
    }

    /// Notes the chunks that this version does not read.
    pub(crate) fn unknown_chunks(&self) -> Vec<Fault> {
        let mut counts: BTreeMap<(u8, u16), (u64, u64)> = BTreeMap::new();
        for entry in &self.scan.chunks {
            let table = TableKind::from_code(entry.header.table);
            let is_known = match entry.header.kind {
                ChunkKind::Rows => table.is_some_and(|kind| !is_dimension(kind)),
                ChunkKind::Dimension => table.is_some_and(is_dimension),
                ChunkKind::Unknown(_) => false,
                _ => true,
            };
            if !is_known {
                let key = (entry.header.kind.code(), entry.header.table);
                counts.entry(key).or_insert((0, entry.offset)).0 += 1;
            }
        }
        let faults = counts.into_iter().map(|((kind, table), (count, offset))| {
            let found = format!("kind {kind} of table {table}");
            Fault::new(FaultKind::UnknownChunk, offset, "chunk", "a known kind and table", found)
                .with_count(count)
        });
        faults.collect()
    }

    /// Where the named columns stand in the table, all for no names.
    fn positions(&self, table: &dyn Table, names: &[&str]) -> Result<Vec<usize>> {
        let specs = table.specs();
        if names.is_empty() {
            return Ok((0..specs.len()).collect());
        }
        let position = |name: &&str| {
            let found = specs.iter().position(|spec: &ColumnSpec| spec.name == *name);
            found.ok_or_else(|| Error::NoSuchColumn {
                table: table.kind().name(),
                column: (*name).to_owned(),
            })
        };
        names.iter().map(position).collect()
    }
}
