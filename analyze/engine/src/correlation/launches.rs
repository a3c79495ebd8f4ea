//! The API calls that launched device work, one row a call.

use underspan_model::{NONE_U32, TimestampNs};

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

    /// A table of launches among `n_calls` calls, to be filled by [`LaunchTable::add`].
    pub(super) fn new(n_calls: usize) -> Self {
        Self { row_of_call: vec![NONE_U32; n_calls], ..Self::default() }
    }

    /// Adds `n` items of a call, of which the first started at `first_start_ns`.
    #[inline]
    pub(super) fn add(&mut self, run: &LaunchRun, are_kernels: bool) {
        let row = &mut self.row_of_call[run.call as usize];
        if *row == NONE_U32 {
            *row = self.calls.len() as u32;
            self.calls.push(run.call);
            self.sums.push(Sums {
                first_start_ns: run.first_start_ns,
                n_kernels: if are_kernels { run.n } else { 0 },
                n_items: run.n,
            });
            return;
        }
        let sums = &mut self.sums[*row as usize];
        sums.first_start_ns = sums.first_start_ns.min(run.first_start_ns);
        sums.n_items = sums.n_items.saturating_add(run.n);
        if are_kernels {
            sums.n_kernels = sums.n_kernels.saturating_add(run.n);
        }
    }

    /// Puts the rows, which came in the order of the work, in the order of the calls.
    pub(super) fn sorted(mut self) -> Self {
        if self.calls.is_sorted() {
            return self;
        }
        let mut sums = Vec::with_capacity(self.sums.len());
        self.calls.clear();
        for (call, row) in self.row_of_call.iter_mut().enumerate() {
            if *row != NONE_U32 {
                sums.push(self.sums[*row as usize]);
                *row = self.calls.len() as u32;
                self.calls.push(call as u32);
            }
        }
        self.sums = sums;
        self
    }
}

/// Rows of one call that stand together in their table.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaunchRun {
    pub(super) call: u32,
    pub(super) n: u32,
    pub(super) first_start_ns: i64,
}
