//! The stages of a request: where its span is cut.

use underspan_model::tables::Phase;
use underspan_model::{Interval, Timeline, TimestampNs};

use super::Membership;
use super::discover::Found;
use super::engine_time::EngineTime;
use super::request::{Stage, StageKind};

/// The cuts of one request, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stages {
    pub(super) stages: Vec<Stage>,
    pub(super) n_preemptions: u32,
    pub(super) first_token: Option<i64>,
    pub(super) last_token: Option<i64>,
}

/// What is known of one request, to cut its span by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) found: &'a Found,
    pub(super) steps: &'a [Membership],
    pub(super) waited: &'a [Option<u64>],
    pub(super) preempted: &'a [u32],
    /// Whether steps were told of by the engine itself, or guessed from what the span says.
    pub(super) is_exact: bool,
}

impl Stages {
    pub(super) fn of(timeline: &Timeline, time: &EngineTime<'_>, known: Known<'_>) -> Self {
        let found = known.found;
        let mut cutter = Cutter::new(found.interval, found.serving);
        let mut n_preemptions = 0;
        let mut tokens = (None, None);
        if known.steps.is_empty() {
            tokens = cutter.by_facts(found);
        } else {
            cutter.until_admitted(timeline, time, known);
            let decoding = first_token_step(known.steps);
            for (at, membership) in known.steps.iter().enumerate() {
                let (start, end) = time.window(membership.step);
                if at > 0 {
                    let before = &known.steps[at - 1];
                    let kind = match stage_between(time, known, before, membership) {
                        Some(kind) => kind,
                        None if decoding.is_some_and(|first| at > first) => StageKind::Decode,
                        None => StageKind::Prefill,
                    };
                    if kind == StageKind::Preempted {
                        n_preemptions += 1;
                    }
                    let queued = known.waited.get(at).copied().flatten();
                    match queued {
                        // Between two models of an ensemble: the server, then the second's queue.
                        Some(ns) => {
                            cutter.cut(StageKind::Frontend, start.saturating_sub_unsigned(ns));
                            cutter.cut(StageKind::Queue, start);
                        }
                        None => cutter.cut(kind, start),
                    }
                }
                let is_decode = decoding.is_some_and(|first| at > first);
                cutter.cut(if is_decode { StageKind::Decode } else { StageKind::Prefill }, end);
                if decoding == Some(at) {
                    tokens.0 = Some(end);
                }
                tokens.1 = Some(end);
            }
            if tokens.0.is_none() {
                tokens = (None, None);
            }
        }
        cutter.cut(StageKind::Post, found.serving.end().as_ns());
        cutter.cut(StageKind::Outside, found.interval.end().as_ns());
        Self { stages: cutter.stages, n_preemptions, first_token: tokens.0, last_token: tokens.1 }
    }
}

/// Position of the step that made the first token: the last of its first prefill. `None` when the
/// phases are not known.
fn first_token_step(steps: &[Membership]) -> Option<usize> {
    if steps.iter().all(|step| !matches!(step.phase, Phase::Prefill | Phase::Decode)) {
        return None;
    }
    let first_decode = steps.iter().position(|step| step.phase == Phase::Decode);
    match first_decode {
        // Its prefill lies before the capture.
        Some(0) => None,
        Some(at) => Some(at - 1),
        None => Some(steps.len() - 1),
    }
}

/// What a request did between two of its steps, when it was not simply running.
fn stage_between(
    time: &EngineTime<'_>,
    known: Known<'_>,
    before: &Membership,
    after: &Membership,
) -> Option<StageKind> {
    let is_between = |step: &&u32| **step > before.step && **step <= after.step;
    if known.preempted.iter().find(is_between).is_some() {
        return Some(StageKind::Preempted);
    }
    let done =
        before.computed_tokens.zip(before.own_tokens).map(|(a, b)| u64::from(a) + u64::from(b));
    let goes_back =
        after.computed_tokens.zip(done).is_some_and(|(now, done)| u64::from(now) < done);
    let is_redone = before.phase == Phase::Decode && after.phase == Phase::Prefill;
    let same_engine = time.steps.steps[before.step as usize].engine
        == time.steps.steps[after.step as usize].engine;
    (known.is_exact && same_engine && goes_back && (is_redone || before.phase == Phase::Prefill))
        .then_some(StageKind::Preempted)
}

