//! One open capture and what the user does with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use underspan_model::tables::{Span, TableKind};

use super::jobs::{EventDetails, TileAnswer, let_go};
use super::notes::SavedView;
use super::requests::RequestList;
use super::{EventRef, History, Note};
use crate::analysis::{Analyses, Comparison, RequestItem};
use crate::document::{Document, Row, RowKind};
use crate::paint::{CanvasStats, ColourBy, Highlight};
use crate::panels::Drawn;
use crate::query::{Awaited, NameMatch, RangeStatistics};
use crate::timeline::{PlacedRow, RowChoices, RowHeights, RowTile, TimeRange, place};

/// Lanes of a row that are shown at once; the row can be scrolled for more.
const SHOWN_LANES: usize = 24;

/// A place to come back to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) view: TimeRange,
    pub(crate) event: Option<EventRef>,
    pub(crate) request: Option<usize>,
}

/// A search and what it found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    pub(crate) text: String,
    pub(crate) matches: Vec<NameMatch>,
    /// Why it is no search.
    pub(crate) error: Option<String>,
}

/// Statistics that were asked for.
#[derive(Debug, Default)]
pub(crate) struct StatisticsState {
    pub(crate) result: Option<RangeStatistics>,
    pub(crate) error: Option<String>,
    /// What is being computed.
    pub(crate) pending: Option<(u64, TimeRange, Awaited)>,
}

/// A row to be scrolled into sight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reveal {
    pub(crate) row: usize,
    /// For how many frames it has been.
    pub(crate) n_frames: u8,
    /// Whether to scroll no further than is needed from the top, so that what stands above the row
    /// is seen with it.
    pub(crate) is_from_top: bool,
}

/// One open capture and what the user does with it.
#[derive(Debug)]
pub(crate) struct Session {
    /// Tells answers about this capture from those about the one before.
    pub(crate) id: u64,
    pub(crate) document: Arc<Document>,
    pub(crate) view: TimeRange,
    pub(crate) scroll: f32,
    pub(crate) history: History<Place>,
    pub(crate) event: Option<EventRef>,
    pub(crate) details: Option<Result<EventDetails, String>>,
    pub(crate) range: Option<TimeRange>,
    pub(crate) statistics: StatisticsState,
    pub(crate) analyses: Option<Arc<Analyses>>,
    pub(crate) requests: RequestList,
    pub(crate) search: Search,
    pub(crate) colour_by: ColourBy,
    pub(crate) collapsed: HashSet<String>,
    pub(crate) hidden: HashSet<String>,
    pub(crate) pinned: Vec<String>,
    /// Rows in the order in which they are shown.
    pub(crate) order: Vec<usize>,
    pub(crate) row_filter: String,
    pub(crate) notes: Vec<Note>,
    pub(crate) comparison: Option<Arc<Comparison>>,
    /// Which of its kinds of steps is shown.
    pub(crate) step_pair: usize,
    pub(crate) tiles: HashMap<usize, RowTile>,
    /// Most lanes seen of a row: rows grow while one looks around, and do not jump.
    lanes: HashMap<usize, usize>,
    /// What tiles were asked for last.
    pub(crate) asked: Option<(Vec<usize>, TimeRange, u32)>,
    pub(crate) generation: u64,
    /// What stays bright.
    pub(crate) highlight: Arc<Highlight>,
    /// Length of the window that the lanes were counted in.
    lanes_window_ns: u64,
    /// The analysis that is under way.
    pub(crate) analysing: Awaited,
    /// The comparison that is under way.
    pub(crate) comparing: Option<(u64, Awaited)>,
    /// The details that are being found.
    pub(crate) detailing: Awaited,
    /// A look for an event that is under way.
    pub(crate) finding: Option<(u64, Awaited)>,
    /// Row to be scrolled into sight.
    pub(crate) reveal: Option<Reveal>,
    /// The request whose tiles came last.
    pub(crate) tiles_generation: u64,
    /// Whether nothing finer follows of what was asked for last.
    pub(crate) has_all_tiles: bool,
    /// Width of the canvas in points at the last frame.
    pub(crate) canvas_width: f32,
    /// Counts what came from the tile worker.
    pub(crate) tiles_version: u64,
    /// What was drawn last.
    pub(crate) drawn: Option<Drawn>,
    /// Events in view, and those left out.
    pub(crate) shown: (u64, u64),
    /// Where the range that is being dragged began.
    pub(crate) drag_range: Option<i64>,
    /// Where the brush of the histogram began, in points.
    pub(crate) brush_from: Option<f32>,
    /// The request that the list scrolled to last.
    pub(crate) shown_request: Option<usize>,
    /// How busy the capture was, for the minimap.
    pub(crate) density: Option<Vec<f32>>,
    pub(crate) note_text: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        let_go((self.analyses.take(), self.comparison.take(), self.document.clone()));
    }
}

