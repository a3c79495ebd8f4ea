//! What happened on the device and to its launching thread within each step.

use hashbrown::HashSet;
use underspan_classifier::Role;
use underspan_engine::{Analysis, DeviceWork, KernelClasses, Requests, WorkItem, WorkKind};
use underspan_model::tables::{MemcpyKind, MemoryKind};
use underspan_model::{NONE_U32, NONE_U64, ShapeId, StringId, Timeline};

use crate::host_calls::{Idle, StopCalls};
use underspan_model::give_up_if_cancelled;

/// Shortest idle time that is counted: below it the device changes from one kernel to the next.
const GAP_MIN_NS: i64 = 1_500;

/// Largest size of a copy that carries results and bookkeeping, not data.
pub(crate) const SMALL_COPY_BYTES: u64 = 64 << 10;

/// Length of a kernel from which on it has work enough for a whole device, in nanoseconds.
const LONG_KERNEL_NS: u64 = 50_000;

/// Idle time before a step, by cause, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// See [`StepFacts::gap_sync_ns`].
    pub sync_ns: u64,
    /// See [`StepFacts::gap_allocate_ns`].
    pub allocate_ns: u64,
    /// See [`StepFacts::gap_instantiate_ns`].
    pub instantiate_ns: u64,
    /// See [`StepFacts::gap_load_ns`].
    pub load_ns: u64,
    /// See [`StepFacts::gap_host_ns`].
    pub host_ns: u64,
}

/// What happened within one step. Times are in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepFacts {
    /// Kernels.
    pub n_kernels: u32,
    /// Sum of their durations.
    pub kernel_ns: u64,
    /// Time in which any work of the step ran.
    pub busy_ns: u64,
    /// Of which multiplies.
    pub multiply_ns: u64,
    /// Of which multiplies that ran wider than declared, without an excuse.
    pub wide_ns: u64,
    /// Of which conversions between types and layouts.
    pub convert_ns: u64,
    /// Of which collectives.
    pub collective_ns: u64,
    /// Of which kernels with fewer blocks than half the multiprocessors.
    pub small_grid_ns: u64,
    /// Of which kernels of 50 µs and more: too long for having little to do.
    pub long_small_grid_ns: u64,
    /// Of which kernels with fewer blocks than a sixteenth of the multiprocessors.
    pub long_few_blocks_ns: u64,
    /// What those would take if their blocks filled the multiprocessors.
    pub small_filled_ns: u64,
    /// What all kernels would take with no more blocks than multiprocessors.
    pub one_wave_ns: u64,
    /// What its kernels would take if each filled all multiprocessors with one block each: their
    /// time, less the part of the multiprocessors that had no block. All of the time where blocks
    /// or multiprocessors are not known.
    pub filled_ns: u64,
    /// Copies during which no kernel ran.
    pub copy_ns: u64,
    /// Of which between the device and memory that is not pinned.
    pub pageable_ns: u64,
    /// Of which of more than 64 KiB.
    pub bulk_copy_ns: u64,
    /// Of which between devices.
    pub peer_copy_ns: u64,
    /// Bytes of copies of more than 64 KiB, hidden ones included.
    pub bulk_bytes: u64,
    /// Copies between host and device.
    pub n_host_copies: u32,
    /// Idle between work of the step because the host had waited for the device.
    pub gap_sync_ns: u64,
    /// Idle while the host took or gave back memory.
    pub gap_allocate_ns: u64,
    /// Idle while the host made graphs ready.
    pub gap_instantiate_ns: u64,
    /// Idle while the host loaded or compiled code.
    pub gap_load_ns: u64,
    /// Idle because the host launched late, for none of the reasons above.
    pub gap_host_ns: u64,
    /// Idle although work had been launched.
    pub gap_queue_ns: u64,
    /// Idle of the step's engine before the step, while its requests were waiting for it: because
    /// the host had waited for the device, took or gave back memory, made graphs ready, loaded or
    /// compiled code, or for none of these.
    pub lag: Lag,
    /// Waits of the host within the step that left the device idle.
    pub n_syncs: u32,
    /// Kernels and graphs launched one by one by the host.
    pub n_launches: u32,
    /// Graphs launched.
    pub n_graph_launches: u32,
    /// Sequence of the launch shapes, as a hash: steps of one sequence do the same work on
    /// batches that fall into one bucket.
    pub sequence: u64,
    /// Rows of the batch that its kernels computed, padding included: blocks of a kernel that has
    /// one for each token. Zero when it has none such.
    pub n_rows: u32,
    /// Blocks of its largest norm; zero when it has none.
    pub norm_blocks: u64,
    /// Blocks of its largest pointwise kernel; zero when it has none.
    pub pointwise_blocks: u64,
    /// Row of the kernel that took longest; none without kernels.
    pub longest_kernel: u32,
    /// Row of the first API call that stopped the host and left the device idle.
    pub first_stop: u32,
}

