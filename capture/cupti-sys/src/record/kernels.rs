//! Kernel executions.

use crate::field::record;

record! {
    /// One kernel execution.
    pub mod kernel, kinds [CONCURRENT_KERNEL, KERNEL], user "KERNEL_FIELD_" {
        sizes {
            CUDA_11_8 "Kernel8" 200;
            CUDA_12_0 "Kernel9" 208;
            CUDA_13_0 "Kernel10" 216;
            CUDA_13_1 "Kernel11" 224;
            CUDA_13_3 "Kernel12" 232;
            CUDA_13_4 "Kernel13" 248;
        }
        /// Registers per thread.
        REGISTERS_PER_THREAD: 2 @ 6, "registersPerThread", user 4 "REGISTERS_PER_THREAD";
        /// Start of execution, nanoseconds; 0 when no time could be taken.
        START: 8 @ 16, "start", user 7 "START";
        /// End of execution, nanoseconds.
        END: 8 @ 24, "end", user 8 "END";
        /// When the kernel and its children were done, nanoseconds.
        COMPLETED: 8 @ 32, "completed", user 9 "COMPLETED";
        /// Device.
        DEVICE_ID: 4 @ 40, "deviceId", user 10 "DEVICE_ID";
        /// Context.
        CONTEXT_ID: 4 @ 44, "contextId", user 11 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 48, "streamId", user 12 "STREAM_ID";
        /// Grid, x.
        GRID_X: 4 @ 52, "gridX", user 13 "GRID_X";
        /// Grid, y.
        GRID_Y: 4 @ 56, "gridY", user 14 "GRID_Y";
        /// Grid, z.
        GRID_Z: 4 @ 60, "gridZ", user 15 "GRID_Z";
        /// Block, x.
        BLOCK_X: 4 @ 64, "blockX", user 16 "BLOCK_X";
        /// Block, y.
        BLOCK_Y: 4 @ 68, "blockY", user 17 "BLOCK_Y";
        /// Block, z.
        BLOCK_Z: 4 @ 72, "blockZ", user 18 "BLOCK_Z";
        /// Static shared memory per block, bytes.
        STATIC_SHARED_MEMORY: 4 @ 76, "staticSharedMemory", user 19 "STATIC_SHARED_MEMORY";
        /// Dynamic shared memory per block, bytes.
        DYNAMIC_SHARED_MEMORY: 4 @ 80, "dynamicSharedMemory", user 20 "DYNAMIC_SHARED_MEMORY";
        /// Local memory per thread, bytes.
        LOCAL_MEMORY_PER_THREAD: 4 @ 84, "localMemoryPerThread", user 21 "LOCAL_MEMORY_PER_THREAD";
        /// Joins the kernel to the call that launched it.
        CORRELATION_ID: 4 @ 92, "correlationId", user 22 "CORRELATION_ID";
        /// Grid id, unique per device.
        GRID_ID: 8 @ 96, "gridId", user 23 "GRID_ID";
        /// Address of the NUL-terminated name, valid while its module is loaded.
        NAME: 8 @ 104, "name", user 24 "NAME";
        /// When the launch was queued, nanoseconds; 0 unless latency timestamps are on.
        QUEUED: 8 @ 120, "queued", user 25 "QUEUED";
        /// When the launch went to the device, nanoseconds; 0 unless latency timestamps are on.
        SUBMITTED: 8 @ 128, "submitted", user 26 "SUBMITTED";
        /// See [`LaunchType`](crate::LaunchType).
        LAUNCH_TYPE: 1 @ 136, "launchType", user 27 "LAUNCH_TYPE";
        /// Shared memory the hardware set aside, bytes.
        SHARED_MEMORY_EXECUTED: 4 @ 140, "sharedMemoryExecuted", user 30 "SHARED_MEMORY_EXECUTED";
        /// Graph node, 0 outside graphs.
        GRAPH_NODE_ID: 8 @ 144, "graphNodeId", user 31 "GRAPH_NODE_ID";
        /// Executable graph, 0 outside graphs.
        GRAPH_ID: 4 @ 156, "graphId", user 33 "GRAPH_ID";
        /// Hardware channel.
        CHANNEL_ID: 4 @ 168, "channelID", user 35 "CHANNEL_ID";
        /// See [`ChannelType`](crate::ChannelType).
        CHANNEL_TYPE: 4 @ 172, "channelType", user 36 "CHANNEL_TYPE";
        /// Cluster, x.
        CLUSTER_X: 4 @ 176, "clusterX", user 37 "CLUSTER_X";
        /// Cluster, y.
        CLUSTER_Y: 4 @ 180, "clusterY", user 38 "CLUSTER_Y";
        /// Cluster, z.
        CLUSTER_Z: 4 @ 184, "clusterZ", user 39 "CLUSTER_Z";
        /// Local memory set aside for the kernel, bytes.
        LOCAL_MEMORY_TOTAL: 8 @ 192, "localMemoryTotal_v2", user 41 "LOCAL_MEMORY_TOTAL";
        /// Largest cluster the kernel could have run with.
        MAX_POTENTIAL_CLUSTER_SIZE: 4 @ 200, "maxPotentialClusterSize", since CUDA_12_0, user 42 "MAX_POTENTIAL_CLUSTER_SIZE";
        /// Most clusters that could be active at once.
        MAX_ACTIVE_CLUSTERS: 4 @ 204, "maxActiveClusters", since CUDA_12_0, user 43 "MAX_ACTIVE_CLUSTERS";
        /// 1 when a graph launched from the device ran it.
        IS_DEVICE_LAUNCHED: 1 @ 208, "isDeviceLaunched", since CUDA_13_0, user 44 "IS_DEVICE_LAUNCHED";
        /// Launch priority.
        PRIORITY: 4 @ 216, "priority", since CUDA_13_1, user 45 "LAUNCH_PRIORITY";
        /// See [`ExecutionModel`](crate::ExecutionModel).
        EXECUTION_MODEL: 4 @ 224, "executionModel", since CUDA_13_3, user 46 "EXECUTION_MODEL";
        /// Graph that the executable graph was made from.
        SOURCE_GRAPH_ID: 4 @ 232, "sourceGraphId", since CUDA_13_4, user 47 "SOURCE_GRAPH_ID";
        /// Node of that graph.
        SOURCE_GRAPH_NODE_ID: 8 @ 240, "sourceGraphNodeId", since CUDA_13_4, user 48 "SOURCE_GRAPH_NODE_ID";
    }
}
