//! Algebra of sorted interval lists: union, intersection, difference, gaps.
//!
//! Every operation walks its inputs once. Intervals are half-open, so two that touch leave no
//! gap between them and have nothing in common.

use underspan_model::{DurationNs, Interval, TimestampNs};

/// A set of instants as intervals that are sorted, not empty, and apart from one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalList {
    intervals: Vec<Interval>,
}

impl IntervalList {
    /// The empty set.
    pub const fn new() -> Self {
        Self { intervals: Vec::new() }
    }

    /// The instants covered by intervals that come in order of start and may overlap.
    ///
    /// One that starts before its predecessor is put in its place by sorting first.
    pub fn from_sorted(intervals: impl IntoIterator<Item = Interval>) -> Self {
        let mut list = Self::new();
        let mut intervals = intervals.into_iter();
        while let Some(interval) = intervals.next() {
            if list.intervals.last().is_some_and(|last| interval.start() < last.start()) {
                let mut all = std::mem::take(&mut list.intervals);
                all.push(interval);
                all.extend(intervals);
                return Self::from_unsorted(all);
            }
            list.push(interval);
        }
        list
    }

    /// The instants covered by intervals in any order.
    pub fn from_unsorted(mut intervals: Vec<Interval>) -> Self {
        intervals.sort_unstable();
        let mut list = Self::new();
        for interval in intervals {
            list.push(interval);
        }
        list
    }

    /// Adds an interval that starts no earlier than the last one.
    fn push(&mut self, interval: Interval) {
        if interval.start() == interval.end() {
            return;
        }
        match self.intervals.last_mut() {
            Some(last) if interval.start() <= last.end() => {
                *last = Interval::new(last.start(), last.end().max(interval.end()));
            }
            _ => self.intervals.push(interval),
        }
    }

    /// The intervals in order.
    pub fn as_slice(&self) -> &[Interval] {
        &self.intervals
    }

    /// Number of separate intervals.
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Whether no instant is covered.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// From the first covered instant to the last; `None` for the empty set.
    pub fn bounds(&self) -> Option<Interval> {
        Some(Interval::new(self.intervals.first()?.start(), self.intervals.last()?.end()))
    }

    /// How much time is covered.
    pub fn total(&self) -> DurationNs {
        self.intervals.iter().map(|interval| interval.duration()).sum()
    }

    /// Whether `at` is covered.
    pub fn contains(&self, at: TimestampNs) -> bool {
        let next = self.intervals.partition_point(|interval| interval.end() <= at);
        self.intervals.get(next).is_some_and(|interval| interval.contains(at))
    }

    /// What either set covers.
    pub fn union(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.iter().peekable(), other.iter().peekable());
        let mut list = Self::new();
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.start() <= y.start() => a.next(),
                (_, Some(_)) => b.next(),
                (Some(_), None) => a.next(),
                (None, None) => return list,
            };
            if let Some(interval) = next {
                list.push(interval);
            }
        }
    }

    /// What both sets cover.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.iter().peekable(), other.iter().peekable());
        let mut list = Self::new();
        while let (Some(&x), Some(&y)) = (a.peek(), b.peek()) {
            if let Some(common) = x.intersection(y) {
                list.push(common);
            }
            if x.end() <= y.end() {
                a.next();
            } else {
                b.next();
            }
        }
        list
    }

    /// What this set covers and `other` does not.
    pub fn difference(&self, other: &Self) -> Self {
        let mut list = Self::new();
        let mut next = 0;
        for interval in self.iter() {
            let mut from = interval.start();
            while let Some(hole) = other.intervals.get(next) {
                if hole.start() >= interval.end() {
                    break;
                }
                list.push(Interval::new(from, hole.start()));
                from = from.max(hole.end());
                if hole.end() > interval.end() {
                    break;
                }
                next += 1;
            }
            list.push(Interval::new(from, interval.end()));
        }
        list
    }

    /// What lies inside `window`.
    pub fn clipped(&self, window: Interval) -> Self {
        Self {
            intervals: self.overlapping(window).filter_map(|i| i.intersection(window)).collect(),
        }
    }

    /// What of `window` is not covered.
    pub fn gaps(&self, window: Interval) -> Self {
        let mut list = Self::new();
        let mut from = window.start();
        for interval in self.overlapping(window) {
            list.push(Interval::new(from, interval.start()));
            from = interval.end();
        }
        list.push(Interval::new(from, window.end()));
        list
    }

    /// How much of `window` is covered.
    pub fn covered_within(&self, window: Interval) -> DurationNs {
        self.overlapping(window)
            .filter_map(|interval| interval.intersection(window))
            .map(Interval::duration)
            .sum()
    }

    fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        self.intervals.iter().copied()
    }

    /// The intervals that have something in common with `window`.
    fn overlapping(&self, window: Interval) -> impl Iterator<Item = Interval> + '_ {
        let first = self.intervals.partition_point(|interval| interval.end() <= window.start());
        self.intervals[first..]
            .iter()
            .copied()
            .take_while(move |interval| interval.start() < window.end())
    }
}

