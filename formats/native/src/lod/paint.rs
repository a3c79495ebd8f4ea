//! Nodes onto pixels.

use underspan_model::Interval;

use super::cell::Cell;
use super::node::{FAN_OUT, Node, Tree};

/// Collects what a query finds.
#[derive(Debug)]
pub(super) struct Painter<'a> {
    start: i64,
    end: i64,
    n_pixels: usize,
    pixels_per_ns: f64,
    pixel_ns: f64,
    /// Whole nanoseconds of a pixel: what is no longer fits in it.
    whole_pixel_ns: u64,
    /// What is no wider may be spread over its pixels, in nanoseconds.
    tolerance_ns: f64,
    pixels: Vec<Pixel>,
    wide: &'a mut Vec<Cell>,
}

/// All that starts in one pixel and is no wider than one.
#[derive(Debug, Clone, Copy)]
struct Pixel {
    start: i64,
    end: i64,
    busy: f64,
    events: u64,
    weight: u64,
    dominant: u32,
}

const EMPTY: Pixel =
    Pixel { start: i64::MAX, end: i64::MIN, busy: 0.0, events: 0, weight: 0, dominant: 0 };

/// What became of a node that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is drawn, or nothing of it is in view.
    Done,
    /// It is too wide to draw as one: its children have to be offered.
    Open,
}

impl<'a> Painter<'a> {
    /// Draws `range` on `n_pixels` pixels into `wide`, which is emptied.
    pub(super) fn new(range: Interval, n_pixels: u32, wide: &'a mut Vec<Cell>) -> Self {
        wide.clear();
        let n_pixels = n_pixels.max(1) as usize;
        let length = range.duration().as_ns().max(1) as f64;
        Self {
            start: range.start().as_ns(),
            end: range.end().as_ns(),
            n_pixels,
            pixels_per_ns: n_pixels as f64 / length,
            pixel_ns: length / n_pixels as f64,
            whole_pixel_ns: (length / n_pixels as f64) as u64,
            tolerance_ns: 0.0,
            pixels: vec![EMPTY; n_pixels],
            wide,
        }
    }

    /// Lets [`Painter::spread`] draw what is at most so many pixels wide; nothing when it is one.
    pub(super) fn with_tolerance(mut self, pixels: u32) -> Self {
        self.tolerance_ns = if pixels > 1 { f64::from(pixels) * self.pixel_ns } else { 0.0 };
        self
    }

    /// How many times wider a node is than what may be drawn of it as one.
    pub(super) fn widths(&self, node: &Node) -> f64 {
        node.end.abs_diff(node.start) as f64 / self.pixel_ns.max(self.tolerance_ns)
    }

    /// Draws a node evenly over its few pixels, for want of its children. Returns whether it did.
    pub(super) fn spread(&mut self, node: &Node) -> bool {
        let is_inside = node.start >= self.start && node.end <= self.end;
        let length = node.end.abs_diff(node.start) as f64;
        if !is_inside || length > self.tolerance_ns {
            return false;
        }
        let (first, last) = (self.pixel_of(node.start), self.pixel_of(node.end));
        let offset = node.start.abs_diff(self.start) as f64;
        for at in first..=last {
            let pixel_start = at as f64 * self.pixel_ns;
            let from = offset.max(pixel_start);
            let to = (offset + length).min(pixel_start + self.pixel_ns);
            let share = ((to - from).max(0.0) / length).min(1.0);
            let pixel = &mut self.pixels[at];
            pixel.busy += node.busy as f64 * share;
            pixel.start = pixel.start.min(self.start.saturating_add(from as i64));
            pixel.end = pixel.end.max(self.start.saturating_add(to as i64));
            if at == first {
                pixel.events += u64::from(node.events);
            }
            let weight = (node.weight as f64 * share) as u64;
            if pixel.dominant == node.dominant {
                pixel.weight = pixel.weight.saturating_add(weight);
            } else if weight > pixel.weight {
                (pixel.weight, pixel.dominant) = (weight, node.dominant);
            }
        }
        true
    }

    /// Draws a node when it fits in a pixel.
    #[inline]
    pub(super) fn offer(&mut self, node: &Node) -> Offer {
        if node.start >= self.end || node.end < self.start {
            return Offer::Done;
        }
        let is_inside = node.start >= self.start && node.end <= self.end;
        if is_inside && node.end.abs_diff(node.start) <= self.whole_pixel_ns {
            self.absorb(node, node.start, node.end);
            return Offer::Done;
        }
        Offer::Open
    }

    /// Draws an event, whatever its width.
    #[inline]
    pub(super) fn event(&mut self, node: &Node, row: u64) {
        let is_in_view =
            node.start < self.end && (node.end > self.start || node.start >= self.start);
        if !is_in_view {
            return;
        }
        let (start, end) = (node.start.max(self.start), node.end.min(self.end));
        if end.abs_diff(start) as f64 <= self.pixel_ns {
            self.absorb(&Node { busy: node.busy.min(end.abs_diff(start)), ..*node }, start, end);
        } else {
            self.wide_cell(node, start, end, Some(row));
        }
    }

