//! Activity records of what the device and the host did.

use cupti_sys::record::{api, graph_trace, kernel, memcpy, memset, synchronization};
use cupti_sys::{ActivityKind, DriverCbid};
use fake_cupti::CannedRecord;

/// The only context.
pub(crate) const CONTEXT: u64 = 1;

/// Where and when something ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) stream: u32,
    pub(crate) correlation: u32,
    /// Executable graph and node, 0 outside graphs.
    pub(crate) graph: (u32, u64),
}

/// What a stream can be asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Kernel(KernelWork),
    Copy { kind: u8, from: u8, to: u8, bytes: u64 },
    Fill { bytes: u64 },
}

/// A kernel launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelWork {
    /// Address of the kernel's name in the double.
    pub(crate) name: u64,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared_bytes: u32,
    pub(crate) registers: u32,
}

impl Work {
    /// The record of this work.
    pub(crate) fn record(&self, ran: &Ran) -> CannedRecord {
        let (graph, node) = ran.graph;
        let (graph, stream) = (u64::from(graph), u64::from(ran.stream));
        let correlation = u64::from(ran.correlation);
        match self {
            Self::Kernel(work) => CannedRecord::new(ActivityKind::CONCURRENT_KERNEL)
                .with(&kernel::START, ran.start_ns)
                .with(&kernel::END, ran.end_ns)
                .with(&kernel::NAME, work.name)
                .with(&kernel::CONTEXT_ID, CONTEXT)
                .with(&kernel::STREAM_ID, stream)
                .with(&kernel::CORRELATION_ID, correlation)
                .with(&kernel::GRID_X, work.grid[0].into())
                .with(&kernel::GRID_Y, work.grid[1].into())
                .with(&kernel::GRID_Z, work.grid[2].into())
                .with(&kernel::BLOCK_X, work.block[0].into())
                .with(&kernel::BLOCK_Y, work.block[1].into())
                .with(&kernel::BLOCK_Z, work.block[2].into())
                .with(&kernel::DYNAMIC_SHARED_MEMORY, work.shared_bytes.into())
                .with(&kernel::REGISTERS_PER_THREAD, work.registers.into())
                .with(&kernel::GRAPH_ID, graph)
                .with(&kernel::GRAPH_NODE_ID, node),
            Self::Copy { kind, from, to, bytes } => CannedRecord::new(ActivityKind::MEMCPY)
                .with(&memcpy::COPY_KIND, (*kind).into())
                .with(&memcpy::SRC_KIND, (*from).into())
                .with(&memcpy::DST_KIND, (*to).into())
                .with(&memcpy::BYTES, *bytes)
                .with(&memcpy::START, ran.start_ns)
                .with(&memcpy::END, ran.end_ns)
                .with(&memcpy::CONTEXT_ID, CONTEXT)
                .with(&memcpy::STREAM_ID, stream)
                .with(&memcpy::CORRELATION_ID, correlation)
                .with(&memcpy::GRAPH_ID, graph)
                .with(&memcpy::GRAPH_NODE_ID, node),
            Self::Fill { bytes } => CannedRecord::new(ActivityKind::MEMSET)
                .with(&memset::BYTES, *bytes)
                .with(&memset::START, ran.start_ns)
                .with(&memset::END, ran.end_ns)
                .with(&memset::CONTEXT_ID, CONTEXT)
                .with(&memset::STREAM_ID, stream)
                .with(&memset::CORRELATION_ID, correlation)
                .with(&memset::GRAPH_ID, graph)
                .with(&memset::GRAPH_NODE_ID, node),
        }
    }
}

/// The record of a graph that ran as a whole.
pub(crate) fn graph_record(ran: &Ran) -> CannedRecord {
    CannedRecord::new(ActivityKind::GRAPH_TRACE)
        .with(&graph_trace::CORRELATION_ID, ran.correlation.into())
        .with(&graph_trace::START, ran.start_ns)
        .with(&graph_trace::END, ran.end_ns)
        .with(&graph_trace::GRAPH_ID, ran.graph.0.into())
        .with(&graph_trace::CONTEXT_ID, CONTEXT)
        .with(&graph_trace::STREAM_ID, ran.stream.into())
        .with(&graph_trace::END_CONTEXT_ID, CONTEXT)
}

/// The record of a call.
pub(crate) fn call_record(cbid: DriverCbid, ran: &Ran, thread: u32) -> CannedRecord {
    CannedRecord::new(ActivityKind::DRIVER)
        .with(&api::CBID, cbid.0.into())
        .with(&api::START, ran.start_ns)
        .with(&api::END, ran.end_ns)
        .with(&api::PROCESS_ID, std::process::id().into())
        .with(&api::THREAD_ID, thread.into())
        .with(&api::CORRELATION_ID, ran.correlation.into())
}

/// The record of a wait for a stream.
pub(crate) fn wait_record(ran: &Ran) -> CannedRecord {
    /// `CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_SYNCHRONIZE`
    const STREAM_SYNCHRONIZE: u64 = 3;
    CannedRecord::new(ActivityKind::SYNCHRONIZATION)
        .with(&synchronization::TYPE, STREAM_SYNCHRONIZE)
        .with(&synchronization::START, ran.start_ns)
        .with(&synchronization::END, ran.end_ns)
        .with(&synchronization::CORRELATION_ID, ran.correlation.into())
        .with(&synchronization::CONTEXT_ID, CONTEXT)
        .with(&synchronization::STREAM_ID, ran.stream.into())
        .with(&synchronization::CUDA_EVENT_ID, u64::MAX)
}
