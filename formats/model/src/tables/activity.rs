//! What devices did: kernels, copies, fills, waits, graph launches, and the profiler's own cost.

use super::codes::{MemcpyKind, MemoryKind, SyncKind};
use super::define::*;
use crate::{NONE_U32, NONE_U64};

define_table! {
    /// One kernel execution.
    Kernel in KernelTable: Kernel, time: span;
    /// Start on the device.
    start_ns: i64,
    /// Time on the device.
    duration_ns: u64,
    /// Stream it ran on (holds process, device and context).
    stream: u32 = NONE_U32 => Stream,
    /// Launch shape (holds the name).
    shape: u32 = NONE_U32 => Shape,
    /// CUPTI correlation id, shared with the launching API call of the same process;
    /// [`NONE_U32`] when the source gives none. One graph launch owns many kernels.
    correlation_id: u32 = NONE_U32,
    /// Framework's external id; [`NONE_U64`] when absent.
    external_id: u64 = NONE_U64,
    /// Graph it belongs to; [`NONE_U32`] when it was launched directly.
    graph_id: u32 = NONE_U32,
    /// Node within the graph; [`NONE_U64`] when not traced per node.
    graph_node_id: u64 = NONE_U64,
}

define_table! {
    /// One memory copy.
    Memcpy in MemcpyTable: Memcpy, time: span;
    /// Start on the device.
    start_ns: i64,
    /// Time on the device.
    duration_ns: u64,
    /// Stream it ran on.
    stream: u32 = NONE_U32 => Stream,
    /// Size; [`NONE_U64`] when the source does not give it.
    bytes: u64 = NONE_U64,
    /// Direction, a [`MemcpyKind`].
    kind: u8,
    /// Source memory, a [`MemoryKind`].
    source_memory: u8,
    /// Destination memory, a [`MemoryKind`].
    destination_memory: u8,
    /// See [`Kernel::correlation_id`].
    correlation_id: u32 = NONE_U32,
    /// See [`Kernel::external_id`].
    external_id: u64 = NONE_U64,
    /// See [`Kernel::graph_id`].
    graph_id: u32 = NONE_U32,
    /// See [`Kernel::graph_node_id`].
    graph_node_id: u64 = NONE_U64,
}

define_table! {
    /// One memory fill.
    Memset in MemsetTable: Memset, time: span;
    /// Start on the device.
    start_ns: i64,
    /// Time on the device.
    duration_ns: u64,
    /// Stream it ran on.
    stream: u32 = NONE_U32 => Stream,
    /// Size; [`NONE_U64`] when the source does not give it.
    bytes: u64 = NONE_U64,
    /// Memory filled, a [`MemoryKind`].
    memory: u8,
    /// See [`Kernel::correlation_id`].
    correlation_id: u32 = NONE_U32,
    /// See [`Kernel::external_id`].
    external_id: u64 = NONE_U64,
    /// See [`Kernel::graph_id`].
    graph_id: u32 = NONE_U32,
    /// See [`Kernel::graph_node_id`].
    graph_node_id: u64 = NONE_U64,
}

define_table! {
    /// One wait for an event, stream or context.
    Sync in SyncTable: Sync, time: span;
    /// Start of the wait.
    start_ns: i64,
    /// Length of the wait.
    duration_ns: u64,
    /// Stream waited for or made to wait; none for a context-wide wait.
    stream: u32 = NONE_U32 => Stream,
    /// What was waited for, a [`SyncKind`].
    kind: u8,
    /// Event waited for; [`NONE_U32`] when there is none.
    event_id: u32 = NONE_U32,
    /// Correlation id of the call that asked for it.
    correlation_id: u32 = NONE_U32,
}

define_table! {
    /// One graph launch traced as a whole.
    GraphLaunch in GraphLaunchTable: GraphLaunch, time: span;
    /// Start of the first node on the device.
    start_ns: i64,
    /// Until the last node ended.
    duration_ns: u64,
    /// Stream the graph was launched on.
    stream: u32 = NONE_U32 => Stream,
    /// See [`Kernel::correlation_id`].
    correlation_id: u32 = NONE_U32,
    /// The executable graph.
    graph_id: u32 = NONE_U32,
}

define_table! {
    /// Time the profiler itself took from the process.
    Overhead in OverheadTable: Overhead, time: span;
    /// Start.
    start_ns: i64,
    /// Length.
    duration_ns: u64,
    /// Thread that paid; none when process-wide.
    thread: u32 = NONE_U32 => Thread,
    /// What it was spent on, in the source's words.
    name: u32 = NONE_U32 => String,
}

rows_with_interval!(Kernel, Memcpy, Memset, Sync, GraphLaunch, Overhead);

impl Memcpy {
    /// The copy's direction.
    pub const fn direction(&self) -> MemcpyKind {
        MemcpyKind::from_code(self.kind)
    }

    /// Source and destination memory.
    pub const fn memories(&self) -> (MemoryKind, MemoryKind) {
        (MemoryKind::from_code(self.source_memory), MemoryKind::from_code(self.destination_memory))
    }
}

impl Sync {
    /// What was waited for.
    pub const fn sync_kind(&self) -> SyncKind {
        SyncKind::from_code(self.kind)
    }
}
