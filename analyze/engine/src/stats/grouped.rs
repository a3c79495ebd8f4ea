//! Exact statistics of many small groups: durations are scattered by group, chunk by chunk, and
//! each group's percentiles are selected.
//!
//! A chunk is small enough that its scattered copy stays in the cache; gathering a group then
//! reads one run from each chunk.

use rayon::prelude::*;
use underspan_model::DurationNs;

use super::DurationStats;
use crate::percentile::{nearest_rank, select_ranks};

/// Rows scattered at once.
const PART_ROWS: usize = 1 << 17;

/// How keys make groups.
#[derive(Clone, Copy)]
pub(super) struct Grouping<'a> {
    /// The slot of each key; keys beyond the end have the last key's slot. Slots of a group
    /// stand together.
    pub(super) slots: &'a [u32],
    /// First slot of each group, and the number of slots at the end.
    pub(super) bounds: &'a [usize],
}

impl Grouping<'_> {
    fn n_slots(&self) -> usize {
        self.bounds.last().copied().unwrap_or(0)
    }

    #[inline]
    fn slot(&self, key: u32) -> usize {
        self.slots[(key as usize).min(self.slots.len() - 1)] as usize
    }
}

/// Statistics of a group and of each of its slots; `None` where nothing is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct GroupStats {
    pub(super) all: Option<DurationStats>,
    pub(super) members: Vec<Option<DurationStats>>,
}

/// The statistics of every group, in the order of [`Grouping::bounds`].
pub(super) fn group_durations(
    keys: &[u32],
    durations: &[u64],
    grouping: Grouping<'_>,
) -> Vec<GroupStats> {
    let longest = durations.par_iter().with_min_len(PART_ROWS).copied().max().unwrap_or(0);
    if u32::try_from(longest).is_ok() {
        group::<u32>(keys, durations, grouping)
    } else {
        group::<u64>(keys, durations, grouping)
    }
}

/// A duration as it is stored while it is sorted: half the memory where all are below 4.3 s.
trait Stored: Ord + Copy + Default + Send + Sync {
    fn of(duration_ns: u64) -> Self;
    fn ns(self) -> u64;
}

impl Stored for u32 {
    #[inline]
    fn of(duration_ns: u64) -> Self {
        duration_ns as u32
    }
    #[inline]
    fn ns(self) -> u64 {
        self.into()
    }
}

impl Stored for u64 {
    #[inline]
    fn of(duration_ns: u64) -> Self {
        duration_ns
    }
    #[inline]
    fn ns(self) -> u64 {
        self
    }
}

/// A chunk's durations in the order of their slots.
struct Scattered<T> {
    values: Vec<T>,
    /// Where in `values` each slot ends.
    ends: Vec<u32>,
}

impl<T: Stored> Scattered<T> {
    fn of(keys: &[u32], durations: &[u64], grouping: &Grouping<'_>) -> Self {
        let mut ends = vec![0_u32; grouping.n_slots()];
        for &key in keys {
            ends[grouping.slot(key)] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            let count = *end;
            *end = begin;
            begin += count;
        }
        let mut values = vec![T::default(); durations.len()];
        for (&key, &duration) in keys.iter().zip(durations) {
            let end = &mut ends[grouping.slot(key)];
            values[*end as usize] = T::of(duration);
            *end += 1;
        }
        Self { values, ends }
    }

    fn slot(&self, slot: usize) -> &[T] {
        let begin = if slot == 0 { 0 } else { self.ends[slot - 1] as usize };
        &self.values[begin..self.ends[slot] as usize]
    }
}

