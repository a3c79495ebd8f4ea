//! One opened capture: its events, names, rows and bounds. Never changed after opening, and shared
//! with worker threads.

mod counters;
mod derived;
mod details;
mod events;
mod labels;
mod open;
mod request_span;
mod row_tree;

use std::path::PathBuf;
use std::sync::OnceLock;

use rayon::prelude::*;
use underspan_model::Timeline;
use underspan_model::tables::TableKind;
use underspan_native::{Pyramid, Reader, Track};

pub(crate) use counters::{CounterCell, CounterSeries};
pub(crate) use derived::{BarMeaning, Derived, DerivedBar, DerivedRows, cohorts};
pub(crate) use details::{Fact, LAYER, event_facts};
pub(crate) use events::{Events, RowBlock, track_columns};
pub(crate) use labels::{Labels, full_name, label};
pub use open::{OpenError, OpenOptions, OpenProgress, open, open_with};
pub(crate) use row_tree::{Row, RowKind, rows_of};

use crate::render::complete_tiles;
use crate::timeline::{TimeRange, query_row};

/// What a canvas draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarCount {
    /// Bars.
    pub n_bars: usize,
    /// Events in them, alone or with others.
    pub n_events: u64,
    /// Events that overlap so many others that there is no lane for them.
    pub n_left_out: u64,
}

/// Events up to which a view of a mapped file is drawn exactly: about as many as are decoded in a
/// tenth of a second.
const EXACT_EVENTS: f64 = 2e6;
/// How many pixels wide what is drawn of a view of more events may be blunt.
const BLUNT_PIXELS: u32 = 4;

/// One opened capture.
#[derive(Debug)]
pub struct Document {
    paths: Vec<PathBuf>,
    bounds: TimeRange,
    n_events: u64,
    pub(crate) events: Events,
    pub(crate) tracks: Vec<Track>,
    pub(crate) rows: Vec<Row>,
    pub(crate) labels: Labels,
    pub(crate) counters: Vec<CounterSeries>,
    /// What the analysis found for the rows it fills; set once.
    derived: OnceLock<DerivedRows>,
}

impl Document {
    /// A document of a timeline that is in memory.
    ///
    /// # Errors
    /// [`OpenError::Empty`] when nothing in it has a time.
    pub fn in_memory(paths: Vec<PathBuf>, timeline: Timeline) -> Result<Self, OpenError> {
        let n_events = timeline.event_count();
        Self::new(paths, Events::in_memory(timeline), n_events)
    }

    pub(crate) fn in_file(
        paths: Vec<PathBuf>,
        reader: Reader,
        pyramid: Pyramid,
        serving: Timeline,
        analysis_bytes: Option<u64>,
    ) -> Result<Self, OpenError> {
        let in_tracks: u64 = pyramid.tracks().map(|track| track.events).sum();
        let n_events = in_tracks + serving.counters.len() as u64;
        Self::new(paths, Events::in_file(reader, pyramid, serving, analysis_bytes), n_events)
    }

    fn new(paths: Vec<PathBuf>, events: Events, n_events: u64) -> Result<Self, OpenError> {
        let tracks = events.tracks();
        let counters = CounterSeries::all(events.timeline());
        let times = tracks
            .iter()
            .filter(|track| track.events > 0)
            .map(|track| (track.start_ns, track.end_ns))
            .chain(counters.iter().filter_map(CounterSeries::bounds));
        let bounds = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let Some((start, end)) = bounds else {
            return Err(OpenError::Empty { name: names(&paths) });
        };
        let rows = rows_of(events.timeline(), &tracks, &counters);
        let labels = Labels::of(events.timeline());
        let bounds = TimeRange::from_ns(start, end);
        let derived = OnceLock::new();
        Ok(Self { paths, bounds, n_events, events, tracks, rows, labels, counters, derived })
    }

    /// The files it was read from.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Names of the files, without folders.
    pub fn name(&self) -> String {
        names(&self.paths)
    }

    /// From the first event's start to the last one's end.
    pub fn bounds(&self) -> TimeRange {
        self.bounds
    }

    /// Events and samples in the capture.
    pub fn n_events(&self) -> u64 {
        self.n_events
    }

