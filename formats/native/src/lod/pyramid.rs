//! The pyramid of a file: its leaves at once, what is below them chunk by chunk on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rayon::prelude::*;
use underspan_model::tables::TableKind;
use underspan_model::{Interval, Timeline};

use super::cell::{Cell, Coverage};
use super::detail::{ChunkDetail, LeafPlace, Loaded, MissingChunk};
use super::leaf::{Leaf, LeafBuilder};
use super::node::{FAN_OUT, Node, Tree};
use super::paint::{Offer, Painter};
use super::stored::read_leaves;
use crate::chunk::TableDecoder;
use crate::error::Result;
use crate::layout::ChunkKind;
use crate::reader::{ChunkEntry, Fault, Reader};
use crate::track::{TrackRows, track_columns};

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
    /// Per leaf, the latest end of it and all in front of it.
    ran_until: Vec<i64>,
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
    /// With a `tolerance` of more than one pixel, a node of the tree that is at most so wide and
    /// has nothing below it in memory is spread evenly over its pixels instead: a view of many
    /// events then needs few chunks.
    pub fn cells(
        &self,
        track: usize,
        range: Interval,
        n_pixels: u32,
        tolerance: u32,
        cells: &mut Vec<Cell>,
    ) -> Coverage {
        let mut missing = Vec::new();
        let mut painter = Painter::new(range, n_pixels, cells).with_tolerance(tolerance);
        if let Some(track) = self.tracks.get(track) {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            let query = loaded.begin_query();
            painter.descend_all(&track.tree, &mut |painter, first| {
                let group = first..(first + FAN_OUT).min(track.leaves.len());
                for place in group.filter_map(|at| track.place(at)) {
                    if painter.offer(&place.node) == Offer::Open {
                        loaded.draw(&place, query, painter, &mut missing);
                    }
                }
            });
        }
        painter.finish();
        MissingChunk::merge(&mut missing);
        Coverage { missing }
    }

    /// Decodes a chunk as far as is missing, so that its tracks can be drawn in detail. Chunks
    /// that were not drawn for long are forgotten when 96 MiB are held.
    ///
    /// # Errors
    /// When the chunk is damaged.
    pub fn load(&self, reader: &Reader, chunk: MissingChunk) -> Result<()> {
        let entry = self.chunks.get(&chunk.table).and_then(|of| of.get(chunk.index as usize));
        let Some(entry) = entry else { return Ok(()) };
        if self.loaded.read().unwrap_or_else(PoisonError::into_inner).has(&chunk) {
            return Ok(());
        }
        let mut rows = ChunkRows::new(reader)?;
        let table = rows.decode(reader, chunk.table, entry)?;
        let ran_until = |key| self.ran_until(&chunk, key);
        let detail = ChunkDetail::of(table, entry.header.first_row, chunk.depth, ran_until);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(&chunk, Arc::new(detail));
        Ok(())
    }

    /// Latest end of the track's events in chunks before this one.
    fn ran_until(&self, chunk: &MissingChunk, key: u32) -> i64 {
        let track =
            self.tracks.iter().find(|of| of.track.kind == chunk.table && of.track.key == key);
        let Some(track) = track else { return i64::MIN };
        let n_before = track.leaves.partition_point(|leaf| leaf.chunk < chunk.index);
        let last = n_before.checked_sub(1).and_then(|at| track.ran_until.get(at));
        last.copied().unwrap_or(i64::MIN)
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
        let latest = leaves.iter().scan(i64::MIN, |latest, leaf| {
            *latest = leaf.node.end.max(*latest);
            Some(*latest)
        });
        let ran_until = latest.collect();
        let key = leaves.first().map_or(0, |leaf| leaf.key);
        let track = Track::of_tree(kind, key, &tree);
        Self { track, leaves: leaves.to_vec(), ordinals, ran_until, tree }
    }

    #[inline]
    fn place(&self, at: usize) -> Option<LeafPlace> {
        let Leaf { key, chunk, node } = *self.leaves.get(at)?;
        let ordinal = *self.ordinals.get(at)?;
        Some(LeafPlace { table: self.track.kind, key, chunk, ordinal, node })
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