impl StepFacts {
    /// Idle time between work of the step, of every cause.
    pub fn gap_ns(&self) -> u64 {
        self.gap_sync_ns
            + self.gap_allocate_ns
            + self.gap_instantiate_ns
            + self.gap_load_ns
            + self.gap_host_ns
            + self.gap_queue_ns
    }
}

/// The facts of every step, in their order.
pub fn step_facts(timeline: &Timeline, analysis: &Analysis, requests: &Requests) -> Vec<StepFacts> {
    let mut walk = Walk::of(timeline, analysis, requests);
    DeviceWork::of(timeline).for_each(|item| walk.add(&item));
    for step in 0..walk.facts.len() {
        give_up_if_cancelled();
        walk.add_tail(step);
    }
    for (facts, step) in walk.facts.iter_mut().zip(&requests.steps) {
        facts.busy_ns = step.busy.as_ns();
    }
    walk.facts
}

/// Where a step stands while its work is walked over.
#[derive(Clone, Copy)]
struct Reach {
    /// Latest end of any work so far.
    work: i64,
    /// Latest end of any kernel so far.
    kernel: i64,
    /// The copy that no kernel has covered yet: from, to.
    bare_copy: (i64, i64),
    bare_kind: CopyKind,
}

#[derive(Clone, Copy, Default)]
struct CopyKind {
    is_pageable: bool,
    is_bulk: bool,
    is_peer: bool,
}

struct Walk<'a> {
    timeline: &'a Timeline,
    analysis: &'a Analysis,
    classes: KernelClasses,
    wide_names: HashSet<StringId>,
    stops: StopCalls,
    requests: &'a Requests,
    sm_counts: Vec<u64>,
    /// Latest end of any work on each device so far.
    device_reach: Vec<i64>,
    facts: Vec<StepFacts>,
    reach: Vec<Reach>,
    launched: Vec<u32>,
}

impl<'a> Walk<'a> {
    fn of(timeline: &'a Timeline, analysis: &'a Analysis, requests: &'a Requests) -> Self {
        let steps = &requests.steps;
        let wide = analysis.precision.wide.iter().filter(|wide| wide.reason.is_fallback());
        let empty =
            StepFacts { longest_kernel: NONE_U32, first_stop: NONE_U32, ..StepFacts::default() };
        Self {
            timeline,
            analysis,
            classes: KernelClasses::of(timeline),
            wide_names: wide.map(|wide| wide.name).collect(),
            stops: StopCalls::of(timeline),
            requests,
            sm_counts: sm_counts(timeline),
            device_reach: vec![i64::MIN; timeline.dimensions.devices.len() + 1],
            facts: vec![empty; steps.len()],
            // Until its first work a step has what its host does first.
            reach: steps
                .iter()
                .map(|step| Reach {
                    work: step.window.start().as_ns(),
                    kernel: i64::MIN,
                    bare_copy: (0, 0),
                    bare_kind: CopyKind::default(),
                })
                .collect(),
            launched: vec![NONE_U32; steps.len()],
        }
    }

    fn add(&mut self, item: &WorkItem) {
        let call = self.analysis.correlation.call_of(item);
        let device = self.device_of(item.stream);
        let device_reach = self.device_reach[device];
        let end = item.interval().end().as_ns();
        self.device_reach[device] = device_reach.max(end);
        let Some(step) = self.requests.step_of(item) else { return };
        self.add_gap(step, item, call, device_reach);
        self.add_launch(step, call);
        match item.kind {
            WorkKind::Kernel => self.add_kernel(step, item),
            WorkKind::Memcpy => self.add_copy(step, item),
            WorkKind::Memset => {}
        }
        let reach = &mut self.reach[step];
        reach.work = reach.work.max(end);
    }

    fn device_of(&self, stream: u32) -> usize {
        let last = self.device_reach.len() - 1;
        let device = self.timeline.dimensions.streams.device.get(stream as usize);
        device.map_or(last, |device| (*device as usize).min(last))
    }

    fn add_launch(&mut self, step: usize, call: Option<u32>) {
        let Some(call) = call.filter(|call| *call != self.launched[step]) else { return };
        self.launched[step] = call;
        let name = self.timeline.api_calls.name[call as usize];
        match self.analysis.correlation.call_names().kind(name) {
            underspan_engine::CallKind::GraphLaunch => self.facts[step].n_graph_launches += 1,
            underspan_engine::CallKind::KernelLaunch => self.facts[step].n_launches += 1,
            _ => {}
        }
    }

