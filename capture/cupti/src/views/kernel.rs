//! Kernel executions.

use super::macros::view;

view! {
    /// One kernel execution.
    pub struct Kernel, KernelLayout, kernel {
        /// Start of execution.
        start_ns: u64 = START;
        /// End of execution.
        end_ns: u64 = END;
        /// Joins the kernel to the call that launched it; one graph launch owns many kernels.
        correlation_id: u32 = CORRELATION_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Address of the name; see [`name_bytes`](crate::name_bytes).
        name_address: u64 = NAME;
        /// Grid, x.
        grid_x: i32 = GRID_X;
        /// Grid, y.
        grid_y: i32 = GRID_Y;
        /// Grid, z.
        grid_z: i32 = GRID_Z;
        /// Block, x.
        block_x: i32 = BLOCK_X;
        /// Block, y.
        block_y: i32 = BLOCK_Y;
        /// Block, z.
        block_z: i32 = BLOCK_Z;
        /// Registers per thread.
        registers_per_thread: u16 = REGISTERS_PER_THREAD;
        /// Static shared memory per block.
        static_shared_bytes: i32 = STATIC_SHARED_MEMORY;
        /// Dynamic shared memory per block.
        dynamic_shared_bytes: i32 = DYNAMIC_SHARED_MEMORY;
        /// Graph node, 0 outside graphs.
        graph_node_id: u64 = GRAPH_NODE_ID;
        /// Executable graph, 0 outside graphs.
        graph_id: u32 = GRAPH_ID;
        ?
        /// Local memory per thread. Not in user-defined records, like all that follow but the last two.
        local_bytes_per_thread: u32 = LOCAL_MEMORY_PER_THREAD;
        ?
        /// When the launch was queued; 0 unless latency timestamps are on.
        queued_ns: u64 = QUEUED;
        ?
        /// When the launch went to the device; 0 unless latency timestamps are on.
        submitted_ns: u64 = SUBMITTED;
        ?
        /// How it was launched.
        launch_type: u8 = LAUNCH_TYPE;
        ?
        /// Hardware channel.
        channel_id: u32 = CHANNEL_ID;
        ?
        /// Type of the channel.
        channel_type: u32 = CHANNEL_TYPE;
        ?
        /// Cluster, x.
        cluster_x: u32 = CLUSTER_X;
        ?
        /// Cluster, y.
        cluster_y: u32 = CLUSTER_Y;
        ?
        /// Cluster, z.
        cluster_z: u32 = CLUSTER_Z;
        ?
        /// 1 when a graph launched from the device ran it. Since 13.0.
        is_device_launched: u8 = IS_DEVICE_LAUNCHED;
        ?
        /// Launch priority. Since 13.1.
        priority: i32 = PRIORITY;
        +
        /// Graph that the executable graph was made from. Since 13.4.
        source_graph_id: u32 = SOURCE_GRAPH_ID;
        +
        /// Node of that graph. Since 13.4.
        source_graph_node_id: u64 = SOURCE_GRAPH_NODE_ID;
    }
}
