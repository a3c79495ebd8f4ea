//! How well the clocks of the files of a capture agree.
//!
//! Files say how their clocks were read. Whether that is true shows in the data: what a device did
//! for a request lies within the request's span. Where it does so much better once one side is
//! moved, the clocks are apart by that much.

use underspan_model::tables::{AnnotationKind, Rung, Table};
use underspan_model::{NONE_I64, NONE_U64, StringId, Timeline};

use super::ClockQuality;
use super::Membership;
use super::discover::{Discovery, Found};
use super::engine_steps::{EngineSteps, ServingSpans};
use super::engine_time::EngineTime;
use crate::StepLabel;

/// Two clocks of one machine, both read by programs: reading and storing them takes this long.
const READING_NS: u64 = 1_000;
/// How far the monotonic and the wall clock drift apart, in parts per million, while the wall
/// clock is steered.
const DRIFT_PPM: u64 = 1;
/// Offsets that are tried, and how finely.
const FARTHEST_NS: i64 = 1_000_000_000;
const GRID_NS: i64 = 200_000;
/// An offset up to this is the way between the processes that take the stamps.
const NEAR_NS: i64 = 5_000_000;
/// Instants that are looked at.
const SAMPLES: usize = 400;
/// Fewest instants that say anything.
const FEWEST: usize = 20;
/// Share of a side's work that lies within the other's spans on clocks that agree.
const AGREES: f64 = 0.9;

/// What the clocks allow to be said.
pub(super) fn quality(
    timeline: &Timeline,
    found: &Discovery,
    time: &EngineTime<'_>,
    exact: &[Vec<Membership>],
) -> ClockQuality {
    let apart = offset(timeline, found, time, exact);
    let uncertainty_ns = stated(timeline).map(|stated| stated.max(apart));
    let half_step = time.half_median_step().map(|half| half.as_ns());
    let is_refused = match (uncertainty_ns, half_step) {
        (None, Some(_)) => true,
        (Some(uncertainty), Some(half)) => half > 0 && uncertainty > half,
        // Without steps there is nothing to compare with but the offset itself.
        (Some(_), None) => apart > 0,
        (None, None) => false,
    };
    ClockQuality { uncertainty_ns, is_refused, n_impossible_spans: found.n_impossible }
}

/// What the files say about their clocks; `None` when they are on clocks of their own.
fn stated(timeline: &Timeline) -> Option<u64> {
    let mut clocks: Vec<u8> = timeline.dimensions.sources.clock.clone();
    clocks.retain(|clock| *clock != 0);
    clocks.sort_unstable();
    clocks.dedup();
    if clocks.len() > 1 {
        return None;
    }
    let anchors = &timeline.dimensions.clock_anchors;
    let spans = timeline.spans.time_bounds();
    let mut uncertainty = READING_NS;
    for anchor in anchors.iter() {
        if anchor.realtime_ns == NONE_I64 || anchor.monotonic_ns == NONE_I64 {
            continue;
        }
        let read = if anchor.uncertainty_ns == NONE_U64 { 0 } else { anchor.uncertainty_ns };
        let away = spans.map_or(0, |(start, end)| {
            start.abs_diff(anchor.realtime_ns).max(end.abs_diff(anchor.realtime_ns))
        });
        uncertainty = uncertainty.max(read + READING_NS + away / 1_000_000 * DRIFT_PPM);
    }
    Some(uncertainty)
}

/// How far the clocks of spans and device work are apart, by what they say of the same requests;
/// zero when nothing speaks against them.
fn offset(
    timeline: &Timeline,
    found: &Discovery,
    time: &EngineTime<'_>,
    exact: &[Vec<Membership>],
) -> u64 {
    let by_members = by_members(&found.requests, time, exact);
    if by_members > 0 {
        return by_members;
    }
    let steps = time.steps;
    if let Some(counts) = Counts::of(&found.requests, steps) {
        return counts.offset();
    }
    let serving = found
        .requests
        .iter()
        .map(|found| (found.serving.start().as_ns(), found.serving.end().as_ns()));
    let mut serving = ServingSpans::new(serving.collect());
    let mut work = ranges(timeline);
    let without_thread: Vec<_> = steps
        .steps
        .iter()
        .filter(|step| step.rung == Rung::ExactBatch && step.analysis_step.is_none())
        .map(|step| (step.host.start().as_ns(), step.host.end().as_ns()))
        .collect();
    if !without_thread.is_empty() {
        // The server's own stamps against the calls that launched its work.
        serving = ServingSpans::new(without_thread);
        let calls = &timeline.api_calls;
        work = calls.start_ns.iter().map(|start| (*start, *start)).collect();
    }
    by_containment(&serving, &sample(work))
}

fn sample<T: Copy>(all: Vec<T>) -> Vec<T> {
    let every = all.len().div_ceil(SAMPLES).max(1);
    all.into_iter().step_by(every).collect()
}

