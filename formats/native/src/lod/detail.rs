//! What is below the leaves of a file: decoded chunk by chunk, as far down as a zoom needs.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use underspan_model::tables::TableKind;

use super::leaf::LEAF_LEVELS;
use super::node::{FAN_OUT, Node, Tree};
use super::paint::{Offer, Painter};
use crate::track::TrackRows;

/// Memory that decoded chunks may take before those not used for longest are forgotten.
const CACHED_BYTES: usize = 96 << 20;

/// How far down a chunk is held. Wide views need many chunks but only their upper nodes, narrow
/// ones need every event but of few chunks, so that all zooms need about the same memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// Nodes of 64 events: 0.9 bytes per event.
    Nodes64,
    /// Nodes of 8 events: 7 bytes per event.
    Nodes8,
    /// Every event: 31 bytes per event.
    Events,
}

impl Depth {
    /// What is needed to draw a node of 512 events that is `widths` times too wide, when its
    /// events are spread evenly.
    fn below_leaf(widths: f64) -> Self {
        let fan_out = FAN_OUT as f64;
        match widths {
            few if few <= fan_out => Self::Nodes64,
            some if some <= fan_out * fan_out => Self::Nodes8,
            _ => Self::Events,
        }
    }

    /// The lowest level of the tree that is held.
    fn level(self) -> usize {
        match self {
            Self::Nodes64 => 1,
            Self::Nodes8 | Self::Events => 0,
        }
    }
}

/// A chunk that has to be decoded to draw something as finely as the pixels allow, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MissingChunk {
    /// The table.
    pub table: TableKind,
    /// Position among its chunks.
    pub index: u32,
    /// How far down.
    pub depth: Depth,
}

impl MissingChunk {
    /// Sorts by chunk and leaves of each the deepest need alone.
    pub fn merge(missing: &mut Vec<Self>) {
        missing.sort_unstable_by_key(|of| (of.table, of.index, std::cmp::Reverse(of.depth)));
        missing.dedup_by_key(|of| (of.table, of.index));
    }
}

/// A decoded chunk by the key of its tracks.
#[derive(Debug)]
pub(super) struct ChunkDetail {
    depth: Depth,
    first_row: u64,
    tracks: HashMap<u32, TrackDetail>,
    n_bytes: usize,
    /// When it was last looked at, in queries.
    used: AtomicU64,
}

#[derive(Debug)]
struct TrackDetail {
    /// Nodes of 8, 64 and 512 events; those below the depth are left out.
    levels: Vec<Vec<Node>>,
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    start: i64,
    duration: u64,
    name: u32,
    /// Row within the chunk.
    row: u32,
}

impl ChunkDetail {
    /// The detail of the rows of a chunk, the first of which has the number `first_row` in its
    /// table; `ran_until` gives for a key the latest end of its events in the chunks before.
    pub(super) fn of(
        rows: TrackRows<'_>,
        first_row: u64,
        depth: Depth,
        ran_until: impl Fn(u32) -> i64,
    ) -> Self {
        let mut n_bytes = size_of::<Self>();
        let by_key = rows.by_key().into_iter();
        let tracks = by_key.map(|(key, of_key)| {
            let mut ran_until = ran_until(key);
            let row_at = |at: usize| of_key.get(at).and_then(|row| rows.get(*row as usize));
            let tree = Tree::build(of_key.len(), Some(LEAF_LEVELS), |at| match row_at(at) {
                Some(row) => Node::of_event(row.start, row.duration, row.name, &mut ran_until),
                None => Node::merge(&[]),
            });
            let mut levels = tree.into_levels();
            for level in levels.iter_mut().take(depth.level()) {
                *level = Vec::new();
            }
            let events: Vec<Event> = match depth {
                Depth::Events => of_key
                    .iter()
                    .filter_map(|row| {
                        let of = rows.get(*row as usize)?;
                        let (start, duration, name) = (of.start, of.duration, of.name);
                        Some(Event { start, duration, name, row: *row })
                    })
                    .collect(),
                Depth::Nodes64 | Depth::Nodes8 => Vec::new(),
            };
            let n_nodes: usize = levels.iter().map(Vec::len).sum();
            n_bytes += n_nodes * size_of::<Node>() + events.len() * size_of::<Event>();
            n_bytes += size_of::<(u32, TrackDetail)>();
            (key, TrackDetail { levels, events })
        });
        let tracks = tracks.collect();
        Self { depth, first_row, tracks, n_bytes, used: AtomicU64::new(0) }
    }
}

/// One leaf of a track, and where what is below it may be found.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafPlace {
    pub(super) table: TableKind,
    pub(super) key: u32,
    pub(super) chunk: u32,
    /// Which of the leaves of the track in the chunk.
    pub(super) ordinal: u32,
    pub(super) node: Node,
}

