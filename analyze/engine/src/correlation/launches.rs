//! The API calls that launched device work, one row a call.

use underspan_model::{NONE_U32, TimestampNs, give_up_if_cancelled};

use super::called_rows::CalledRows;
use crate::WorkKind;

/// Columns of [`Launch`] rows, in the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchTable {
    calls: Vec<u32>,
    sums: Vec<Sums>,
    /// Row in this table per API call; [`NONE_U32`] for one that launched nothing.
    row_of_call: Vec<u32>,
}

/// What one call launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    first_start_ns: i64,
    n_kernels: u32,
    n_items: u32,
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
        let sums = self.sums.get(index)?;
        Some(Launch {
            call: *self.calls.get(index)?,
            n_kernels: sums.n_kernels,
            n_items: sums.n_items,
            first_start: TimestampNs::from_ns(sums.first_start_ns),
        })
    }

    /// All rows, in order of the calls' start.
    pub fn iter(&self) -> impl Iterator<Item = Launch> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// When the first work of an API call (row) started; `None` when it launched nothing.
    pub fn first_start_of(&self, call: u32) -> Option<TimestampNs> {
        let row = *self.row_of_call.get(call as usize)?;
        Some(TimestampNs::from_ns(self.sums.get(row as usize)?.first_start_ns))
    }

    /// Calls that launched at least one kernel.
    pub fn n_launching_kernels(&self) -> u64 {
        self.sums.iter().filter(|sums| sums.n_kernels > 0).count() as u64
    }

    /// Most kernels that one call launched.
    pub fn max_kernels(&self) -> u32 {
        self.sums.iter().map(|sums| sums.n_kernels).max().unwrap_or(0)
    }

    /// Gathers what each of `n_calls` calls launched. `memory` is used for a column.
    pub(super) fn of(
        n_calls: usize,
        tables: &[CalledRows; 3],
        starts: [&[i64]; 3],
        mut memory: Vec<u32>,
    ) -> Self {
        memory.clear();
        memory.resize(n_calls, NONE_U32);
        let mut row_of_call = memory;
        // First which calls there are, so that rows come in the order of the calls at once.
        for table in tables {
            table.for_each_run(|run| row_of_call[run.call as usize] = 0);
        }
        let mut calls = Vec::with_capacity(row_of_call.iter().filter(|row| **row == 0).count());
        for (call, row) in row_of_call.iter_mut().enumerate().filter(|(_, row)| **row == 0) {
            *row = calls.len() as u32;
            calls.push(call as u32);
        }
        give_up_if_cancelled();
        let nothing = Sums { first_start_ns: i64::MAX, n_kernels: 0, n_items: 0 };
        let mut sums = vec![nothing; calls.len()];
        for (kind, (table, starts)) in tables.iter().zip(starts).enumerate() {
            let are_kernels = kind == WorkKind::Kernel as usize;
            table.for_each_run(|run| {
                let sums = &mut sums[row_of_call[run.call as usize] as usize];
                sums.first_start_ns = sums.first_start_ns.min(starts[run.first_row as usize]);
                sums.n_items = sums.n_items.saturating_add(run.n);
                if are_kernels {
                    sums.n_kernels = sums.n_kernels.saturating_add(run.n);
                }
            });
        }
        Self { calls, sums, row_of_call }
    }
}
