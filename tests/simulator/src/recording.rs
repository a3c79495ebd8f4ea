//! What a simulated server did, in plain numbers: the truth that trace files are written from.

use std::borrow::Cow;

use crate::device::Gpu;

/// One kernel execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Kernel and how it was launched.
    pub launch: Launch,
    /// Start on the device, ns.
    pub start_ns: u64,
    /// Time on the device, ns.
    pub duration_ns: u64,
    /// Stream number.
    pub stream: u32,
    /// Correlation id of the launching call.
    pub correlation: u32,
    /// External id of the operator that launched it; none inside graphs.
    pub external_id: Option<u64>,
    /// Graph and node when it ran inside a graph.
    pub graph: Option<(u32, u64)>,
}

/// A kernel and its launch configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launch {
    /// Kernel name.
    pub name: Cow<'static, str>,
    /// Grid in blocks.
    pub grid: [u32; 3],
    /// Block in threads.
    pub block: [u32; 3],
    /// Registers per thread.
    pub registers: u32,
    /// Shared memory per block, bytes.
    pub shared_bytes: u32,
}

/// Direction and host memory of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKind {
    /// From page-locked host memory.
    PinnedToDevice,
    /// From pageable host memory.
    PageableToDevice,
    /// To page-locked host memory.
    DeviceToPinned,
    /// To pageable host memory.
    DeviceToPageable,
    /// Within the device.
    DeviceToDevice,
    /// From another device.
    PeerToPeer,
}

/// One copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Direction and memory.
    pub kind: CopyKind,
    /// Size in bytes.
    pub bytes: u64,
    /// Start on the device, ns.
    pub start_ns: u64,
    /// Time on the device, ns.
    pub duration_ns: u64,
    /// Stream number.
    pub stream: u32,
    /// Correlation id of the call.
    pub correlation: u32,
}

/// One fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    /// Size in bytes.
    pub bytes: u64,
    /// Start on the device, ns.
    pub start_ns: u64,
    /// Time on the device, ns.
    pub duration_ns: u64,
    /// Stream number.
    pub stream: u32,
    /// Correlation id of the call.
    pub correlation: u32,
}

/// One CUDA runtime call.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiCall {
    /// Function name.
    pub name: &'static str,
    /// Entry, ns.
    pub start_ns: u64,
    /// Time until it returned, ns.
    pub duration_ns: u64,
    /// Correlation id.
    pub correlation: u32,
    /// External id of the operator that made the call.
    pub external_id: Option<u64>,
}

/// One framework operator.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuOp {
    /// Operator name.
    pub name: &'static str,
    /// Start, ns.
    pub start_ns: u64,
    /// Length, ns.
    pub duration_ns: u64,
    /// External id.
    pub external_id: u64,
    /// Operand types as the profiler prints them.
    pub input_types: String,
}

/// One annotation on the host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Range {
    /// Text.
    pub name: String,
    /// Start, ns.
    pub start_ns: u64,
    /// Length, ns.
    pub duration_ns: u64,
    /// External id.
    pub external_id: u64,
    /// Correlation ids of the calls made inside: first, and one past the last.
    pub correlations: (u32, u32),
}

/// One engine step and who was in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Iteration number.
    pub step_id: u64,
    /// Start on the host, ns.
    pub start_ns: u64,
    /// Length on the host, ns.
    pub duration_ns: u64,
    /// Requests in it.
    pub members: Vec<Member>,
}

/// One request in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Index into [`Recording::requests`].
    pub request: usize,
    /// Tokens of it computed in this step.
    pub own_tokens: u32,
    /// Tokens of it computed before.
    pub computed_tokens: u32,
    /// Whether its prompt was still being processed.
    pub is_prefill: bool,
}

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Trace id, 128 bits.
    pub trace_id: u128,
    /// Span id.
    pub span_id: u64,
    /// Request id.
    pub id: String,
    /// Arrival, ns.
    pub arrival_ns: u64,
    /// Last token sent, ns; equal to the arrival while unfinished.
    pub end_ns: u64,
}

/// What one process on one device did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Process id.
    pub pid: u32,
    /// Thread that launches; the process id for the main thread.
    pub tid: u32,
    /// Name of the process.
    pub process_name: &'static str,
    /// The GPU, where one is modelled.
    pub gpu: Option<Gpu>,
    /// Device ordinal.
    pub device: u32,
    /// Rank and world size of a distributed job.
    pub rank: Option<(u32, u32)>,
    /// Nanoseconds since the Unix epoch at which the recording's clock reads zero.
    pub base_ns: u64,
    /// Kernels in launch order.
    pub kernels: Vec<Kernel>,
    /// Copies in launch order.
    pub copies: Vec<Copy>,
    /// Fills in launch order.
    pub fills: Vec<Fill>,
    /// Calls in time order.
    pub api_calls: Vec<ApiCall>,
    /// Operators in time order.
    pub cpu_ops: Vec<CpuOp>,
    /// Annotations in time order.
    pub ranges: Vec<Range>,
    /// Engine steps in time order.
    pub steps: Vec<Step>,
    /// Requests in order of arrival.
    pub requests: Vec<Request>,
}

impl Recording {
    /// What of it starts inside `[from_ns, to_ns)`; requests stay, members refer to them.
    pub fn inside(&self, (from_ns, to_ns): (u64, u64)) -> Self {
        let is_inside = |ns: u64| (from_ns..to_ns).contains(&ns);
        let mut part = self.clone();
        part.kernels.retain(|k| is_inside(k.start_ns));
        part.copies.retain(|c| is_inside(c.start_ns));
        part.fills.retain(|f| is_inside(f.start_ns));
        part.api_calls.retain(|c| is_inside(c.start_ns));
        part.cpu_ops.retain(|o| is_inside(o.start_ns));
        part.ranges.retain(|r| is_inside(r.start_ns));
        part.steps.retain(|s| is_inside(s.start_ns));
        part
    }
}
