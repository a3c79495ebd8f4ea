//! The events of a capture, in memory or in a mapped file, behind one set of questions.

use std::ops::Range;

use rayon::prelude::*;
use underspan_model::tables::{
    AnnotationTable, ApiCallTable, CpuOpTable, GraphLaunchTable, KernelTable, MemcpyTable,
    MemsetTable, OverheadTable, SpanTable, StepTable, SyncTable, Table, TableKind,
};
use underspan_model::{ColumnRef, Timeline};
use underspan_native::{
    Cell, Coverage, MissingChunk, Pyramid, Reader, RowQuery, TimelinePyramid, Track,
};

use crate::query::Cancel;
use crate::timeline::TimeRange;

/// Rows per part of a table that is scanned side by side.
const BLOCK_ROWS: usize = 64 << 10;

/// Where the events of a capture are.
#[derive(Debug)]
pub(crate) enum Events {
    /// In memory, as every imported file is.
    Memory(Box<InMemory>),
    /// In a `.uspan` file too large to be held in memory.
    File(Box<InFile>),
}

#[derive(Debug)]
pub(crate) struct InMemory {
    timeline: Timeline,
    pyramid: TimelinePyramid,
    ends: Vec<(TableKind, Vec<i64>)>,
}

#[derive(Debug)]
pub(crate) struct InFile {
    reader: Reader,
    pyramid: Pyramid,
    /// Names, lists and the small tables: everything but device and host events.
    serving: Timeline,
    /// Memory that analyses may take; what is free decides when `None`.
    analysis_bytes: Option<u64>,
}

/// Some rows of a table.
#[derive(Clone, Copy)]
pub(crate) struct RowBlock<'a> {
    /// Number in the table of the row at index zero.
    pub(crate) first_row: u64,
    /// The columns, of which those that were not asked for may be empty.
    pub(crate) table: &'a dyn Table,
    start: usize,
    end: usize,
}

impl RowBlock<'_> {
    /// Indices into the columns.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.start..self.end
    }

    /// A column of 32-bit numbers; empty when there is none of that name.
    pub(crate) fn u32s(&self, name: &str) -> &[u32] {
        match self.column(name) {
            Some(ColumnRef::U32(values)) => values,
            _ => &[],
        }
    }

    /// A column of numbers or codes.
    pub(crate) fn codes(&self, name: &str) -> Codes<'_> {
        match self.column(name) {
            Some(ColumnRef::U32(values)) => Codes::Wide(values),
            Some(ColumnRef::U8(values)) => Codes::Narrow(values),
            _ => Codes::Wide(&[]),
        }
    }

    pub(crate) fn column(&self, name: &str) -> Option<ColumnRef<'_>> {
        let at = self.table.specs().iter().position(|spec| spec.name == name)?;
        self.table.columns().get(at).copied()
    }

    /// Starts in nanoseconds.
    pub(crate) fn starts(&self) -> &[i64] {
        self.table.start_column().unwrap_or(&[])
    }

    /// Lengths in nanoseconds.
    pub(crate) fn durations(&self) -> &[u64] {
        self.table.duration_column().unwrap_or(&[])
    }
}

/// A column of small numbers.
#[derive(Clone, Copy)]
pub(crate) enum Codes<'a> {
    Wide(&'a [u32]),
    Narrow(&'a [u8]),
}

impl Codes<'_> {
    /// The value in a row.
    pub(crate) fn get(&self, row: usize) -> Option<u32> {
        match self {
            Self::Wide(values) => values.get(row).copied(),
            Self::Narrow(values) => values.get(row).map(|value| u32::from(*value)),
        }
    }
}

/// What a row is grouped by and named by.
pub(crate) fn track_columns(kind: TableKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        TableKind::Kernel => ("stream", "shape"),
        TableKind::Memcpy | TableKind::Sync => ("stream", "kind"),
        TableKind::Memset => ("stream", "memory"),
        TableKind::GraphLaunch => ("stream", "graph_id"),
        TableKind::ApiCall | TableKind::Overhead | TableKind::Annotation | TableKind::CpuOp => {
            ("thread", "name")
        }
        TableKind::Span => ("service", "name"),
        TableKind::Step => ("process", "name"),
        _ => return None,
    })
}

macro_rules! with_table {
    ($kind:expr, $table:ident => $body:expr, else $other:expr) => {
        match $kind {
            TableKind::Kernel => {
                type $table = KernelTable;
                $body
            }
            TableKind::Memcpy => {
                type $table = MemcpyTable;
                $body
            }
            TableKind::Memset => {
                type $table = MemsetTable;
                $body
            }
            TableKind::Sync => {
                type $table = SyncTable;
                $body
            }
            TableKind::GraphLaunch => {
                type $table = GraphLaunchTable;
                $body
            }
            TableKind::ApiCall => {
                type $table = ApiCallTable;
                $body
            }
            TableKind::Overhead => {
                type $table = OverheadTable;
                $body
            }
            TableKind::Annotation => {
                type $table = AnnotationTable;
                $body
            }
            TableKind::CpuOp => {
                type $table = CpuOpTable;
                $body
            }
            TableKind::Span => {
                type $table = SpanTable;
                $body
            }
            TableKind::Step => {
                type $table = StepTable;
                $body
            }
            _ => $other,
        }
    };
}

impl Events {
    pub(crate) fn in_memory(timeline: Timeline) -> Self {
        let pyramid = TimelinePyramid::new(&timeline);
        let ends = timeline
            .tables()
            .into_iter()
            .filter(|table| table.duration_column().is_some())
            .map(|table| (table.kind(), latest_ends(table)))
            .collect();
        Self::Memory(Box::new(InMemory { timeline, pyramid, ends }))
    }

