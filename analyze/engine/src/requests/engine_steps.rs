//! One list of the steps of a capture, whatever file tells of them.
//!
//! A step may be told of twice: by spans or a hook, which know its members, and by a label in the
//! profiler's trace, which knows its device work. Ranks of one engine all tell of the same steps.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::tables::{AnnotationKind, Phase, Rung, StepKind};
use underspan_model::{Interval, NONE_U32, NONE_U64, ProcessId, StringId, Timeline, TimestampNs};

use super::device_steps;
use crate::{Analysis, StepDialect, StepLabel};
use underspan_model::give_up_if_cancelled;

/// A label may begin this much before the step that the hook saw, or after its end.
const SAME_STEP_NS: i64 = 2_000_000;
/// Most members that room is made for before they are seen.
const NAMED_AT_ONCE: u64 = 256;
/// Least share of steps that begin beside one of another thread for these to be workers.
const BESIDE_MIN: f64 = 0.05;
/// Ranks agree on this share of their steps.
const RANKS_AGREE: f64 = 0.8;

/// A request in a step, by the names the source gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawMember {
    pub(super) request: StringId,
    /// Number of its span; [`NONE_U32`] without one.
    pub(super) span: u32,
    pub(super) own_tokens: Option<u32>,
    pub(super) computed_tokens: Option<u32>,
    pub(super) phase: Phase,
}

/// A step not yet joined with requests and device work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EngineStep {
    pub(super) host: Interval,
    pub(super) process: ProcessId,
    /// Column value of the thread that launched its work; [`NONE_U32`] when not known.
    pub(super) thread: u32,
    pub(super) kind: StepKind,
    pub(super) label: StepLabel,
    /// Label, or the model of a server that runs several; none when it has neither.
    pub(super) name: StringId,
    pub(super) rung: Rung,
    pub(super) number: u64,
    pub(super) analysis_step: Option<u32>,
    pub(super) device_interval: Option<Interval>,
    pub(super) members: Vec<RawMember>,
    /// Requests in it that are known to have been put out of the batch.
    pub(super) preempted: Vec<RawMember>,
    /// Which engine ran it, a position in [`EngineSteps::engines`].
    pub(super) engine: u32,
}

/// Steps that follow each other: one engine, or one thread of a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Engine {
    /// Its steps, in order of start.
    pub(super) steps: Vec<u32>,
    /// Whether a step may begin before the one before it has ended.
    pub(super) is_concurrent: bool,
    /// Most steps that ran at the same time.
    pub(super) width: u32,
}

/// The steps of a capture, in order of start.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct EngineSteps {
    pub(super) steps: Vec<EngineStep>,
    pub(super) engines: Vec<Engine>,
    /// Steps that repeat one of another rank.
    pub(super) n_repeated: u64,
}

impl EngineSteps {
    /// Steps of all sources. `offset_ns` is added to those that spans tell of, as it was to the
    /// spans.
    pub(super) fn of(
        timeline: &Timeline,
        analysis: &Analysis,
        spans: &ServingSpans,
        offset_ns: i64,
    ) -> Self {
        let mut exact = of_tables(timeline);
        for step in exact.iter_mut().filter(|step| step.rung == Rung::ExactBatch) {
            step.host = step.host.moved_by(offset_ns);
        }
        let labelled = of_labels(analysis);
        let labelled = join_told_twice(&mut exact, labelled);
        let labelled = without_repeats(timeline, labelled);
        let n_repeated = labelled.1;
        let exact = without_repeats(timeline, exact);
        let mut steps = exact.0;
        steps.extend(labelled.0);
        if steps.is_empty() {
            steps = of_annotations(timeline, spans);
        }
        if steps.is_empty() && !spans.is_empty() {
            steps = device_steps::find(timeline, &analysis.correlation);
            steps.sort_by_key(|step| (step.host, step.process, step.thread));
            number(&mut steps);
        }
        Self::ordered(steps, n_repeated + exact.1)
    }

