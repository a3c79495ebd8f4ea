//! The nodes of 512 events that are stored in a file.

use std::collections::HashMap;

use super::node::{FAN_OUT, Node};
use crate::track::TrackRow;

/// Levels from an event to a leaf.
pub(crate) const LEAF_LEVELS: usize = 3;
/// Events under one leaf at most.
pub(crate) const LEAF_EVENTS: usize = FAN_OUT.pow(LEAF_LEVELS as u32);

/// Up to 512 events of one track that follow each other in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The track's key.
    pub(crate) key: u32,
    /// Position of the chunk among the table's chunks of rows.
    pub(crate) chunk: u32,
    pub(crate) node: Node,
}

/// Makes the leaves of a table, chunk after chunk.
#[derive(Debug, Default)]
pub(crate) struct LeafBuilder {
    tracks: Vec<TrackBuilder>,
    track_of: HashMap<u32, usize>,
    /// Key and track of the row before: rows of one track come in runs.
    recent: Option<(u32, usize)>,
    n_chunks: u32,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct TrackBuilder {
    key: u32,
    ran_until: i64,
    /// Per level the nodes not yet merged into one above.
    pending: [Vec<Node>; LEAF_LEVELS],
}

impl LeafBuilder {
    /// Adds the rows of the table's next chunk.
    pub(crate) fn add_chunk(&mut self, rows: impl Iterator<Item = TrackRow>) {
        for row in rows {
            let key = row.key;
            let at = self.track(key);
            let track = &mut self.tracks[at];
            let ran_until = &mut track.ran_until;
            let event = Node::of_event(row.start, row.duration, row.name, ran_until);
            track.pending[0].push(event);
            if track.pending[0].len() == FAN_OUT
                && let Some(node) = track.carry()
            {
                self.leaves.push(Leaf { key, chunk: self.n_chunks, node });
            }
        }
        for track in &mut self.tracks {
            if let Some(node) = track.flush() {
                self.leaves.push(Leaf { key: track.key, chunk: self.n_chunks, node });
            }
        }
        self.n_chunks += 1;
    }

    /// Number of events under all leaves.
    pub(crate) fn n_events(&self) -> u64 {
        self.leaves.iter().map(|leaf| u64::from(leaf.node.events)).sum()
    }

    /// All leaves, track by track and within a track in file order.
    pub(crate) fn finish(mut self) -> Vec<Leaf> {
        self.leaves.sort_by_key(|leaf| leaf.key);
        self.leaves
    }

    fn track(&mut self, key: u32) -> usize {
        if let Some((recent, at)) = self.recent
            && recent == key
        {
            return at;
        }
        let at = *self.track_of.entry(key).or_insert_with(|| {
            self.tracks.push(TrackBuilder {
                key,
                ran_until: i64::MIN,
                pending: Default::default(),
            });
            self.tracks.len() - 1
        });
        self.recent = Some((key, at));
        at
    }
}

impl TrackBuilder {
    /// Merges full levels into nodes above; the leaf when that fills one.
    fn carry(&mut self) -> Option<Node> {
        for level in 0..LEAF_LEVELS {
            if self.pending[level].len() < FAN_OUT {
                return None;
            }
            let node = Node::merge(&self.pending[level]);
            self.pending[level].clear();
            match self.pending.get_mut(level + 1) {
                Some(above) => above.push(node),
                None => return Some(node),
            }
        }
        None
    }

    /// Merges whatever is pending into one leaf.
    fn flush(&mut self) -> Option<Node> {
        let mut carried: Option<Node> = None;
        for level in &mut self.pending {
            level.extend(carried.take());
            if !level.is_empty() {
                carried = Some(Node::merge(level));
                level.clear();
            }
        }
        carried
    }
}