/// Outermost ranges on the host that name no step of an engine.
fn ranges(timeline: &Timeline) -> Vec<(i64, i64)> {
    let mut reach = vec![i64::MIN; timeline.dimensions.threads.len() + 1];
    let mut found = Vec::new();
    for row in timeline.annotations.iter() {
        let is_host =
            !matches!(row.annotation_kind(), AnnotationKind::GpuUser | AnnotationKind::NvtxMark);
        let name = timeline.strings.resolve_or_empty(StringId::from_raw(row.name));
        if !is_host || row.duration_ns == 0 || StepLabel::parse(name).is_some() {
            continue;
        }
        let last = reach.len() - 1;
        let covered = &mut reach[(row.thread as usize).min(last)];
        if row.start_ns >= *covered {
            *covered = row.start_ns.saturating_add_unsigned(row.duration_ns);
            found.push((row.start_ns, *covered));
        }
    }
    found
}

/// Members are in their steps while they are in the server.
fn by_members(found: &[Found], time: &EngineTime<'_>, exact: &[Vec<Membership>]) -> u64 {
    let mut violations: Vec<u64> = Vec::new();
    for (request, memberships) in found.iter().zip(exact) {
        let (Some(first), Some(last)) = (memberships.first(), memberships.last()) else { continue };
        if request.span().is_none() {
            continue;
        }
        let host = |at: u32| time.steps.steps[at as usize].host.start();
        let early = request.serving.start().saturating_since(host(first.step)).as_ns();
        let late = host(last.step).saturating_since(request.serving.end()).as_ns();
        violations.push(early.max(late));
    }
    violations.sort_unstable();
    let median = violations.get(violations.len() / 2).copied().unwrap_or(0);
    if violations.len() >= FEWEST && median > NEAR_NS.unsigned_abs() { median } else { 0 }
}

/// The offset by which work lies within spans, when it does not as it stands.
fn by_containment(spans: &ServingSpans, work: &[(i64, i64)]) -> u64 {
    if work.len() < FEWEST {
        return 0;
    }
    let held = |offset: i64| {
        let holds = |(start, end): &&(i64, i64)| {
            spans.hold(start.saturating_add(offset), end.saturating_add(offset))
        };
        work.iter().filter(holds).count() as f64 / work.len() as f64
    };
    let near = (-NEAR_NS / GRID_NS..=NEAR_NS / GRID_NS).map(|at| held(at * GRID_NS));
    if near.fold(0.0, f64::max) >= AGREES {
        return 0;
    }
    let (offset, best) = search(|offset| -held(offset));
    if -best >= AGREES { offset.unsigned_abs() } else { 0 }
}

/// The offset with the least cost, of equal ones the nearest.
fn search(cost: impl Fn(i64) -> f64) -> (i64, f64) {
    let mut best = (0, cost(0));
    for at in 1..=FARTHEST_NS / GRID_NS {
        for offset in [at * GRID_NS, -at * GRID_NS] {
            let found = cost(offset);
            if found < best.1 {
                best = (offset, found);
            }
        }
    }
    best
}

/// How many requests steps say they had, and how many were running by their spans.
struct Counts {
    /// Instants of steps with their requests.
    steps: Vec<(i64, f64)>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Counts {
    fn of(found: &[Found], steps: &EngineSteps) -> Option<Self> {
        let counted: Vec<(i64, f64)> = steps
            .steps
            .iter()
            .filter(|step| step.rung == Rung::Counts)
            .filter_map(|step| {
                let label = &step.label;
                let by_phase = label.context_requests.zip(label.generation_requests);
                let n = label.requests.or(by_phase.map(|(a, b)| a + b))?;
                Some((step.host.start().as_ns(), n as f64))
            })
            .collect();
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for request in found {
            let facts = &request.facts;
            let (Some(ttft), Some(prefill)) = (facts.ttft_ns, facts.prefill_ns) else { continue };
            let first = request.serving.start().as_ns().saturating_add(ttft);
            starts.push(first.saturating_sub(prefill));
            ends.push(first.saturating_add(facts.decode_ns.unwrap_or(0)));
        }
        starts.sort_unstable();
        ends.sort_unstable();
        let steps = sample(counted);
        (steps.len() >= FEWEST && starts.len() >= FEWEST).then_some(Self { steps, starts, ends })
    }

    /// Mean share by which the two counts differ.
    fn mismatch(&self, offset: i64) -> f64 {
        let running = |at: i64| {
            let at = at.saturating_add(offset);
            let begun = self.starts.partition_point(|start| *start <= at);
            let ended = self.ends.partition_point(|end| *end <= at);
            begun.saturating_sub(ended) as f64
        };
        let counts: Vec<(f64, f64)> =
            self.steps.iter().map(|(at, stated)| (*stated, running(*at))).collect();
        let stated: f64 = counts.iter().map(|(stated, _)| stated).sum();
        let by_spans: f64 = counts.iter().map(|(_, running)| running).sum();
        if by_spans == 0.0 || stated == 0.0 {
            return 1.0;
        }
        // Requests whose callers asked for no spans are missing from all steps alike.
        let scale = (stated / by_spans).max(1.0);
        let apart = counts.iter().map(|(stated, running)| (stated - running * scale).abs());
        apart.sum::<f64>() / stated
    }

    fn offset(&self) -> u64 {
        let near = (-NEAR_NS / GRID_NS..=NEAR_NS / GRID_NS).map(|at| self.mismatch(at * GRID_NS));
        let near = near.fold(f64::INFINITY, f64::min);
        if near < 0.15 {
            return 0;
        }
        let (offset, best) = search(|offset| self.mismatch(offset));
        if best < near * 0.6 { offset.unsigned_abs() } else { 0 }
    }
}