fn group<T: Stored>(keys: &[u32], durations: &[u64], grouping: Grouping<'_>) -> Vec<GroupStats> {
    // With very many slots chunks grow, so that their offsets take no more memory than the rows.
    let part_rows = PART_ROWS.max(grouping.n_slots());
    let parts: Vec<Scattered<T>> = keys
        .par_chunks(part_rows)
        .zip(durations.par_chunks(part_rows))
        .map(|(keys, durations)| Scattered::of(keys, durations, &grouping))
        .collect();

    let summarize = |bounds: &[usize]| {
        let mut values: Vec<T> = Vec::new();
        let mut members = Vec::with_capacity(bounds[1] - bounds[0]);
        for slot in bounds[0]..bounds[1] {
            let begin = values.len();
            for part in &parts {
                values.extend_from_slice(part.slot(slot));
            }
            members.push(summary(&mut values[begin..]));
        }
        let all = match members.as_slice() {
            [only] => *only,
            _ => summary(&mut values),
        };
        GroupStats { all, members }
    };
    // The largest groups are a good part of all rows: one at a time, so that no thread gets two.
    grouping.bounds.par_windows(2).with_max_len(1).map(summarize).collect()
}

fn summary<T: Stored>(values: &mut [T]) -> Option<DurationStats> {
    let ranks = [50, 95, 99].map(|percent| nearest_rank(percent, values.len()));
    let [Some(p50), Some(p95), Some(p99)] = ranks else { return None };
    let mut total = 0_u64;
    let (mut min, mut max) = (values[0], values[0]);
    for &value in values.iter() {
        total = total.saturating_add(value.ns());
        min = min.min(value);
        max = max.max(value);
    }
    let count = values.len() as u64;
    let [p50, p95, p99] = select_ranks(values, [p50, p95, p99]);
    let ns = |value: T| DurationNs::from_ns(value.ns());
    Some(DurationStats {
        count,
        total: DurationNs::from_ns(total),
        min: ns(min),
        p50: ns(p50),
        p95: ns(p95),
        p99: ns(p99),
        max: ns(max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(durations: &mut [u64]) -> Option<DurationStats> {
        durations.sort_unstable();
        let at = |percent: u64| {
            let rank = (percent * durations.len() as u64).div_ceil(100).max(1);
            DurationNs::from_ns(durations[rank as usize - 1])
        };
        Some(DurationStats {
            count: durations.len() as u64,
            total: DurationNs::from_ns(durations.iter().fold(0, |sum, d| sum.saturating_add(*d))),
            min: DurationNs::from_ns(*durations.first()?),
            p50: at(50),
            p95: at(95),
            p99: at(99),
            max: DurationNs::from_ns(*durations.last()?),
        })
    }

    proptest! {
        #[test]
        fn statistics_are_those_of_sorting_each_group(
            rows in prop::collection::vec(
                (0..8_u32, prop_oneof![4 => 0..40_u64, 1 => any::<u64>()]), 0..400),
            names in prop::collection::vec(0..3_u32, 6),
        ) {
            let mut order: Vec<u32> = (0..6).collect();
            order.sort_by_key(|key| names[*key as usize]);
            let mut slots = vec![0; 6];
            for (slot, key) in order.iter().enumerate() {
                slots[*key as usize] = slot as u32;
            }
            let starts = (0..6).filter(|at| {
                *at == 0 || names[order[at - 1] as usize] != names[order[*at] as usize]
            });
            let bounds: Vec<usize> = starts.chain([6]).collect();
            let (keys, durations): (Vec<u32>, Vec<u64>) = rows.iter().copied().unzip();
            let grouping = Grouping { slots: &slots, bounds: &bounds };
            let found = group_durations(&keys, &durations, grouping);
            prop_assert_eq!(found.len(), bounds.len() - 1);
            for (group, bounds) in found.iter().zip(bounds.windows(2)) {
                let members = &order[bounds[0]..bounds[1]];
                let of = |wanted: &[u32]| {
                    let mut durations: Vec<u64> = rows
                        .iter()
                        .filter(|(key, _)| wanted.contains(&(*key).min(5)))
                        .map(|(_, duration)| *duration)
                        .collect();
                    if durations.is_empty() { None } else { naive(&mut durations) }
                };
                prop_assert_eq!(group.all, of(members));
                for (key, stats) in members.iter().zip(&group.members) {
                    prop_assert_eq!(*stats, of(&[*key]));
                }
            }
        }
    }
}
