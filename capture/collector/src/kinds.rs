//! What is recorded: three sets that build upon each other.

use cupti_sys::{ActivityKind, DriverCbid, RuntimeCbid};
use underspan_cupti::ApiCall;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet {
    /// Whether nodes of graphs are recorded one by one instead of each launch as a whole.
    pub graph_nodes: bool,
    /// Whether calls, waits and host functions are recorded too.
    pub api_calls: bool,
}

/// Activities of every set.
const ALWAYS: &[ActivityKind] = &[
    ActivityKind::CONCURRENT_KERNEL,
    ActivityKind::MEMCPY,
    ActivityKind::MEMCPY2,
    ActivityKind::MEMSET,
    ActivityKind::OVERHEAD,
];

/// What the host did.
const HOST: &[ActivityKind] = &[
    ActivityKind::RUNTIME,
    ActivityKind::DRIVER,
    ActivityKind::SYNCHRONIZATION,
    ActivityKind::EXTERNAL_CORRELATION,
];

impl KindSet {
    /// Kernels, copies, fills and overhead; graph launches as wholes.
    pub const LITE: Self = Self { graph_nodes: false, api_calls: false };
    /// The same with graphs node by node.
    pub const NODE: Self = Self { graph_nodes: true, api_calls: false };
    /// The same with graphs node by node, and calls and waits of the host.
    pub const API: Self = Self { graph_nodes: true, api_calls: true };

    /// Reads `lite`, `node`, `api` or `lite+api`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "lite" => Some(Self::LITE),
            "node" => Some(Self::NODE),
            "api" | "node+api" => Some(Self::API),
            "lite+api" => Some(Self { graph_nodes: false, api_calls: true }),
            _ => None,
        }
    }

    /// What [`Self::parse`] reads.
    pub const fn name(self) -> &'static str {
        match (self.graph_nodes, self.api_calls) {
            (false, false) => "lite",
            (true, false) => "node",
            (true, true) => "api",
            (false, true) => "lite+api",
        }
    }

    /// The activities to turn on.
    pub fn activities(self) -> impl Iterator<Item = ActivityKind> {
        let host = if self.api_calls { HOST } else { &[] };
        let graphs = (!self.graph_nodes).then_some(ActivityKind::GRAPH_TRACE);
        ALWAYS.iter().chain(host).copied().chain(graphs)
    }
}

/// Calls that are frequent and say nothing; they are turned off at the source where that can be
/// done.
pub fn dull_calls() -> impl Iterator<Item = ApiCall> {
    const RUNTIME: &[RuntimeCbid] = &[
        RuntimeCbid::cudaGetLastError_v3020,
        RuntimeCbid::cudaPeekAtLastError_v3020,
        RuntimeCbid::cudaFuncGetAttributes_v3020,
        RuntimeCbid::cudaSetDevice_v3020,
        RuntimeCbid::cudaGetDevice_v3020,
        RuntimeCbid::cudaDeviceGetAttribute_v5000,
        RuntimeCbid::cudaStreamQuery_v3020,
        RuntimeCbid::cudaStreamQuery_ptsz_v7000,
        RuntimeCbid::cudaEventQuery_v3020,
        RuntimeCbid::cudaEventCreateWithFlags_v3020,
        RuntimeCbid::cudaEventDestroy_v3020,
        RuntimeCbid::cudaEventElapsedTime_v3020,
        RuntimeCbid::cudaStreamIsCapturing_v10000,
        RuntimeCbid::cudaStreamIsCapturing_ptsz_v10000,
        RuntimeCbid::cudaStreamGetCaptureInfo_v2_v11030,
        RuntimeCbid::cudaStreamGetCaptureInfo_v2_ptsz_v11030,
    ];
    const DRIVER: &[DriverCbid] = &[
        DriverCbid::cuCtxGetDevice,
        DriverCbid::cuCtxGetCurrent,
        DriverCbid::cuCtxSetCurrent,
        DriverCbid::cuCtxPushCurrent_v2,
        DriverCbid::cuCtxPopCurrent_v2,
        DriverCbid::cuDevicePrimaryCtxGetState,
        DriverCbid::cuEventQuery,
        DriverCbid::cuFuncGetAttribute,
        DriverCbid::cuKernelGetAttribute,
        DriverCbid::cuGetProcAddress_v2,
    ];
    let runtime = RUNTIME.iter().map(|id| ApiCall::Runtime(id.0));
    runtime.chain(DRIVER.iter().map(|id| ApiCall::Driver(id.0)))
}
