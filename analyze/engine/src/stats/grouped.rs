//! Exact statistics of many small groups: durations are scattered by group, chunk by chunk, and
//! each group's percentiles are selected.
//!
//! A chunk is small enough that its scattered copy stays in the cache; gathering a group then
//! reads one run from each chunk.

use rayon::prelude::*;

use super::DurationStats;
use super::percentiles::{Stored, duration_stats};
use underspan_model::give_up_if_cancelled;

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
    // Durations below 4.3 s take half the memory.
    group::<u32>(keys, durations, grouping)
        .or_else(|| group::<u64>(keys, durations, grouping))
        .unwrap_or_default()
}

/// A chunk's durations in the order of their slots.
struct Scattered<T> {
    values: Vec<T>,
    /// Where in `values` each slot ends.
    ends: Vec<u32>,
}

impl<T: Stored> Scattered<T> {
    /// `None` when a duration is too long for the type.
    fn of(keys: &[u32], durations: &[u64], grouping: &Grouping<'_>) -> Option<Self> {
        give_up_if_cancelled();
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
        let mut longest = 0;
        for (&key, &duration) in keys.iter().zip(durations) {
            longest = duration.max(longest);
            let end = &mut ends[grouping.slot(key)];
            values[*end as usize] = T::of(duration);
            *end += 1;
        }
        (longest <= T::LONGEST).then_some(Self { values, ends })
    }

    fn slot(&self, slot: usize) -> &[T] {
        let begin = if slot == 0 { 0 } else { self.ends[slot - 1] as usize };
        &self.values[begin..self.ends[slot] as usize]
    }
}

fn group<T: Stored>(
    keys: &[u32],
    durations: &[u64],
    grouping: Grouping<'_>,
) -> Option<Vec<GroupStats>> {
    // With very many slots chunks grow, so that their offsets take no more memory than the rows.
    let part_rows = PART_ROWS.max(grouping.n_slots());
    let parts: Option<Vec<Scattered<T>>> = keys
        .par_chunks(part_rows)
        .zip(durations.par_chunks(part_rows))
        .map(|(keys, durations)| Scattered::of(keys, durations, &grouping))
        .collect();
    let parts = parts?;

    let summarize = |(values, counts): &mut (Vec<T>, Vec<u32>), bounds: &[usize]| {
        give_up_if_cancelled();
        values.clear();
        let mut members = Vec::with_capacity(bounds[1] - bounds[0]);
        for slot in bounds[0]..bounds[1] {
            let begin = values.len();
            for part in &parts {
                values.extend_from_slice(part.slot(slot));
            }
            members.push(duration_stats(&mut values[begin..], counts));
        }
        let all = match members.as_slice() {
            [only] => *only,
            _ => duration_stats(values, counts),
        };
        GroupStats { all, members }
    };
    // A thread gathers one group after another into the same memory.
    Some(grouping.bounds.par_windows(2).map_init(Default::default, summarize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use underspan_model::DurationNs;

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
