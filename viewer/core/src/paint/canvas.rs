//! The rows of the timeline as shapes.

use std::collections::HashSet;

use egui::{Color32, Pos2, Rect, pos2, vec2};
use underspan_model::tables::{StepKind, TableKind};

use super::Sink;
use super::colour::{
    ColourBy, Theme, cell_colour, dimmed, owner_colour, span_colour, step_colour, text_on,
};
use crate::analysis::{Membership, Owner};
use crate::document::{BarMeaning, CounterCell, Derived, DerivedBar, Document, RowKind};
use crate::query::NameMatch;
use crate::timeline::{DrawCell, PlacedRow, RowHeights, RowTile, TileContent, TimeRange, ticks};

/// Names are drawn on bars at least this wide, in points.
const MIN_NAME_WIDTH: f32 = 26.0;
/// Most names on one canvas.
const MAX_NAMES: usize = 1500;

/// What stays bright when something is selected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Highlight {
    /// Times of the selected request; what lies outside is dimmed. Nothing is when empty.
    pub(crate) spans: Vec<TimeRange>,
    /// When devices worked for the selected request, in order; device work outside is dimmed.
    /// When empty, [`Highlight::spans`] counts for devices too.
    pub(crate) device_spans: Vec<TimeRange>,
    /// Rows of the span table that belong to the selected request; other spans are dimmed when it
    /// is not empty.
    pub(crate) span_rows: HashSet<u64>,
    /// Position of the selected request.
    pub(crate) request: Option<usize>,
    /// Names that match the search; everything else is dimmed when not empty.
    pub(crate) names: Vec<NameMatch>,
}

impl Highlight {
    fn is_bright(&self, cell: &DrawCell) -> bool {
        let is_device_work = matches!(
            cell.table,
            TableKind::Kernel | TableKind::Memcpy | TableKind::Memset | TableKind::GraphLaunch
        );
        let in_time = if is_device_work && !self.device_spans.is_empty() {
            let at = self.device_spans.partition_point(|span| span.end_ns() <= cell.start_ns);
            self.device_spans.get(at).is_some_and(|span| span.touches(cell.start_ns, cell.end_ns))
        } else {
            self.spans.is_empty()
                || self.spans.iter().any(|span| span.touches(cell.start_ns, cell.end_ns))
        };
        let by_name = self.names.is_empty()
            || self.names.iter().any(|of| {
                of.table == cell.table && of.names.get(cell.name as usize).copied().unwrap_or(false)
            });
        let is_other_request = match (cell.table, cell.row) {
            (TableKind::Span, Some(row)) => {
                !self.span_rows.is_empty() && !self.span_rows.contains(&row)
            }
            _ => false,
        };
        in_time && by_name && !is_other_request
    }
}

/// Everything the rows are drawn from.
pub(crate) struct CanvasInput<'a> {
    pub(crate) document: &'a Document,
    pub(crate) view: TimeRange,
    /// Where the rows are, without their titles.
    pub(crate) area: Rect,
    /// How far the rows are scrolled, in points.
    pub(crate) scroll: f32,
    pub(crate) placed: &'a [PlacedRow],
    /// Height of the pinned rows at the top.
    pub(crate) pinned_height: f32,
    pub(crate) tile: &'a dyn Fn(usize) -> Option<&'a RowTile>,
    pub(crate) is_collapsed: &'a dyn Fn(&str) -> bool,
    pub(crate) colour_by: ColourBy,
    /// Whose events are, when that is known.
    pub(crate) membership: Option<&'a Membership>,
    pub(crate) highlight: &'a Highlight,
    pub(crate) theme: Theme,
    pub(crate) heights: RowHeights,
    pub(crate) selected: Option<(TableKind, u64)>,
    /// Width of a pixel in points.
    pub(crate) pixel: f32,
}

/// What was drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CanvasStats {
    pub(crate) n_quads: usize,
    pub(crate) n_names: usize,
    /// Events in the view, alone or with others in one bar.
    pub(crate) n_events: u64,
    /// Events that no lane was left for.
    pub(crate) n_left_out: u64,
}

