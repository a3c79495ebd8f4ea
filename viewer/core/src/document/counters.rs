//! Counter tracks as series of points.

use underspan_model::tables::CounterKind;
use underspan_model::{StringId, Timeline};

use crate::timeline::TimeRange;

/// The samples of one counter track, in order of time.
#[derive(Debug)]
pub(crate) struct CounterSeries {
    /// Position in the list of counter tracks.
    pub(crate) track: u32,
    /// Name of the series.
    pub(crate) name: String,
    /// Unit of the values; per second for what was a running total.
    pub(crate) unit: String,
    times_ns: Vec<i64>,
    values: Vec<f64>,
    lowest: f64,
    highest: f64,
}

/// What a counter did within one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CounterCell {
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl CounterSeries {
    /// The series of all tracks that have samples. Totals become rates; the buckets of histograms
    /// are left to tables.
    pub(crate) fn all(timeline: &Timeline) -> Vec<Self> {
        let tracks = &timeline.dimensions.counter_tracks;
        let mut points: Vec<Vec<(i64, f64)>> = vec![Vec::new(); tracks.len()];
        for sample in timeline.counters.iter() {
            if let Some(points) = points.get_mut(sample.track as usize)
                && sample.value.is_finite()
            {
                points.push((sample.time_ns, sample.value));
            }
        }
        let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
        let mut all = Vec::new();
        for (at, (track, points)) in tracks.iter().zip(points).enumerate() {
            let kind = CounterKind::from_code(track.kind);
            if points.is_empty() || kind == CounterKind::HistogramBucket {
                continue;
            }
            let (points, unit) = match kind {
                CounterKind::Total => (rates(&points), format!("{}/s", text(track.unit))),
                _ => (points, text(track.unit)),
            };
            let Some(bounds) = points.iter().map(|(_, value)| (*value, *value)).reduce(min_max)
            else {
                continue;
            };
            let (times_ns, values) = points.into_iter().unzip();
            all.push(Self {
                track: at as u32,
                name: text(track.name),
                unit,
                times_ns,
                values,
                lowest: bounds.0.min(0.0),
                highest: bounds.1,
            });
        }
        all
    }

    /// Lowest and highest value of the axis; zero is always on it.
    pub(crate) fn extent(&self) -> (f64, f64) {
        (self.lowest, if self.highest > self.lowest { self.highest } else { self.lowest + 1.0 })
    }

    /// Number of samples.
    pub(crate) fn len(&self) -> usize {
        self.times_ns.len()
    }

    /// Times of the first and the last sample.
    pub(crate) fn bounds(&self) -> Option<(i64, i64)> {
        Some((*self.times_ns.first()?, *self.times_ns.last()?))
    }

    /// The value that held at `ns`.
    pub(crate) fn value_at(&self, ns: i64) -> Option<f64> {
        let at = self.times_ns.partition_point(|time| *time <= ns);
        self.values.get(at.checked_sub(1)?).copied()
    }

    /// What is to be drawn of the window on `n_pixels` pixels: every value holds until the next.
    pub(crate) fn cells(&self, window: TimeRange, n_pixels: u32) -> Vec<CounterCell> {
        let mut cells = Vec::new();
        let n_pixels = n_pixels.max(1);
        let mut at = self.times_ns.partition_point(|time| *time < window.start_ns());
        let mut held = at.checked_sub(1).and_then(|before| self.values.get(before)).copied();
        let mut pixel = 0;
        while pixel < n_pixels {
            let start_ns = window.at_fraction(f64::from(pixel) / f64::from(n_pixels));
            let mut end_ns = window.at_fraction(f64::from(pixel + 1) / f64::from(n_pixels));
            let next = self.times_ns.get(at).copied();
            // Nothing happens for a while: one wide cell.
            if next.is_none_or(|next| next >= end_ns) {
                let until = next.map_or(window.end_ns(), |next| next.min(window.end_ns()));
                let skipped = (window.fraction_of(until) * f64::from(n_pixels)) as u32;
                pixel = skipped.max(pixel + 1);
                end_ns = window.at_fraction(f64::from(pixel) / f64::from(n_pixels));
                // Behind the last sample nothing is known.
                let is_known = next.is_some();
                if let Some(value) = held.filter(|_| is_known) {
                    cells.push(CounterCell { start_ns, end_ns, low: value, high: value });
                }
                continue;
            }
            let mut bounds = held.map(|value| (value, value));
            while let Some(value) =
                self.times_ns.get(at).filter(|time| **time < end_ns).and(self.values.get(at))
            {
                bounds = Some(bounds.map_or((*value, *value), |b| min_max(b, (*value, *value))));
                held = Some(*value);
                at += 1;
            }
            if let Some((low, high)) = bounds {
                cells.push(CounterCell { start_ns, end_ns, low, high });
            }
            pixel += 1;
        }
        cells
    }
}

fn min_max(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Per second between samples; a total that falls was restarted and gives no rate.
fn rates(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    points
        .windows(2)
        .filter_map(|pair| {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            let seconds = to.saturating_sub(from) as f64 / 1e9;
            (seconds > 0.0 && high >= low).then(|| (from, (high - low) / seconds))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(i64, f64)]) -> CounterSeries {
        let (times_ns, values) = points.iter().copied().unzip();
        CounterSeries {
            track: 0,
            name: String::new(),
            unit: String::new(),
            times_ns,
            values,
            lowest: 0.0,
            highest: 9.0,
        }
    }

    #[test]
    fn values_hold_until_the_next_and_peaks_survive() {
        let series = series(&[(0, 1.0), (500, 9.0), (501, 2.0), (1000, 3.0)]);
        let cells = series.cells(TimeRange::from_ns(0, 1000), 10);
        assert_eq!(cells.iter().map(|c| c.high).fold(0.0, f64::max), 9.0);
        assert_eq!(cells.first().map(|c| (c.start_ns, c.low)), Some((0, 1.0)));
        assert_eq!(cells.last().map(|c| c.end_ns), Some(1000));
        for pair in cells.windows(2) {
            assert_eq!(pair[0].end_ns, pair[1].start_ns);
        }
        assert_eq!(series.value_at(700), Some(2.0));
        assert_eq!(series.value_at(-1), None);
    }

    #[test]
    fn nothing_is_drawn_before_the_first_and_behind_the_last_sample() {
        let series = series(&[(400, 1.0), (600, 2.0)]);
        let cells = series.cells(TimeRange::from_ns(0, 1000), 10);
        assert_eq!(cells.first().map(|c| c.start_ns), Some(400));
        assert!(cells.last().is_some_and(|c| c.end_ns <= 700));
    }

    #[test]
    fn totals_become_rates_and_restarts_give_none() {
        let rates =
            rates(&[(0, 0.0), (1_000_000_000, 10.0), (2_000_000_000, 4.0), (2_500_000_000, 5.0)]);
        assert_eq!(rates, [(0, 10.0), (2_000_000_000, 2.0)]);
    }
}