    /// Draws a node that is wider than a pixel as one cell, for want of its children.
    pub(super) fn coarse(&mut self, node: &Node) {
        let (start, end) = (node.start.max(self.start), node.end.min(self.end));
        self.wide_cell(node, start, end, None);
    }

    fn wide_cell(&mut self, node: &Node, start: i64, end: i64, row: Option<u64>) {
        let last = end.saturating_sub(1).max(start);
        self.wide.push(Cell {
            first_pixel: self.pixel_of(start) as u32,
            last_pixel: self.pixel_of(last) as u32,
            start_ns: node.start,
            end_ns: node.end,
            busy_ns: node.busy.min(end.abs_diff(start)),
            events: node.events.into(),
            dominant: node.dominant,
            row,
        });
    }

    #[inline]
    fn pixel_of(&self, at: i64) -> usize {
        self.pixel_at(self.offset_of(at))
    }

    /// The pixel so far behind the start.
    #[inline]
    fn pixel_at(&self, offset: f64) -> usize {
        let pixel = (offset * self.pixels_per_ns) as usize;
        pixel.min(self.n_pixels - 1)
    }

    /// How far a time lies behind the start. A signed number becomes a float in one instruction,
    /// an unsigned one in many.
    #[inline]
    fn offset_of(&self, at: i64) -> f64 {
        at.saturating_sub(self.start) as f64
    }

    /// Adds what lies from `start` to `end`, no longer than a pixel, to one pixel or two.
    #[inline]
    fn absorb(&mut self, node: &Node, start: i64, end: i64) {
        let (from, to) = (self.offset_of(start), self.offset_of(end));
        let at = self.pixel_at(from);
        let pixel_end = (at.cast_signed() + 1) as f64 * self.pixel_ns;
        let beyond = to - pixel_end;
        let mut busy = node.busy.cast_signed() as f64;
        if beyond > 0.0 && at + 1 < self.n_pixels {
            let share = busy * (beyond / (to - from).max(1.0)).min(1.0);
            let next = &mut self.pixels[at + 1];
            next.busy += share;
            next.start = next.start.min(node.start);
            next.end = next.end.max(node.end);
            if next.events == 0 {
                next.dominant = node.dominant;
            }
            busy -= share;
        }
        let pixel = &mut self.pixels[at];
        pixel.busy += busy;
        pixel.start = pixel.start.min(node.start);
        pixel.end = pixel.end.max(node.end);
        pixel.events += u64::from(node.events);
        if pixel.dominant == node.dominant {
            pixel.weight = pixel.weight.saturating_add(node.weight);
        } else if node.weight > pixel.weight || pixel.events == u64::from(node.events) {
            (pixel.weight, pixel.dominant) = (node.weight, node.dominant);
        }
    }

    /// Turns the pixels into cells among the wide ones, in order of their first pixel.
    pub(super) fn finish(self) {
        let Self { pixels, wide, pixel_ns, .. } = self;
        // Busy time without events is the tail of what starts one pixel earlier.
        let is_drawn = |pixel: &Pixel| pixel.events > 0 || pixel.busy >= 0.5;
        let cells = pixels.iter().enumerate().filter(|(_, pixel)| is_drawn(pixel));
        wide.extend(cells.map(|(at, pixel)| Cell {
            first_pixel: at as u32,
            last_pixel: at as u32,
            start_ns: pixel.start,
            end_ns: pixel.end,
            busy_ns: pixel.busy.min(pixel_ns).round() as u64,
            events: pixel.events,
            dominant: pixel.dominant,
            row: None,
        }));
        wide.sort_by_key(|cell| cell.first_pixel);
    }

    /// Goes down a tree from the nodes `range` of its level `level`; `open` gets the first item of
    /// each lowest node that has to be opened.
    pub(super) fn descend(
        &mut self,
        tree: &Tree,
        level: usize,
        range: std::ops::Range<usize>,
        open: &mut impl FnMut(&mut Self, usize),
    ) {
        let nodes = tree.levels().get(level).map_or(&[][..], Vec::as_slice);
        let range = range.start..range.end.min(nodes.len());
        for (index, node) in range.clone().zip(nodes.get(range).unwrap_or_default()) {
            if self.offer(node) == Offer::Done {
                continue;
            }
            match level.checked_sub(1) {
                Some(below) => {
                    let first = index * FAN_OUT;
                    self.descend(tree, below, first..first + FAN_OUT, open);
                }
                None => open(self, index * FAN_OUT),
            }
        }
    }

    /// Goes down a whole tree from its top.
    pub(super) fn descend_all(&mut self, tree: &Tree, open: &mut impl FnMut(&mut Self, usize)) {
        let Some(top) = tree.levels().len().checked_sub(1) else { return };
        self.descend(tree, top, 0..usize::MAX, open);
    }
}
