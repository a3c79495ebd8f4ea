//! Percentiles of values that are cheaper to compute twice than to store: one walk counts them in
//! buckets, a second one collects only the buckets that hold a wanted rank.

use rayon::prelude::*;

use crate::percentile::{nearest_rank, select_ranks};

/// Bits of the mantissa a bucket keeps: values in one bucket differ by less than 0.2 %.
const MANTISSA_BITS: u32 = 9;
/// Below this value every bucket holds one value.
const EXACT_BELOW: u64 = 1 << (MANTISSA_BITS + 1);
/// Buckets of values that are not negative.
const HALF: usize =
    EXACT_BELOW as usize + (63 - MANTISSA_BITS as usize - 1) * (1 << MANTISSA_BITS as usize);

/// Values in parts that can be walked independently and more than once.
pub(crate) trait ValueParts: Sync {
    /// Number of parts.
    fn n_parts(&self) -> usize;
    /// Calls `visit` for each value of a part.
    fn for_each(&self, part: usize, visit: impl FnMut(i64));
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

#[derive(Clone)]
struct Counts {
    buckets: Vec<u32>,
    n_negative: u64,
    min: i64,
    max: i64,
    sum: i128,
}

impl Counts {
    fn new() -> Self {
        Self { buckets: vec![0; 2 * HALF], n_negative: 0, min: i64::MAX, max: i64::MIN, sum: 0 }
    }

    #[inline]
    fn add(&mut self, value: i64) {
        self.buckets[bucket(value)] += 1;
        self.n_negative += u64::from(value < 0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += i128::from(value);
    }

    fn merge(mut self, other: Self) -> Self {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(a, b)| *a += b);
        self.n_negative += other.n_negative;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self
    }
}

impl SignedStats {
    /// The statistics of all values; `None` when there are none.
    pub(crate) fn of(parts: &impl ValueParts) -> Option<Self> {
        let n_parts = parts.n_parts();
        let counts = (0..n_parts)
            .into_par_iter()
            .fold(Counts::new, |mut counts, part| {
                parts.for_each(part, |value| counts.add(value));
                counts
            })
            .reduce(Counts::new, Counts::merge);
        let n: u64 = counts.buckets.iter().map(|count| u64::from(*count)).sum();
        let rank = |percent| nearest_rank(percent, n as usize);
        let ranks = [rank(50)?, rank(95)?, rank(99)?];

        // The bucket of each rank, and how many values lie in the buckets before it.
        let mut wanted = [(0, 0); 3];
        let mut before = 0;
        for (bucket, count) in counts.buckets.iter().enumerate() {
            let until = before + *count as usize;
            for (rank, wanted) in ranks.iter().zip(&mut wanted) {
                if (before..until).contains(rank) {
                    *wanted = (bucket, before);
                }
            }
            before = until;
        }
        let collected: Vec<[Vec<i64>; 3]> = (0..n_parts)
            .into_par_iter()
            .map(|part| {
                let mut found = [const { Vec::new() }; 3];
                parts.for_each(part, |value| {
                    let bucket = bucket(value);
                    for (found, (wanted, _)) in found.iter_mut().zip(&wanted) {
                        if bucket == *wanted {
                            found.push(value);
                        }
                    }
                });
                found
            })
            .collect();
        let [p50_ns, p95_ns, p99_ns] = [0, 1, 2].map(|at| {
            let mut values: Vec<i64> =
                collected.iter().flat_map(|found| found[at].iter().copied()).collect();
            let [value] = select_ranks(&mut values, [ranks[at] - wanted[at].1]);
            value
        });
        Some(Self {
            n,
            min_ns: counts.min,
            p50_ns,
            p95_ns,
            p99_ns,
            max_ns: counts.max,
            sum_ns: i64::try_from(counts.sum).unwrap_or(if counts.sum < 0 {
                i64::MIN
            } else {
                i64::MAX
            }),
            n_negative: counts.n_negative,
        })
    }
}

/// The bucket of a value; larger values never have a smaller bucket.
#[inline]
fn bucket(value: i64) -> usize {
    if value >= 0 { HALF + magnitude(value as u64) } else { HALF - 1 - magnitude(!value as u64) }
}

#[inline]
fn magnitude(value: u64) -> usize {
    if value < EXACT_BELOW {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros();
    let mantissa = (value >> (exponent - MANTISSA_BITS)) as usize & ((1 << MANTISSA_BITS) - 1);
    EXACT_BELOW as usize + (((exponent - MANTISSA_BITS - 1) as usize) << MANTISSA_BITS) + mantissa
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Parts(Vec<Vec<i64>>);

    impl ValueParts for Parts {
        fn n_parts(&self) -> usize {
            self.0.len()
        }

        fn for_each(&self, part: usize, visit: impl FnMut(i64)) {
            self.0[part].iter().copied().for_each(visit);
        }
    }

    fn some_value() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -3000..3000_i64, Just(i64::MIN), Just(i64::MAX), Just(0)]
    }

    proptest! {
        #[test]
        fn statistics_are_those_of_sorting(
            parts in prop::collection::vec(prop::collection::vec(some_value(), 0..60), 0..5),
        ) {
            let mut sorted: Vec<i64> = parts.iter().flatten().copied().collect();
            sorted.sort_unstable();
            let found = SignedStats::of(&Parts(parts));
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

        #[test]
        fn buckets_are_in_the_order_of_values(a in some_value(), b in some_value()) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(bucket(low) <= bucket(high));
            prop_assert!(bucket(high) < 2 * HALF);
        }
    }
}