/// Chunks that were decoded.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    chunks: HashMap<(TableKind, u32), Arc<ChunkDetail>>,
    n_bytes: usize,
    n_queries: AtomicU64,
}

impl Loaded {
    /// Begins a query; what it looks at was used later than what others looked at.
    pub(super) fn begin_query(&self) -> u64 {
        self.n_queries.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether nothing has to be decoded.
    pub(super) fn has(&self, chunk: &MissingChunk) -> bool {
        let detail = self.chunks.get(&(chunk.table, chunk.index));
        detail.is_some_and(|detail| detail.depth >= chunk.depth)
    }

    pub(super) fn insert(&mut self, chunk: &MissingChunk, detail: Arc<ChunkDetail>) {
        if self.has(chunk) {
            return;
        }
        detail.used.store(self.n_queries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.n_bytes += detail.n_bytes;
        if let Some(shallow) = self.chunks.insert((chunk.table, chunk.index), detail) {
            self.n_bytes -= shallow.n_bytes;
        }
        while self.n_bytes > CACHED_BYTES && self.chunks.len() > 1 {
            let used = |detail: &Arc<ChunkDetail>| detail.used.load(Ordering::Relaxed);
            let oldest = self.chunks.iter().min_by_key(|(key, detail)| (used(detail), **key));
            let Some(key) = oldest.map(|(key, _)| *key) else { return };
            if let Some(forgotten) = self.chunks.remove(&key) {
                self.n_bytes -= forgotten.n_bytes;
            }
        }
    }

    /// Draws what is below a leaf that is too wide for a pixel. What would have to be decoded
    /// first is noted, unless the leaf is no wider than the painter's tolerance.
    pub(super) fn draw(
        &self,
        leaf: &LeafPlace,
        query: u64,
        painter: &mut Painter<'_>,
        missing: &mut Vec<MissingChunk>,
    ) {
        let MissingChunk { table, index, .. } = leaf.missing(Depth::Nodes64);
        let detail = self.chunks.get(&(table, index));
        let track = detail.and_then(|detail| Some((detail, detail.tracks.get(&leaf.key)?)));
        let Some((detail, track)) = track else {
            if !painter.spread(&leaf.node) {
                missing.push(leaf.missing(Depth::below_leaf(painter.widths(&leaf.node))));
                painter.coarse(&leaf.node);
            }
            return;
        };
        detail.used.store(query, Ordering::Relaxed);
        let mut drawing = Drawing { detail, track, leaf, painter, missing };
        let ordinal = leaf.ordinal as usize;
        drawing.nodes(LEAF_LEVELS - 1, ordinal..ordinal + 1);
    }
}

impl LeafPlace {
    fn missing(&self, depth: Depth) -> MissingChunk {
        MissingChunk { table: self.table, index: self.chunk, depth }
    }
}

/// Going down the tree below a leaf.
struct Drawing<'a, 'b> {
    detail: &'a ChunkDetail,
    track: &'a TrackDetail,
    leaf: &'a LeafPlace,
    painter: &'a mut Painter<'b>,
    missing: &'a mut Vec<MissingChunk>,
}

impl Drawing<'_, '_> {
    fn nodes(&mut self, level: usize, range: std::ops::Range<usize>) {
        let nodes = self.track.levels.get(level).map_or(&[][..], Vec::as_slice);
        let range = range.start..range.end.min(nodes.len());
        for (index, node) in range.clone().zip(nodes.get(range).unwrap_or_default()) {
            if self.painter.offer(node) == Offer::Done {
                continue;
            }
            let first = index * FAN_OUT;
            let below = first..first + FAN_OUT;
            match level.checked_sub(1) {
                Some(level) if level >= self.detail.depth.level() => self.nodes(level, below),
                None if self.detail.depth == Depth::Events => self.events(below),
                Some(_) => self.blunt(node, Depth::Nodes8),
                None => self.blunt(node, Depth::Events),
            }
        }
    }

    fn blunt(&mut self, node: &Node, depth: Depth) {
        if !self.painter.spread(node) {
            self.missing.push(self.leaf.missing(depth));
            self.painter.coarse(node);
        }
    }

    fn events(&mut self, range: std::ops::Range<usize>) {
        let range = range.start..range.end.min(self.track.events.len());
        for event in self.track.events.get(range).unwrap_or_default() {
            let Event { start, duration, name, row } = *event;
            let node = Node::of_event(start, duration, name, &mut { i64::MIN });
            self.painter.event(&node, self.detail.first_row + u64::from(row));
        }
    }
}
