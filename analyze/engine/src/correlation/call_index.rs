//! From (process, correlation id) to the API call that carries it.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::{NONE_U32, Timeline, give_up_if_cancelled};

/// A dense index may be this many times longer than the calls it finds, which bounds its memory
/// whatever ids a file makes up.
const DENSE_SLOTS_PER_CALL: u64 = 16;

/// Finds the API call of a process by correlation id.
///
/// Where several calls of a process carry one id (a runtime call and the driver call inside it,
/// or one record written twice) the earliest is found, of those that start together the first in
/// the table.
#[derive(Debug, Clone, Default)]
pub(super) struct CallIndex {
    /// Per process; one more at the end for calls of unknown processes.
    processes: Vec<ProcessCalls>,
    /// The slot for work whose process is unknown: the only process with calls, if there is one.
    unknown: usize,
}

/// The calls of one process.
#[derive(Debug, Clone, Default)]
struct ProcessCalls {
    /// Smallest id of a call.
    first_id: u32,
    n_calls: u64,
    lookup: Lookup,
}

#[derive(Debug, Clone)]
enum Lookup {
    /// One more than the row, by id from the first id on; 0 where no call has the id.
    Dense(Vec<u32>),
    Hash(HashMap<u32, u32, FixedState>),
}

impl Default for Lookup {
    fn default() -> Self {
        Self::Dense(Vec::new())
    }
}

/// The process slot of each thread, for looking up rows by their thread column.
struct ThreadSlots(Vec<u32>);

impl ThreadSlots {
    fn of(timeline: &Timeline) -> Self {
        let n_processes = timeline.dimensions.processes.len();
        let slot = |process: &u32| (*process).min(n_processes as u32);
        Self(timeline.dimensions.threads.process.iter().map(slot).collect())
    }

    #[inline]
    fn slot(&self, thread: u32, n_slots: usize) -> usize {
        self.0.get(thread as usize).map_or(n_slots - 1, |slot| *slot as usize)
    }
}

impl CallIndex {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let calls = &timeline.api_calls;
        let n_slots = timeline.dimensions.processes.len() + 1;
        let threads = ThreadSlots::of(timeline);
        // Ids from least to greatest, and how many, per process. Calls of one thread mostly stand
        // together.
        let mut ranges = vec![IdRange::default(); n_slots];
        let mut row = 0;
        for run in calls.thread.chunk_by(|a, b| a == b) {
            let ids = &calls.correlation_id[row..row + run.len()];
            give_up_if_cancelled();
            ranges[threads.slot(run[0], n_slots)].add(ids);
            row += run.len();
        }
        let mut processes: Vec<_> = ranges.iter().map(ProcessCalls::new).collect();
        let mut row = 0;
        for run in calls.thread.chunk_by(|a, b| a == b) {
            let ids = &calls.correlation_id[row..row + run.len()];
            give_up_if_cancelled();
            processes[threads.slot(run[0], n_slots)].insert(ids, row as u32);
            row += run.len();
        }
        let mut with_calls = (0..n_slots).filter(|slot| processes[*slot].n_calls > 0);
        let unknown = match (with_calls.next(), with_calls.next()) {
            (Some(only), None) => only,
            _ => n_slots - 1,
        };
        Self { processes, unknown }
    }

    /// The slot of a process, given as a column value.
    pub(super) fn slot(&self, process: u32) -> usize {
        let known = (process as usize) + 1 < self.processes.len();
        if known { process as usize } else { self.unknown }
    }

    /// Row of the call with this id in the process of a slot; [`NONE_U32`] when there is none.
    #[inline]
    pub(super) fn find(&self, slot: usize, id: u32) -> u32 {
        let process = &self.processes[slot];
        match &process.lookup {
            Lookup::Dense(rows) => {
                let at = id.wrapping_sub(process.first_id) as usize;
                rows.get(at).map_or(NONE_U32, |row| row.wrapping_sub(1))
            }
            Lookup::Hash(rows) => rows.get(&id).copied().unwrap_or(NONE_U32),
        }
    }

    /// Forgets all calls but for the smallest id of each process.
    pub(super) fn forget_calls(&mut self) {
        self.processes.iter_mut().for_each(|process| process.lookup = Lookup::default());
    }

    /// Smallest correlation id that a call of the process has; `None` when it has no calls.
    pub(super) fn first_id(&self, slot: usize) -> Option<u32> {
        let process = &self.processes[slot];
        (process.n_calls > 0).then_some(process.first_id)
    }
}

