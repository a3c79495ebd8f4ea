//! Strings, shapes, dimension lists and the rest of what rows refer to.

use underspan_model::tables::{Table, TableKind};
use underspan_model::{ColumnMut, NONE_U32, StringId, Timeline, give_up_if_cancelled};

use super::{ChunkEntry, Fault, Reader};
use crate::chunk::{
    SHAPE_COLUMNS, ShapeColumns, StringsReader, TableDecoder, read_info, read_problems,
};
use crate::error::Result;
use crate::layout::{ChunkKind, limits};
use crate::reader::references::References;
use crate::reader::timeline::column_targets;
use crate::writer::is_dimension;

/// What a file's ids are in the tables that were read.
///
/// Ids are the same unless a dictionary chunk is lost, or a file names one string twice.
#[derive(Debug, Default)]
pub(crate) struct IdMap {
    /// Runs of file ids: the first, and what each is here.
    runs: Vec<(u64, Vec<u32>)>,
    is_identity: bool,
    next: u64,
}

impl IdMap {
    fn new() -> Self {
        Self { runs: Vec::new(), is_identity: true, next: 0 }
    }

    /// Adds the next chunk's ids. `None` when they overlap ids that are already there.
    fn add(&mut self, first: u64, ids: Vec<u32>) -> Option<()> {
        if first < self.next {
            return None;
        }
        let is_same = ids.iter().enumerate().all(|(at, id)| first + at as u64 == u64::from(*id));
        self.is_identity &= is_same && first == self.next;
        self.next = first + ids.len() as u64;
        self.runs.push((first, ids));
        Some(())
    }

    pub(super) fn is_identity(&self) -> bool {
        self.is_identity
    }

    /// What a file's id is here; none when its chunk is lost.
    pub(super) fn map(&self, id: u32) -> u32 {
        let run = self.runs.partition_point(|(first, _)| *first <= u64::from(id));
        let Some((first, ids)) = run.checked_sub(1).and_then(|run| self.runs.get(run)) else {
            return NONE_U32;
        };
        ids.get((u64::from(id) - first) as usize).copied().unwrap_or(NONE_U32)
    }
}

/// The id maps of a file.
#[derive(Debug)]
pub(crate) struct IdMaps {
    pub(super) strings: IdMap,
    pub(super) shapes: IdMap,
}

impl Reader {
    /// Reads everything but event rows into `timeline`. Chunks that cannot be read are noted in
    /// `faults`. Also returns how many references between the lists lead nowhere.
    pub(crate) fn read_dictionaries(
        &self,
        timeline: &mut Timeline,
        faults: &mut Vec<Fault>,
    ) -> Result<(IdMaps, u64)> {
        let mut maps = IdMaps { strings: IdMap::new(), shapes: IdMap::new() };
        let mut strings = StringsReader::new().map_err(self.set_up_error())?;
        let mut decoder = TableDecoder::new().map_err(self.set_up_error())?;
        for entry in &self.scan.chunks {
            give_up_if_cancelled();
            let read = match entry.header.kind {
                ChunkKind::Info => self.read_info(entry, timeline),
                ChunkKind::Strings => {
                    self.read_strings(entry, &mut strings, timeline, &mut maps.strings)
                }
                ChunkKind::Shapes => self.read_shapes(entry, &mut decoder, timeline, &mut maps),
                ChunkKind::Dimension => self.read_dimension(entry, &mut decoder, timeline),
                ChunkKind::Problems => self.read_problems(entry, timeline),
                _ => Ok(()),
            };
            faults.extend(read.err());
        }
        let references = References::new(timeline, &maps);
        let mut n_dangling = 0;
        for table in timeline.tables_mut() {
            if is_dimension(table.kind()) {
                let specs = table.specs();
                for (spec, column) in specs.iter().zip(table.columns_mut()) {
                    if let ColumnMut::U32(values) = column {
                        n_dangling += references.settle(spec.reference, values);
                    }
                }
            }
        }
        timeline.dimensions.rebuild_lookups();
        Ok((maps, n_dangling))
    }

