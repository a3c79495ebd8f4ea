//! What the window of a step was spent on: one kind for each instant, by fixed priority.
//!
//! Own kernels come first, then own communication, then own copies, then work of others on the
//! same device; where nothing ran, the host either waited for the device (sync) or had not
//! launched what came next (launch gap).

use rayon::prelude::*;
use underspan_classifier::Role;
use underspan_model::give_up_if_cancelled;
use underspan_model::{Interval, NONE_U32, ShapeId, StreamId, ThreadId, Timeline};

use super::engine_steps::EngineSteps;
use super::excess::{ClockCost, PrecisionCost};
use super::part::PartKind;
use super::step_work::{StepOwners, columns};
use crate::{Analysis, CallKind, Correlation, KernelClasses, WorkKind};

/// Rows before a window that are looked at for work that reaches into it.
const LOOK_BACK: usize = 64;
/// A copy call this long did not just enqueue: it blocked until its data had moved.
const BLOCKING_TRANSFER_NS: u64 = 100_000;
/// A wait that ended this shortly before the device ran dry ended because it did.
const JUST_ENDED_NS: i64 = 20_000;

/// What a window was spent on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Profile {
    /// By kind, in order of [`PartKind::index`], none of them zero. They sum to the window.
    pub(super) parts: Vec<(PartKind, u64)>,
    /// Time in which any work of the step ran.
    pub(super) busy: u64,
    /// The device most of it ran on.
    pub(super) device: u32,
}

/// What the kernels of a launch shape are.
#[derive(Debug, Clone, Copy)]
struct ShapeKind {
    role: Role,
    /// Share of the time that a type wider than the model's costs, of 256.
    excess: u64,
}

/// Calls of a process that wait for the device, apart from each other and in order.
type Waits = Vec<(i64, i64)>;

/// Everything that profiles are made from.
#[derive(Debug)]
pub(super) struct Profiler<'a> {
    timeline: &'a Timeline,
    correlation: &'a Correlation,
    owners: &'a StepOwners,
    shapes: Vec<ShapeKind>,
    clocks: ClockCost,
    /// By process.
    waits: Vec<Waits>,
    /// From the first to the last thing that a profiler saw of devices and calls.
    pub(super) coverage: Option<(i64, i64)>,
}

impl<'a> Profiler<'a> {
    pub(super) fn new(
        timeline: &'a Timeline,
        analysis: &'a Analysis,
        owners: &'a StepOwners,
    ) -> Self {
        Self {
            timeline,
            correlation: &analysis.correlation,
            owners,
            shapes: shape_kinds(timeline, analysis),
            clocks: ClockCost::of(timeline),
            waits: waits(timeline, &analysis.correlation),
            coverage: coverage(timeline),
        }
    }

    /// The profile of each step over its window.
    pub(super) fn profiles(&self, steps: &EngineSteps, windows: &[Interval]) -> Vec<Profile> {
        (0..steps.steps.len())
            .into_par_iter()
            .with_min_len(64)
            .map_init(Scratch::default, |scratch, step| {
                self.profile(step as u32, windows[step], scratch)
            })
            .collect()
    }

    /// What a part of a step's window was spent on.
    pub(super) fn profile(&self, step: u32, window: Interval, scratch: &mut Scratch) -> Profile {
        give_up_if_cancelled();
        let (from, to) = (window.start().as_ns(), window.end().as_ns());
        let length = window.duration().as_ns();
        if length == 0 {
            return Profile { device: NONE_U32, ..Profile::default() };
        }
        if self.owners.device[step as usize].is_none() && !self.is_covered(from, to) {
            let parts = vec![(PartKind::Scheduled, length)];
            return Profile { parts, busy: 0, device: NONE_U32 };
        }
        scratch.clear();
        self.collect(step, from, to, scratch);
        let mut sums = [0_u64; PartKind::COUNT];
        let device = scratch.device();
        self.cover(device, from, to, scratch, &mut sums);
        let busy = scratch.busy;
        self.explain_gaps(step, from, to, scratch, &mut sums);
        let mut parts = Vec::with_capacity(sums.iter().filter(|ns| **ns > 0).count());
        for (index, ns) in sums.into_iter().enumerate().filter(|(_, ns)| *ns > 0) {
            parts.push((PartKind::from_index(index), ns));
        }
        Profile { parts, busy, device }
    }

