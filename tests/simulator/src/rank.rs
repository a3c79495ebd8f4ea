//! One serving process on one GPU: a host thread that launches work and a device that runs it in
//! stream order, under [`Conditions`].

use std::collections::BTreeMap;

use crate::conditions::Conditions;
use crate::device::Gpu;
use crate::random::Random;
use crate::recording::{ApiCall, Copy, CopyKind, CpuOp, Kernel, Launch, Range, Recording};

/// Host time of one asynchronous kernel launch, ns.
const LAUNCH_CALL_NS: f64 = 4_600.0;
/// From entering a call until an idle device starts, ns.
const LAUNCH_LATENCY_NS: f64 = 3_200.0;
/// Between kernels that are both queued on a stream, ns.
const STREAM_GAP_NS: f64 = 850.0;
/// Between two nodes of a graph, ns.
const GRAPH_GAP_NS: f64 = 600.0;
/// Pageable copies reach this share of the link.
const PAGEABLE_SHARE: f64 = 0.17;
/// Deviation of the logarithm of kernel durations, and of the slow drift they share.
const KERNEL_NOISE: f64 = 0.012;
const DRIFT_NOISE: f64 = 0.02;

/// A kernel to run and what bounds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    pub(crate) launch: Launch,
    /// Framework operator that launches it when it is not part of a graph.
    pub(crate) op: &'static str,
    /// Time the arithmetic takes at full clock, ns.
    pub(crate) compute_ns: f64,
    /// Time the memory traffic takes, ns.
    pub(crate) memory_ns: f64,
    /// All ranks enter before any leaves.
    pub(crate) is_collective: bool,
    pub(crate) part: Part,
}

/// What a kernel's time depends on: how it is shared among the members of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Tokens through the linear layers.
    Tokens,
    /// Each member's own context.
    Attention,
    /// Members that produce a token.
    Sampling,
}

impl Work {
    /// Time without noise at a clock ratio, ns. DRAM keeps its own clock, so a kernel bound by
    /// memory notices the SM clock less: through the caches and the network between them.
    pub(crate) fn time_ns(&self, clock_ratio: f64) -> f64 {
        bound_ns(self.compute_ns / clock_ratio, self.memory_ns / clock_ratio.powf(0.35))
    }
}

/// Time of a kernel from what its arithmetic and its memory traffic take, ns.
pub(crate) fn bound_ns(compute_ns: f64, memory_ns: f64) -> f64 {
    // Overlap is not perfect near the ridge.
    1_300.0 + (compute_ns.powi(4) + memory_ns.powi(4)).powf(0.25)
}

/// One host thread and one device.
#[derive(Debug)]
pub(crate) struct Rank {
    random: Random,
    drift: f64,
    gpu: Gpu,
    conditions: Conditions,
    now_ns: u64,
    ready_ns: BTreeMap<u32, u64>,
    next_correlation: u32,
    next_external_id: u64,
    next_graph_node: u64,
    recording: Recording,
}

/// Who a rank is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) process_name: &'static str,
    pub(crate) device: u32,
    pub(crate) rank: Option<(u32, u32)>,
    pub(crate) base_ns: u64,
}

impl Rank {
    pub(crate) fn new(random: Random, gpu: Gpu, conditions: Conditions, who: &Identity) -> Self {
        let mut random = random;
        let first_id = random.between(1_000, 400_000) as u32;
        Self {
            drift: 0.0,
            gpu,
            conditions,
            now_ns: 0,
            ready_ns: BTreeMap::new(),
            next_correlation: first_id,
            next_external_id: u64::from(first_id) / 2,
            next_graph_node: 1,
            recording: Recording {
                pid: who.pid,
                tid: who.tid,
                process_name: who.process_name,
                gpu: Some(gpu),
                device: who.device,
                rank: who.rank,
                base_ns: who.base_ns,
                ..Recording::default()
            },
            random,
        }
    }

    /// Keeps ids of several threads of one process apart.
    pub(crate) fn number_from(&mut self, offset: u32) {
        self.next_correlation += offset;
        self.next_external_id += u64::from(offset);
        self.next_graph_node += u64::from(offset);
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) fn recording_mut(&mut self) -> &mut Recording {
        &mut self.recording
    }

    pub(crate) fn into_parts(self) -> (Recording, Conditions) {
        (self.recording, self.conditions)
    }

    /// The host computes for about `ns`.
    pub(crate) fn host_works(&mut self, ns: f64) {
        self.now_ns += self.random.jitter(ns, 0.12);
    }

    /// The host does nothing until `at_ns`.
    pub(crate) fn host_waits_until(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
    }

