//! The pyramid of a timeline that is in memory.

use rayon::prelude::*;
use underspan_model::tables::TableKind;
use underspan_model::{Interval, Timeline};

use super::cell::Cell;
use super::node::{FAN_OUT, Node, Tree};
use super::paint::Painter;
use super::pyramid::Track;
use crate::track::TrackRows;

/// The pyramids of all tracks of a timeline that is in memory.
#[derive(Debug)]
pub struct TimelinePyramid {
    tracks: Vec<TimelineTrack>,
}

/// One track of a timeline that is in memory.
#[derive(Debug)]
pub struct TimelineTrack {
    track: Track,
    rows: Vec<u32>,
    tree: Tree,
}

impl TimelinePyramid {
    /// Builds the pyramids of all tracks.
    pub fn new(timeline: &Timeline) -> Self {
        let tables: Vec<TableKind> = timeline.tables().iter().map(|table| table.kind()).collect();
        let tracks = tables
            .into_par_iter()
            .filter_map(|kind| Some((kind, TrackRows::of(timeline.table(kind))?)))
            .flat_map(|(kind, rows)| {
                let by_key = rows.by_key();
                by_key
                    .into_par_iter()
                    .map(move |(key, of_key)| TimelineTrack::build(kind, key, of_key, &rows))
            })
            .collect();
        Self { tracks }
    }

    /// The tracks, by table and then by key.
    pub fn tracks(&self) -> &[TimelineTrack] {
        &self.tracks
    }
}

impl TimelineTrack {
    fn build(kind: TableKind, key: u32, of_key: Vec<u32>, rows: &TrackRows<'_>) -> Self {
        let mut ran_until = i64::MIN;
        let tree = Tree::build(of_key.len(), None, |at| {
            event(rows, of_key.get(at).copied(), &mut ran_until)
        });
        let track = Track::of_tree(kind, key, &tree);
        Self { track, rows: of_key, tree }
    }

    /// What the track is.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// Draws the part of the track in `range` on `n_pixels` pixels: `cells` is emptied and filled
    /// in order of first pixel. Every event in the range is in exactly one cell.
    ///
    /// `timeline` must be the one the pyramid was built of.
    pub fn cells(
        &self,
        timeline: &Timeline,
        range: Interval,
        n_pixels: u32,
        cells: &mut Vec<Cell>,
    ) {
        let mut painter = Painter::new(range, n_pixels, cells);
        if let Some(rows) = TrackRows::of(timeline.table(self.track.kind)) {
            painter.descend_all(&self.tree, &mut |painter, first| {
                let group = first..(first + FAN_OUT).min(self.rows.len());
                for row in self.rows.get(group).unwrap_or_default() {
                    let node = event(&rows, Some(*row), &mut { i64::MIN });
                    painter.event(&node, u64::from(*row));
                }
            });
        }
        painter.finish();
    }
}

fn event(rows: &TrackRows<'_>, row: Option<u32>, ran_until: &mut i64) -> Node {
    match row.and_then(|row| rows.get(row as usize)) {
        Some(row) => Node::of_event(row.start, row.duration, row.name, ran_until),
        None => Node::merge(&[]),
    }
}