impl CanvasInput<'_> {
    /// Where a row stands on the screen; `None` when it is scrolled out of sight.
    pub(crate) fn row_rect(&self, placed: &PlacedRow) -> Option<Rect> {
        let scroll = if placed.is_pinned { 0.0 } else { self.scroll };
        let top = self.area.top() + placed.top - scroll;
        let rect = Rect::from_min_size(
            pos2(self.area.left(), top),
            vec2(self.area.width(), placed.height),
        );
        let ceiling =
            if placed.is_pinned { self.area.top() } else { self.area.top() + self.pinned_height };
        (rect.bottom() > ceiling && rect.top() < self.area.bottom()).then_some(rect)
    }

    /// The part of the screen a row may be drawn in.
    fn clip(&self, placed: &PlacedRow) -> (f32, f32) {
        let top = self.area.top() + if placed.is_pinned { 0.0 } else { self.pinned_height };
        (top, self.area.bottom())
    }

    fn x_of(&self, ns: i64) -> f32 {
        let x = self.view.fraction_of(ns) * f64::from(self.area.width());
        self.area.left() + x.clamp(-10.0, f64::from(self.area.width()) + 10.0) as f32
    }

    /// The bar of a cell in a row at `rect`.
    pub(crate) fn cell_rect(&self, row: Rect, cell: &DrawCell, is_collapsed: bool) -> Rect {
        let (left, mut right) = (self.x_of(cell.start_ns), self.x_of(cell.end_ns));
        right = right.max(left + self.pixel);
        // A hair between neighbours, where there is room for one.
        if cell.row.is_some() && right - left > 4.0 * self.pixel {
            right -= self.pixel;
        }
        let lane = if is_collapsed { 0.0 } else { f32::from(cell.lane) };
        let top = row.top() + self.heights.gap / 2.0 + lane * self.heights.lane;
        let height = self.heights.lane - 1.0;
        // Many events in one bar: as high as they were busy.
        let filled = if cell.row.is_some() { 1.0 } else { cell.busy.max(0.3) };
        Rect::from_min_max(pos2(left, top + height * (1.0 - filled)), pos2(right, top + height))
    }
}

/// Draws the rows that are in sight.
pub(crate) fn paint_rows(input: &CanvasInput<'_>, sink: &mut impl Sink) -> CanvasStats {
    let mut painter = RowPainter { input, sink, stats: CanvasStats::default(), labels: Vec::new() };
    for (at, placed) in input.placed.iter().enumerate() {
        if let Some(rect) = input.row_rect(placed) {
            painter.row(placed, rect, at % 2 == 1);
        }
    }
    painter.stats
}

struct RowPainter<'a, 'b, S> {
    input: &'a CanvasInput<'b>,
    sink: &'a mut S,
    stats: CanvasStats,
    labels: Vec<(Rect, DrawCell, Color32)>,
}

impl<S: Sink> RowPainter<'_, '_, S> {
    fn row(&mut self, placed: &PlacedRow, rect: Rect, is_odd: bool) {
        let input = self.input;
        let Some(row) = input.document.rows.get(placed.row) else { return };
        let clip = input.clip(placed);
        let band = match row.kind {
            RowKind::Group => Some(input.theme.group),
            _ => is_odd.then_some(input.theme.band),
        };
        if let Some(band) = band {
            self.rect(rect, clip, band);
        }
        let Some(tile) = (input.tile)(placed.row) else { return };
        match (&tile.content, row.kind) {
            (TileContent::Events { cells, .. }, RowKind::Events { track, .. }) => {
                let is_collapsed = (input.is_collapsed)(&row.id);
                self.cells(cells, rect, clip, track as u32, is_collapsed);
                self.stats.n_left_out += tile.n_left_out;
            }
            (TileContent::Events { cells, .. }, RowKind::Derived(derived)) => {
                self.derived(cells, derived, rect, clip, (input.is_collapsed)(&row.id));
                self.stats.n_left_out += tile.n_left_out;
            }
            (TileContent::Counter(cells), RowKind::Counter(at)) => {
                if let Some(series) = input.document.counters.get(at) {
                    self.counter(cells, series.extent(), rect, clip);
                }
            }
            _ => {}
        }
    }

