//! Which step an API call, or an item of device work under a label, belongs to.

use hashbrown::HashMap;
use rayon::prelude::*;
use underspan_model::{NONE_U32, Timeline};

use super::find::{DeviceLabel, HostStep};
use crate::WorkItem;

/// Rows a parallel task takes at once.
const PART_ROWS: usize = 1 << 17;

/// Spans of one thread or stream in order of start, with the step each belongs to. They do not
/// overlap but by mistake; then the later one counts from its start on.
#[derive(Debug, Clone, Default)]
struct Spans(Vec<(i64, i64, u32)>);

impl Spans {
    /// The step at `at`, where `next` is the position found for an earlier instant.
    #[inline]
    fn step_at(&self, at: i64, next: &mut usize) -> u32 {
        while self.0.get(*next + 1).is_some_and(|span| span.0 <= at) {
            *next += 1;
        }
        match self.0.get(*next) {
            Some(&(start, end, step)) if start <= at && at < end => step,
            _ => NONE_U32,
        }
    }

    /// Where to begin looking for `at`.
    fn position(&self, at: i64) -> usize {
        self.0.partition_point(|span| span.0 <= at).saturating_sub(1)
    }
}

/// The step of each API call: the one during which its thread made it.
pub(super) struct CallOwners {
    steps: Vec<u32>,
}

impl CallOwners {
    pub(super) fn of(timeline: &Timeline, steps: &[HostStep]) -> Self {
        let calls = &timeline.api_calls;
        if steps.is_empty() {
            return Self { steps: Vec::new() };
        }
        let n_threads = timeline.dimensions.threads.len();
        let mut threads = vec![Spans::default(); n_threads];
        for (at, step) in steps.iter().enumerate() {
            if let Some(spans) = threads.get_mut(step.thread as usize) {
                spans.0.push((step.start_ns, step.end_ns, at as u32));
            }
        }
        // Positions are kept per thread and part: with very many threads parts grow.
        let part_rows = PART_ROWS.max(n_threads);
        let mut owners = vec![NONE_U32; calls.len()];
        owners
            .par_chunks_mut(part_rows)
            .zip(calls.start_ns.par_chunks(part_rows))
            .zip(calls.thread.par_chunks(part_rows))
            .for_each(|((owners, starts), callers)| {
                let first = starts.first().copied().unwrap_or(0);
                let mut next: Vec<usize> = threads.iter().map(|t| t.position(first)).collect();
                for ((owner, &start), &thread) in owners.iter_mut().zip(starts).zip(callers) {
                    if let Some(spans) = threads.get(thread as usize) {
                        *owner = spans.step_at(start, &mut next[thread as usize]);
                    }
                }
            });
        Self { steps: owners }
    }

    /// The step of a call (row), [`NONE_U32`] for none.
    #[inline]
    pub(super) fn step_of(&self, call: u32) -> u32 {
        self.steps.get(call as usize).copied().unwrap_or(NONE_U32)
    }
}

/// The step of each item of device work that starts under a label on its stream.
pub(super) struct LabelOwners {
    streams: HashMap<u32, Spans>,
}

impl LabelOwners {
    pub(super) fn of(labels: &[(u32, DeviceLabel)]) -> Self {
        let mut streams: HashMap<u32, Spans> = HashMap::new();
        for (step, label) in labels {
            let spans = streams.entry(label.stream).or_default();
            spans.0.push((label.start_ns, label.end_ns, *step));
        }
        for spans in streams.values_mut() {
            spans.0.sort_unstable();
        }
        Self { streams }
    }

    /// Says which step an item belongs to; items come in order of start.
    pub(super) fn cursor(&self) -> impl FnMut(&WorkItem) -> u32 + '_ {
        let mut next: HashMap<u32, usize> = HashMap::new();
        move |item| {
            let Some(spans) = self.streams.get(&item.stream) else { return NONE_U32 };
            let next = next.entry(item.stream).or_insert_with(|| spans.position(item.start_ns));
            spans.step_at(item.start_ns, next)
        }
    }
}
