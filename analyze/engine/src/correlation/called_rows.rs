//! The call that launched each row of a table, and the runs of rows that one call launched.

use rayon::prelude::*;
use underspan_model::{NONE_U32, give_up_if_cancelled};

use super::call_index::CallIndex;
use super::{PART_ROWS, slot_of};
use crate::sequence::{are_all, n_alike};
use crate::wide_column::WideColumn;

/// Runs are kept where there are at most this many of a part's rows.
const MOST_RUNS: usize = PART_ROWS / 8;

/// Rows of one call that stand together in their table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallRun {
    pub(super) call: u32,
    pub(super) first_row: u32,
    pub(super) n: u32,
}

impl CallRun {
    fn end(&self) -> usize {
        self.first_row as usize + self.n as usize
    }
}

/// The rows of a table with the call of each.
#[derive(Debug, Clone, Default)]
pub(super) struct CalledRows {
    /// Row of the launching API call; [`NONE_U32`] without one.
    calls: WideColumn,
    n_launched: u64,
    /// Per part of the rows its runs; `None` where they are nearly as many as rows and not worth
    /// keeping.
    runs: Vec<Option<Vec<CallRun>>>,
}

impl CalledRows {
    /// Finds the call of each row by its id, in the process of its stream.
    pub(super) fn join(
        index: &CallIndex,
        stream_slots: &[u32],
        streams: &[u32],
        ids: &[u32],
    ) -> Self {
        // The threads are the first to write to it, and so share the cost of new memory.
        let mut calls = WideColumn::zeros(ids.len());
        let is_one_process = are_all(stream_slots, stream_slots[0]);
        let parts: Vec<(u64, Option<Vec<CallRun>>)> = calls
            .as_mut_slice()
            .par_chunks_mut(PART_ROWS)
            .enumerate()
            .map(|(part, calls)| {
                give_up_if_cancelled();
                let first_row = part * PART_ROWS;
                let rows = first_row..first_row + calls.len();
                let mut joining = Joining::new(first_row);
                let (streams, ids) = (&streams[rows.clone()], &ids[rows]);
                let n_of_call = |row: usize| {
                    let n = n_alike(&ids[row..]);
                    // In one process, nothing but the id tells calls apart.
                    if is_one_process { n } else { n_alike(&streams[row..row + n]) }
                };
                let mut row = 0;
                while row < ids.len() {
                    let (stream, id) = (streams[row], ids[row]);
                    let n = n_of_call(row);
                    let call = match id {
                        NONE_U32 => NONE_U32,
                        id => index.find(slot_of(stream_slots, stream), id),
                    };
                    calls[row..row + n].fill(call);
                    joining.add(call, row, n);
                    row += n;
                }
                joining.into_runs()
            })
            .collect();
        let n_launched = parts.iter().map(|(n, _)| n).sum();
        Self { calls, n_launched, runs: parts.into_iter().map(|(_, runs)| runs).collect() }
    }

    /// Row of the API call that launched each row; [`NONE_U32`] without one.
    #[inline]
    pub(super) fn calls(&self) -> &[u32] {
        self.calls.as_slice()
    }

    /// How many rows have a call.
    pub(super) fn n_launched(&self) -> u64 {
        self.n_launched
    }

    /// Calls `visit` for each run of rows that one call launched. A call may have several.
    pub(super) fn for_each_run(&self, mut visit: impl FnMut(CallRun)) {
        for (part, (runs, calls)) in
            self.runs.iter().zip(self.calls().chunks(PART_ROWS)).enumerate()
        {
            give_up_if_cancelled();
            match runs {
                Some(runs) => runs.iter().copied().for_each(&mut visit),
                None => {
                    let mut first_row = (part * PART_ROWS) as u32;
                    for run in calls.chunk_by(|a, b| a == b) {
                        let n = run.len() as u32;
                        if run[0] != NONE_U32 {
                            visit(CallRun { call: run[0], first_row, n });
                        }
                        first_row += n;
                    }
                }
            }
        }
    }

    /// The call of a row, and a position up to which all rows from it on have the same, as far as
    /// runs were kept: at least the next. `near` is where the last answer was found; rows mostly
    /// ascend. Where runs were kept, nothing else is read.
    #[inline]
    pub(super) fn run_at(&self, row: usize, near: &mut (usize, usize)) -> (u32, usize) {
        let part = row / PART_ROWS;
        let Some(Some(runs)) = self.runs.get(part) else { return (self.calls()[row], row + 1) };
        if near.0 != part || runs.get(near.1).is_none_or(|run| run.first_row as usize > row) {
            *near = (part, runs.partition_point(|run| run.end() <= row));
        }
        while runs.get(near.1).is_some_and(|run| run.end() <= row) {
            near.1 += 1;
        }
        let run = runs.get(near.1).filter(|run| run.first_row as usize <= row);
        run.map_or((NONE_U32, row + 1), |run| (run.call, run.end()))
    }
}