impl Session {
    pub(crate) fn new(document: Arc<Document>) -> Self {
        let saved = match document.paths() {
            [first, ..] => SavedView::load(first),
            [] => SavedView::default(),
        };
        let mut session = Self {
            id: 0,
            view: document.bounds().padded(0.005),
            scroll: 0.0,
            history: History::default(),
            event: None,
            details: None,
            range: None,
            statistics: StatisticsState::default(),
            analyses: None,
            requests: RequestList::default(),
            search: Search::default(),
            colour_by: ColourBy::default(),
            collapsed: saved.collapsed.into_iter().collect(),
            hidden: saved.hidden.into_iter().collect(),
            pinned: saved.pinned,
            order: (0..document.rows.len()).collect(),
            row_filter: String::new(),
            notes: saved.notes,
            comparison: None,
            step_pair: 0,
            tiles: HashMap::new(),
            lanes: HashMap::new(),
            asked: None,
            generation: 0,
            highlight: Arc::default(),
            lanes_window_ns: 0,
            analysing: Awaited::default(),
            comparing: None,
            detailing: Awaited::default(),
            finding: None,
            reveal: None,
            tiles_generation: 0,
            has_all_tiles: true,
            canvas_width: 1000.0,
            tiles_version: 0,
            drawn: None,
            shown: (0, 0),
            drag_range: None,
            brush_from: None,
            shown_request: None,
            density: None,
            note_text: String::new(),
            document,
        };
        session.restore_order(&saved.order);
        session
    }

    /// Goes on as an earlier session with an older reading of the same files.
    pub(crate) fn resume(&mut self, before: Self) {
        let (old, new) = (before.document.bounds(), self.document.bounds());
        let reached_end = before.view.end_ns() >= old.end_ns();
        let grown = if reached_end { new.end_ns().saturating_sub(old.end_ns()) } else { 0 };
        let was_whole = before.view.encloses(old);
        self.view = match was_whole {
            true => new.padded(0.005),
            false => TimeRange::from_ns(
                before.view.start_ns().saturating_add(grown),
                before.view.end_ns().saturating_add(grown),
            ),
        };
        self.scroll = before.scroll;
        self.colour_by = before.colour_by;
        self.row_filter.clone_from(&before.row_filter);
        self.range = before.range;
        self.requests.by = before.requests.by;
        self.requests.is_descending = before.requests.is_descending;
    }

    fn restore_order(&mut self, ids: &[String]) {
        let place_of = |at: &usize| {
            let id = self.document.rows.get(*at).map(|row| &row.id);
            ids.iter().position(|of| Some(of) == id).unwrap_or(usize::MAX)
        };
        if !ids.is_empty() {
            self.order.sort_by_key(place_of);
        }
    }

    /// Moves a row among the rows of its heading, and headings among each other with all in them.
    pub(crate) fn move_row(&mut self, id: &str, by: i32) {
        let rows = &self.document.rows;
        let Some(row) = rows.iter().position(|row| row.id == id) else { return };
        let parent = rows.get(row).and_then(|row| row.parent);
        let siblings: Vec<usize> = self
            .order
            .iter()
            .copied()
            .filter(|at| rows.get(*at).is_some_and(|of| of.parent == parent))
            .collect();
        let Some(at) = siblings.iter().position(|of| *of == row) else { return };
        let to = (at as i64 + i64::from(by)).clamp(0, siblings.len() as i64 - 1) as usize;
        let mut moved = siblings;
        let row = moved.remove(at);
        moved.insert(to, row);
        // Headings first, each with its rows in the order they had, but for the moved ones.
        let place = |at: usize| moved.iter().position(|of| *of == at);
        let order = self.order.clone();
        let before = |at: usize| order.iter().position(|of| *of == at).unwrap_or(usize::MAX);
        self.order.sort_by_key(|at| {
            let parent_of = rows.get(*at).and_then(|row| row.parent);
            let key = |at: usize| place(at).unwrap_or_else(|| before(at));
            match parent_of {
                // Behind its heading.
                Some(heading) => (key(heading), 1, key(*at)),
                None => (key(*at), 0, 0),
            }
        });
    }

    /// What is kept beside the capture.
    pub(crate) fn saved_view(&self) -> SavedView {
        let sorted = |set: &HashSet<String>| {
            let mut ids: Vec<String> = set.iter().cloned().collect();
            ids.sort();
            ids
        };
        let is_moved = self.order.windows(2).any(|pair| pair[0] > pair[1]);
        let ids = self.order.iter().filter_map(|at| self.document.rows.get(*at));
        SavedView {
            notes: self.notes.clone(),
            pinned: self.pinned.clone(),
            collapsed: sorted(&self.collapsed),
            hidden: sorted(&self.hidden),
            order: if is_moved { ids.map(|row| row.id.clone()).collect() } else { Vec::new() },
        }
    }

    pub(crate) fn place(&self) -> Place {
        Place { view: self.view, event: self.event, request: self.requests.selected }
    }

    /// The selected request.
    pub(crate) fn request(&self) -> Option<&RequestItem> {
        self.analyses.as_ref()?.requests.get(self.requests.selected?)
    }

