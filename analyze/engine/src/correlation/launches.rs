//! The API calls that launched device work, one row a call.

use rayon::prelude::*;
use underspan_model::{NONE_U32, Timeline, TimestampNs};

use super::PART_ROWS;

/// Columns of [`Launch`] rows, in the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchTable {
    calls: Vec<u32>,
    n_kernels: Vec<u32>,
    n_items: Vec<u32>,
    first_start_ns: Vec<i64>,
}

/// One API call with the device work it launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Row of the API call.
    pub call: u32,
    /// Kernels it launched.
    pub n_kernels: u32,
    /// Kernels, copies and fills it launched.
    pub n_items: u32,
    /// When the first of them started.
    pub first_start: TimestampNs,
}

impl LaunchTable {
    /// Number of calls that launched something.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call launched anything.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The row at `index`.
    pub fn get(&self, index: usize) -> Option<Launch> {
        Some(Launch {
            call: *self.calls.get(index)?,
            n_kernels: *self.n_kernels.get(index)?,
            n_items: *self.n_items.get(index)?,
            first_start: TimestampNs::from_ns(*self.first_start_ns.get(index)?),
        })
    }

    /// All rows, in order of the calls' start.
    pub fn iter(&self) -> impl Iterator<Item = Launch> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// When the first work of an API call (row) started; `None` when it launched nothing.
    pub fn first_start_of(&self, call: u32) -> Option<TimestampNs> {
        let at = self.calls.binary_search(&call).ok()?;
        self.first_start_ns.get(at).copied().map(TimestampNs::from_ns)
    }

    /// Calls that launched at least one kernel.
    pub fn n_launching_kernels(&self) -> u64 {
        self.n_kernels.iter().filter(|n| **n > 0).count() as u64
    }

    /// Most kernels that one call launched.
    pub fn max_kernels(&self) -> u32 {
        self.n_kernels.iter().copied().max().unwrap_or(0)
    }

    /// Gathers what each call launched from the calls of each kernel, copy and fill.
    pub(super) fn of(timeline: &Timeline, calls: &[Vec<u32>; 3]) -> Self {
        let mut per_call = PerCall::new(timeline.api_calls.len());
        per_call.add(&calls[0], &timeline.kernels.start_ns, true);
        per_call.add(&calls[1], &timeline.memcpys.start_ns, false);
        per_call.add(&calls[2], &timeline.memsets.start_ns, false);
        per_call.into_table()
    }
}

/// One accumulator for every API call.
struct PerCall {
    n_kernels: Vec<u32>,
    n_items: Vec<u32>,
    first_start_ns: Vec<i64>,
}

/// Work of one call that stands together in its table.
#[derive(Clone, Copy)]
struct Run {
    call: u32,
    n: u32,
    first_start: i64,
}

impl PerCall {
    fn new(n_calls: usize) -> Self {
        Self {
            n_kernels: vec![0; n_calls],
            n_items: vec![0; n_calls],
            // Zeros come without touching the memory; a call without items has no start.
            first_start_ns: vec![0; n_calls],
        }
    }

    fn add(&mut self, calls: &[u32], starts: &[i64], are_kernels: bool) {
        let parts: Vec<Vec<Run>> = calls
            .par_chunks(PART_ROWS)
            .zip(starts.par_chunks(PART_ROWS))
            .map(|(calls, starts)| runs(calls, starts))
            .collect();
        for run in parts.iter().flatten() {
            let call = run.call as usize;
            let n_items = &mut self.n_items[call];
            let first = &mut self.first_start_ns[call];
            *first = if *n_items == 0 { run.first_start } else { run.first_start.min(*first) };
            *n_items = n_items.saturating_add(run.n);
            if are_kernels {
                self.n_kernels[call] = self.n_kernels[call].saturating_add(run.n);
            }
        }
    }

    fn into_table(self) -> LaunchTable {
        let mut table = LaunchTable::default();
        for (call, &n_items) in self.n_items.iter().enumerate() {
            if n_items > 0 {
                table.calls.push(call as u32);
                table.n_items.push(n_items);
                table.n_kernels.push(self.n_kernels[call]);
                table.first_start_ns.push(self.first_start_ns[call]);
            }
        }
        table
    }
}

fn runs(calls: &[u32], starts: &[i64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last = NONE_U32;
    for (&call, &first_start) in calls.iter().zip(starts) {
        if call != last {
            last = call;
            if call != NONE_U32 {
                runs.push(Run { call, n: 1, first_start });
            }
        } else if call != NONE_U32
            && let Some(run) = runs.last_mut()
        {
            run.n += 1;
        }
    }
    runs
}