/// Cuts a span into stages from its start to its end.
struct Cutter {
    end: i64,
    at: i64,
    stages: Vec<Stage>,
}

impl Cutter {
    fn new(interval: Interval, serving: Interval) -> Self {
        let mut cutter = Self {
            end: interval.end().as_ns(),
            at: interval.start().as_ns(),
            stages: Vec::with_capacity(8),
        };
        cutter.cut(StageKind::Outside, serving.start().as_ns());
        cutter
    }

    /// All from the last cut to `to` is of a kind.
    fn cut(&mut self, kind: StageKind, to: i64) {
        let to = to.min(self.end);
        if to <= self.at {
            return;
        }
        let (start, end) = (TimestampNs::from_ns(self.at), TimestampNs::from_ns(to));
        match self.stages.last_mut() {
            Some(last) if last.kind == kind => {
                last.interval = Interval::new(last.interval.start(), end);
            }
            _ => self.stages.push(Stage { kind, interval: Interval::new(start, end) }),
        }
        self.at = to;
    }

    /// Until the first step.
    fn until_admitted(&mut self, timeline: &Timeline, time: &EngineTime<'_>, known: Known<'_>) {
        let Some(first) = known.steps.first() else { return };
        let found = known.found;
        let start = time.window(first.step).0;
        let taken_in = timeline
            .request_identities
            .time_ns
            .get(found.identity as usize)
            .copied()
            .filter(|_| !found.internal_id.is_none());
        let queued = known.waited.first().copied().flatten();
        let stated = queued.or(found.facts.queue_ns.and_then(|ns| u64::try_from(ns).ok()));
        match (stated, taken_in) {
            (Some(ns), _) => {
                self.cut(StageKind::Frontend, start.saturating_sub_unsigned(ns));
                self.cut(StageKind::Queue, start);
            }
            (None, Some(taken_in)) => {
                self.cut(StageKind::Frontend, taken_in.min(start));
                self.cut(StageKind::Queue, start);
            }
            // Nothing says when it was queued: it was while others had the engine.
            (None, None) => {
                let engine = time.steps.steps[first.step as usize].engine;
                let from = self.at;
                let mut cuts: Vec<(i64, i64)> = Vec::new();
                time.busy_stretches(engine, from, start, first.step, &mut cuts);
                for (busy_from, busy_to) in cuts {
                    self.cut(StageKind::Frontend, busy_from);
                    self.cut(StageKind::Queue, busy_to);
                }
                self.cut(StageKind::Frontend, start);
            }
        }
    }

    /// By what the engine's span says of itself. Returns when the first and last token came.
    fn by_facts(&mut self, found: &Found) -> (Option<i64>, Option<i64>) {
        let facts = &found.facts;
        let start = found.serving.start().as_ns();
        let first_token = facts.ttft_ns.map(|ns| start.saturating_add(ns));
        let scheduled = match (first_token, facts.prefill_ns, facts.queue_ns) {
            (Some(first), Some(prefill), _) => Some(first.saturating_sub(prefill)),
            (_, _, Some(queue)) => {
                let before = facts.validation_ns.unwrap_or(0);
                Some(start.saturating_add(before).saturating_add(queue))
            }
            _ => None,
        };
        let last_token = first_token
            .zip(facts.decode_ns)
            .map(|(first, decode)| first.saturating_add(decode))
            .or_else(|| scheduled.zip(facts.inference_ns).map(|(a, b)| a.saturating_add(b)));
        let Some(scheduled) = scheduled else {
            self.cut(StageKind::Unexplained, found.serving.end().as_ns());
            return (first_token, None);
        };
        if let Some(queue) = facts.queue_ns {
            self.cut(StageKind::Frontend, scheduled.saturating_sub(queue));
            self.cut(StageKind::Queue, scheduled);
        } else {
            self.cut(StageKind::Unexplained, scheduled);
        }
        let end = found.serving.end().as_ns();
        match first_token {
            Some(first) => {
                self.cut(StageKind::Prefill, first);
                self.cut(StageKind::Decode, last_token.unwrap_or(end).min(end));
            }
            None => self.cut(StageKind::Prefill, last_token.unwrap_or(end).min(end)),
        }
        (first_token, last_token)
    }
}
