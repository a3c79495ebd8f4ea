//! Steps that nothing names, found from what the host launched and waited for.
//!
//! An iteration launches its work and waits for the result: what a thread launches between two
//! waits is one step. Of a thread that copies results to the host, only waits with such a copy
//! before them end a step: others stall it. Without API calls, a copy of results to the host ends a
//! step. Ranks that compute together run the same steps: those of the first are kept.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_classifier::{KernelQuery, Role};
use underspan_model::tables::{MemcpyKind, Rung, StepKind};
use underspan_model::{
    Interval, NONE_U32, NONE_U64, ProcessId, StreamId, StringId, ThreadId, Timeline, TimestampNs,
};

use super::engine_steps::EngineStep;
use crate::{CallKind, Correlation, StepDialect, StepLabel, WorkKind};
use underspan_model::give_up_if_cancelled;

/// Fewest kernels of a step: what launches less prepares or copies.
const FEWEST_KERNELS: u32 = 2;

/// Fewest results that show that a thread reads back what each of its steps made.
const FEWEST_RESULTS: usize = 8;
/// How far the numbers of steps of two ranks may be apart, as a share.
const RANKS_APART: f64 = 0.2;

/// What a thread launched since it last waited.
#[derive(Debug, Clone, Copy, Default)]
struct Burst {
    thread: u32,
    start: i64,
    end: i64,
    n_kernels: u32,
    n_calls: u32,
    /// Whether it copied something to the host.
    has_result: bool,
}

/// The steps of a capture in which nothing names any.
pub(super) fn find(timeline: &Timeline, correlation: &Correlation) -> Vec<EngineStep> {
    let steps = if timeline.api_calls.start_ns.is_empty() {
        by_results(timeline)
    } else {
        by_waits(timeline, correlation)
    };
    of_first_rank(timeline, steps)
}

fn by_waits(timeline: &Timeline, correlation: &Correlation) -> Vec<EngineStep> {
    let calls = &timeline.api_calls;
    let mut n_kernels = vec![0_u32; calls.len()];
    for call in correlation.calls(WorkKind::Kernel) {
        if let Some(n) = n_kernels.get_mut(*call as usize) {
            *n += 1;
        }
    }
    let mut reads_back = vec![false; calls.len()];
    for (row, call) in correlation.calls(WorkKind::Memcpy).iter().enumerate() {
        if let Some(reads) = reads_back.get_mut(*call as usize) {
            *reads |= timeline.memcpys.kind[row] == MemcpyKind::DtoH.code();
        }
    }
    let mut bursts: HashMap<u32, Burst, FixedState> = HashMap::default();
    let mut waited: Vec<Burst> = Vec::new();
    for row in 0..calls.len() {
        give_up_if_cancelled();
        let kind = correlation.call_names().kind(calls.name[row]);
        let start = calls.start_ns[row];
        let end = start.saturating_add_unsigned(calls.duration_ns[row]);
        let burst = bursts.entry(calls.thread[row]).or_default();
        let waits = kind == CallKind::Synchronize
            || kind == CallKind::Transfer && reads_back[row] && calls.duration_ns[row] >= 100_000;
        if n_kernels[row] > 0 || kind == CallKind::Transfer {
            if burst.n_calls == 0 {
                burst.start = start;
            }
            burst.n_calls += 1;
            burst.has_result |= reads_back[row];
            burst.thread = calls.thread[row];
            burst.n_kernels += n_kernels[row];
            burst.end = end;
        }
        if waits {
            burst.end = end;
            // What is left of a burst without kernels prepares the next.
            if burst.n_kernels > 0 {
                waited.push(std::mem::take(burst));
            }
        }
    }
    whole_steps(timeline, waited)
}

/// Puts together the bursts of threads that wait in the middle of a step.
fn whole_steps(timeline: &Timeline, waited: Vec<Burst>) -> Vec<EngineStep> {
    let mut n_results: HashMap<u32, usize, FixedState> = HashMap::default();
    for burst in waited.iter().filter(|burst| burst.has_result) {
        *n_results.entry(burst.thread).or_default() += 1;
    }
    let mut open: HashMap<u32, Burst, FixedState> = HashMap::default();
    let mut steps = Vec::new();
    for mut burst in waited {
        give_up_if_cancelled();
        let thread = burst.thread;
        let reads = n_results.get(&thread).is_some_and(|n| *n >= FEWEST_RESULTS);
        if let Some(begun) = open.remove(&thread) {
            burst.start = begun.start;
            burst.n_kernels += begun.n_kernels;
        }
        if reads && !burst.has_result {
            open.insert(thread, burst);
        } else if burst.n_kernels >= FEWEST_KERNELS {
            let process = timeline.dimensions.process_of_thread(ThreadId::from_raw(thread));
            steps.push(step(burst.start, burst.end, process, thread));
        }
    }
    steps
}