    /// Whether a profiler watched all of a span of time.
    pub(super) fn is_covered(&self, from: i64, to: i64) -> bool {
        self.coverage.is_some_and(|(first, last)| first <= from && to <= last)
    }

    /// How much of a span of time the process of a step waited for the device.
    pub(super) fn waited_of_step(&self, step: u32, from: i64, to: i64) -> u64 {
        self.waited(self.owners.thread[step as usize], from, to)
    }

    /// The last wait of a thread's process that began before an instant.
    fn last_wait(&self, thread: u32, before: i64) -> Option<(i64, i64)> {
        let process = self.timeline.dimensions.process_of_thread(ThreadId::from_raw(thread));
        let waits = self.waits.get(process.index())?;
        let next = waits.partition_point(|(start, _)| *start < before);
        waits.get(next.checked_sub(1)?).copied()
    }

    fn waited(&self, thread: u32, from: i64, to: i64) -> u64 {
        let process = self.timeline.dimensions.process_of_thread(ThreadId::from_raw(thread));
        let waits = self.waits.get(process.index()).map_or(&[][..], Vec::as_slice);
        overlap(waits, from, to)
    }

    fn collect(&self, step: u32, from: i64, to: i64, scratch: &mut Scratch) {
        for kind in [WorkKind::Kernel, WorkKind::Memcpy, WorkKind::Memset] {
            let (starts, durations) = columns(self.timeline, kind);
            let first = starts.partition_point(|start| *start < from).saturating_sub(LOOK_BACK);
            let last = starts.partition_point(|start| *start < to);
            let owners = self.owners.owners(kind);
            let calls = self.correlation.calls(kind);
            for row in first..last {
                let (start, end) =
                    (starts[row], starts[row].saturating_add_unsigned(durations[row]));
                if end <= from {
                    continue;
                }
                let stream = match kind {
                    WorkKind::Kernel => self.timeline.kernels.stream[row],
                    WorkKind::Memcpy => self.timeline.memcpys.stream[row],
                    WorkKind::Memset => self.timeline.memsets.stream[row],
                };
                let device =
                    self.timeline.dimensions.device_of_stream(StreamId::from_raw(stream)).raw();
                let (began, duration) = (start, durations[row]);
                let (start, end) = (start.max(from), end.min(to));
                if owners[row] != step {
                    scratch.others.push((start, end, device));
                    continue;
                }
                let launched = match calls[row] {
                    NONE_U32 => i64::MIN,
                    call => self.timeline.api_calls.start_ns[call as usize],
                };
                let shape = match kind {
                    WorkKind::Kernel => self.timeline.kernels.shape[row],
                    _ => NONE_U32,
                };
                scratch.own.push(Own {
                    start,
                    end,
                    began,
                    duration,
                    launched,
                    device,
                    kind,
                    shape,
                });
            }
        }
        scratch.own.sort_unstable_by_key(|own| (own.start, own.end, own.shape));
    }

    /// Sums the time in which anything ran, and leaves what is covered.
    fn cover(&self, device: u32, from: i64, to: i64, scratch: &mut Scratch, sums: &mut [u64]) {
        let mut reach = from;
        let covered = &mut scratch.covered;
        for own in scratch.own.iter().filter(|own| own.kind == WorkKind::Kernel) {
            let shape = self.shape(own.shape);
            if shape.role == Role::Collective {
                continue;
            }
            let begin = own.start.max(reach);
            if own.end > begin {
                let ns = own.end.abs_diff(begin);
                let excess = ns * shape.excess / 256;
                let slowed = self.clocks.of_kernel(own.shape, own.began, own.duration, ns - excess);
                sums[PartKind::Kernel(shape.role).index()] += ns - excess - slowed;
                sums[PartKind::ClockExcess.index()] += slowed;
                sums[PartKind::PrecisionExcess.index()] += excess;
                push(covered, own.start.max(from), own.end);
                reach = own.end;
            }
        }
        let collectives = scratch.own.iter().filter(|own| {
            own.kind == WorkKind::Kernel && self.shape(own.shape).role == Role::Collective
        });
        let collectives = collectives.map(|own| (own.start, own.end));
        sums[PartKind::CollectiveWait.index()] += layer(covered, &mut scratch.merged, collectives);
        let copies = scratch.own.iter().filter(|own| own.kind != WorkKind::Kernel);
        let copies = copies.map(|own| (own.start, own.end));
        sums[PartKind::ExposedCopy.index()] += layer(covered, &mut scratch.merged, copies);
        scratch.busy = covered.iter().map(|(start, end)| end.abs_diff(*start)).sum();
        scratch.others.retain(|(_, _, of)| device == NONE_U32 || *of == device);
        scratch.others.sort_unstable();
        let others = scratch.others.iter().map(|(start, end, _)| (*start, (*end).min(to)));
        sums[PartKind::Interference.index()] += layer(covered, &mut scratch.merged, others);
    }