    /// Runs `body` inside an annotation.
    pub(crate) fn annotated(&mut self, name: String, body: impl FnOnce(&mut Self)) {
        let at = self.begin_range(name);
        body(self);
        self.end_range(at);
    }

    pub(crate) fn begin_range(&mut self, name: String) -> usize {
        let external_id = self.external_id();
        self.recording.ranges.push(Range {
            name,
            start_ns: self.now_ns,
            duration_ns: 0,
            external_id,
            correlations: (self.next_correlation, self.next_correlation),
        });
        self.recording.ranges.len() - 1
    }

    pub(crate) fn end_range(&mut self, at: usize) {
        let (now_ns, next) = (self.now_ns, self.next_correlation);
        if let Some(range) = self.recording.ranges.get_mut(at) {
            range.duration_ns = now_ns - range.start_ns;
            range.correlations.1 = next;
        }
    }

    /// Launches one kernel from a framework operator that takes `host_ns` besides the call.
    pub(crate) fn launch(&mut self, stream: u32, work: &Work, host_ns: f64) {
        let kernel = self.launch_open(stream, work, host_ns);
        let start_ns = kernel.start_ns;
        let end_ns = start_ns + self.time_of(work, start_ns);
        self.run(kernel, end_ns);
    }

    /// Launches a kernel whose end is not known yet; [`Rank::run`] ends it.
    pub(crate) fn launch_open(&mut self, stream: u32, work: &Work, host_ns: f64) -> Kernel {
        let op_start_ns = self.now_ns;
        self.host_works(host_ns * 0.6);
        let external_id = self.external_id();
        let (correlation, call_ns) = self.call("cudaLaunchKernel", LAUNCH_CALL_NS);
        if let Some(call) = self.recording.api_calls.last_mut() {
            call.external_id = Some(external_id);
        }
        let start_ns = self.device_start(stream, call_ns, STREAM_GAP_NS);
        self.host_works(host_ns * 0.15);
        self.recording.cpu_ops.push(CpuOp {
            name: work.op,
            start_ns: op_start_ns,
            duration_ns: self.now_ns - op_start_ns,
            external_id,
            input_types: String::new(),
        });
        self.host_works(host_ns * 0.25);
        Kernel {
            launch: work.launch.clone(),
            start_ns,
            duration_ns: 0,
            stream,
            correlation,
            external_id: Some(external_id),
            graph: None,
        }
    }

    /// Calls `cudaGraphLaunch`; the nodes follow with [`Rank::node`].
    pub(crate) fn begin_graph(&mut self, stream: u32, graph: u32, n_nodes: usize) -> GraphRun {
        let (correlation, call_ns) = self.call("cudaGraphLaunch", 9_000.0 + 22.0 * n_nodes as f64);
        let ready_ns = self.device_start(stream, call_ns + 4_000, STREAM_GAP_NS);
        GraphRun { stream, graph, correlation, ready_ns }
    }

    /// The next node of a graph, whose end is not known yet; [`Rank::run`] ends it.
    pub(crate) fn node(&mut self, graph: &mut GraphRun, work: &Work) -> Kernel {
        let gap_ns = self.random.jitter(GRAPH_GAP_NS, 0.3);
        let start_ns = graph.ready_ns.max(self.stream_ready_ns(graph.stream) + gap_ns);
        let node = self.next_graph_node;
        self.next_graph_node += 1;
        Kernel {
            launch: work.launch.clone(),
            start_ns,
            duration_ns: 0,
            stream: graph.stream,
            correlation: graph.correlation,
            external_id: None,
            graph: Some((graph.graph, node)),
        }
    }

    /// How long `work` takes when it starts at `start_ns`, with noise, ns.
    pub(crate) fn time_of(&mut self, work: &Work, start_ns: u64) -> u64 {
        self.drift = 0.995 * self.drift + 0.1 * DRIFT_NOISE * self.random.normal();
        let ns = work.time_ns(self.conditions.clock(start_ns).ratio)
            * self.conditions.slowdown(start_ns);
        (self.random.log_normal(ns, KERNEL_NOISE) * self.drift.exp()) as u64
    }

    /// Ends an open kernel at `end_ns` and records it.
    pub(crate) fn run(&mut self, mut kernel: Kernel, end_ns: u64) {
        // The device's clock ticks every 32 ns.
        kernel.start_ns = kernel.start_ns.next_multiple_of(32);
        let end_ns = end_ns.next_multiple_of(32).max(kernel.start_ns + 32);
        kernel.duration_ns = end_ns - kernel.start_ns;
        self.ready_ns.insert(kernel.stream, end_ns);
        self.recording.kernels.push(kernel);
    }

