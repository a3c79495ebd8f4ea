//! Rows that the analysis fills: requests by how long they took, and engine steps that only labels
//! tell of.

use std::ops::Range;

use underspan_model::tables::{StepKind, TableKind};

use crate::timeline::{DrawCell, TimeRange};

/// A row that the analysis fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derived {
    /// The slowest twentieth of the requests.
    SlowRequests,
    /// The requests around the median.
    TypicalRequests,
    /// Engine steps, where no table has them.
    Steps,
}

impl Derived {
    /// Every one.
    pub(crate) const ALL: [Self; 3] = [Self::SlowRequests, Self::TypicalRequests, Self::Steps];

    /// What stands at the left of the row.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::SlowRequests => "the slowest 5 %",
            Self::TypicalRequests => "around the median",
            Self::Steps => "steps, by their labels",
        }
    }

    /// The table whose rows its bars stand for.
    fn table(self) -> TableKind {
        match self {
            Self::SlowRequests | Self::TypicalRequests => TableKind::Span,
            Self::Steps => TableKind::Step,
        }
    }
}

/// What the analysis fills the rows with.
#[derive(Debug, Default)]
pub(crate) struct DerivedRows {
    rows: [Vec<DerivedBar>; Derived::ALL.len()],
}

/// One bar of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DerivedBar {
    pub(crate) range: TimeRange,
    pub(crate) label: String,
    pub(crate) meaning: BarMeaning,
}

/// What a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BarMeaning {
    /// A request, by its position.
    Request(u32),
    /// An engine step.
    Step(StepKind),
}

impl DerivedRows {
    /// Fills a row; the bars may come in any order.
    pub(crate) fn fill(&mut self, row: Derived, mut bars: Vec<DerivedBar>) {
        bars.sort_by_key(|bar| (bar.range.start_ns(), bar.range.end_ns()));
        if let Some(of) = self.rows.get_mut(row as usize) {
            *of = bars;
        }
    }

    /// The bars of a row, in order of start.
    pub(crate) fn bars(&self, row: Derived) -> &[DerivedBar] {
        self.rows.get(row as usize).map_or(&[], Vec::as_slice)
    }

    /// What is to be drawn of a row: a cell for each bar that is wider than a pixel, and one for
    /// all others that start in the same pixel.
    pub(crate) fn cells(&self, row: Derived, window: TimeRange, n_pixels: u32) -> Vec<DrawCell> {
        let pixel_ns = window.len_ns() as f64 / f64::from(n_pixels.max(1));
        let pixel_of = |ns: i64| (window.fraction_of(ns) * f64::from(n_pixels)).floor();
        let mut cells: Vec<DrawCell> = Vec::new();
        for (at, bar) in self.bars(row).iter().enumerate() {
            let (start_ns, end_ns) = (bar.range.start_ns(), bar.range.end_ns());
            if !window.touches(start_ns, end_ns) {
                continue;
            }
            let len = bar.range.len_ns() as f64;
            let is_alone = len > pixel_ns;
            let share = (len / pixel_ns).min(1.0) as f32;
            if !is_alone
                && let Some(last) = cells.last_mut().filter(|last| last.is_pixel)
                && pixel_of(last.start_ns) == pixel_of(start_ns)
            {
                last.events += 1;
                last.end_ns = last.end_ns.max(end_ns);
                last.busy = (last.busy + share).min(1.0);
                continue;
            }
            cells.push(DrawCell {
                start_ns,
                end_ns,
                busy: if is_alone { 1.0 } else { share },
                events: 1,
                name: at as u32,
                table: row.table(),
                row: is_alone.then_some(at as u64),
                is_pixel: !is_alone,
                lane: 0,
            });
        }
        cells
    }
}

/// The positions of the slow and of the typical among `lengths`: from the 95th percentile on, and
/// from the 40th to the 60th, by nearest rank. Empty when there are too few to tell them apart.
pub(crate) fn cohorts(lengths: &[u64]) -> [Vec<usize>; 2] {
    const FEWEST: usize = 20;
    if lengths.len() < FEWEST {
        return [Vec::new(), Vec::new()];
    }
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let percentile = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(u64::MAX)
    };
    let between = |of: Range<u64>| {
        let all = lengths.iter().enumerate();
        all.filter(|(_, length)| of.contains(length)).map(|(at, _)| at).collect()
    };
    [between(percentile(95)..u64::MAX), between(percentile(40)..percentile(60).saturating_add(1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_twentieth_and_the_middle_fifth_are_told_apart() {
        let lengths: Vec<u64> = (1..=100).rev().collect();
        let [slow, typical] = cohorts(&lengths);
        assert_eq!(slow, (0..6).collect::<Vec<_>>());
        assert_eq!(typical, (40..61).collect::<Vec<_>>());
        assert_eq!(cohorts(&lengths[..19]), [Vec::<usize>::new(), Vec::new()]);
    }

    #[test]
    fn every_bar_is_in_one_cell() {
        let mut rows = DerivedRows::default();
        let bar = |start: i64, end: i64| DerivedBar {
            range: TimeRange::from_ns(start, end),
            label: String::new(),
            meaning: BarMeaning::Step(StepKind::Decode),
        };
        let bars = (0..100).map(|at| bar(at * 100, at * 100 + 50)).chain([bar(0, 5000)]);
        rows.fill(Derived::Steps, bars.collect());
        for n_pixels in [1, 10, 1000] {
            let cells = rows.cells(Derived::Steps, TimeRange::from_ns(0, 10_000), n_pixels);
            assert_eq!(cells.iter().map(|cell| cell.events).sum::<u64>(), 101, "{n_pixels}");
            assert!(cells.iter().all(|cell| cell.row.is_none() == cell.is_pixel));
        }
        let part = rows.cells(Derived::Steps, TimeRange::from_ns(6_000, 6_040), 100);
        assert_eq!(part.len(), 1);
    }
}