    /// What a canvas of so many pixels draws of a window: the bars of all rows, and the events in
    /// them. With `in_full_detail` every chunk that is needed is decoded first; without, what is
    /// decoded already has to do.
    pub fn count_bars(&self, window: TimeRange, n_pixels: u32, in_full_detail: bool) -> BarCount {
        // What the analysis made of events is none itself.
        let is_of_events = |at: &usize| {
            self.rows.get(*at).is_some_and(|row| !matches!(row.kind, RowKind::Derived(_)))
        };
        let rows: Vec<usize> = (0..self.rows.len()).filter(is_of_events).collect();
        // On as many threads as the tiles of the window are made on.
        let one =
            |scratch: &mut Vec<_>, row: &usize| query_row(self, *row, window, n_pixels, scratch);
        let tiles = match in_full_detail {
            true => complete_tiles(self, &rows, window, n_pixels),
            false => rows.par_iter().map_init(Vec::new, one).collect(),
        };
        BarCount {
            n_bars: tiles.iter().map(|tile| tile.cells().len()).sum(),
            n_events: tiles.iter().map(|tile| tile.n_events()).sum(),
            n_left_out: tiles.iter().map(|tile| tile.n_left_out).sum(),
        }
    }

    /// How many pixels wide that which is not in memory may be blunt in a window.
    pub(crate) fn tolerance(&self, window: TimeRange) -> u32 {
        let share = window.len_ns() as f64 / self.bounds.len_ns() as f64;
        let is_narrow = self.n_events as f64 * share.min(1.0) <= EXACT_EVENTS;
        if is_narrow { 1 } else { BLUNT_PIXELS }
    }

    /// Whether all of it is in memory; otherwise it is in a mapped file.
    pub fn is_in_memory(&self) -> bool {
        self.events.is_in_memory()
    }

    /// Names, lists and the small tables; all tables when the capture is in memory.
    pub fn timeline(&self) -> &Timeline {
        self.events.timeline()
    }

    /// When a request ran: of an engine's request id, or a trace or span id in hexadecimal. `None`
    /// when no span has it.
    pub fn request_range(&self, id: &str) -> Option<TimeRange> {
        request_span::request_range(self.timeline(), id)
    }

    /// Position of the row that shows a track.
    pub(crate) fn row_of(&self, table: TableKind, key: u32) -> Option<usize> {
        self.rows.iter().position(|row| match row.kind {
            RowKind::Events { track, .. } => {
                self.tracks.get(track).is_some_and(|of| of.kind == table && of.key == key)
            }
            _ => false,
        })
    }

    /// Fills the rows that the analysis makes; the first time counts.
    pub(crate) fn fill_rows(&self, rows: DerivedRows) {
        let _ = self.derived.set(rows);
    }

    /// What the analysis filled rows with, once it has.
    pub(crate) fn derived(&self) -> Option<&DerivedRows> {
        self.derived.get()
    }

    /// The bars of a row that the analysis fills.
    pub(crate) fn derived_bars(&self, row: Derived) -> &[DerivedBar] {
        self.derived().map_or(&[], |rows| rows.bars(row))
    }

    /// Position of the row that the analysis fills with something.
    pub(crate) fn row_of_derived(&self, row: Derived) -> Option<usize> {
        self.rows.iter().position(|of| of.kind == RowKind::Derived(row))
    }

    /// The row on which kernels ran longest.
    pub(crate) fn busiest_device_row(&self) -> Option<usize> {
        let kernels = self.rows.iter().enumerate().filter(|(_, row)| {
            matches!(row.kind, RowKind::Events { table: TableKind::Kernel, .. })
        });
        kernels.max_by_key(|(at, row)| (row.busy_ns, std::cmp::Reverse(*at))).map(|(at, _)| at)
    }

    /// The names of a table that read the same as one of them: launch shapes of one kernel.
    pub(crate) fn labels_of(&self, table: TableKind, name: u32) -> Vec<bool> {
        let timeline = self.timeline();
        if table != TableKind::Kernel {
            // A name that is no id would make an endless list.
            let is_id = (name as usize) < timeline.strings.len().max(256);
            return if is_id { (0..=name).map(|at| at == name).collect() } else { Vec::new() };
        }
        let shapes = timeline.shapes.as_slice();
        let of = shapes.get(name as usize).map(|shape| shape.name);
        shapes.iter().map(|shape| Some(shape.name) == of).collect()
    }

    /// The bar label of an event.
    pub(crate) fn label(&self, kind: TableKind, name: u32) -> String {
        match kind {
            TableKind::Kernel => self.labels.kernel(self.timeline(), name).to_owned(),
            other => label(self.timeline(), other, name),
        }
    }
}

fn names(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    };
    match paths {
        [] => "untitled".to_owned(),
        [one] => name(one),
        [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
    }
}