    /// Copies with `cudaMemcpyAsync`. Copies that touch pageable memory hold the host until done.
    pub(crate) fn copy(&mut self, stream: u32, kind: CopyKind, bytes: u64) {
        let rate = match kind {
            CopyKind::PageableToDevice | CopyKind::DeviceToPageable => {
                self.gpu.link_rate * PAGEABLE_SHARE
            }
            CopyKind::PinnedToDevice | CopyKind::DeviceToPinned => self.gpu.link_rate,
            CopyKind::DeviceToDevice => self.gpu.memory_rate / 2.4,
            CopyKind::PeerToPeer => self.gpu.link_rate * 4.0,
        };
        self.copy_at_rate(stream, kind, bytes, rate);
    }

    /// As [`Rank::copy`] at a rate in bytes per ns.
    pub(crate) fn copy_at_rate(&mut self, stream: u32, kind: CopyKind, bytes: u64, rate: f64) {
        let (correlation, call_ns) = self.call("cudaMemcpyAsync", 5_200.0);
        let start_ns = self.device_start(stream, call_ns, STREAM_GAP_NS).next_multiple_of(32);
        let ns = self.random.jitter(1_050.0 + bytes as f64 / rate, 0.05);
        let duration_ns = ns.next_multiple_of(32);
        self.ready_ns.insert(stream, start_ns + duration_ns);
        let copy = Copy { kind, bytes, start_ns, duration_ns, stream, correlation };
        self.recording.copies.push(copy);
        if matches!(kind, CopyKind::PageableToDevice | CopyKind::DeviceToPageable) {
            self.now_ns = self.now_ns.max(start_ns + duration_ns + 1_800);
            self.stretch_last_call();
        }
    }

    /// Blocks the host with `cudaStreamSynchronize` until a stream is done.
    pub(crate) fn synchronize(&mut self, stream: u32) {
        self.wait_for("cudaStreamSynchronize", self.stream_ready_ns(stream));
    }

    /// Records an event on a stream and waits for it: `cudaEventRecord`, `cudaEventSynchronize`.
    pub(crate) fn wait_for_event(&mut self, stream: u32) {
        self.call("cudaEventRecord", 2_000.0);
        self.wait_for("cudaEventSynchronize", self.stream_ready_ns(stream));
    }

    /// `cudaMalloc` or `cudaFree` that takes `ns` after waiting for the device.
    pub(crate) fn allocate(&mut self, name: &'static str, ns: f64) {
        self.call(name, 2_000.0);
        self.now_ns = self.now_ns.max(self.all_ready_ns());
        self.host_works(ns);
        self.stretch_last_call();
    }

    /// A call that only costs host time.
    pub(crate) fn host_call(&mut self, name: &'static str, ns: f64) {
        self.call(name, ns);
    }

    /// When a stream has no more work, ns.
    pub(crate) fn stream_ready_ns(&self, stream: u32) -> u64 {
        self.ready_ns.get(&stream).copied().unwrap_or(0)
    }

    /// Keeps a stream from starting anything before `at_ns`: a wait for an event.
    pub(crate) fn stream_waits_until(&mut self, stream: u32, at_ns: u64) {
        let ready = self.ready_ns.entry(stream).or_insert(0);
        *ready = (*ready).max(at_ns);
    }

    fn all_ready_ns(&self) -> u64 {
        self.ready_ns.values().copied().max().unwrap_or(0)
    }

    fn wait_for(&mut self, name: &'static str, ready_ns: u64) {
        self.call(name, 1_600.0);
        self.now_ns = self.now_ns.max(ready_ns + 3_000);
        self.stretch_last_call();
    }

    fn call(&mut self, name: &'static str, ns: f64) -> (u32, u64) {
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let start_ns = self.now_ns;
        let duration_ns = self.random.jitter(ns, 0.3);
        self.now_ns += duration_ns;
        self.recording.api_calls.push(ApiCall {
            name,
            start_ns,
            duration_ns,
            correlation,
            external_id: None,
        });
        (correlation, start_ns)
    }

    fn external_id(&mut self) -> u64 {
        self.next_external_id += 1;
        self.next_external_id
    }

    fn stretch_last_call(&mut self) {
        if let Some(call) = self.recording.api_calls.last_mut() {
            call.duration_ns = self.now_ns - call.start_ns;
        }
    }

    fn device_start(&mut self, stream: u32, call_ns: u64, gap_ns: f64) -> u64 {
        let latency = self.random.jitter(LAUNCH_LATENCY_NS, 0.1);
        let gap = self.random.jitter(gap_ns, 0.3);
        let ready = self.ready_ns.get(&stream).map_or(0, |ready| ready + gap);
        ready.max(call_ns + latency)
    }
}

/// A launched graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphRun {
    stream: u32,
    graph: u32,
    correlation: u32,
    ready_ns: u64,
}