    fn add_kernel(&mut self, step: usize, item: &WorkItem) {
        let row = item.row as usize;
        let kernels = &self.timeline.kernels;
        let shape = ShapeId::from_raw(kernels.shape[row]);
        let class = self.classes.of_shape(shape);
        let duration = item.duration().as_ns();
        let facts = &mut self.facts[step];
        facts.n_kernels += 1;
        facts.kernel_ns += duration;
        let role = class.role.value;
        let Some(shape_row) = self.timeline.shapes.as_slice().get(shape.index()) else { return };
        if role.is_matmul() {
            facts.multiply_ns += duration;
            if self.wide_names.contains(&shape_row.name) {
                facts.wide_ns += duration;
            }
        }
        match role {
            Role::Quantize | Role::Dequantize | Role::Cast => facts.convert_ns += duration,
            Role::Copy if is_reformat(self.timeline.strings.resolve_or_empty(shape_row.name)) => {
                facts.convert_ns += duration;
            }
            Role::Collective => facts.collective_ns += duration,
            _ => {}
        }
        if matches!(role, Role::Rope | Role::KvCacheWrite) && shape_row.grid[1..] == [1, 1] {
            facts.n_rows = facts.n_rows.max(shape_row.grid[0]);
        }
        let blocks: u64 = shape_row.grid.iter().map(|side| u64::from((*side).max(1))).product();
        match role {
            Role::Norm => facts.norm_blocks = facts.norm_blocks.max(blocks),
            Role::Activation | Role::Elementwise => {
                facts.pointwise_blocks = facts.pointwise_blocks.max(blocks);
            }
            _ => {}
        }
        let sm_count = self.sm_counts.get(item.stream as usize).copied().unwrap_or(0);
        if shape_row.grid != [0; 3] && sm_count > 0 {
            facts.one_wave_ns += duration * sm_count.min(blocks) / blocks;
            facts.filled_ns += duration * sm_count.min(blocks) / sm_count;
        } else {
            facts.filled_ns += duration;
        }
        if shape_row.grid != [0; 3] && blocks * 2 < sm_count && role != Role::Collective {
            facts.small_grid_ns += duration;
            if duration >= LONG_KERNEL_NS {
                facts.long_small_grid_ns += duration;
                facts.long_few_blocks_ns += if blocks * 16 < sm_count { duration } else { 0 };
            }
            facts.small_filled_ns += duration * blocks / sm_count;
        }
        facts.sequence = (facts.sequence ^ u64::from(shape.raw()))
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
        let longest = facts.longest_kernel;
        if longest == NONE_U32 || kernels.duration_ns[longest as usize] < duration {
            facts.longest_kernel = item.row;
        }
        let (start, end) = (item.interval().start().as_ns(), item.interval().end().as_ns());
        let reach = &mut self.reach[step];
        let (from, to) = reach.bare_copy;
        if start < to {
            // The kernel covers the rest of a copy that had counted as bare.
            let covered = (to.min(end) - from.max(start)).max(0) as u64;
            reach.bare_copy = (end.min(to), to);
            let kind = reach.bare_kind;
            self.add_bare(step, kind, covered, false);
        }
        let reach = &mut self.reach[step];
        reach.kernel = reach.kernel.max(end);
    }

    fn add_copy(&mut self, step: usize, item: &WorkItem) {
        let row = item.row as usize;
        let memcpys = &self.timeline.memcpys;
        let is = |column: &[u8], kind: MemoryKind| column[row] == kind.code();
        let direction = MemcpyKind::from_code(memcpys.kind[row]);
        let is_host = matches!(direction, MemcpyKind::HtoD | MemcpyKind::DtoH);
        let bytes = memcpys.bytes[row];
        let kind = CopyKind {
            is_pageable: is(&memcpys.source_memory, MemoryKind::Pageable)
                || is(&memcpys.destination_memory, MemoryKind::Pageable),
            is_bulk: bytes != NONE_U64 && bytes > SMALL_COPY_BYTES,
            is_peer: direction == MemcpyKind::PtoP,
        };
        self.facts[step].n_host_copies += u32::from(is_host);
        if kind.is_bulk {
            self.facts[step].bulk_bytes += bytes;
        }
        let (start, end) = (item.interval().start().as_ns(), item.interval().end().as_ns());
        let reach = &mut self.reach[step];
        let from = start.max(reach.kernel).max(reach.bare_copy.1.min(end));
        if from < end {
            reach.bare_copy = (from, end);
            reach.bare_kind = kind;
            self.add_bare(step, kind, (end - from) as u64, true);
        }
    }