/// The ids of a process's calls.
#[derive(Debug, Clone, Copy)]
struct IdRange {
    first: u32,
    last: u32,
    n: u64,
}

impl Default for IdRange {
    fn default() -> Self {
        Self { first: NONE_U32, last: 0, n: 0 }
    }
}

impl IdRange {
    fn add(&mut self, ids: &[u32]) {
        for &id in ids {
            let is_id = id != NONE_U32;
            self.n += u64::from(is_id);
            self.first = self.first.min(id);
            self.last = self.last.max(if is_id { id } else { 0 });
        }
    }
}

impl ProcessCalls {
    fn new(range: &IdRange) -> Self {
        let n = range.n;
        let slots = if n == 0 { 0 } else { u64::from(range.last - range.first) + 1 };
        let lookup = if slots <= n * DENSE_SLOTS_PER_CALL {
            Lookup::Dense(vec![0; slots as usize])
        } else {
            Lookup::Hash(HashMap::with_capacity_and_hasher(n as usize, FixedState::default()))
        };
        Self { first_id: range.first, n_calls: n, lookup }
    }

    /// Adds calls from `first_row` on; rows come in order of start, and the first of an id stays.
    fn insert(&mut self, ids: &[u32], first_row: u32) {
        let rows = (first_row..).zip(ids).filter(|(_, id)| **id != NONE_U32);
        match &mut self.lookup {
            Lookup::Dense(slots) => {
                for (row, id) in rows {
                    let slot = &mut slots[(id - self.first_id) as usize];
                    // Rows ascend, and none is above all.
                    *slot = row.min(slot.wrapping_sub(1)) + 1;
                }
            }
            Lookup::Hash(slots) => {
                for (row, id) in rows {
                    slots.entry(*id).or_insert(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;

    #[test]
    fn a_wide_range_is_hashed_and_finds_the_same() {
        let mut trace = TraceBuilder::new();
        trace.api_call("a", 0..1, 5).api_call("b", 1..2, 4_000_000_000).api_call("c", 2..3, 5);
        let index = CallIndex::of(&trace.build());
        assert!(matches!(index.processes[0].lookup, Lookup::Hash(_)));
        assert_eq!(index.find(0, 5), 0, "the earlier of two calls");
        assert_eq!(index.find(0, 4_000_000_000), 1);
        assert_eq!(index.find(0, 6), NONE_U32);
        assert_eq!(index.first_id(0), Some(5));
    }

    #[test]
    fn an_unknown_process_is_the_only_one_with_calls() {
        let mut trace = TraceBuilder::new();
        trace.process(2).api_call("a", 0..1, 5);
        let index = CallIndex::of(&trace.build());
        assert_eq!(index.find(index.slot(NONE_U32), 5), 0);
        trace.process(3).api_call("a", 0..1, 5);
        let index = CallIndex::of(&trace.build());
        assert_eq!(index.find(index.slot(NONE_U32), 5), NONE_U32);
        assert_eq!(index.first_id(index.slot(0)), None);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_scan_finds(
            calls in prop::collection::vec((0..3_i64, 0..40_u32, any::<bool>()), 0..120),
        ) {
            let mut trace = TraceBuilder::new();
            for (at, &(pid, id, far)) in calls.iter().enumerate() {
                let id = if far { id * 100_000_000 } else { id };
                trace.process(pid).api_call("call", at as i64..at as i64 + 1, id);
            }
            let t = trace.build();
            let index = CallIndex::of(&t);
            for &(pid, id, far) in &calls {
                let id = if far { id * 100_000_000 } else { id };
                let expected = calls.iter().position(|(p, i, f)| {
                    *p == pid && if *f { i * 100_000_000 } else { *i } == id
                });
                let process = t.dimensions.processes.pid.iter().position(|p| *p == pid);
                let slot = index.slot(process.map_or(NONE_U32, |p| p as u32));
                prop_assert_eq!(Some(index.find(slot, id) as usize), expected);
            }
        }
    }
}