    /// The rows as they stand, from top to bottom.
    pub(crate) fn placed(&self) -> Vec<PlacedRow> {
        let filter = crate::query::pattern_regex(&self.row_filter).ok();
        let is_wanted = |row: &Row| {
            let is_filled = match row.kind {
                RowKind::Derived(derived) => !self.document.derived_bars(derived).is_empty(),
                _ => true,
            };
            is_filled
                && (self.row_filter.is_empty()
                    || filter.as_ref().is_none_or(|filter| filter.is_match(&row.title)))
        };
        place(
            &self.document.rows,
            &self.order,
            &RowChoices { collapsed: Some(&self.collapsed), hidden: Some(&self.hidden) },
            &self.pinned,
            RowHeights::default(),
            is_wanted,
            |row| self.lanes.get(&row).copied().unwrap_or(1).min(SHOWN_LANES),
        )
    }

    /// Takes over tiles from the worker.
    pub(crate) fn take_tiles(&mut self, answer: TileAnswer) {
        let TileAnswer { generation, tiles, is_last } = answer;
        if generation != self.generation {
            return;
        }
        self.tiles_version += 1;
        self.tiles_generation = generation;
        self.has_all_tiles = is_last;
        // Another zoom shows other overlaps; moving at one zoom does not make rows jump.
        let window_ns = self.asked.as_ref().map_or(0, |(_, window, _)| window.len_ns());
        if window_ns.abs_diff(self.lanes_window_ns) > self.lanes_window_ns / 4 {
            self.lanes.clear();
            self.lanes_window_ns = window_ns;
        }
        for tile in tiles {
            let lanes = self.lanes.entry(tile.row).or_insert(1);
            *lanes = (*lanes).max(tile.n_lanes());
            self.tiles.insert(tile.row, tile);
        }
    }

    /// What was drawn last.
    pub(crate) fn drawn_stats(&self) -> CanvasStats {
        self.drawn.as_ref().map(|drawn| drawn.stats).unwrap_or_default()
    }

    /// Finds out anew what stays bright: after another request was selected or another search made.
    pub(crate) fn refresh_highlight(&mut self) {
        let names = self.search.matches.clone();
        let Some(request) = self.request() else {
            self.highlight = Arc::new(Highlight { names, ..Highlight::default() });
            return;
        };
        let timeline = self.document.timeline();
        let id = timeline.strings.find(&request.id).map(|id| id.raw());
        let is_own = |span: &Span| {
            let trace = u128::from(span.trace_id_high) << 64 | u128::from(span.trace_id_low);
            Some(span.request) == id
                || request.trace_id == Some(trace)
                || request.span_id == Some(span.span_id)
        };
        let spans = timeline.spans.iter().enumerate();
        let span_rows = spans.filter(|(_, span)| is_own(span)).map(|(row, _)| row as u64).collect();
        let mut device_spans: Vec<TimeRange> =
            request.steps.iter().filter_map(|step| step.device).collect();
        device_spans.sort_by_key(|span| span.end_ns());
        let spans = vec![request.range];
        let request = self.requests.selected;
        self.highlight = Arc::new(Highlight { spans, device_spans, span_rows, request, names });
    }

    /// Shows an event: leaves the view as it is when it can be seen well, centres it otherwise.
    pub(crate) fn reveal_event(&mut self, event: &EventRef) {
        let width = event.len_ns() as f64 / self.view.len_ns() as f64;
        let is_in_view = self.view.encloses(event.range());
        let is_visible = width * f64::from(self.canvas_width) >= 3.0;
        if !is_in_view || !is_visible {
            let len = if is_visible {
                self.view.len_ns().max(event.len_ns().saturating_mul(2)) as f64
            } else {
                event.len_ns().max(10) as f64 * 20.0
            };
            let view =
                event.range().padded((len / event.len_ns().max(10) as f64 - 1.0).max(0.0) / 2.0);
            self.view = view;
        }
        let table = event.kind().unwrap_or(TableKind::Kernel);
        self.reveal_row(self.document.row_of(table, event.key));
    }

    /// Unfolds, unhides and scrolls to a row.
    pub(crate) fn reveal_row(&mut self, row: Option<usize>) {
        let Some(at) = row else { return };
        let mut above = Some(at);
        while let Some(row) = above.and_then(|at| self.document.rows.get(at)) {
            self.hidden.remove(&row.id);
            if row.kind == RowKind::Group {
                self.collapsed.remove(&row.id);
            }
            above = row.parent;
        }
        let title = self.document.rows.get(at).map(|row| row.title.clone()).unwrap_or_default();
        let is_filtered = crate::query::pattern_regex(&self.row_filter)
            .is_ok_and(|filter| !filter.is_match(&title));
        if is_filtered {
            self.row_filter.clear();
        }
        self.reveal = Some(Reveal { row: at, n_frames: 0, is_from_top: false });
    }
}
