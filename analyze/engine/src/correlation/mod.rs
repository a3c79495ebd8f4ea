//! Which API call launched which device work.
//!
//! Work and call carry the same correlation id and belong to the same process; ids of different
//! processes have nothing to do with each other. One call may own over a thousand kernels: a
//! graph launch.

mod call_index;
mod call_names;
mod called_rows;
mod launches;

use rayon::prelude::*;
use underspan_model::{NONE_U32, ProcessId, Timeline};

pub use call_names::{CallKind, CallNames};
pub use launches::{Launch, LaunchTable};

use crate::exact_ranks::{SignedStats, ValueParts};
use crate::{WorkItem, WorkKind};
use call_index::CallIndex;
use called_rows::CalledRows;

/// Rows a parallel task takes at once.
const PART_ROWS: usize = 1 << 17;

/// Why a kernel, copy or fill has no launching call in the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unlaunched {
    /// Its id lies below the smallest id of any call of its process: it was launched before the
    /// capture began, which is neither an error nor a gap.
    BeforeCapture,
    /// The capture has no API calls of its process at all.
    NoCallsOfProcess,
    /// It carries no correlation id.
    NoCorrelationId,
    /// The call should be in the capture and is not.
    CallMissing,
}

/// Counts of work without a launching call, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnlaunchedCounts {
    /// See [`Unlaunched::BeforeCapture`].
    pub before_capture: u64,
    /// See [`Unlaunched::NoCallsOfProcess`].
    pub no_calls_of_process: u64,
    /// See [`Unlaunched::NoCorrelationId`].
    pub no_correlation_id: u64,
    /// See [`Unlaunched::CallMissing`].
    pub call_missing: u64,
}

/// The join of device work and API calls.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// The calls of kernels, copies and fills.
    rows: [CalledRows; 3],
    index: CallIndex,
    /// Index slot per stream.
    stream_slots: Vec<u32>,
    launches: LaunchTable,
    names: CallNames,
    unlaunched_kernels: UnlaunchedCounts,
}

impl Correlation {
    /// Joins the device work of a timeline with its API calls.
    pub fn of(timeline: &Timeline) -> Self {
        let (mut index, names) =
            rayon::join(|| CallIndex::of(timeline), || CallNames::of(timeline));
        let streams = &timeline.dimensions.streams;
        let mut stream_slots: Vec<u32> =
            streams.process.iter().map(|process| index.slot(*process) as u32).collect();
        stream_slots.push(index.slot(NONE_U32) as u32);
        let (kernels, memcpys, memsets) = (&timeline.kernels, &timeline.memcpys, &timeline.memsets);
        let join = |streams, ids| CalledRows::join(&index, &stream_slots, streams, ids);
        let rows = [
            join(&kernels.stream, &kernels.correlation_id),
            join(&memcpys.stream, &memcpys.correlation_id),
            join(&memsets.stream, &memsets.correlation_id),
        ];
        let starts = [&kernels.start_ns[..], &memcpys.start_ns, &memsets.start_ns];
        index.forget_calls();
        let launches = LaunchTable::of(timeline.api_calls.len(), &rows, starts);
        let mut joined = Self {
            rows,
            index,
            stream_slots,
            launches,
            names,
            unlaunched_kernels: UnlaunchedCounts::default(),
        };
        if joined.rows[0].n_launched() < kernels.len() as u64 {
            joined.unlaunched_kernels = joined.count_unlaunched_kernels(timeline);
        }
        joined
    }

    /// The API call (row) that launched each row of a table; [`NONE_U32`] without one.
    #[inline]
    pub fn calls(&self, kind: WorkKind) -> &[u32] {
        self.rows[kind as usize].calls()
    }

    /// The call of a row of a table, [`NONE_U32`] without one, and a position up to which all rows
    /// from it on have the same; more may follow. `near` is where the last answer was found.
    #[inline]
    pub(crate) fn run_at(
        &self,
        kind: WorkKind,
        row: usize,
        near: &mut (usize, usize),
    ) -> (u32, usize) {
        self.rows[kind as usize].run_at(row, near)
    }

    /// As if there were as many runs as rows.
    #[cfg(test)]
    pub(crate) fn forget_runs(&mut self) {
        self.rows.iter_mut().for_each(CalledRows::forget_runs);
    }

    /// The API call (row) that launched an item.
    pub fn call_of(&self, item: &WorkItem) -> Option<u32> {
        let call = self.calls(item.kind).get(item.row as usize).copied()?;
        (call != NONE_U32).then_some(call)
    }

    /// The calls that launched work, one row each.
    pub fn launches(&self) -> &LaunchTable {
        &self.launches
    }

