//! The part of the capture's time that is in view, and how it moves.

use serde::{Deserialize, Serialize};
use underspan_model::{Interval, TimestampNs};

/// The narrowest view: ten nanoseconds over the whole canvas.
const MIN_LEN_NS: u64 = 10;

/// A half-open range of time in nanoseconds of the capture's clock, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    start_ns: i64,
    end_ns: i64,
}

impl TimeRange {
    /// `[start_ns, end_ns)`; the ends are exchanged when they are the wrong way round, and an
    /// empty range becomes ten nanoseconds long.
    pub fn from_ns(start_ns: i64, end_ns: i64) -> Self {
        let (start_ns, end_ns) = (start_ns.min(end_ns), start_ns.max(end_ns));
        if end_ns.abs_diff(start_ns) >= MIN_LEN_NS {
            return Self { start_ns, end_ns };
        }
        let end_ns = start_ns.saturating_add_unsigned(MIN_LEN_NS);
        Self { start_ns: end_ns.saturating_sub_unsigned(MIN_LEN_NS), end_ns }
    }

    /// First nanosecond in the range.
    pub fn start_ns(self) -> i64 {
        self.start_ns
    }

    /// First nanosecond behind the range.
    pub fn end_ns(self) -> i64 {
        self.end_ns
    }

    /// Length in nanoseconds.
    pub fn len_ns(self) -> u64 {
        self.end_ns.abs_diff(self.start_ns)
    }

    /// The same as the model's type.
    pub fn interval(self) -> Interval {
        Interval::new(TimestampNs::from_ns(self.start_ns), TimestampNs::from_ns(self.end_ns))
    }

    /// Where `ns` lies, in widths of the range from its start. The start is subtracted in whole
    /// nanoseconds, so that clocks that count from 1970 lose no digits.
    pub fn fraction_of(self, ns: i64) -> f64 {
        let offset = i128::from(ns) - i128::from(self.start_ns);
        offset as f64 / self.len_ns() as f64
    }

    /// The time at a fraction of the range.
    pub fn at_fraction(self, fraction: f64) -> i64 {
        offset(self.start_ns, fraction * self.len_ns() as f64)
    }

    /// Moved by `fraction` of its own length, within `bounds`.
    pub fn panned(self, fraction: f64, bounds: Self) -> Self {
        let by = fraction * self.len_ns() as f64;
        Self::with_len(offset(self.start_ns, by), self.len_ns()).kept_near(bounds)
    }

    /// Made `factor` times as long, with `anchor_ns` staying where it is on the screen.
    pub fn zoomed(self, factor: f64, anchor_ns: i64, bounds: Self) -> Self {
        let longest = widened(bounds).len_ns() as f64;
        let len = (self.len_ns() as f64 * factor).clamp(MIN_LEN_NS as f64, longest);
        let start = offset(anchor_ns, -self.fraction_of(anchor_ns) * len);
        Self::with_len(start, len as u64).kept_near(bounds)
    }

    /// With a margin of `fraction` of its length on both sides.
    pub fn padded(self, fraction: f64) -> Self {
        let by = self.len_ns() as f64 * fraction;
        Self::from_ns(offset(self.start_ns, -by), offset(self.end_ns, by))
    }

    /// Whether all of `other` lies inside.
    pub fn encloses(self, other: Self) -> bool {
        self.start_ns <= other.start_ns && other.end_ns <= self.end_ns
    }

    /// Whether any of `[start_ns, end_ns]` lies inside.
    pub fn touches(self, start_ns: i64, end_ns: i64) -> bool {
        start_ns < self.end_ns && end_ns >= self.start_ns
    }

    /// The part inside `bounds`, or `bounds` when there is none.
    pub fn clamped(self, bounds: Self) -> Self {
        let (start, end) = (self.start_ns.max(bounds.start_ns), self.end_ns.min(bounds.end_ns));
        if start < end { Self::from_ns(start, end) } else { bounds }
    }

    /// From the earlier start to the later end.
    pub fn union(self, other: Self) -> Self {
        Self { start_ns: self.start_ns.min(other.start_ns), end_ns: self.end_ns.max(other.end_ns) }
    }

    /// Pushed back so that it shows at least half a view's worth of `bounds`.
    fn kept_near(self, bounds: Self) -> Self {
        let wide = widened(bounds);
        let len = self.len_ns().min(wide.len_ns());
        let reach = i64::try_from(len / 2).unwrap_or(i64::MAX);
        let lowest = bounds.start_ns.saturating_sub(reach);
        let highest = bounds.end_ns.saturating_sub(reach);
        Self::with_len(self.start_ns.clamp(lowest.min(highest), highest.max(lowest)), len)
    }

    fn with_len(start_ns: i64, len_ns: u64) -> Self {
        let end_ns = start_ns.saturating_add_unsigned(len_ns.max(MIN_LEN_NS));
        Self { start_ns: end_ns.saturating_sub_unsigned(len_ns.max(MIN_LEN_NS)), end_ns }
    }
}

/// The bounds and a little room on both sides.
pub(crate) fn widened(bounds: TimeRange) -> TimeRange {
    bounds.padded(0.02)
}

fn offset(from_ns: i64, by_ns: f64) -> i64 {
    from_ns.saturating_add(by_ns.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: TimeRange = TimeRange { start_ns: 1_000_000, end_ns: 2_000_000 };

    #[test]
    fn zooming_keeps_the_anchor_in_place() {
        let view = TimeRange::from_ns(1_200_000, 1_400_000);
        let zoomed = view.zoomed(0.5, 1_250_000, BOUNDS);
        assert_eq!(zoomed.len_ns(), 100_000);
        assert!((zoomed.fraction_of(1_250_000) - 0.25).abs() < 1e-9);
        let back = zoomed.zoomed(2.0, 1_250_000, BOUNDS);
        assert_eq!(back, view);
    }

    #[test]
    fn nothing_zooms_below_ten_nanoseconds_or_far_beyond_the_capture() {
        let view = TimeRange::from_ns(1_200_000, 1_400_000);
        assert_eq!(view.zoomed(0.0, 1_300_000, BOUNDS).len_ns(), 10);
        assert_eq!(view.zoomed(1e30, 1_300_000, BOUNDS).len_ns(), 1_040_000);
        assert_eq!(TimeRange::from_ns(5, 5).len_ns(), 10);
        assert_eq!(TimeRange::from_ns(i64::MAX, i64::MAX).len_ns(), 10);
    }

    #[test]
    fn panning_stops_where_half_the_view_is_empty() {
        let view = TimeRange::from_ns(1_200_000, 1_400_000);
        assert_eq!(view.panned(0.5, BOUNDS), TimeRange::from_ns(1_300_000, 1_500_000));
        assert_eq!(view.panned(1e9, BOUNDS).start_ns(), 1_900_000);
        assert_eq!(view.panned(-1e9, BOUNDS).start_ns(), 900_000);
    }

    #[test]
    fn clocks_that_count_from_1970_lose_no_nanosecond() {
        let start = 1_790_000_000_000_000_000;
        let view = TimeRange::from_ns(start, start + 1000);
        assert!((view.fraction_of(start + 1) - 0.001).abs() < 1e-12);
        assert_eq!(view.at_fraction(0.001), start + 1);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let all = TimeRange::from_ns(i64::MIN, i64::MAX);
        assert_eq!(all.len_ns(), u64::MAX);
        let _ = all.padded(1.0);
        let _ = all.panned(3.0, all);
        let _ = all.zoomed(2.0, 0, all);
        assert!((all.fraction_of(0) - 0.5).abs() < 1e-9);
    }
}
