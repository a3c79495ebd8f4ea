//! The pyramid of a file: its leaves at once, what is below them chunk by chunk on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use rayon::prelude::*;
use underspan_model::tables::TableKind;
use underspan_model::{Interval, Timeline};

use super::cell::{Cell, Coverage};
use super::leaf::{LEAF_LEVELS, Leaf, LeafBuilder};
use super::node::{FAN_OUT, Node, Tree};
use super::paint::{Offer, Painter};
use super::stored::read_leaves;
use crate::chunk::TableDecoder;
use crate::error::Result;
use crate::layout::ChunkKind;
use crate::reader::{ChunkEntry, Fault, Reader};
use crate::track::{TrackRow, TrackRows, track_columns};

/// Events that loaded chunks may hold before the one loaded first is forgotten.
const CACHED_EVENTS: usize = 8 << 20;

/// The events of one table on one stream (thread, process, service).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The table.
    pub kind: TableKind,
    /// Stream, thread, process or service: a value of the table's column of that name.
    pub key: u32,
    /// Number of events.
    pub events: u64,
    /// Earliest start.
    pub start_ns: i64,
    /// Latest end.
    pub end_ns: i64,
    /// Time in which any event ran.
    pub busy_ns: u64,
}

/// A chunk of rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// The table.
    pub table: TableKind,
    /// Position among its chunks.
    pub index: u32,
}

/// The pyramids of all tracks of a file.
#[derive(Debug)]
pub struct Pyramid {
    tracks: Vec<FileTrack>,
    chunks: BTreeMap<TableKind, Vec<ChunkEntry>>,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct FileTrack {
    track: Track,
    leaves: Vec<Leaf>,
    /// Per leaf, how many leaves of the same chunk are in front of it.
    ordinals: Vec<u32>,
    tree: Tree,
}

/// Chunks that were decoded.
#[derive(Debug, Default)]
struct Loaded {
    chunks: HashMap<ChunkId, Arc<ChunkDetail>>,
    order: VecDeque<ChunkId>,
    n_events: usize,
}

/// The events of a chunk by the key of their track.
#[derive(Debug)]
struct ChunkDetail {
    tracks: HashMap<u32, TrackDetail>,
    n_events: usize,
}

#[derive(Debug)]
struct TrackDetail {
    events: Vec<(TrackRow, u64)>,
    tree: Tree,
}

impl Track {
    pub(super) fn of_tree(kind: TableKind, key: u32, tree: &Tree) -> Self {
        let root = tree.root().unwrap_or_else(|| Node::merge(&[]));
        Self {
            kind,
            key,
            events: root.events.into(),
            start_ns: root.start,
            end_ns: root.end,
            busy_ns: root.busy,
        }
    }
}

impl Pyramid {
    /// Loads the leaves of all tracks of a file; where they are not stored (or do not fit the
    /// chunks), they are made from the rows, which takes as long as decoding all of them.
    ///
    /// # Errors
    /// When rows have to be decoded and a chunk is damaged.
    pub fn open(reader: &Reader) -> Result<Self> {
        let is_as_written = reader.is_as_written()?;
        let tables: Vec<(TableKind, Vec<ChunkEntry>)> = TableKind::ALL
            .iter()
            .filter(|kind| track_columns(**kind).is_some())
            .map(|kind| (*kind, reader.row_chunks(*kind, None, &mut Vec::new())))
            .filter(|(_, chunks)| !chunks.is_empty())
            .map(|(kind, chunks)| (kind, chunks.into_iter().copied().collect()))
            .collect();
        let tracks: Vec<Vec<FileTrack>> = tables
            .par_iter()
            .map(|(kind, chunks)| {
                let stored = is_as_written.then(|| stored_leaves(reader, *kind, chunks)).flatten();
                let leaves = match stored {
                    Some(leaves) => leaves,
                    None => make_leaves(reader, *kind, chunks)?,
                };
                let by_key = leaves.chunk_by(|a, b| a.key == b.key);
                Ok(by_key.map(|leaves| FileTrack::new(*kind, leaves)).collect())
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            tracks: tracks.into_iter().flatten().collect(),
            chunks: tables.into_iter().collect(),
            loaded: RwLock::default(),
        })
    }

    /// The tracks, by table and then by key.
    pub fn tracks(&self) -> impl ExactSizeIterator<Item = &Track> {
        self.tracks.iter().map(|track| &track.track)
    }