    fn explain_gaps(&self, step: u32, from: i64, to: i64, scratch: &Scratch, sums: &mut [u64]) {
        let thread = self.owners.thread[step as usize];
        let mut next_own = 0;
        let mut at = from;
        let ends = scratch.covered.iter().copied().chain([(to, to)]);
        for (start, end) in ends {
            if start > at {
                while scratch.own.get(next_own).is_some_and(|own| own.start < start) {
                    next_own += 1;
                }
                // Until the call that launches what comes next, the host did something else.
                let launched = scratch.own.get(next_own).map_or(start, |own| own.launched);
                let until = launched.clamp(at, start);
                // A wait inside the step kept the host from launching ahead: all of the gap that
                // follows is its doing.
                let is_stalled = scratch.own.get(next_own).is_some()
                    && self.last_wait(thread, until).is_some_and(|(since, ended)| {
                        since >= from && ended >= at.saturating_sub(JUST_ENDED_NS)
                    });
                let waited = match is_stalled {
                    true => start.abs_diff(at),
                    false => self.waited(thread, at, until),
                };
                sums[PartKind::Sync.index()] += waited;
                sums[PartKind::LaunchGap.index()] += start.abs_diff(at) - waited;
            }
            at = at.max(end);
        }
    }

    fn shape(&self, shape: u32) -> ShapeKind {
        let unknown = ShapeKind { role: Role::Other, excess: 0 };
        self.shapes.get(shape as usize).copied().unwrap_or(unknown)
    }
}

/// A row of a step's own work, cut to the window.
#[derive(Debug, Clone, Copy)]
struct Own {
    start: i64,
    end: i64,
    /// Start and duration of the whole row.
    began: i64,
    duration: u64,
    /// Start of the call that launched it.
    launched: i64,
    device: u32,
    kind: WorkKind,
    shape: u32,
}

/// Memory that is used again for each window.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    own: Vec<Own>,
    /// Work of others: start, end, device.
    others: Vec<(i64, i64, u32)>,
    /// What is covered so far, in order and apart.
    covered: Vec<(i64, i64)>,
    merged: Vec<(i64, i64)>,
    busy: u64,
}

impl Scratch {
    fn clear(&mut self) {
        self.own.clear();
        self.others.clear();
        self.covered.clear();
        self.busy = 0;
    }

    /// The device most of the step's work ran on.
    fn device(&self) -> u32 {
        let Some(first) = self.own.first().map(|own| own.device) else { return NONE_U32 };
        if self.own.iter().all(|own| own.device == first) {
            return first;
        }
        let mut sums: Vec<(u32, u64)> = Vec::new();
        for own in &self.own {
            let ns = own.end.abs_diff(own.start);
            match sums.iter_mut().find(|(device, _)| *device == own.device) {
                Some((_, sum)) => *sum += ns,
                None => sums.push((own.device, ns)),
            }
        }
        let most = sums.iter().max_by_key(|(device, ns)| (*ns, std::cmp::Reverse(*device)));
        most.map_or(NONE_U32, |(device, _)| *device)
    }
}

/// Adds an interval that starts no earlier than those before it.
fn push(list: &mut Vec<(i64, i64)>, start: i64, end: i64) {
    match list.last_mut() {
        Some(last) if start <= last.1 => last.1 = last.1.max(end),
        _ if start < end => list.push((start, end)),
        _ => {}
    }
}