    fn cells(
        &mut self,
        cells: &[DrawCell],
        row: Rect,
        clip: (f32, f32),
        track: u32,
        is_collapsed: bool,
    ) {
        let input = self.input;
        self.labels.clear();
        let mut selected = None;
        for cell in cells {
            if !input.view.touches(cell.start_ns, cell.end_ns) {
                continue;
            }
            self.stats.n_events += cell.events;
            let rect = input.cell_rect(row, cell, is_collapsed);
            if rect.bottom() < clip.0 || rect.top() > clip.1 {
                continue;
            }
            let mut colour = match cell.table {
                _ if input.colour_by == ColourBy::Request => self.owner_colour(track, cell),
                TableKind::Step => step_colour(self.step_kind(cell)),
                _ => cell_colour(input.document, input.colour_by, track, cell),
            };
            if !input.highlight.is_bright(cell) {
                colour = dimmed(colour, input.theme.background);
            }
            let is_selected =
                cell.row.is_some() && input.selected == cell.row.map(|row| (cell.table, row));
            if is_selected {
                selected = Some((rect, *cell, colour));
                continue;
            }
            self.rect(rect, clip, colour);
            if rect.width() >= MIN_NAME_WIDTH && cell.row.is_some() {
                self.labels.push((rect, *cell, colour));
            }
        }
        if let Some((rect, cell, colour)) = selected {
            self.rect(rect.expand(2.0), clip, input.theme.selection);
            self.rect(rect, clip, colour);
            if rect.width() >= MIN_NAME_WIDTH {
                self.labels.push((rect, cell, colour));
            }
        }
        for (rect, cell, colour) in std::mem::take(&mut self.labels) {
            self.name(rect, clip, &cell, colour);
        }
    }

    fn derived(
        &mut self,
        cells: &[DrawCell],
        derived: Derived,
        row: Rect,
        clip: (f32, f32),
        is_collapsed: bool,
    ) {
        let input = self.input;
        let bars = input.document.derived_bars(derived);
        for cell in cells {
            let Some(bar) = bars.get(cell.name as usize) else { continue };
            if !input.view.touches(cell.start_ns, cell.end_ns) {
                continue;
            }
            let rect = input.cell_rect(row, cell, is_collapsed);
            if rect.bottom() < clip.0 || rect.top() > clip.1 {
                continue;
            }
            let colour = self.bar_colour(bar, cell);
            self.rect(rect, clip, colour);
            let left = rect.left().max(input.area.left());
            let width = rect.right().min(input.area.right()) - left;
            let is_whole = rect.top() >= clip.0 && rect.bottom() <= clip.1;
            let has_room = width >= MIN_NAME_WIDTH && self.stats.n_names < MAX_NAMES;
            if is_whole && has_room && cell.row.is_some() {
                self.stats.n_names += 1;
                let at = pos2(left + 3.0, rect.center().y);
                self.sink.text(at, width - 5.0, text_on(colour), &bar.label);
            }
        }
    }

    fn bar_colour(&self, bar: &DerivedBar, cell: &DrawCell) -> Color32 {
        let input = self.input;
        let (colour, is_bright) = match bar.meaning {
            BarMeaning::Step(kind) => (step_colour(kind), input.highlight.is_bright(cell)),
            BarMeaning::Request(request) => {
                let colour = match input.colour_by {
                    ColourBy::Request => owner_colour(Owner::One(request)),
                    _ => span_colour(),
                };
                let selected = input.highlight.request;
                (colour, selected.is_none_or(|selected| selected == request as usize))
            }
        };
        if is_bright { colour } else { dimmed(colour, input.theme.background) }
    }