    /// Draws the part of a track (by its position in [`Pyramid::tracks`]) in `range` on
    /// `n_pixels` pixels: `cells` is emptied and filled in order of first pixel. Every event in
    /// the range is in exactly one cell.
    ///
    /// Nothing is read from the file. Where chunks are missing, cells are coarser than the pixels
    /// allow and may count events just outside the range; [`Pyramid::load`] them and ask again.
    pub fn cells(
        &self,
        track: usize,
        range: Interval,
        n_pixels: u32,
        cells: &mut Vec<Cell>,
    ) -> Coverage {
        let mut coverage = Coverage::default();
        let mut painter = Painter::new(range, n_pixels, cells);
        if let Some(track) = self.tracks.get(track) {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            painter.descend_all(&track.tree, &mut |painter, first| {
                let group = first..(first + FAN_OUT).min(track.leaves.len());
                for at in group {
                    track.draw_leaf(at, painter, &loaded, &mut coverage);
                }
            });
        }
        painter.finish();
        coverage.missing.dedup();
        coverage
    }

    /// Decodes a chunk, so that its tracks can be drawn in full detail. Chunks loaded long ago are
    /// forgotten when many events are held.
    ///
    /// # Errors
    /// When the chunk is damaged.
    pub fn load(&self, reader: &Reader, chunk: ChunkId) -> Result<()> {
        let entry = self.chunks.get(&chunk.table).and_then(|of| of.get(chunk.index as usize));
        let Some(entry) = entry else { return Ok(()) };
        let is_loaded = |loaded: &Loaded| loaded.chunks.contains_key(&chunk);
        if is_loaded(&self.loaded.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut rows = ChunkRows::new(reader)?;
        let table = rows.decode(reader, chunk.table, entry)?;
        let detail = Arc::new(self.detail(chunk, entry, table));
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if !is_loaded(&loaded) {
            loaded.insert(chunk, detail);
        }
        Ok(())
    }

    fn detail(&self, chunk: ChunkId, entry: &ChunkEntry, rows: TrackRows<'_>) -> ChunkDetail {
        let first_row = entry.header.first_row;
        let tracks = rows.by_key().into_iter().map(|(key, of_key)| {
            let events: Vec<(TrackRow, u64)> = of_key
                .into_iter()
                .filter_map(|row| Some((rows.get(row as usize)?, first_row + u64::from(row))))
                .collect();
            let mut ran_until = self.ran_until(chunk, key);
            let tree = Tree::build(events.len(), Some(LEAF_LEVELS), |at| match events.get(at) {
                Some((row, _)) => Node::of_event(row.start, row.duration, row.name, &mut ran_until),
                None => Node::merge(&[]),
            });
            (key, TrackDetail { events, tree })
        });
        ChunkDetail { tracks: tracks.collect(), n_events: rows.len() }
    }

    /// Latest end of the track's events in chunks before this one.
    fn ran_until(&self, chunk: ChunkId, key: u32) -> i64 {
        let track =
            self.tracks.iter().find(|of| of.track.kind == chunk.table && of.track.key == key);
        let leaves = track.map_or(&[][..], |track| &track.leaves);
        let before = leaves.iter().take_while(|leaf| leaf.chunk < chunk.index);
        before.map(|leaf| leaf.node.end).max().unwrap_or(i64::MIN)
    }
}

impl FileTrack {
    /// The track of these leaves, all of one key.
    fn new(kind: TableKind, leaves: &[Leaf]) -> Self {
        let tree = Tree::build(leaves.len(), None, |at| leaves[at].node);
        let mut ordinals = Vec::with_capacity(leaves.len());
        let mut before: Option<(u32, u32)> = None;
        for leaf in leaves {
            let ordinal = match before {
                Some((chunk, ordinal)) if chunk == leaf.chunk => ordinal + 1,
                _ => 0,
            };
            ordinals.push(ordinal);
            before = Some((leaf.chunk, ordinal));
        }
        let key = leaves.first().map_or(0, |leaf| leaf.key);
        Self { track: Track::of_tree(kind, key, &tree), leaves: leaves.to_vec(), ordinals, tree }
    }

