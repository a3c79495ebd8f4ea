//! Count, sum, extremes and exact percentiles of values that are cheaper to compute again than to
//! store.
//!
//! A sample says between which values each percentile probably lies. One walk then counts the
//! values below each of those brackets and collects those inside, from which the percentile is
//! selected. Where a bracket misses (the counts say so), everything is collected.

use rayon::prelude::*;

use crate::percentile::{nearest_rank, select_ranks};

/// Values in the sample. With so many a rank is off by more than [`MARGIN`] ranks of the sample
/// once in some thousand captures.
const SAMPLE: usize = 4_096;
/// Ranks of the sample by which a bracket is wider than the percentile on each side.
const MARGIN: usize = 128;
/// Percentiles asked for.
const PERCENTS: [u32; 3] = [50, 95, 99];

/// Values in parts that can be walked independently and more than once.
pub(crate) trait ValueParts: Sync {
    /// Number of parts.
    fn n_parts(&self) -> usize;
    /// Calls `visit` for each value of a part.
    fn for_each(&self, part: usize, visit: impl FnMut(i64));
    /// Some values from all over, about `n` of them.
    fn sample(&self, n: usize) -> Vec<i64>;
}

/// Count, sum, extremes and three percentiles of signed nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignedStats {
    /// Number of values.
    pub n: u64,
    /// Smallest value.
    pub min_ns: i64,
    /// Median, nearest rank.
    pub p50_ns: i64,
    /// 95th percentile, nearest rank.
    pub p95_ns: i64,
    /// 99th percentile, nearest rank.
    pub p99_ns: i64,
    /// Largest value.
    pub max_ns: i64,
    /// Sum of all values, at the ends of the range where it does not fit.
    pub sum_ns: i64,
    /// Number of values below zero.
    pub n_negative: u64,
}

impl SignedStats {
    /// The statistics of all values; `None` when there are none.
    pub(crate) fn of(parts: &impl ValueParts) -> Option<Self> {
        let sampled = brackets(parts.sample(SAMPLE));
        Self::with_brackets(parts, sampled)
            .or_else(|| Self::with_brackets(parts, [(i64::MIN, i64::MAX); 3]))
    }

    /// The statistics, if the percentiles lie in their brackets (both ends are inside).
    fn with_brackets(parts: &impl ValueParts, brackets: [(i64, i64); 3]) -> Option<Self> {
        let walks: Vec<Walk> = (0..parts.n_parts())
            .into_par_iter()
            .map(|part| {
                let mut walk = Walk::default();
                parts.for_each(part, |value| walk.add(value, &brackets));
                walk.sum = walk.small_sum.into();
                if !walk.is_small() {
                    walk.sum = 0;
                    parts.for_each(part, |value| walk.sum += i128::from(value));
                }
                walk
            })
            .collect();
        let n: u64 = walks.iter().map(|walk| walk.n).sum();
        let mut percentiles = [0; 3];
        for (at, percentile) in percentiles.iter_mut().enumerate() {
            let rank = nearest_rank(PERCENTS[at], usize::try_from(n).ok()?)?;
            let below: u64 = walks.iter().map(|walk| walk.below[at]).sum();
            let inside = walks.iter().flat_map(|walk| walk.inside[at].iter().copied());
            let mut inside: Vec<i64> = inside.collect();
            let rank = rank.checked_sub(usize::try_from(below).ok()?)?;
            if rank >= inside.len() {
                return None;
            }
            [*percentile] = select_ranks(&mut inside, [rank]);
        }
        let sum = walks.iter().map(|walk| walk.sum).sum::<i128>();
        let sum_ns = sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let [p50_ns, p95_ns, p99_ns] = percentiles;
        Some(Self {
            n,
            min_ns: walks.iter().filter(|walk| walk.n > 0).map(|walk| walk.min).min()?,
            p50_ns,
            p95_ns,
            p99_ns,
            max_ns: walks.iter().filter(|walk| walk.n > 0).map(|walk| walk.max).max()?,
            sum_ns,
            n_negative: walks.iter().map(|walk| walk.n_negative).sum(),
        })
    }
}

