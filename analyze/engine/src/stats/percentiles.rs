//! Statistics of one group of durations that lie together in memory.
//!
//! Durations of one kernel differ by little and come in ticks of the device's clock. So values
//! are counted by their distance from the smallest, as far as there are not many more distances
//! than values, and percentiles read off the counts.

use underspan_model::DurationNs;

use super::DurationStats;
use crate::percentile::{nearest_rank, select_ranks};

/// Percentiles asked for.
const PERCENTS: [u32; 3] = [50, 95, 99];
/// Most distances counted: the counts stay in the cache.
const MOST_COUNTS: usize = 1 << 16;

/// A duration as it is stored while it is sorted.
pub(super) trait Stored: Ord + Copy + Default + Send + Sync {
    /// The longest duration that fits.
    const LONGEST: u64;
    /// The duration as stored, cut off where it does not fit.
    fn of(duration_ns: u64) -> Self;
    /// Nanoseconds.
    fn ns(self) -> u64;
    /// The sum of a block of durations, at the end of the range where it does not fit.
    fn sum(block: &[Self]) -> u64;
}

impl Stored for u32 {
    const LONGEST: u64 = u32::MAX as u64;

    #[inline]
    fn of(duration_ns: u64) -> Self {
        duration_ns as u32
    }

    #[inline]
    fn ns(self) -> u64 {
        self.into()
    }

    #[inline]
    fn sum(block: &[Self]) -> u64 {
        block.iter().map(|value| u64::from(*value)).sum()
    }
}

impl Stored for u64 {
    const LONGEST: u64 = u64::MAX;

    #[inline]
    fn of(duration_ns: u64) -> Self {
        duration_ns
    }

    #[inline]
    fn ns(self) -> u64 {
        self
    }

    #[inline]
    fn sum(block: &[Self]) -> u64 {
        block.iter().fold(0, |sum, value| sum.saturating_add(*value))
    }
}

/// The statistics of a group, whose values may be reordered; `None` of nothing. `counts` is
/// memory that is used again.
pub(super) fn duration_stats<T: Stored>(
    values: &mut [T],
    counts: &mut Vec<u32>,
) -> Option<DurationStats> {
    let first = *values.first()?;
    let mut ranks = [0; 3];
    for (rank, percent) in ranks.iter_mut().zip(PERCENTS) {
        *rank = nearest_rank(percent, values.len())?;
    }
    let (mut min, mut max) = (first, first);
    for &value in values.iter() {
        min = min.min(value);
        max = max.max(value);
    }
    let ns = |value: T| DurationNs::from_ns(value.ns());
    let [p50, p95, p99] = percentiles_by_counting(values, ranks, (min, max), counts)
        .unwrap_or_else(|| select_ranks(values, ranks).map(ns));
    Some(DurationStats {
        count: values.len() as u64,
        total: DurationNs::from_ns(T::sum(values)),
        min: ns(min),
        p50,
        p95,
        p99,
        max: ns(max),
    })
}

/// The values at ascending ranks; `None` where they are too far from the smallest value.
fn percentiles_by_counting<T: Stored>(
    values: &[T],
    ranks: [usize; 3],
    (min, max): (T, T),
    counts: &mut Vec<u32>,
) -> Option<[DurationNs; 3]> {
    let (min, range) = (min.ns(), max.ns() - min.ns());
    let most = MOST_COUNTS.min(values.len() * 2);
    let is_whole = range < most as u64;
    // What lies further away than there are counts is counted together, as the last.
    let last = if is_whole { range } else { most as u64 - 1 };
    if u32::try_from(values.len()).is_err() {
        return None;
    }
    counts.clear();
    counts.resize(last as usize + 1, 0);
    for &value in values {
        counts[(value.ns() - min).min(last) as usize] += 1;
    }
    let mut distances = counts.iter().zip(0_u64..);
    let (mut n, mut distance) = (0, 0);
    let mut found = [DurationNs::ZERO; 3];
    for (found, rank) in found.iter_mut().zip(ranks) {
        while n <= rank {
            let (count, at) = distances.next()?;
            n += *count as usize;
            distance = at;
        }
        if distance == last && !is_whole {
            return None;
        }
        *found = DurationNs::from_ns(min + distance);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_is_sorting(mut values: Vec<u64>) -> Result<(), TestCaseError> {
        let mut narrow: Vec<u32> = values.iter().map(|value| u32::of(*value)).collect();
        let fits = values.iter().all(|value| *value <= u32::LONGEST);
        let found = duration_stats(&mut values.clone(), &mut Vec::new());
        prop_assert!(!fits || duration_stats(&mut narrow, &mut vec![7; 9]) == found);
        values.sort_unstable();
        let at = |percent| {
            let rank = nearest_rank(percent, values.len());
            rank.map(|rank| DurationNs::from_ns(values[rank]))
        };
        prop_assert_eq!(found.map(|stats| stats.p50), at(50));
        prop_assert_eq!(found.map(|stats| stats.p95), at(95));
        prop_assert_eq!(found.map(|stats| stats.p99), at(99));
        prop_assert_eq!(found.map(|stats| stats.min), at(0));
        prop_assert_eq!(found.map(|stats| stats.max), at(100));
        let total = values.iter().fold(0_u64, |sum, value| sum.saturating_add(*value));
        prop_assert_eq!(found.map_or(0, |stats| stats.total.as_ns()), total);
        Ok(())
    }

    proptest! {
        #[test]
        fn statistics_are_those_of_sorting(
            seed in any::<u64>(),
            n in prop_oneof![0..40_usize, 0..2_000_usize],
            spread in prop_oneof![Just(1), Just(3), Just(900), Just(u64::MAX)],
            outliers in any::<bool>(),
        ) {
            let mut state = seed | 1;
            let mut random = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let value = |at: usize, random: u64| {
                if outliers && at.is_multiple_of(97) { random } else { 5_000 + random % spread }
            };
            assert_is_sorting((0..n).map(|at| value(at, random())).collect())?;
        }
    }
}