    /// Kernels without a launching call, by reason.
    pub fn unlaunched_kernels(&self) -> UnlaunchedCounts {
        self.unlaunched_kernels
    }

    /// Number of rows of a table that have a launching call.
    pub fn n_launched(&self, kind: WorkKind) -> u64 {
        self.rows[kind as usize].n_launched()
    }

    /// What the API calls of the capture are, by name.
    pub fn call_names(&self) -> &CallNames {
        &self.names
    }

    /// Smallest correlation id that an API call of a process carries.
    pub fn first_id(&self, process: ProcessId) -> Option<u32> {
        self.index.first_id(self.index.slot(process.raw()))
    }

    /// Why work on a stream with this correlation id has no launching call.
    pub fn why_unlaunched(&self, stream: u32, correlation_id: u32) -> Unlaunched {
        let slot = slot_of(&self.stream_slots, stream);
        match self.index.first_id(slot) {
            None => Unlaunched::NoCallsOfProcess,
            Some(_) if correlation_id == NONE_U32 => Unlaunched::NoCorrelationId,
            Some(first) if correlation_id < first => Unlaunched::BeforeCapture,
            Some(_) => Unlaunched::CallMissing,
        }
    }

    /// From the start of the launching call to the start of the kernel, over all kernels that
    /// have one; negative where the kernel starts first. `None` when no kernel has one.
    pub fn launch_to_start(&self, timeline: &Timeline) -> Option<SignedStats> {
        SignedStats::of(&LaunchToStart {
            starts: &timeline.kernels.start_ns,
            calls: self.calls(WorkKind::Kernel),
            call_starts: &timeline.api_calls.start_ns,
        })
    }

    fn count_unlaunched_kernels(&self, timeline: &Timeline) -> UnlaunchedCounts {
        let kernels = &timeline.kernels;
        self.calls(WorkKind::Kernel)
            .par_chunks(PART_ROWS)
            .enumerate()
            .map(|(part, calls)| {
                let mut counts = UnlaunchedCounts::default();
                for (row, _) in calls.iter().enumerate().filter(|(_, call)| **call == NONE_U32) {
                    let row = part * PART_ROWS + row;
                    counts
                        .add(self.why_unlaunched(kernels.stream[row], kernels.correlation_id[row]));
                }
                counts
            })
            .reduce(UnlaunchedCounts::default, UnlaunchedCounts::plus)
    }
}

impl UnlaunchedCounts {
    fn add(&mut self, why: Unlaunched) {
        match why {
            Unlaunched::BeforeCapture => self.before_capture += 1,
            Unlaunched::NoCallsOfProcess => self.no_calls_of_process += 1,
            Unlaunched::NoCorrelationId => self.no_correlation_id += 1,
            Unlaunched::CallMissing => self.call_missing += 1,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            before_capture: self.before_capture + other.before_capture,
            no_calls_of_process: self.no_calls_of_process + other.no_calls_of_process,
            no_correlation_id: self.no_correlation_id + other.no_correlation_id,
            call_missing: self.call_missing + other.call_missing,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.before_capture + self.no_calls_of_process + self.no_correlation_id + self.call_missing
    }
}

/// The index slot of a stream; the last one is that of unknown streams.
#[inline]
fn slot_of(stream_slots: &[u32], stream: u32) -> usize {
    let last = stream_slots.len() - 1;
    stream_slots[(stream as usize).min(last)] as usize
}

struct LaunchToStart<'a> {
    starts: &'a [i64],
    calls: &'a [u32],
    call_starts: &'a [i64],
}

impl ValueParts for LaunchToStart<'_> {
    fn n_parts(&self) -> usize {
        self.calls.len().div_ceil(PART_ROWS)
    }

    fn for_each(&self, part: usize, mut visit: impl FnMut(i64)) {
        let rows = part * PART_ROWS..((part + 1) * PART_ROWS).min(self.calls.len());
        let (mut last, mut call_start) = (NONE_U32, 0);
        for (start, &call) in self.starts[rows.clone()].iter().zip(&self.calls[rows]) {
            if call != last {
                last = call;
                call_start = self.call_starts.get(call as usize).copied().unwrap_or(0);
            }
            if call != NONE_U32 {
                visit(start.saturating_sub(call_start));
            }
        }
    }

    fn sample(&self, n: usize) -> Vec<i64> {
        // A stride that shares no rhythm with what repeats from step to step.
        let stride = (self.calls.len() / n.max(1)).max(1) | 1;
        let rows = (0..self.calls.len()).step_by(stride);
        rows.filter(|row| self.calls[*row] != NONE_U32)
            .map(|row| self.starts[row].saturating_sub(self.call_starts[self.calls[row] as usize]))
            .collect()
    }
}
