//! The API calls of each thread as one row after another, so that what a thread did before a
//! call can be walked backwards.

use underspan_model::{NONE_U32, Timeline};

use crate::{CallKind, CallNames};

/// A copy or fill call this long did not just enqueue: it blocked until its data had moved.
const BLOCKING_TRANSFER_NS: u64 = 100_000;

/// For each API call the one before it on its thread.
pub(super) struct HostCalls<'a> {
    timeline: &'a Timeline,
    names: &'a CallNames,
    /// The enclosing call of a nested one, otherwise the last call that no other encloses.
    previous: Vec<u32>,
}

/// A call a thread was in.
pub(super) struct HostCall {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) blocks: bool,
}

impl<'a> HostCalls<'a> {
    pub(super) fn of(timeline: &'a Timeline, names: &'a CallNames) -> Self {
        let calls = &timeline.api_calls;
        let n_threads = timeline.dimensions.threads.len();
        let mut last = vec![(NONE_U32, i64::MIN); n_threads + 1];
        let mut previous = vec![NONE_U32; calls.len()];
        for (row, previous) in previous.iter_mut().enumerate() {
            let (start, duration) = (calls.start_ns[row], calls.duration_ns[row]);
            let end = start.saturating_add_unsigned(duration);
            let (last_row, last_end) = &mut last[(calls.thread[row] as usize).min(n_threads)];
            *previous = *last_row;
            // A driver call inside a runtime call does not end after it.
            if end > *last_end {
                *last_row = row as u32;
                *last_end = end;
            }
        }
        Self { timeline, names, previous }
    }

    /// Start and end of a call.
    #[inline]
    pub(super) fn span(&self, row: u32) -> (i64, i64) {
        let calls = &self.timeline.api_calls;
        let start = calls.start_ns[row as usize];
        (start, start.saturating_add_unsigned(calls.duration_ns[row as usize]))
    }

    /// The calls of a call's thread that end after `from`, backwards from the one before it.
    pub(super) fn before(&self, row: u32, from: i64) -> impl Iterator<Item = HostCall> + '_ {
        let mut row = row;
        std::iter::from_fn(move || {
            row = *self.previous.get(row as usize)?;
            if row == NONE_U32 {
                return None;
            }
            let (start_ns, end_ns) = self.span(row);
            (end_ns > from).then(|| HostCall { start_ns, end_ns, blocks: self.blocks(row) })
        })
    }

    /// Whether the call keeps its thread until device work is done.
    pub(super) fn blocks(&self, row: u32) -> bool {
        let calls = &self.timeline.api_calls;
        match self.names.kind(calls.name[row as usize]) {
            CallKind::Synchronize => true,
            CallKind::Transfer => calls.duration_ns[row as usize] >= BLOCKING_TRANSFER_NS,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;

    #[test]
    fn nested_calls_are_passed_over_and_threads_kept_apart() {
        let mut trace = TraceBuilder::new();
        trace
            .api_call("cudaLaunchKernel", 0..10, 1)
            .api_call("cuLaunchKernel", 2..8, 2)
            .api_call("cudaStreamSynchronize", 12..40, 3)
            .api_call("cudaLaunchKernel", 50..55, 4);
        trace.thread(2).api_call("cudaMalloc", 20..30, 5);
        let t = trace.build();
        let names = CallNames::of(&t);
        let calls = HostCalls::of(&t, &names);
        let last = t.api_calls.start_ns.iter().position(|start| *start == 50);
        let last = last.map_or(NONE_U32, |row| row as u32);
        let spans = |from| -> Vec<_> {
            calls.before(last, from).map(|c| (c.start_ns, c.end_ns, c.blocks)).collect()
        };
        assert_eq!(spans(i64::MIN), [(12, 40, true), (0, 10, false)]);
        assert_eq!(spans(9), [(12, 40, true), (0, 10, false)]);
        assert_eq!(spans(10), [(12, 40, true)]);
        assert_eq!(spans(40), []);
    }
}
