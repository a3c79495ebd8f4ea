//! Which step an API call, or an item of device work under a label, belongs to.

use hashbrown::HashMap;
use underspan_model::tables::ApiCallTable;
use underspan_model::{NONE_U32, Timeline};

use super::find::{DeviceLabel, HostStep};
use crate::WorkItem;

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

/// The step of API calls: the one during which its thread made it.
pub(super) struct CallOwners<'a> {
    calls: &'a ApiCallTable,
    /// Per thread.
    threads: Vec<Spans>,
}

impl<'a> CallOwners<'a> {
    pub(super) fn of(timeline: &'a Timeline, steps: &[HostStep]) -> Self {
        let mut threads = vec![Spans::default(); timeline.dimensions.threads.len()];
        for (at, step) in steps.iter().enumerate() {
            if let Some(spans) = threads.get_mut(step.thread as usize) {
                spans.0.push((step.start_ns, step.end_ns, at as u32));
            }
        }
        Self { calls: &timeline.api_calls, threads }
    }

    /// The step of a call (row), [`NONE_U32`] for none. `last` is a call's thread and position
    /// found before: calls mostly come in order, and one after another in a step.
    #[inline]
    pub(super) fn step_of(&self, call: u32, last: &mut (u32, usize)) -> u32 {
        if call == NONE_U32 {
            return NONE_U32;
        }
        let (thread, start) =
            (self.calls.thread[call as usize], self.calls.start_ns[call as usize]);
        let Some(spans) = self.threads.get(thread as usize) else { return NONE_U32 };
        if last.0 != thread || spans.0.get(last.1).is_none_or(|span| start < span.0) {
            *last = (thread, spans.position(start));
        }
        spans.step_at(start, &mut last.1)
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