#[cfg(test)]
impl CalledRows {
    pub(super) fn forget_runs(&mut self) {
        self.runs.iter_mut().for_each(|runs| *runs = None);
    }
}

/// What is gathered while a part is joined.
struct Joining {
    first_row: usize,
    n_launched: u64,
    runs: Vec<CallRun>,
}

impl Joining {
    fn new(first_row: usize) -> Self {
        Self { first_row, n_launched: 0, runs: Vec::new() }
    }

    #[inline]
    fn add(&mut self, call: u32, row: usize, n: usize) {
        if call == NONE_U32 {
            return;
        }
        self.n_launched += n as u64;
        let first_row = (self.first_row + row) as u32;
        let n = n as u32;
        let n_runs = self.runs.len();
        match self.runs.last_mut() {
            Some(last) if last.call == call && last.first_row + last.n == first_row => last.n += n,
            _ if n_runs <= MOST_RUNS => self.runs.push(CallRun { call, first_row, n }),
            _ => {}
        }
    }

    fn into_runs(self) -> (u64, Option<Vec<CallRun>>) {
        (self.n_launched, (self.runs.len() <= MOST_RUNS).then_some(self.runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Correlation;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_and_calls_are_those_of_a_scan(
            calls in prop::collection::vec((0..3_i64, 0..5_u32), 0..12),
            groups in prop::collection::vec((1..40_u32, 0..6_u32, 0..3_i64), 1..60),
        ) {
            let mut trace = TraceBuilder::new();
            for (pid, id) in calls {
                trace.process(pid).api_call("cudaGraphLaunch", 0..1, id);
            }
            let mut at = 0;
            for (n, id, pid) in groups {
                trace.process(pid).stream(pid as u32, 7);
                for _ in 0..n {
                    trace.kernel("k", at + 2..at + 3, if id == 5 { NONE_U32 } else { id });
                    at += 3;
                }
            }
            let t = trace.build();
            let index = CallIndex::of(&t);
            let correlation = Correlation::of(&t);
            let slots = &correlation.stream_slots;
            let (streams, ids) = (&t.kernels.stream, &t.kernels.correlation_id);
            let joined = CalledRows::join(&index, slots, streams, ids);
            let find = |row: usize| match ids[row] {
                NONE_U32 => NONE_U32,
                id => index.find(slot_of(slots, streams[row]), id),
            };
            let expected: Vec<u32> = (0..ids.len()).map(find).collect();
            prop_assert_eq!(joined.calls(), &expected);
            let n_launched = expected.iter().filter(|call| **call != NONE_U32).count();
            prop_assert_eq!(joined.n_launched(), n_launched as u64);

            let mut from_runs = vec![NONE_U32; expected.len()];
            joined.for_each_run(|run| from_runs[run.first_row as usize..run.end()].fill(run.call));
            prop_assert_eq!(&from_runs, &expected);

            // In any order, and each row from wherever the last was.
            let mut near = (0, 0);
            for row in (0..expected.len()).chain((0..expected.len()).rev().step_by(3)) {
                let (call, end) = joined.run_at(row, &mut near);
                prop_assert_eq!(call, expected[row]);
                prop_assert!(end > row && are_all(&expected[row..end], expected[row]));
                let goes_on = expected.get(end).is_some_and(|next| *next == expected[row]);
                prop_assert!(!goes_on || expected[row] == NONE_U32);
            }
        }
    }

    #[test]
    fn runs_that_are_nearly_as_many_as_rows_are_found_again() {
        let mut trace = TraceBuilder::new();
        for at in 0..(MOST_RUNS as i64 + 2) {
            trace.launch("k", at * 10..at * 10 + 2, at * 10 + 3..at * 10 + 5);
        }
        let t = trace.build();
        let index = CallIndex::of(&t);
        let correlation = Correlation::of(&t);
        let (streams, ids) = (&t.kernels.stream, &t.kernels.correlation_id);
        let joined = CalledRows::join(&index, &correlation.stream_slots, streams, ids);
        assert_eq!(joined.runs, [None]);
        let mut n = 0;
        joined.for_each_run(|run| {
            assert_eq!((run.call, run.n), (run.first_row, 1));
            n += 1;
        });
        assert_eq!(n, MOST_RUNS + 2);
        assert_eq!(joined.run_at(9, &mut (0, 0)), (9, 10));
    }
}
