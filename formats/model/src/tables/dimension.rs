//! The small lists that rows of the big tables point into.

use super::define::*;
use crate::{NONE_U32, NONE_U64};

define_table! {
    /// One input file or recording.
    Source in SourceTable: Source, time: none;
    /// File name without its folder.
    name: u32 = NONE_U32 => String,
    /// Format it was read from, such as `kineto_json`.
    format: u32 = NONE_U32 => String,
    /// Size of the file as it lies on disk.
    file_bytes: u64 = NONE_U64,
    /// Clock of the times of its rows in this capture, a [`ClockDomain`](crate::ClockDomain) by
    /// its code; zero when it is that of the capture as a whole.
    clock: u8,
}

define_table! {
    /// One fact about a source: versions, base time, world size.
    Property in PropertyTable: Property, time: none;
    /// Source it is about.
    source: u32 = NONE_U32 => Source,
    /// Name of the fact.
    key: u32 = NONE_U32 => String,
    /// Its value as text.
    value: u32 = NONE_U32 => String,
}

define_table! {
    /// One process.
    Process in ProcessTable: Process, time: none;
    /// Source that saw it; with `pid` its identity.
    source: u32 = NONE_U32 => Source,
    /// Process id as the source gives it.
    pid: i64,
    /// Name; none when unknown.
    name: u32 = NONE_U32 => String,
    /// Rank in its distributed job; [`NONE_U32`] when it is in none.
    rank: u32 = NONE_U32,
    /// Process id of its parent; [`NONE_I64`](crate::NONE_I64) when unknown.
    parent_pid: i64 = crate::NONE_I64,
}

define_table! {
    /// One device.
    Device in DeviceTable: Device, time: none;
    /// Source that saw it; with `ordinal` its identity.
    source: u32 = NONE_U32 => Source,
    /// Number the source uses for it.
    ordinal: u32 = NONE_U32,
    /// Product name; none when unknown.
    name: u32 = NONE_U32 => String,
    /// Unique id; none when unknown.
    uuid: u32 = NONE_U32 => String,
    /// Compute capability as major × 10 + minor; [`NONE_U32`] when unknown.
    compute_capability: u32 = NONE_U32,
    /// Streaming multiprocessors; [`NONE_U32`] when unknown.
    sm_count: u32 = NONE_U32,
    /// Memory; [`NONE_U64`] when unknown.
    memory_bytes: u64 = NONE_U64,
}

define_table! {
    /// One stream of one context.
    Stream in StreamTable: Stream, time: none;
    /// Process that owns it.
    process: u32 = NONE_U32 => Process,
    /// Device it runs on.
    device: u32 = NONE_U32 => Device,
    /// Context number; [`NONE_U32`] when the source does not give one.
    context_id: u32 = NONE_U32,
    /// Stream number; [`NONE_U64`] when the source does not give one.
    stream_id: u64 = NONE_U64,
}

define_table! {
    /// One thread.
    Thread in ThreadTable: Thread, time: none;
    /// Process it belongs to.
    process: u32 = NONE_U32 => Process,
    /// Thread id as the source gives it.
    tid: i64,
    /// Name; none when unknown.
    name: u32 = NONE_U32 => String,
}

define_table! {
    /// One series of samples.
    CounterTrack in CounterTrackTable: CounterTrack, time: none;
    /// Name of the series.
    name: u32 = NONE_U32 => String,
    /// Unit of its values.
    unit: u32 = NONE_U32 => String,
    /// Device it is about; none when it is about none.
    device: u32 = NONE_U32 => Device,
    /// Process it is about; none when it is about none.
    process: u32 = NONE_U32 => Process,
    /// Source it comes from; none when device or process tell.
    source: u32 = NONE_U32 => Source,
    /// What its values mean, a [`CounterKind`](super::CounterKind).
    kind: u8,
}

define_table! {
    /// Clocks read at one instant in one process.
    ClockAnchor in ClockAnchorTable: ClockAnchor, time: none;
    /// Process that read them.
    process: u32 = NONE_U32 => Process,
    /// `CLOCK_REALTIME`; [`NONE_I64`](crate::NONE_I64) when it was not read.
    realtime_ns: i64,
    /// `CLOCK_MONOTONIC`; [`NONE_I64`](crate::NONE_I64) when it was not read.
    monotonic_ns: i64,
    /// The profiler's clock, in which activity records are stamped; [`NONE_I64`](crate::NONE_I64)
    /// when it was not read.
    activity_ns: i64,
    /// Longest time the readings can lie apart.
    uncertainty_ns: u64 = NONE_U64,
    /// Source that tells of it; none when the process tells.
    source: u32 = NONE_U32 => Source,
}

define_table! {
    /// One node of an executable CUDA graph and where it was captured: what is known of a kernel
    /// that a replay runs again and again without a call of its own.
    GraphNode in GraphNodeTable: GraphNode, time: none;
    /// Process that captured it; with `graph_node_id` its identity.
    process: u32 = NONE_U32 => Process,
    /// The number that rows of the work carry as theirs, see
    /// [`Kernel::graph_node_id`](super::Kernel::graph_node_id).
    graph_node_id: u64 = NONE_U64,
    /// When the call that made it ran, on the clock of the capture;
    /// [`NONE_I64`](crate::NONE_I64) when that is not known.
    captured_ns: i64 = crate::NONE_I64,
    /// Thread of that call.
    thread: u32 = NONE_U32 => Thread,
    /// Annotations that were open on that thread, outermost first, with ` > ` between them; none
    /// when there were none.
    context: u32 = NONE_U32 => String,
    /// Engine step that was open on that thread; [`NONE_U64`] outside steps.
    step_id: u64 = NONE_U64,
}
