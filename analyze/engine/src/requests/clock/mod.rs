//! How well the clocks of the files of a capture agree.
//!
//! Files say how their clocks were read. Whether that is true shows in the data: a request is in
//! its steps while it is in the server, and what a device did for it lies within its span. Where
//! that holds only once the spans are moved, the clocks are apart by that much. Where the data
//! leaves little room for the offset, it is taken out; otherwise nothing is joined by time.

mod containment;
mod counts;
mod members;

use underspan_model::tables::{AnnotationKind, Rung, Table};
use underspan_model::{NONE_I64, NONE_U64, StringId, Timeline};

use super::discover::Discovery;
use super::engine_steps::ServingSpans;
use super::engine_time::EngineTime;
use super::request::Membership;
use crate::StepLabel;
use counts::Counts;
use underspan_model::give_up_if_cancelled;

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
/// An offset that is known to this part of half a median step changes no verdict: a wait or a step is
/// told from the next by many times that.
const PINNED: u64 = 3;
/// Fewest instants that say anything.
const FEWEST: usize = 20;
/// How far the engine's stamp of scheduling a request lies from the start of the step that takes it
/// in.
const STAMP_NS: i64 = 500_000;
/// Share of the requests whose stamps lie that close on clocks that agree. The others' are late:
/// spans tell the first token's time, which a busy server sees late.
const TOLD: f64 = 0.3;

/// How well the clocks of spans and device work agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockQuality {
    /// How far a time of a span may lie from the same instant on the clock of the device work;
    /// `None` when nothing bounds it.
    pub uncertainty_ns: Option<u64>,
    /// Whether spans and device work were kept apart because the uncertainty is more than half a
    /// median step.
    pub is_refused: bool,
    /// Spans that begin before the span that called them, or lie wholly outside it.
    pub n_impossible_spans: u64,
    /// The offset that was taken out; `None` when the clocks agree as they are, or nothing tells
    /// the offset well enough.
    pub correction: Option<ClockCorrection>,
}

impl ClockQuality {
    /// Says that an offset was taken out of clocks that were refused.
    pub(super) fn correct(&mut self, correction: ClockCorrection, uncertainty_ns: u64) {
        self.uncertainty_ns = Some(uncertainty_ns);
        self.is_refused = false;
        self.correction = Some(correction);
    }
}

/// An offset between clocks that was found in the data and taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockCorrection {
    /// What was added to the times of spans. [`ClockQuality::uncertainty_ns`] says how far the
    /// true offset may lie from it.
    pub offset_ns: i64,
    /// What tells it.
    pub evidence: ClockEvidence,
    /// Whether it is known to a sixth of a median step: what requests waited for can then be told
    /// as if the clocks had agreed.
    pub is_pinned: bool,
}

/// What tells how far clocks are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockEvidence {
    /// Requests whose steps are known by name: a step lies between arrival and answer.
    Members,
    /// How many requests each step says it had, and when each was scheduled.
    Counts,
    /// Work, or a server's batches, that must lie within the spans of requests.
    Containment,
}

impl ClockEvidence {
    /// The name JSON uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Counts => "counts",
            Self::Containment => "containment",
        }
    }

    /// What it is, in words that follow "as told by".
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Members => "requests whose steps are known by name",
            Self::Counts => "the requests that each step counts",
            Self::Containment => "work that lies within the spans of its requests",
        }
    }
}

/// An offset between clocks that the data shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    /// What must be added to the times of spans to put them on the clock of the device work.
    pub(super) offset_ns: i64,
    /// How far the true offset may lie from it; `None` when the data does not bound that.
    pub(super) uncertainty_ns: Option<u64>,
    pub(super) evidence: ClockEvidence,
}

/// What the clocks allow to be said, and the offset between them that the data shows.
pub(super) fn quality(
    timeline: &Timeline,
    found: &Discovery,
    time: &EngineTime<'_>,
    exact: &[Vec<Membership>],
) -> (ClockQuality, Option<Apart>) {
    let apart = apart(timeline, found, time, exact);
    let by = apart.map_or(0, |apart| apart.offset_ns.unsigned_abs());
    let uncertainty_ns = stated(timeline).map(|stated| stated.max(by));
    let is_refused = match (uncertainty_ns, half_step(time)) {
        (None, Some(_)) => true,
        (Some(uncertainty), Some(half)) => half > 0 && uncertainty > half,
        // Without steps there is nothing to compare with but the offset itself.
        (Some(_), None) => by > 0,
        (None, None) => false,
    };
    let n_impossible_spans = found.n_impossible;
    let clock = ClockQuality { uncertainty_ns, is_refused, n_impossible_spans, correction: None };
    (clock, apart)
}

/// The offset to take out of clocks that were refused: one that is known to half a median step, and
/// how well it is known, in nanoseconds.
pub(super) fn worth_correcting(
    clock: &ClockQuality,
    apart: Option<Apart>,
    time: &EngineTime<'_>,
) -> Option<(ClockCorrection, u64)> {
    let Apart { offset_ns, uncertainty_ns, evidence } = apart.filter(|_| clock.is_refused)?;
    let (uncertainty, half) = (uncertainty_ns?.max(READING_NS), half_step(time)?);
    let is_pinned = uncertainty <= half / PINNED;
    let correction = ClockCorrection { offset_ns, evidence, is_pinned };
    (uncertainty <= half).then_some((correction, uncertainty))
}

fn half_step(time: &EngineTime<'_>) -> Option<u64> {
    time.half_median_step().map(|half| half.as_ns())
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
        give_up_if_cancelled();
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
/// `None` when nothing speaks against them.
fn apart(
    timeline: &Timeline,
    found: &Discovery,
    time: &EngineTime<'_>,
    exact: &[Vec<Membership>],
) -> Option<Apart> {
    let by_members = members::apart(&found.requests, time, exact);
    if by_members.is_some() {
        return by_members;
    }
    let steps = time.steps;
    if let Some(counts) = Counts::of(&found.requests, steps) {
        return counts.apart();
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
    containment::apart(&serving, &sample(work))
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

/// All offsets that are tried.
fn offsets() -> impl Iterator<Item = i64> {
    (-FARTHEST_NS / GRID_NS..=FARTHEST_NS / GRID_NS).map(|at| at * GRID_NS)
}

/// Those that are no offset between clocks.
fn near_offsets() -> impl Iterator<Item = i64> {
    (-NEAR_NS / GRID_NS..=NEAR_NS / GRID_NS).map(|at| at * GRID_NS)
}

/// Where values lie most densely: the median of those within two [`STAMP_NS`] of each other, and
/// how many they are. Sorts them.
fn densest(values: &mut [i64]) -> Option<(i64, usize)> {
    values.sort_unstable();
    let within = |at: usize| {
        let until = values[at].saturating_add(2 * STAMP_NS);
        &values[at..values.partition_point(|value| *value <= until)]
    };
    let most = (0..values.len()).map(within).max_by_key(|list| list.len())?;
    Some((most[most.len() / 2], most.len()))
}

/// The offset with the least cost, of equal ones the nearest.
fn search(cost: impl Fn(i64) -> f64) -> (i64, f64) {
    let mut best = (0, cost(0));
    for at in 1..=FARTHEST_NS / GRID_NS {
        for offset in [at * GRID_NS, -at * GRID_NS] {
            give_up_if_cancelled();
            let found = cost(offset);
            if found < best.1 {
                best = (offset, found);
            }
        }
    }
    best
}