/// Between which values the percentiles of what was sampled lie, with a margin.
fn brackets(mut sample: Vec<i64>) -> [(i64, i64); 3] {
    sample.sort_unstable();
    let n = sample.len();
    PERCENTS.map(|percent| {
        let Some(rank) = nearest_rank(percent, n) else { return (i64::MIN, i64::MAX) };
        // Higher percentiles are known better.
        let margin = if percent == 50 { MARGIN } else { MARGIN / 2 };
        let low = rank.checked_sub(margin).map_or(i64::MIN, |rank| sample[rank]);
        let high = sample.get(rank + margin).copied().unwrap_or(i64::MAX);
        (low, high)
    })
}

/// What one part's walk found.
struct Walk {
    n: u64,
    n_negative: u64,
    min: i64,
    max: i64,
    sum: i128,
    /// The sum modulo 2^64.
    small_sum: i64,
    below: [u64; 3],
    inside: [Vec<i64>; 3],
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            n: 0,
            n_negative: 0,
            min: i64::MAX,
            max: i64::MIN,
            sum: 0,
            small_sum: 0,
            below: [0; 3],
            inside: Default::default(),
        }
    }
}

impl Walk {
    #[inline]
    fn add(&mut self, value: i64, brackets: &[(i64, i64); 3]) {
        self.n += 1;
        self.n_negative += u64::from(value < 0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.small_sum = self.small_sum.wrapping_add(value);
        let mut is_inside = [false; 3];
        for (at, (low, high)) in brackets.iter().enumerate() {
            self.below[at] += u64::from(value < *low);
            is_inside[at] = (*low..=*high).contains(&value);
        }
        if is_inside != [false; 3] {
            for (at, is_inside) in is_inside.into_iter().enumerate() {
                if is_inside {
                    self.inside[at].push(value);
                }
            }
        }
    }

    /// Whether no sum of `n` such values can leave the range of 64 bits.
    fn is_small(&self) -> bool {
        let largest = self.min.unsigned_abs().max(self.max.unsigned_abs());
        u128::from(self.n) * u128::from(largest) <= i64::MAX as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Parts {
        values: Vec<Vec<i64>>,
        sample: Vec<i64>,
    }

    impl ValueParts for Parts {
        fn n_parts(&self) -> usize {
            self.values.len()
        }

        fn for_each(&self, part: usize, visit: impl FnMut(i64)) {
            self.values[part].iter().copied().for_each(visit);
        }

        fn sample(&self, n: usize) -> Vec<i64> {
            self.sample.iter().copied().take(n).collect()
        }
    }

    fn some_value() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -3000..3000_i64, Just(i64::MIN), Just(i64::MAX), Just(0)]
    }

    proptest! {
        #[test]
        fn statistics_are_those_of_sorting_whatever_the_sample(
            values in prop::collection::vec(prop::collection::vec(some_value(), 0..60), 0..5),
            sample in prop::collection::vec(some_value(), 0..600),
        ) {
            let mut sorted: Vec<i64> = values.iter().flatten().copied().collect();
            sorted.sort_unstable();
            let found = SignedStats::of(&Parts { values, sample });
            let at = |percent| nearest_rank(percent, sorted.len()).map(|rank| sorted[rank]);
            prop_assert_eq!(found.map(|s| s.n as usize).unwrap_or(0), sorted.len());
            prop_assert_eq!(found.map(|s| s.p50_ns), at(50));
            prop_assert_eq!(found.map(|s| s.p95_ns), at(95));
            prop_assert_eq!(found.map(|s| s.p99_ns), at(99));
            prop_assert_eq!(found.map(|s| s.min_ns), sorted.first().copied());
            prop_assert_eq!(found.map(|s| s.max_ns), sorted.last().copied());
            let sum: i128 = sorted.iter().map(|v| i128::from(*v)).sum();
            let sum = sum.clamp(i64::MIN.into(), i64::MAX.into());
            prop_assert_eq!(found.map_or(0, |s| i128::from(s.sum_ns)), sum);
        }
    }
}