    fn add_bare(&mut self, step: usize, kind: CopyKind, ns: u64, is_more: bool) {
        let facts = &mut self.facts[step];
        let change = |sum: &mut u64, applies: bool| {
            if applies {
                *sum = if is_more { *sum + ns } else { sum.saturating_sub(ns) };
            }
        };
        change(&mut facts.copy_ns, true);
        change(&mut facts.pageable_ns, kind.is_pageable);
        change(&mut facts.bulk_copy_ns, kind.is_bulk);
        change(&mut facts.peer_copy_ns, kind.is_peer);
    }

    /// `device_reach` is how far earlier work of anybody on the device reaches: time in which it
    /// works for others is not idle.
    fn add_gap(&mut self, step: usize, item: &WorkItem, call: Option<u32>, device_reach: i64) {
        let to = item.interval().start().as_ns();
        let from = self.reach[step].work.max(device_reach);
        if to.saturating_sub(from) < GAP_MIN_NS {
            return;
        }
        let length = (to - from) as u64;
        let facts = &mut self.facts[step];
        let Some(call) = call else {
            facts.gap_queue_ns += length;
            return;
        };
        let calls = &self.timeline.api_calls;
        let call = call as usize;
        let call_end = calls.start_ns[call].saturating_add_unsigned(calls.duration_ns[call]);
        if call_end <= from {
            facts.gap_queue_ns += length;
            return;
        }
        let is_first = self.reach[step].kernel == i64::MIN && facts.n_host_copies == 0;
        let thread = calls.thread[call];
        let idle = Idle { from_ns: from, to_ns: to, launch_ns: calls.start_ns[call] };
        let split = self.stops.split(thread, idle, is_first);
        facts.gap_allocate_ns += split.lag.allocate_ns;
        facts.gap_instantiate_ns += split.lag.instantiate_ns;
        facts.gap_load_ns += split.lag.load_ns;
        facts.gap_sync_ns += split.lag.sync_ns;
        facts.gap_host_ns += split.lag.host_ns;
        facts.n_syncs += u32::from(split.lag.sync_ns > 0);
        if facts.first_stop == NONE_U32 {
            facts.first_stop = split.first_stop;
        }
    }

    /// After the last work of a step its host may still be at it, in calls that stop it.
    fn add_tail(&mut self, step: usize) {
        let window = self.requests.steps[step].window;
        let thread = self.requests.steps[step].thread.raw();
        let (from, to) = (self.reach[step].work, window.end().as_ns());
        if to.saturating_sub(from) < GAP_MIN_NS || self.facts[step].n_kernels == 0 {
            return;
        }
        let split = self.stops.split(thread, Idle::until(from, to), true);
        let facts = &mut self.facts[step];
        facts.gap_allocate_ns += split.lag.allocate_ns;
        facts.gap_instantiate_ns += split.lag.instantiate_ns;
        facts.gap_load_ns += split.lag.load_ns;
        if facts.first_stop == NONE_U32 {
            facts.first_stop = split.first_stop;
        }
    }
}

/// Splits the idle time of each run's lane before it by cause. `idle` says from when on a lane
/// stood idle before each of its runs while requests of the run were waiting for it.
pub(crate) fn add_lags(
    timeline: &Timeline,
    requests: &Requests,
    idle: &[Option<(i64, i64)>],
    facts: &mut [StepFacts],
) {
    let stops = StopCalls::of(timeline);
    for ((facts, step), idle) in facts.iter_mut().zip(&requests.steps).zip(idle) {
        give_up_if_cancelled();
        let Some((from, to)) = idle.filter(|(from, to)| to - from >= GAP_MIN_NS) else { continue };
        let split = stops.split(step.thread.raw(), Idle::until(from, to), true);
        facts.lag = split.lag;
        if facts.first_stop == NONE_U32 {
            facts.first_stop = split.first_stop;
        }
    }
}

/// Copies by kernel that change a layout: TensorRT's reformat layers and the like.
fn is_reformat(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["reformat", "nchw", "nhwc", "permut", "layout", "copypacked"].iter().any(|w| name.contains(w))
}

/// Multiprocessors of the device of each stream; zero where not known.
fn sm_counts(timeline: &Timeline) -> Vec<u64> {
    let counts = &timeline.dimensions.devices.sm_count;
    let of = |device: &u32| {
        let count = counts.get(*device as usize).filter(|count| **count != NONE_U32);
        count.map_or(0, |count| u64::from(*count))
    };
    timeline.dimensions.streams.device.iter().map(of).collect()
}
