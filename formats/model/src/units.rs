//! Time and size as types. Constructors name the unit; fields are private.

use std::fmt;
use std::ops::{Add, Sub};

/// A point in time: nanoseconds in the clock domain of the capture that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimestampNs(i64);

/// A length of time in nanoseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DurationNs(u64);

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(u64);

/// A half-open interval `[start, end)` of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Interval {
    start: TimestampNs,
    end: TimestampNs,
}

impl TimestampNs {
    /// A timestamp from nanoseconds since the clock domain's origin.
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock domain's origin.
    pub const fn as_ns(self) -> i64 {
        self.0
    }

    /// Time from `earlier` to `self`, zero when `earlier` is the later of the two.
    pub fn saturating_since(self, earlier: Self) -> DurationNs {
        if self.0 <= earlier.0 { DurationNs::ZERO } else { DurationNs(self.0.abs_diff(earlier.0)) }
    }
}

impl DurationNs {
    /// The empty duration.
    pub const ZERO: Self = Self(0);

    /// A duration from nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Milliseconds, for display only: loses digits above 2^53 ns.
    pub fn as_ms_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Bytes {
    /// A size from a count of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The count of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl Interval {
    /// `[start, end)`; an end before its start gives the empty interval at `start`.
    pub fn new(start: TimestampNs, end: TimestampNs) -> Self {
        Self { start, end: end.max(start) }
    }

    /// `[start, start + duration)`, saturating at the end of time.
    pub fn from_start_and_duration(start: TimestampNs, duration: DurationNs) -> Self {
        Self { start, end: start + duration }
    }

    /// Where the interval begins (inside it).
    pub const fn start(self) -> TimestampNs {
        self.start
    }

    /// Where the interval ends (the first instant outside it).
    pub const fn end(self) -> TimestampNs {
        self.end
    }

    /// The interval's length.
    pub fn duration(self) -> DurationNs {
        self.end.saturating_since(self.start)
    }

    /// The interval on a clock that shows `offset_ns` more, saturating at the ends of time.
    pub fn moved_by(self, offset_ns: i64) -> Self {
        let moved = |at: TimestampNs| TimestampNs::from_ns(at.as_ns().saturating_add(offset_ns));
        Self { start: moved(self.start), end: moved(self.end) }
    }

    /// Whether `at` lies inside.
    pub fn contains(self, at: TimestampNs) -> bool {
        self.start <= at && at < self.end
    }

    /// The part common to both, `None` when that is empty.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }
}

impl Add<DurationNs> for TimestampNs {
    type Output = Self;

    fn add(self, duration: DurationNs) -> Self {
        Self(self.0.saturating_add_unsigned(duration.0))
    }
}

impl Sub for TimestampNs {
    type Output = i64;

    /// Signed nanoseconds from `other` to `self`, saturating.
    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add for DurationNs {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for DurationNs {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Three significant places and the unit a person would pick: `850 ns`, `12.3 µs`, `4.56 ms`,
/// `7.89 s`.
impl fmt::Display for DurationNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_000 => return f.pad(&format!("{} ns", self.0)),
            1_000..1_000_000 => (ns / 1e3, "µs"),
            1_000_000..1_000_000_000 => (ns / 1e6, "ms"),
            _ => (ns / 1e9, "s"),
        };
        let digits = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

/// Binary units: `512 B`, `1.50 KiB`, `2.25 GiB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1024.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        let digits = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        f.pad(&format!("{value:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_half_open_and_never_negative() {
        let at = TimestampNs::from_ns;
        let i = Interval::new(at(10), at(20));
        assert!(i.contains(at(10)) && !i.contains(at(20)));
        assert_eq!(Interval::new(at(20), at(10)).duration(), DurationNs::ZERO);
        assert_eq!(i.intersection(Interval::new(at(20), at(30))), None);
        assert_eq!(
            i.intersection(Interval::new(at(15), at(30))),
            Some(Interval::new(at(15), at(20)))
        );
    }

    #[test]
    fn arithmetic_saturates_at_the_ends_of_time() {
        let last = TimestampNs::from_ns(i64::MAX);
        let first = TimestampNs::from_ns(i64::MIN);
        assert_eq!(last + DurationNs::from_ns(5), last);
        assert_eq!(first.saturating_since(last), DurationNs::ZERO);
        assert_eq!(last.saturating_since(first), DurationNs::from_ns(u64::MAX));
        assert_eq!(last - first, i64::MAX);
    }

    #[test]
    fn display_picks_the_unit_a_person_would() {
        let show = |ns| DurationNs::from_ns(ns).to_string();
        assert_eq!(show(999), "999 ns");
        assert_eq!(show(12_345), "12.3 µs");
        assert_eq!(show(4_560_000), "4.56 ms");
        assert_eq!(show(789_000_000_000), "789 s");
        assert_eq!(Bytes::new(1023).to_string(), "1023 B");
        assert_eq!(Bytes::new(1536).to_string(), "1.50 KiB");
        assert_eq!(Bytes::new(5 << 40).to_string(), "5.00 TiB");
    }
}
