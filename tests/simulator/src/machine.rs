//! A host thread that launches work and a device that runs it in stream order.

use std::collections::BTreeMap;

use crate::random::Random;
use crate::recording::{ApiCall, Copy, CopyKind, CpuOp, Fill, Kernel, Launch, Range, Recording};

/// Host time one asynchronous launch takes, ns.
const LAUNCH_CALL_NS: f64 = 3_800.0;
/// From entering the call until an idle device starts, ns.
const LAUNCH_LATENCY_NS: f64 = 5_200.0;
/// Between two kernels that are both queued on a stream, ns.
const STREAM_GAP_NS: f64 = 900.0;
/// Between two nodes of a graph, ns.
const GRAPH_GAP_NS: f64 = 550.0;
/// Pinned and pageable copy rates, bytes per ns (GB/s).
const PINNED_RATE: f64 = 52.0;
const PAGEABLE_RATE: f64 = 9.0;
const DEVICE_RATE: f64 = 1_300.0;

/// One host thread and one device.
#[derive(Debug)]
pub struct Machine {
    random: Random,
    now_ns: u64,
    stream_ready_ns: BTreeMap<u32, u64>,
    next_correlation: u32,
    next_external_id: u64,
    next_graph_node: u64,
    recording: Recording,
}

/// A kernel to run: what it is and how long it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Kernel and launch.
    pub launch: Launch,
    /// Time on the device, ns.
    pub duration_ns: f64,
    /// Operator that launches it.
    pub op: &'static str,
    /// Operand types as the profiler prints them.
    pub input_types: &'static str,
}

impl Machine {
    /// A machine whose clock starts at `start_ns`, running as process `pid` on `device`.
    pub fn new(seed: u64, start_ns: u64, pid: u32, device: u32) -> Self {
        let base_ns = 1_790_000_000_000_000_000;
        Self {
            random: Random::new(seed),
            now_ns: start_ns,
            stream_ready_ns: BTreeMap::new(),
            next_correlation: 1_001,
            next_external_id: 1,
            next_graph_node: 1,
            recording: Recording { pid, device, base_ns, ..Recording::default() },
        }
    }

    /// The host clock, ns.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Ends the run.
    pub fn into_recording(self) -> Recording {
        self.recording
    }

    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(crate) fn recording(&mut self) -> &mut Recording {
        &mut self.recording
    }

    /// The host computes for about `ns`.
    pub(crate) fn host_works(&mut self, ns: f64) {
        self.now_ns += self.random.jitter(ns, 0.15);
    }