    fn name(&mut self, rect: Rect, clip: (f32, f32), cell: &DrawCell, colour: Color32) {
        let input = self.input;
        let left = rect.left().max(input.area.left());
        let right = rect.right().min(input.area.right());
        let is_whole = rect.top() >= clip.0 && rect.bottom() <= clip.1;
        if !is_whole || right - left < MIN_NAME_WIDTH || self.stats.n_names >= MAX_NAMES {
            return;
        }
        self.stats.n_names += 1;
        self.sink.event_name(
            pos2(left + 3.0, rect.center().y),
            right - left - 5.0,
            text_on(colour),
            (cell.table, cell.name),
            &mut || input.document.label(cell.table, cell.name),
        );
    }

    fn owner_colour(&self, track: u32, cell: &DrawCell) -> Color32 {
        let input = self.input;
        let key = input.document.tracks.get(track as usize).map(|track| track.key);
        let owner = input.membership.zip(key).map(|(membership, key)| {
            let middle = cell.start_ns.midpoint(cell.end_ns);
            let event = (cell.table, cell.row);
            membership.owner_of(input.document.timeline(), event, key, middle)
        });
        owner_colour(owner.unwrap_or(Owner::Unknown))
    }

    fn step_kind(&self, cell: &DrawCell) -> StepKind {
        let steps = &self.input.document.timeline().steps;
        let code = cell.row.and_then(|row| steps.kind.get(row as usize)).copied();
        match code {
            Some(code) => StepKind::from_code(code),
            // Many steps in one bar: the kind of the first, found by its start.
            None => {
                let at = steps.start_ns.partition_point(|start| *start < cell.start_ns);
                StepKind::from_code(steps.kind.get(at).copied().unwrap_or(0))
            }
        }
    }

    fn counter(&mut self, cells: &[CounterCell], extent: (f64, f64), row: Rect, clip: (f32, f32)) {
        let input = self.input;
        let (low, high) = extent;
        let height = f64::from(input.heights.counter - 2.0);
        let bottom = row.bottom() - input.heights.gap / 2.0;
        let y = |value: f64| bottom - ((value - low) / (high - low) * height) as f32;
        let fill = input.theme.accent.gamma_multiply(0.35);
        for cell in cells {
            if !input.view.touches(cell.start_ns, cell.end_ns) {
                continue;
            }
            let (left, right) = (input.x_of(cell.start_ns), input.x_of(cell.end_ns));
            let right = right.max(left + input.pixel);
            let (top, base) = (y(cell.high), y(cell.low));
            self.rect(Rect::from_min_max(pos2(left, top), pos2(right, bottom)), clip, fill);
            let line = Rect::from_min_max(pos2(left, top), pos2(right, base.max(top + 1.5)));
            self.rect(line, clip, input.theme.accent);
        }
    }

    fn rect(&mut self, rect: Rect, clip: (f32, f32), colour: Color32) {
        let area = self.input.area;
        let cut = Rect::from_min_max(
            pos2(rect.left().max(area.left()), rect.top().max(clip.0)),
            pos2(rect.right().min(area.right()), rect.bottom().min(clip.1)),
        );
        if cut.width() > 0.0 && cut.height() > 0.0 {
            self.stats.n_quads += 1;
            self.sink.rect(cut, colour);
        }
    }
}

/// Draws the axis in `area` and its lines down to `bottom`.
pub(crate) fn paint_axis(
    area: Rect,
    bottom: f32,
    view: TimeRange,
    origin_ns: i64,
    theme: Theme,
    sink: &mut impl Sink,
) {
    for tick in ticks(view, origin_ns, area.width(), 110.0) {
        let x = area.left() + (view.fraction_of(tick.ns) * f64::from(area.width())) as f32;
        if !(area.left()..=area.right()).contains(&x) {
            continue;
        }
        let is_major = !tick.label.is_empty();
        let top = if is_major { area.top() + 4.0 } else { area.bottom() - 4.0 };
        let end = if is_major { bottom } else { area.bottom() };
        sink.rect(Rect::from_min_max(pos2(x, top), pos2(x + 1.0, end)), theme.grid);
        let room = area.right() - x;
        if is_major && room > 60.0 {
            let at: Pos2 = pos2(x + 4.0, area.top() + 9.0);
            sink.text(at, room, theme.weak_text, &tick.label);
        }
    }
}
