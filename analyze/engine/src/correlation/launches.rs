//! The API calls that launched device work, one row a call.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

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
        let per_call = PerCall::new(timeline.api_calls.len());
        per_call.add(&calls[0], &timeline.kernels.start_ns, true);
        per_call.add(&calls[1], &timeline.memcpys.start_ns, false);
        per_call.add(&calls[2], &timeline.memsets.start_ns, false);
        per_call.into_table()
    }
}

/// One accumulator for every API call. Sums and minima come out the same in whatever order
/// threads add to them.
struct PerCall {
    n_kernels: Vec<AtomicU32>,
    n_items: Vec<AtomicU32>,
    first_start_ns: Vec<AtomicI64>,
}

impl PerCall {
    fn new(n_calls: usize) -> Self {
        let zeros = || (0..n_calls).map(|_| AtomicU32::new(0)).collect();
        Self {
            n_kernels: zeros(),
            n_items: zeros(),
            first_start_ns: (0..n_calls).map(|_| AtomicI64::new(i64::MAX)).collect(),
        }
    }

    fn add(&self, calls: &[u32], starts: &[i64], are_kernels: bool) {
        calls.par_chunks(PART_ROWS).zip(starts.par_chunks(PART_ROWS)).for_each(
            |(calls, starts)| {
                // Work of one call mostly stands together, and rows are in order of start.
                let mut run = Run { call: NONE_U32, n: 0, first_start: 0 };
                for (&call, &start) in calls.iter().zip(starts) {
                    if call == run.call {
                        run.n += 1;
                    } else {
                        self.add_run(&run, are_kernels);
                        run = Run { call, n: 1, first_start: start };
                    }
                }
                self.add_run(&run, are_kernels);
            },
        );
    }

    #[inline]
    fn add_run(&self, run: &Run, are_kernels: bool) {
        if run.call == NONE_U32 {
            return;
        }
        let call = run.call as usize;
        self.n_items[call].fetch_add(run.n, Relaxed);
        self.first_start_ns[call].fetch_min(run.first_start, Relaxed);
        if are_kernels {
            self.n_kernels[call].fetch_add(run.n, Relaxed);
        }
    }

    fn into_table(self) -> LaunchTable {
        let mut table = LaunchTable::default();
        for (call, n_items) in self.n_items.into_iter().enumerate() {
            let n_items = n_items.into_inner();
            if n_items > 0 {
                table.calls.push(call as u32);
                table.n_items.push(n_items);
                table.n_kernels.push(self.n_kernels[call].load(Relaxed));
                table.first_start_ns.push(self.first_start_ns[call].load(Relaxed));
            }
        }
        table
    }
}

struct Run {
    call: u32,
    n: u32,
    first_start: i64,
}