    pub(crate) fn in_file(
        reader: Reader,
        pyramid: Pyramid,
        serving: Timeline,
        analysis_bytes: Option<u64>,
    ) -> Self {
        Self::File(Box::new(InFile { reader, pyramid, serving, analysis_bytes }))
    }

    /// Memory that analyses may take, in bytes; what is free decides when `None`.
    pub(crate) fn analysis_bytes(&self) -> Option<u64> {
        match self {
            Self::Memory(_) => None,
            Self::File(file) => file.analysis_bytes,
        }
    }

    /// Reads every table of the file; a copy when they are in memory already. A damaged file is an
    /// error in words.
    pub(crate) fn read_whole(&self) -> Result<Timeline, String> {
        match self {
            Self::Memory(memory) => Ok(memory.timeline.clone()),
            Self::File(file) => file.reader.read_timeline().map_err(|error| error.to_string()),
        }
    }

    /// Whether rows are numbered in order of start, as in a timeline that was read.
    pub(crate) fn is_sorted(&self, kind: TableKind) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::File(file) => file.reader.is_sorted(kind) == Some(true),
        }
    }

    /// Names, lists and the small tables; all tables when the capture is in memory.
    pub(crate) fn timeline(&self) -> &Timeline {
        match self {
            Self::Memory(memory) => &memory.timeline,
            Self::File(file) => &file.serving,
        }
    }

    /// Whether every table is in [`Events::timeline`].
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    pub(crate) fn tracks(&self) -> Vec<Track> {
        match self {
            Self::Memory(memory) => {
                memory.pyramid.tracks().iter().map(|track| track.track().clone()).collect()
            }
            Self::File(file) => file.pyramid.tracks().cloned().collect(),
        }
    }

    /// Fills `cells` with what is to be drawn of a track; never reads the file. What is not in
    /// memory may be drawn up to `tolerance` pixels blunt.
    pub(crate) fn cells(
        &self,
        track: usize,
        window: TimeRange,
        n_pixels: u32,
        tolerance: u32,
        cells: &mut Vec<Cell>,
    ) -> Coverage {
        match self {
            Self::Memory(memory) => {
                cells.clear();
                if let Some(track) = memory.pyramid.tracks().get(track) {
                    track.cells(&memory.timeline, window.interval(), n_pixels, cells);
                }
                Coverage::default()
            }
            Self::File(file) => {
                file.pyramid.cells(track, window.interval(), n_pixels, tolerance, cells)
            }
        }
    }

    /// Decodes a chunk that a query found missing. A damaged one is an error in words.
    pub(crate) fn load(&self, chunk: MissingChunk) -> Result<(), String> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(file) => {
                file.pyramid.load(&file.reader, chunk).map_err(|error| error.to_string())
            }
        }
    }

    /// Calls `f` with every part of a table that may have rows in `range`, on all threads; the
    /// answers come in order. Rows outside the range come along. Only `columns` are promised to be
    /// filled; all when there are none. Parts whose turn comes once `cancel` was cancelled are
    /// left out.
    ///
    /// # Errors
    /// In words, when the file is damaged.
    pub(crate) fn scan<R: Send>(
        &self,
        kind: TableKind,
        range: TimeRange,
        columns: &[&str],
        cancel: &Cancel,
        f: impl Fn(&RowBlock<'_>) -> R + Sync,
    ) -> Result<Vec<R>, String> {
        match self {
            Self::Memory(memory) => Ok(memory.scan(kind, range, cancel, f)),
            Self::File(file) => {
                let query = RowQuery { columns, range: Some(range.interval()) };
                with_table!(kind, T => {
                    let scan = |chunk: &underspan_native::RowChunk<'_, T>| {
                        f(&RowBlock {
                            first_row: chunk.first_row,
                            table: chunk.table,
                            start: 0,
                            end: chunk.n_rows,
                        })
                    };
                    let is_cancelled = || cancel.is_cancelled();
                    let answers = file.reader.map_rows_until(&query, &is_cancelled, scan);
                    answers.map_err(|error| error.to_string())
                }, else Ok(Vec::new()))
            }
        }
    }
}

impl InMemory {
    fn scan<R: Send>(
        &self,
        kind: TableKind,
        range: TimeRange,
        cancel: &Cancel,
        f: impl Fn(&RowBlock<'_>) -> R + Sync,
    ) -> Vec<R> {
        let table = self.timeline.table(kind);
        let Some(starts) = table.start_column() else { return Vec::new() };
        let ends = self.ends.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, ends)| ends);
        // Blocks whose rows, and all rows before them, ended before the range.
        let over = ends.partition_point(|end| *end < range.start_ns());
        let first = over * BLOCK_ROWS;
        let last = starts.partition_point(|start| *start < range.end_ns());
        (first..last.max(first))
            .into_par_iter()
            .step_by(BLOCK_ROWS)
            .filter(|_| !cancel.is_cancelled())
            .map(|start| {
                let end = (start + BLOCK_ROWS).min(last);
                f(&RowBlock { first_row: 0, table, start, end })
            })
            .collect()
    }
}

/// Per block of rows the latest end of any row in it or before it.
fn latest_ends(table: &dyn Table) -> Vec<i64> {
    let starts = table.start_column().unwrap_or(&[]);
    let durations = table.duration_column().unwrap_or(&[]);
    let mut latest = i64::MIN;
    starts
        .chunks(BLOCK_ROWS)
        .zip(durations.chunks(BLOCK_ROWS))
        .map(|(starts, durations)| {
            for (start, duration) in starts.iter().zip(durations) {
                latest = latest.max(start.saturating_add_unsigned(*duration));
            }
            latest
        })
        .collect()
}