    fn draw_leaf(
        &self,
        at: usize,
        painter: &mut Painter<'_>,
        loaded: &Loaded,
        coverage: &mut Coverage,
    ) {
        let (Some(leaf), Some(ordinal)) = (self.leaves.get(at), self.ordinals.get(at)) else {
            return;
        };
        if painter.offer(&leaf.node) == Offer::Done {
            return;
        }
        let chunk = ChunkId { table: self.track.kind, index: leaf.chunk };
        let detail = loaded.chunks.get(&chunk).and_then(|chunk| chunk.tracks.get(&leaf.key));
        let Some(detail) = detail else {
            // A single event has nothing below it.
            if leaf.node.events > 1 {
                coverage.missing.push(chunk);
            }
            return painter.coarse(&leaf.node);
        };
        let ordinal = *ordinal as usize;
        painter.descend(
            &detail.tree,
            LEAF_LEVELS - 1,
            ordinal..ordinal + 1,
            &mut |painter, first| {
                let group = first..(first + FAN_OUT).min(detail.events.len());
                for (row, index) in detail.events.get(group).unwrap_or_default() {
                    let node = Node::of_event(row.start, row.duration, row.name, &mut { i64::MIN });
                    painter.event(&node, *index);
                }
            },
        );
    }
}

impl Loaded {
    fn insert(&mut self, id: ChunkId, detail: Arc<ChunkDetail>) {
        self.n_events += detail.n_events;
        self.chunks.insert(id, detail);
        self.order.push_back(id);
        while self.n_events > CACHED_EVENTS
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(forgotten) = self.chunks.remove(&oldest) {
                self.n_events -= forgotten.n_events;
            }
        }
    }
}

/// Decodes the grouping columns of one chunk after the other.
struct ChunkRows {
    decoder: TableDecoder,
    scratch: Timeline,
}

impl ChunkRows {
    fn new(reader: &Reader) -> Result<Self> {
        let decoder = TableDecoder::new().map_err(reader.set_up_error())?;
        Ok(Self { decoder, scratch: Timeline::new() })
    }

    fn decode(
        &mut self,
        reader: &Reader,
        kind: TableKind,
        entry: &ChunkEntry,
    ) -> Result<TrackRows<'_>> {
        let table = self.scratch.table_mut(kind);
        reader.decode_track_rows(entry, &mut self.decoder, table)?;
        let rows = TrackRows::of(self.scratch.table(kind));
        rows.ok_or_else(|| {
            let (what, expected) = ("table of a pyramid", "one with tracks");
            Fault::corrupt(entry, what, expected, kind.name()).into_error(reader.path())
        })
    }
}

/// The leaves a file has for a table; `None` when there are none or they do not fit its chunks.
fn stored_leaves(reader: &Reader, kind: TableKind, chunks: &[ChunkEntry]) -> Option<Vec<Leaf>> {
    let mut decoder = TableDecoder::new().ok()?;
    let n_rows: u64 = chunks.iter().map(|entry| u64::from(entry.header.rows)).sum();
    let mut leaves = Vec::new();
    let is_of_table = |entry: &&ChunkEntry| {
        entry.header.kind == ChunkKind::Lod && entry.header.table == kind.code()
    };
    for entry in reader.chunks().iter().filter(is_of_table) {
        let payload = reader.payload(entry).ok()?;
        let rows = entry.header.rows as usize;
        leaves.extend(read_leaves(payload, rows, &mut decoder).ok()?);
        if leaves.len() as u64 > n_rows {
            return None;
        }
    }
    // In order of key, then of chunk; and every row of every chunk is under exactly one leaf.
    let is_ordered = leaves.is_sorted_by_key(|leaf: &Leaf| (leaf.key, leaf.chunk));
    let mut counts = vec![0u64; chunks.len()];
    for leaf in &leaves {
        *counts.get_mut(leaf.chunk as usize)? += u64::from(leaf.node.events);
    }
    let fits = |(count, entry): (&u64, &ChunkEntry)| *count == u64::from(entry.header.rows);
    (is_ordered && counts.iter().zip(chunks).all(fits)).then_some(leaves)
}

fn make_leaves(reader: &Reader, kind: TableKind, chunks: &[ChunkEntry]) -> Result<Vec<Leaf>> {
    let mut rows = ChunkRows::new(reader)?;
    let mut builder = LeafBuilder::default();
    for entry in chunks {
        let rows = rows.decode(reader, kind, entry)?;
        builder.add_chunk(rows.range(0..rows.len()));
    }
    Ok(builder.finish())
}