/// Of ranks that take part in collectives about once a step or more, and run about as many steps,
/// the steps of the first: the others' are the same ones.
fn of_first_rank(timeline: &Timeline, steps: Vec<EngineStep>) -> Vec<EngineStep> {
    let mut n_steps: HashMap<u32, usize, FixedState> = HashMap::default();
    for step in &steps {
        give_up_if_cancelled();
        *n_steps.entry(step.process.raw()).or_default() += 1;
    }
    let rank_of = |process: u32| {
        let rank = timeline.dimensions.processes.rank.get(process as usize).copied();
        rank.filter(|rank| *rank != NONE_U32)
    };
    let mut ranks: Vec<(u32, u32)> =
        n_steps.keys().filter_map(|process| Some((rank_of(*process)?, *process))).collect();
    ranks.sort_unstable();
    let Some((_, first)) = ranks.first().copied().filter(|_| ranks.len() == n_steps.len()) else {
        return steps;
    };
    let n_first = n_steps[&first];
    let is_alike = |n: &usize| n.abs_diff(n_first) as f64 <= RANKS_APART * n_first as f64;
    if ranks.len() < 2
        || !n_steps.values().all(is_alike)
        || n_collectives(timeline, first) < n_first
    {
        return steps;
    }
    steps.into_iter().filter(|step| step.process.raw() == first).collect()
}

/// Collective kernels of a process.
fn n_collectives(timeline: &Timeline, process: u32) -> usize {
    let is_collective: Vec<bool> = timeline
        .shapes
        .as_slice()
        .iter()
        .map(|shape| {
            let name = timeline.strings.resolve_or_empty(shape.name);
            underspan_classifier::classify(&KernelQuery::named(name)).role.value == Role::Collective
        })
        .collect();
    let kernels = &timeline.kernels;
    let of_process = |stream: u32| {
        timeline.dimensions.process_of_stream(StreamId::from_raw(stream)).raw() == process
    };
    let rows = kernels.shape.iter().zip(&kernels.stream);
    rows.filter(|(shape, stream)| {
        is_collective.get(**shape as usize).copied().unwrap_or(false) && of_process(**stream)
    })
    .count()
}

/// By copies to the host, where the capture holds no API calls.
fn by_results(timeline: &Timeline) -> Vec<EngineStep> {
    let process_of =
        |stream: u32| timeline.dimensions.process_of_stream(StreamId::from_raw(stream)).raw();
    let mut copies: HashMap<u32, Vec<(i64, i64)>, FixedState> = HashMap::default();
    for copy in timeline.memcpys.iter().filter(|copy| copy.direction() == MemcpyKind::DtoH) {
        let end = copy.start_ns.saturating_add_unsigned(copy.duration_ns);
        copies.entry(process_of(copy.stream)).or_default().push((copy.start_ns, end));
    }
    let mut bursts: HashMap<u32, (Burst, usize), FixedState> = HashMap::default();
    let mut steps = Vec::new();
    for kernel in timeline.kernels.iter() {
        let process = process_of(kernel.stream);
        let Some(copies) = copies.get(&process) else { continue };
        let (burst, next) = bursts.entry(process).or_default();
        while let Some((start, end)) = copies.get(*next).filter(|copy| copy.0 <= kernel.start_ns) {
            if burst.n_kernels >= FEWEST_KERNELS && *start >= burst.start {
                steps.push(step(burst.start, *end, ProcessId::from_raw(process), NONE_U32));
            }
            *burst = Burst::default();
            *next += 1;
        }
        if burst.n_kernels == 0 {
            burst.start = kernel.start_ns;
        }
        burst.n_kernels += 1;
    }
    for (process, (burst, next)) in bursts {
        let end = copies.get(&process).and_then(|copies| copies.get(next)).map(|copy| copy.1);
        if let Some(end) = end.filter(|_| burst.n_kernels >= FEWEST_KERNELS) {
            steps.push(step(burst.start, end, ProcessId::from_raw(process), NONE_U32));
        }
    }
    steps
}

fn step(start: i64, end: i64, process: ProcessId, thread: u32) -> EngineStep {
    let at = TimestampNs::from_ns;
    EngineStep {
        host: Interval::new(at(start), at(end)),
        process,
        thread,
        kind: StepKind::Unknown,
        label: StepLabel::new(StepDialect::DeviceWork, StepKind::Unknown),
        name: StringId::NONE,
        rung: Rung::Inferred,
        number: NONE_U64,
        analysis_step: None,
        device_interval: None,
        members: Vec::new(),
        preempted: Vec::new(),
        engine: 0,
    }
}