impl FromIterator<Interval> for IntervalList {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        Self::from_sorted(intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: i64 = 120;

    fn interval(start: i64, end: i64) -> Interval {
        Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end))
    }

    /// One flag per nanosecond: the algebra done the naive way.
    fn bitmap(intervals: &[Interval]) -> Vec<bool> {
        (0..LENGTH)
            .map(|at| intervals.iter().any(|interval| interval.contains(TimestampNs::from_ns(at))))
            .collect()
    }

    fn assert_is(list: &IntervalList, expected: &[bool]) -> Result<(), TestCaseError> {
        prop_assert_eq!(bitmap(list.as_slice()), expected.to_vec());
        for pair in list.as_slice().windows(2) {
            prop_assert!(pair[0].end() < pair[1].start(), "apart and in order: {:?}", pair);
        }
        prop_assert!(list.as_slice().iter().all(|interval| interval.start() < interval.end()));
        let total = expected.iter().filter(|bit| **bit).count() as u64;
        prop_assert_eq!(list.total().as_ns(), total);
        Ok(())
    }

    fn some_intervals() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((0..LENGTH - 30, 0..30_i64), 0..20)
            .prop_map(|spans| spans.iter().map(|(s, d)| interval(*s, s + d)).collect())
    }

    proptest! {
        #[test]
        fn algebra_is_that_of_bitmaps(a in some_intervals(), b in some_intervals()) {
            let (bits_a, bits_b) = (bitmap(&a), bitmap(&b));
            let both = |f: fn(bool, bool) -> bool| -> Vec<bool> {
                bits_a.iter().zip(&bits_b).map(|(x, y)| f(*x, *y)).collect()
            };
            let (a, b) = (IntervalList::from_unsorted(a), IntervalList::from_sorted(b));
            assert_is(&a, &bits_a)?;
            assert_is(&b, &bits_b)?;
            assert_is(&a.union(&b), &both(|x, y| x | y))?;
            assert_is(&a.intersection(&b), &both(|x, y| x & y))?;
            assert_is(&a.difference(&b), &both(|x, y| x & !y))?;
        }

        #[test]
        fn windows_are_those_of_bitmaps(a in some_intervals(), s in 0..LENGTH, d in 0..LENGTH) {
            let bits = bitmap(&a);
            let list = IntervalList::from_unsorted(a);
            let window = interval(s, (s + d).min(LENGTH));
            let inside = bitmap(&[window]);
            let with = |f: fn(bool, bool) -> bool| -> Vec<bool> {
                bits.iter().zip(&inside).map(|(x, y)| f(*x, *y)).collect()
            };
            assert_is(&list.clipped(window), &with(|x, w| x & w))?;
            assert_is(&list.gaps(window), &with(|x, w| !x & w))?;
            prop_assert_eq!(list.covered_within(window), list.clipped(window).total());
            for (at, bit) in bits.iter().enumerate() {
                prop_assert_eq!(list.contains(TimestampNs::from_ns(at as i64)), *bit);
            }
        }
    }

    #[test]
    fn touching_intervals_are_one_and_empty_ones_none() {
        let list = IntervalList::from_sorted([interval(1, 3), interval(3, 5), interval(7, 7)]);
        assert_eq!(list.as_slice(), [interval(1, 5)]);
        assert_eq!(list.bounds(), Some(interval(1, 5)));
        assert_eq!(IntervalList::new().bounds(), None);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let all = IntervalList::from_sorted([interval(i64::MIN, i64::MAX)]);
        assert_eq!(all.total().as_ns(), u64::MAX);
        assert!(all.gaps(interval(i64::MIN, i64::MAX)).is_empty());
        assert_eq!(all.gaps(interval(5, 5)), IntervalList::new());
    }
}