    /// Puts steps in order and tells engines apart.
    pub(super) fn ordered(mut steps: Vec<EngineStep>, n_repeated: u64) -> Self {
        steps.sort_by_key(|step| (step.host, step.process, step.number));
        let mut places: HashMap<(u32, u32), u32, FixedState> = HashMap::default();
        let mut engines: Vec<Engine> = Vec::new();
        for (at, step) in steps.iter_mut().enumerate() {
            // Models of one server have instances of their own.
            let name = if step.kind == StepKind::Batch { step.name.raw() } else { NONE_U32 };
            let engine = *places.entry((step.process.raw(), name)).or_insert_with(|| {
                engines.push(Engine::default());
                engines.len() as u32 - 1
            });
            step.engine = engine;
            engines[engine as usize].steps.push(at as u32);
        }
        for engine in &mut engines {
            engine.measure(&steps);
        }
        Self { steps, engines, n_repeated }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Engine {
    /// Whether steps that only device work tells of are those of several threads at the same time.
    fn has_workers(&self, steps: &[EngineStep]) -> bool {
        let of = |at: &u32| &steps[*at as usize];
        let mut n_beside = 0;
        let mut before: Option<&EngineStep> = None;
        for step in self.steps.iter().map(of) {
            if step.label.dialect != StepDialect::DeviceWork {
                return false;
            }
            let is_beside = before.is_some_and(|before| {
                before.thread != step.thread && step.host.start() < before.host.end()
            });
            n_beside += usize::from(is_beside);
            if before.is_none_or(|before| before.host.end() < step.host.end()) {
                before = Some(step);
            }
        }
        n_beside as f64 >= BESIDE_MIN * self.steps.len() as f64
    }

    fn measure(&mut self, steps: &[EngineStep]) {
        let of = |at: &u32| &steps[*at as usize];
        self.is_concurrent =
            self.steps.iter().all(|at| of(at).kind == StepKind::Batch) || self.has_workers(steps);
        let mut edges: Vec<(TimestampNs, i32)> = Vec::new();
        for at in &self.steps {
            edges.push((of(at).host.start(), 1));
            edges.push((of(at).host.end(), -1));
        }
        edges.sort_unstable();
        let (mut open, mut width) = (0, 0);
        for (_, change) in edges {
            open += change;
            width = width.max(open);
        }
        self.width = width.unsigned_abs().max(1);
    }
}

/// Steps that spans or the hook tell of.
fn of_tables(timeline: &Timeline) -> Vec<EngineStep> {
    let some_u32 = |value: u32| (value != NONE_U32).then_some(value);
    let some_u64 = |value: u64| (value != NONE_U64).then_some(value);
    let mut places: HashMap<(u32, u64), u32, FixedState> = HashMap::default();
    let mut steps: Vec<EngineStep> = Vec::with_capacity(timeline.steps.len());
    for row in timeline.steps.iter() {
        give_up_if_cancelled();
        let requests = |count: u32| some_u32(count).map(u64::from);
        let (context, generation) =
            (requests(row.context_requests), requests(row.generation_requests));
        let kind = StepKind::from_code(row.kind);
        let named = context.unwrap_or(0).saturating_add(generation.unwrap_or(0));
        places.entry((row.process, row.step_id)).or_insert(steps.len() as u32);
        steps.push(EngineStep {
            host: row.interval(),
            process: ProcessId::from_raw(row.process),
            thread: row.thread,
            kind,
            label: StepLabel {
                iteration: some_u64(row.step_id),
                requests: context.zip(generation).map(|(a, b)| a + b),
                context_requests: context,
                context_tokens: some_u64(row.context_tokens),
                generation_requests: generation,
                generation_tokens: some_u64(row.generation_tokens),
                ..StepLabel::new(StepDialect::Hook, kind)
            },
            name: StringId::from_raw(row.name),
            rung: Rung::from_code(row.rung),
            number: row.step_id,
            analysis_step: None,
            device_interval: None,
            members: Vec::with_capacity(named.min(NAMED_AT_ONCE) as usize),
            preempted: Vec::new(),
            engine: 0,
        });
    }
    // Members of a step stand together.
    let mut last = None;
    for member in timeline.step_members.iter() {
        give_up_if_cancelled();
        let key = (member.process, member.step_id);
        let place = match last {
            Some((of, place)) if of == key => place,
            _ => places.get(&key).copied(),
        };
        last = Some((key, place));
        let Some(at) = place else { continue };
        let step = &mut steps[at as usize];
        let phase = Phase::from_code(member.phase);
        let raw = RawMember {
            request: StringId::from_raw(member.request),
            span: member.span,
            own_tokens: some_u32(member.own_tokens),
            computed_tokens: some_u32(member.computed_tokens),
            phase,
        };
        match phase {
            Phase::Finished => {}
            Phase::Preempted => step.preempted.push(raw),
            _ => step.members.push(raw),
        }
    }
    // A step without a forward pass only tells who finished.
    steps.retain(|step| step.kind != StepKind::Empty || !step.preempted.is_empty());
    steps
}

/// Steps that labels in a profiler's trace tell of.
fn of_labels(analysis: &Analysis) -> Vec<EngineStep> {
    let mut steps = Vec::new();
    for (at, step) in analysis.steps.serving.iter().enumerate() {
        give_up_if_cancelled();
        if step.label.dialect == StepDialect::Hook {
            continue;
        }
        steps.push(EngineStep {
            host: step.interval,
            process: step.process,
            thread: step.thread.raw(),
            kind: step.label.kind,
            label: step.label,
            name: step.name,
            rung: step.rung,
            number: step.label.iteration.unwrap_or(NONE_U64),
            analysis_step: Some(at as u32),
            device_interval: step.device_interval,
            members: Vec::new(),
            preempted: Vec::new(),
            engine: 0,
        });
    }
    number(&mut steps);
    steps
}

/// Numbers steps that have no number of their own by their place among those of their process.
fn number(steps: &mut [EngineStep]) {
    let mut next: HashMap<u32, u64, FixedState> = HashMap::default();
    let mut seen: HashMap<(u32, u64), (), FixedState> = HashMap::default();
    let is_numbered = steps
        .iter()
        .all(|s| s.number != NONE_U64 && seen.insert((s.process.raw(), s.number), ()).is_none());
    if is_numbered {
        return;
    }
    for step in steps {
        give_up_if_cancelled();
        let next = next.entry(step.process.raw()).or_default();
        step.number = *next;
        *next += 1;
    }
}

/// Gives steps with known members the threads and device work of the labels of the same steps,
/// and returns the labels that tell of other steps.
fn join_told_twice(exact: &mut [EngineStep], labelled: Vec<EngineStep>) -> Vec<EngineStep> {
    if exact.is_empty() || labelled.is_empty() {
        return labelled;
    }
    let mut order: Vec<u32> = (0..exact.len() as u32).collect();
    order.sort_by_key(|at| exact[*at as usize].host);
    let mut is_taken = vec![false; exact.len()];
    let mut left = Vec::new();
    for label in labelled {
        let start = label.host.start().as_ns();
        let until = order.partition_point(|at| {
            exact[*at as usize].host.start().as_ns() <= start.saturating_add(SAME_STEP_NS)
        });
        let distance = |at: u32| {
            let host = exact[at as usize].host;
            let (from, to) = (host.start().as_ns(), host.end().as_ns());
            if start < from { from.saturating_sub(start) } else { start.saturating_sub(to).max(0) }
        };
        let agrees = |at: u32| {
            let (a, b) = (&exact[at as usize].label, &label.label);
            let same = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
            same(a.context_requests, b.context_requests)
                && same(a.generation_requests, b.generation_requests)
        };
        let best = order[until.saturating_sub(16)..until]
            .iter()
            .copied()
            .filter(|at| !is_taken[*at as usize] && distance(*at) <= SAME_STEP_NS && agrees(*at))
            .min_by_key(|at| (distance(*at), std::cmp::Reverse(exact[*at as usize].host.start())));
        match best {
            Some(at) => {
                is_taken[at as usize] = true;
                let step = &mut exact[at as usize];
                step.thread = label.thread;
                step.process = label.process;
                step.analysis_step = label.analysis_step;
                step.device_interval = label.device_interval;
                step.label.fill_from(&label.label);
            }
            None => left.push(label),
        }
    }
    left
}

/// Leaves out the steps of ranks that repeat those of another, and says how many.
fn without_repeats(timeline: &Timeline, steps: Vec<EngineStep>) -> (Vec<EngineStep>, u64) {
    let mut by_process: HashMap<u32, Vec<usize>, FixedState> = HashMap::default();
    for (at, step) in steps.iter().enumerate() {
        give_up_if_cancelled();
        by_process.entry(step.process.raw()).or_default().push(at);
    }
    if by_process.len() < 2 {
        return (steps, 0);
    }
    let rank = |process: u32| {
        timeline.dimensions.processes.rank.get(process as usize).copied().unwrap_or(NONE_U32)
    };
    let mut processes: Vec<u32> = by_process.keys().copied().collect();
    processes.sort_by_key(|process| (rank(*process), *process));
    for list in by_process.values_mut() {
        list.sort_by_key(|at| steps[*at].host);
    }
    let mut kept: Vec<u32> = Vec::new();
    for process in processes {
        let repeats =
            kept.iter().any(|other| repeats(&steps, &by_process[&process], &by_process[other]));
        if !repeats {
            kept.push(process);
        }
    }
    let before = steps.len();
    let left: Vec<EngineStep> =
        steps.into_iter().filter(|step| kept.contains(&step.process.raw())).collect();
    let n_repeated = (before - left.len()) as u64;
    (left, n_repeated)
}

/// Whether most steps of a process are steps of another: the same counts at the same time.
fn repeats(steps: &[EngineStep], mine: &[usize], theirs: &[usize]) -> bool {
    if mine.len() < 2 {
        return false;
    }
    let signature = |at: usize| {
        let label = &steps[at].label;
        (label.context_requests, label.context_tokens, label.generation_requests, label.requests)
    };
    let mut n_same = 0_usize;
    for at in mine {
        give_up_if_cancelled();
        let host = steps[*at].host;
        let reach =
            host.start() + underspan_model::DurationNs::from_ns(SAME_STEP_NS.unsigned_abs());
        let until = theirs.partition_point(|other| steps[*other].host.start() <= reach);
        let same = theirs[until.saturating_sub(4)..until].iter().any(|other| {
            let apart = steps[*other].host.start() - host.start();
            signature(*other) == signature(*at) && apart.abs() <= SAME_STEP_NS
        });
        n_same += usize::from(same);
    }
    n_same as f64 >= RANKS_AGREE * mine.len() as f64
}

/// When requests were in their servers.
#[derive(Debug, Clone, Default)]
pub(super) struct ServingSpans {
    /// Starts in order, each with the latest end of any request that starts no later.
    reach: Vec<(i64, i64)>,
}

impl ServingSpans {
    pub(super) fn new(mut spans: Vec<(i64, i64)>) -> Self {
        spans.sort_unstable();
        let mut latest = i64::MIN;
        for (_, end) in &mut spans {
            latest = latest.max(*end);
            *end = latest;
        }
        Self { reach: spans }
    }

    fn is_empty(&self) -> bool {
        self.reach.is_empty()
    }

    /// Whether any request was in its server from before `start` until after `end`.
    pub(super) fn hold(&self, start: i64, end: i64) -> bool {
        let until = self.reach.partition_point(|(from, _)| *from <= start);
        until.checked_sub(1).and_then(|at| self.reach.get(at)).is_some_and(|(_, to)| end <= *to)
    }
}

/// Ranges that a program without a known engine puts around its requests: of each thread the
/// outermost ranges that lie within a request. One is one step.
fn of_annotations(timeline: &Timeline, spans: &ServingSpans) -> Vec<EngineStep> {
    let mut reach: HashMap<u32, i64, FixedState> = HashMap::default();
    let mut steps = Vec::new();
    let mut rows: Vec<usize> = (0..timeline.annotations.len()).collect();
    let starts = &timeline.annotations.start_ns;
    rows.sort_by_key(|row| {
        (starts[*row], std::cmp::Reverse(timeline.annotations.duration_ns[*row]))
    });
    for row in rows {
        give_up_if_cancelled();
        let Some(row) = timeline.annotations.get(row) else { continue };
        let kind = row.annotation_kind();
        let is_host = matches!(
            kind,
            AnnotationKind::User | AnnotationKind::NvtxPushPop | AnnotationKind::NvtxStartEnd
        );
        let name = timeline.strings.resolve_or_empty(StringId::from_raw(row.name));
        if !is_host || row.duration_ns == 0 || StepLabel::parse(name).is_some() {
            continue;
        }
        let covered = reach.entry(row.thread).or_insert(i64::MIN);
        let end_ns = row.start_ns.saturating_add_unsigned(row.duration_ns);
        if row.start_ns < *covered || !spans.hold(row.start_ns, end_ns) {
            continue;
        }
        *covered = end_ns;
        let process = timeline.dimensions.threads.process.get(row.thread as usize);
        steps.push(EngineStep {
            host: row.interval(),
            process: ProcessId::from_raw(process.copied().unwrap_or(NONE_U32)),
            thread: row.thread,
            kind: StepKind::Batch,
            label: StepLabel::new(StepDialect::Annotation, StepKind::Batch),
            name: StringId::from_raw(row.name),
            rung: Rung::Inferred,
            number: NONE_U64,
            analysis_step: None,
            device_interval: None,
            members: Vec::new(),
            preempted: Vec::new(),
            engine: 0,
        });
    }
    number(&mut steps);
    steps
}