/// Adds intervals in order of start to what is covered; returns how much they add.
fn layer(
    covered: &mut Vec<(i64, i64)>,
    merged: &mut Vec<(i64, i64)>,
    new: impl Iterator<Item = (i64, i64)>,
) -> u64 {
    let total = |list: &[(i64, i64)]| list.iter().map(|(a, b)| b.abs_diff(*a)).sum::<u64>();
    let mut new = new.peekable();
    if new.peek().is_none() {
        return 0;
    }
    let before = total(covered);
    merged.clear();
    let mut old = covered.iter().copied().peekable();
    loop {
        let next = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a.0 <= b.0 => old.next(),
            (_, Some(_)) => new.next(),
            (Some(_), None) => old.next(),
            (None, None) => break,
        };
        if let Some((start, end)) = next {
            push(merged, start, end);
        }
    }
    std::mem::swap(covered, merged);
    total(covered) - before
}

/// How much of `[from, to)` intervals that are in order and apart cover.
fn overlap(list: &[(i64, i64)], from: i64, to: i64) -> u64 {
    let first = list.partition_point(|(_, end)| *end <= from);
    let mut sum = 0;
    for (start, end) in list.get(first..).unwrap_or_default() {
        if *start >= to {
            break;
        }
        sum += (*end).min(to).abs_diff((*start).max(from));
    }
    sum
}

fn shape_kinds(timeline: &Timeline, analysis: &Analysis) -> Vec<ShapeKind> {
    let classes = KernelClasses::of(timeline);
    let excess = PrecisionCost::of(analysis);
    (0..timeline.shapes.as_slice().len())
        .map(|shape| {
            let class = classes.of_shape(ShapeId::from_index(shape));
            let name = timeline.shapes.as_slice()[shape].name;
            ShapeKind { role: class.role.value, excess: excess.share_of(name, class) }
        })
        .collect()
}

fn waits(timeline: &Timeline, correlation: &Correlation) -> Vec<Waits> {
    let mut waits: Vec<Waits> = vec![Vec::new(); timeline.dimensions.processes.len()];
    let calls = &timeline.api_calls;
    let allocates: Vec<bool> = timeline.strings.iter().map(blocks_by_name).collect();
    for row in 0..calls.len() {
        let blocks = match correlation.call_names().kind(calls.name[row]) {
            CallKind::Synchronize => true,
            CallKind::Transfer => calls.duration_ns[row] >= BLOCKING_TRANSFER_NS,
            _ => allocates.get(calls.name[row] as usize).copied().unwrap_or(false),
        };
        if !blocks {
            continue;
        }
        let process = timeline.dimensions.process_of_thread(ThreadId::from_raw(calls.thread[row]));
        if let Some(waits) = waits.get_mut(process.index()) {
            let start = calls.start_ns[row];
            push(waits, start, start.saturating_add_unsigned(calls.duration_ns[row]));
        }
    }
    waits
}

/// Allocation waits for the device too.
fn blocks_by_name(name: &str) -> bool {
    [
        "cudaMalloc",
        "cudaFree",
        "cudaHostAlloc",
        "cudaMallocHost",
        "cuMemAlloc",
        "cuMemFree",
        "hipMalloc",
        "hipFree",
    ]
    .iter()
    .any(|call| name.starts_with(call))
        && !name.contains("Async")
}

fn coverage(timeline: &Timeline) -> Option<(i64, i64)> {
    use underspan_model::tables::Table;
    let tables: [&dyn Table; 4] =
        [&timeline.kernels, &timeline.memcpys, &timeline.memsets, &timeline.api_calls];
    let bounds = tables.iter().filter_map(|table| table.time_bounds());
    bounds.reduce(|(start, end), (s, e)| (start.min(s), end.max(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_only_what_is_new() {
        let mut covered = vec![(0, 10), (20, 30)];
        let mut merged = Vec::new();
        assert_eq!(layer(&mut covered, &mut merged, [(5, 22), (40, 45)].into_iter()), 15);
        assert_eq!(covered, [(0, 30), (40, 45)]);
        assert_eq!(layer(&mut covered, &mut merged, std::iter::empty()), 0);
        assert_eq!(overlap(&covered, 25, 42), 7);
    }
}