    /// The host sleeps until `at_ns`.
    pub(crate) fn host_waits_until(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns);
    }

    /// Launches one kernel from a framework operator.
    pub(crate) fn launch(&mut self, stream: u32, work: &Work, host_overhead_ns: f64) {
        let op_start_ns = self.now_ns;
        self.host_works(host_overhead_ns);
        let external_id = self.next_external_id;
        self.next_external_id += 1;
        let (correlation, call_ns) = self.call("cudaLaunchKernel", LAUNCH_CALL_NS);
        let start_ns = self.device_start(stream, call_ns, STREAM_GAP_NS);
        let duration_ns = self.random.jitter(work.duration_ns, 0.02);
        self.run(stream, start_ns, duration_ns);
        self.recording.kernels.push(Kernel {
            launch: work.launch.clone(),
            start_ns,
            duration_ns,
            stream,
            correlation,
            external_id: Some(external_id),
            graph: None,
        });
        self.recording.cpu_ops.push(CpuOp {
            name: work.op,
            start_ns: op_start_ns,
            duration_ns: self.now_ns + 400 - op_start_ns,
            external_id,
            input_types: work.input_types.to_owned(),
        });
        self.now_ns += 500;
    }

    /// Launches a whole graph with one call.
    pub(crate) fn launch_graph(&mut self, stream: u32, graph_id: u32, nodes: &[Work]) {
        let (correlation, call_ns) =
            self.call("cudaGraphLaunch", 9_000.0 + 45.0 * nodes.len() as f64);
        let first_node = self.next_graph_node;
        let mut ready_ns = self.device_start(stream, call_ns, STREAM_GAP_NS) + 2_000;
        for (at, work) in nodes.iter().enumerate() {
            let duration_ns = self.random.jitter(work.duration_ns, 0.02);
            self.recording.kernels.push(Kernel {
                launch: work.launch.clone(),
                start_ns: ready_ns,
                duration_ns,
                stream,
                correlation,
                external_id: None,
                graph: Some((graph_id, first_node + at as u64)),
            });
            self.run(stream, ready_ns, duration_ns);
            ready_ns += duration_ns + self.random.jitter(GRAPH_GAP_NS, 0.3);
        }
    }

    /// Copies asynchronously; pageable copies block the host until they are done.
    pub(crate) fn copy(&mut self, stream: u32, kind: CopyKind, bytes: u64) {
        let rate = match kind {
            CopyKind::PageableToDevice | CopyKind::DeviceToPageable => PAGEABLE_RATE,
            CopyKind::DeviceToDevice | CopyKind::PeerToPeer => DEVICE_RATE,
            CopyKind::PinnedToDevice | CopyKind::DeviceToPinned => PINNED_RATE,
        };
        let (correlation, call_ns) = self.call("cudaMemcpyAsync", 4_500.0);
        let start_ns = self.device_start(stream, call_ns, STREAM_GAP_NS);
        let duration_ns = self.random.jitter(1_100.0 + bytes as f64 / rate, 0.03);
        self.run(stream, start_ns, duration_ns);
        self.recording.copies.push(Copy {
            kind,
            bytes,
            start_ns,
            duration_ns,
            stream,
            correlation,
        });
        if kind == CopyKind::PageableToDevice {
            self.now_ns = self.now_ns.max(start_ns + duration_ns);
            self.stretch_last_call();
        }
    }

    /// Fills memory asynchronously.
    pub(crate) fn fill(&mut self, stream: u32, bytes: u64) {
        let (correlation, call_ns) = self.call("cudaMemsetAsync", 3_000.0);
        let start_ns = self.device_start(stream, call_ns, STREAM_GAP_NS);
        let duration_ns = self.random.jitter(900.0 + bytes as f64 / DEVICE_RATE, 0.05);
        self.run(stream, start_ns, duration_ns);
        self.recording.fills.push(Fill { bytes, start_ns, duration_ns, stream, correlation });
    }

    /// Blocks the host until a stream is done.
    pub(crate) fn synchronize(&mut self, stream: u32) {
        self.call("cudaStreamSynchronize", 2_000.0);
        let ready_ns = self.stream_ready_ns.get(&stream).copied().unwrap_or(0);
        self.now_ns = self.now_ns.max(ready_ns + 1_500);
        self.stretch_last_call();
    }

    /// Runs `body` inside an annotation.
    pub(crate) fn annotated(&mut self, name: String, body: impl FnOnce(&mut Self)) {
        let start_ns = self.now_ns;
        let at = self.recording.ranges.len();
        self.recording.ranges.push(Range { name, start_ns, ..Range::default() });
        body(self);
        self.recording.ranges[at].duration_ns = self.now_ns - start_ns;
    }

    /// When a stream has no more work, ns.
    pub(crate) fn stream_ready_ns(&self, stream: u32) -> u64 {
        self.stream_ready_ns.get(&stream).copied().unwrap_or(0)
    }

    /// Keeps a stream from starting anything before `at_ns`: a wait on another device.
    pub(crate) fn stream_waits_until(&mut self, stream: u32, at_ns: u64) {
        let ready = self.stream_ready_ns.entry(stream).or_insert(0);
        *ready = (*ready).max(at_ns);
    }

    fn call(&mut self, name: &'static str, ns: f64) -> (u32, u64) {
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let (start_ns, duration_ns) = (self.now_ns, self.random.jitter(ns, 0.2));
        let external_id = None;
        let call = ApiCall { name, start_ns, duration_ns, correlation, external_id };
        self.recording.api_calls.push(call);
        self.now_ns += duration_ns;
        (correlation, start_ns)
    }

    fn stretch_last_call(&mut self) {
        if let Some(call) = self.recording.api_calls.last_mut() {
            call.duration_ns = self.now_ns - call.start_ns;
        }
    }

    fn device_start(&mut self, stream: u32, call_ns: u64, gap_ns: f64) -> u64 {
        let latency = self.random.jitter(LAUNCH_LATENCY_NS, 0.1);
        let gap = self.random.jitter(gap_ns, 0.3);
        let ready = self.stream_ready_ns.get(&stream).map_or(0, |ready| ready + gap);
        ready.max(call_ns + latency)
    }

    fn run(&mut self, stream: u32, start_ns: u64, duration_ns: u64) {
        self.stream_ready_ns.insert(stream, start_ns + duration_ns);
    }
}
