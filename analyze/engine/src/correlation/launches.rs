//! The API calls that launched device work, one row a call.

use underspan_model::{TimestampNs, give_up_if_cancelled};

use super::called_rows::CalledRows;
use crate::WorkKind;

/// Columns of [`Launch`] rows, in the order of the calls.
#[derive(Debug, Clone, Default)]
pub struct LaunchTable {
    calls: Vec<u32>,
    first_starts_ns: Vec<i64>,
    /// Kernels, and everything, that each launched.
    counts: Vec<[u32; 2]>,
    /// One more than the row in this table, per API call; 0 for one that launched nothing.
    row_of_call: Vec<u32>,
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
        let [n_kernels, n_items] = *self.counts.get(index)?;
        Some(Launch {
            call: *self.calls.get(index)?,
            n_kernels,
            n_items,
            first_start: TimestampNs::from_ns(*self.first_starts_ns.get(index)?),
        })
    }

    /// All rows, in order of the calls' start.
    pub fn iter(&self) -> impl Iterator<Item = Launch> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// When the first work of an API call (row) started; `None` when it launched nothing.
    pub fn first_start_of(&self, call: u32) -> Option<TimestampNs> {
        let row = self.row_of_call.get(call as usize)?.checked_sub(1)?;
        self.first_starts_ns.get(row as usize).copied().map(TimestampNs::from_ns)
    }

    /// Calls that launched at least one kernel.
    pub fn n_launching_kernels(&self) -> u64 {
        self.counts.iter().filter(|[n_kernels, _]| *n_kernels > 0).count() as u64
    }

    /// Most kernels that one call launched.
    pub fn max_kernels(&self) -> u32 {
        self.counts.iter().map(|[n_kernels, _]| *n_kernels).max().unwrap_or(0)
    }

    /// Gathers what each of `n_calls` calls launched.
    pub(super) fn of(n_calls: usize, tables: &[CalledRows; 3], starts: [&[i64]; 3]) -> Self {
        let mut rows = vec![0; n_calls];
        // First which calls there are, so that rows come in the order of the calls at once.
        for table in tables {
            table.for_each_run(|run| rows[run.call as usize] = 1);
        }
        let mut calls = Vec::with_capacity(rows.iter().filter(|row| **row > 0).count());
        for (call, row) in rows.iter_mut().enumerate().filter(|(_, row)| **row > 0) {
            calls.push(call as u32);
            *row = calls.len() as u32;
        }
        give_up_if_cancelled();
        let (mut first, mut counts) = (vec![0; calls.len()], vec![[0_u32; 2]; calls.len()]);
        for (kind, (table, starts)) in tables.iter().zip(starts).enumerate() {
            let are_kernels = u32::from(kind == WorkKind::Kernel as usize);
            table.for_each_run(|run| {
                let row = rows[run.call as usize] as usize - 1;
                let [n_kernels, n_items] = &mut counts[row];
                let start: i64 = starts[run.first_row as usize];
                first[row] = if *n_items == 0 { start } else { start.min(first[row]) };
                *n_items = n_items.saturating_add(run.n);
                *n_kernels = n_kernels.saturating_add(run.n * are_kernels);
            });
        }
        Self { calls, first_starts_ns: first, counts, row_of_call: rows }
    }
}