    fn read_info(&self, entry: &ChunkEntry, timeline: &mut Timeline) -> Result<(), Fault> {
        let payload = self.payload(entry)?;
        timeline.info = read_info(payload).map_err(|fault| Fault::in_payload(entry, fault))?;
        Ok(())
    }

    fn read_problems(&self, entry: &ChunkEntry, timeline: &mut Timeline) -> Result<(), Fault> {
        let payload = self.payload(entry)?;
        timeline.problems = read_problems(payload, entry.header.rows)
            .map_err(|fault| Fault::in_payload(entry, fault))?;
        Ok(())
    }

    fn read_strings(
        &self,
        entry: &ChunkEntry,
        strings: &mut StringsReader,
        timeline: &mut Timeline,
        map: &mut IdMap,
    ) -> Result<(), Fault> {
        let payload = self.payload(entry)?;
        let (rows, decoded_len) = (entry.header.rows, entry.header.decoded_len);
        let mut ids = Vec::new();
        let mut visit = |text: &str| ids.push(timeline.strings.intern(text).raw());
        strings
            .read(payload, rows, decoded_len, &mut visit)
            .map_err(|fault| Fault::in_payload(entry, fault))?;
        map.add(entry.header.first_row, ids).ok_or_else(|| overlapping(entry))
    }

    fn read_shapes(
        &self,
        entry: &ChunkEntry,
        decoder: &mut TableDecoder,
        timeline: &mut Timeline,
        maps: &mut IdMaps,
    ) -> Result<(), Fault> {
        let payload = self.payload(entry)?;
        let rows = entry.header.rows as usize;
        let mut columns = ShapeColumns::default();
        decoder
            .decode(payload, rows, SHAPE_COLUMNS, &mut columns.targets(rows))
            .map_err(|fault| Fault::in_payload(entry, fault))?;
        let ids = columns.shapes().map(|mut shape| {
            if !shape.name.is_none() {
                shape.name = StringId::from_raw(maps.strings.map(shape.name.raw()));
            }
            timeline.shapes.intern(shape).raw()
        });
        let ids = ids.collect();
        maps.shapes.add(entry.header.first_row, ids).ok_or_else(|| overlapping(entry))
    }

    fn read_dimension(
        &self,
        entry: &ChunkEntry,
        decoder: &mut TableDecoder,
        timeline: &mut Timeline,
    ) -> Result<(), Fault> {
        let Some(kind) = TableKind::from_code(entry.header.table) else { return Ok(()) };
        let (first_row, rows) = (entry.header.first_row, entry.header.rows as usize);
        let is_plausible = is_dimension(kind)
            && first_row <= limits::MAX_DIMENSION_ROWS - u64::from(limits::MAX_CHUNK_ROWS);
        if !is_plausible {
            let found = format!("entry {first_row} of {}", kind.name());
            return Err(Fault::corrupt(entry, "dimension list", "a list and its entry", found));
        }
        let payload = self.payload(entry)?;
        let table = timeline.table_mut(kind);
        let first_row = first_row as usize;
        let needed = first_row + rows;
        let before = table.len();
        if needed > before {
            let specs = table.specs();
            for (spec, mut column) in specs.iter().zip(table.columns_mut()) {
                column.extend_with_bits(spec.default_bits, needed - before);
            }
        }
        decode_into(decoder, payload, table, first_row, rows)
            .map_err(|fault| Fault::in_payload(entry, fault))
    }
}

fn decode_into(
    decoder: &mut TableDecoder,
    payload: &[u8],
    table: &mut dyn Table,
    first_row: usize,
    rows: usize,
) -> Result<(), crate::error::LayoutError> {
    let specs = table.specs();
    let mut targets = column_targets(specs, table.columns_mut(), first_row, rows);
    decoder.decode(payload, rows, specs, &mut targets).map(|_| ())
}

fn overlapping(entry: &ChunkEntry) -> Fault {
    Fault::corrupt(entry, "first entry of a chunk", "a new one", entry.header.first_row)
}
