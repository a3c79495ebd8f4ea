//! The device work of each step, summed chunk by chunk in parallel.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;
use underspan_model::NONE_U32;
use underspan_model::give_up_if_cancelled;

use crate::device_work::WorkChunk;
use crate::{DeviceWork, WorkItem, WorkKind};

/// Sums over the device work of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepWork {
    pub(super) n_items: u64,
    pub(super) n_kernels: u64,
    pub(super) kernel_time: u64,
    /// Length of the union.
    pub(super) busy: u64,
    pub(super) first_start: i64,
    /// Latest end so far.
    pub(super) reach: i64,
}

impl StepWork {
    pub(super) const NOTHING: Self = Self {
        n_items: 0,
        n_kernels: 0,
        kernel_time: 0,
        busy: 0,
        first_start: i64::MAX,
        reach: i64::MIN,
    };

    /// Adds an item that starts no earlier than those before it.
    #[inline]
    fn add(&mut self, item: &WorkItem) {
        self.n_items += 1;
        if item.kind == WorkKind::Kernel {
            self.n_kernels += 1;
            self.kernel_time = self.kernel_time.saturating_add(item.duration_ns());
        }
        // Modulo 2^64: in the end it is the length of a union, which fits.
        let from = item.start_ns.max(self.reach);
        if item.end_ns > from {
            self.busy = self.busy.wrapping_add(item.end_ns.wrapping_sub(from) as u64);
        }
        self.first_start = self.first_start.min(item.start_ns);
        self.reach = self.reach.max(item.end_ns);
    }

    /// Adds what a later chunk found, its union counted for itself.
    fn add_later(&mut self, later: &Self) {
        self.n_items += later.n_items;
        self.n_kernels += later.n_kernels;
        self.kernel_time = self.kernel_time.saturating_add(later.kernel_time);
        self.busy = self.busy.saturating_add(later.busy);
        self.first_start = self.first_start.min(later.first_start);
        self.reach = self.reach.max(later.reach);
    }
}

/// Sums the work of each of `n_steps` steps. `step_of` makes, for one chunk, the function that
/// says which step an item belongs to, [`NONE_U32`] for none; it sees the items in order.
pub(super) fn sum_by_step<F>(
    work: &DeviceWork<'_>,
    chunks: &[WorkChunk],
    n_steps: usize,
    step_of: impl Fn() -> F + Sync,
) -> Vec<StepWork>
where
    F: FnMut(&WorkItem) -> u32,
{
    let parts: Vec<Vec<(u32, StepWork)>> = chunks
        .par_iter()
        .map(|chunk| sum_chunk(work, chunk, step_of(), &HashMap::default(), false))
        .collect();
    let mut sums = vec![StepWork::NOTHING; n_steps];
    // Where a step's work reaches from one chunk into the next, the next one's union counted some
    // time twice: those are summed again, knowing how far the work before them reaches.
    let mut again: Vec<(usize, HashMap<u32, StepWork, FixedState>)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let mut overlapped = HashMap::default();
        for (step, found) in part {
            let sum = &mut sums[*step as usize];
            let mut found = *found;
            if sum.reach > found.first_start {
                overlapped.insert(*step, StepWork { reach: sum.reach, ..StepWork::NOTHING });
                found.busy = 0;
            }
            sum.add_later(&found);
        }
        if !overlapped.is_empty() {
            again.push((at, overlapped));
        }
    }
    let corrected: Vec<Vec<(u32, StepWork)>> = again
        .par_iter()
        .map(|(at, starts)| sum_chunk(work, &chunks[*at], step_of(), starts, true))
        .collect();
    for (step, found) in corrected.into_iter().flatten() {
        let sum = &mut sums[step as usize];
        sum.busy = sum.busy.saturating_add(found.busy);
    }
    sums
}

/// Sums one chunk, steps in the order in which they are met. `starts` are sums to begin with;
/// `only_those` leaves out steps that are not among them.
fn sum_chunk(
    work: &DeviceWork<'_>,
    chunk: &WorkChunk,
    mut step_of: impl FnMut(&WorkItem) -> u32,
    starts: &HashMap<u32, StepWork, FixedState>,
    only_those: bool,
) -> Vec<(u32, StepWork)> {
    give_up_if_cancelled();
    let mut sums: Vec<(u32, StepWork)> = Vec::new();
    let mut places: HashMap<u32, usize, FixedState> = HashMap::default();
    // Work of one step mostly stands together: its sum is kept here until another's comes.
    let mut current = (NONE_U32, 0, StepWork::NOTHING);
    work.for_each_in(chunk, |item| {
        let step = step_of(&item);
        if step != current.0 {
            if step == NONE_U32 || only_those && !starts.contains_key(&step) {
                return;
            }
            if let Some(sum) = sums.get_mut(current.1) {
                sum.1 = current.2;
            }
            let place = *places.entry(step).or_insert_with(|| {
                sums.push((step, starts.get(&step).copied().unwrap_or(StepWork::NOTHING)));
                sums.len() - 1
            });
            current = (step, place, sums[place].1);
        }
        current.2.add(&item);
    });
    if let Some(sum) = sums.get_mut(current.1) {
        sum.1 = current.2;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntervalList;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_cut(
            rows in prop::collection::vec((0..200_i64, 0..60_i64, 0..4_u32), 1..80),
            n_chunks in 1..9_usize,
        ) {
            let mut trace = TraceBuilder::new();
            for &(start, length, step) in &rows {
                trace.kernel("k", start..start + length, step);
            }
            let t = trace.build();
            let work = DeviceWork::of(&t);
            // Step 3 stands for none.
            let step_of = |item: &WorkItem| match t.kernels.correlation_id[item.row as usize] {
                3 => NONE_U32,
                step => step,
            };
            let sums = sum_by_step(&work, &work.cut(n_chunks), 3, || step_of);
            for (step, sum) in sums.iter().enumerate() {
                let of_step = t.kernels.iter().filter(|k| k.correlation_id as usize == step);
                let intervals: Vec<_> = of_step.map(|kernel| kernel.interval()).collect();
                prop_assert_eq!(sum.n_kernels, intervals.len() as u64);
                let time: u64 = intervals.iter().map(|i| i.duration().as_ns()).sum();
                prop_assert_eq!(sum.kernel_time, time);
                let first = intervals.iter().map(|i| i.start().as_ns()).min();
                prop_assert_eq!(sum.first_start, first.unwrap_or(i64::MAX));
                let busy = IntervalList::from_sorted(intervals).total().as_ns();
                prop_assert_eq!(sum.busy, busy);
            }
        }
    }
}
