//! Executions of CUDA graphs as wholes.

use crate::field::record;

record! {
    /// One execution of a graph; replaces the records of its nodes.
    pub mod graph_trace, kinds [GRAPH_TRACE], user "GRAPH_TRACE_FIELD_" {
        sizes {
            CUDA_11_8 "GraphTrace" 48;
            CUDA_12_4 "GraphTrace2" 56;
        }
        /// Joins the execution to the call that launched it.
        CORRELATION_ID: 4 @ 4, "correlationId", user 1 "CORRELATION_ID";
        /// Start, nanoseconds.
        START: 8 @ 8, "start", user 2 "START";
        /// End, nanoseconds.
        END: 8 @ 16, "end", user 3 "END";
        /// Device of the first node.
        DEVICE_ID: 4 @ 24, "deviceId", user 4 "DEVICE_ID";
        /// Executable graph.
        GRAPH_ID: 4 @ 28, "graphId", user 5 "GRAPH_ID";
        /// Context of the first node.
        CONTEXT_ID: 4 @ 32, "contextId", user 6 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 36, "streamId", user 7 "STREAM_ID";
        /// Device of the last node.
        END_DEVICE_ID: 4 @ 48, "endDeviceId", since CUDA_12_4, user 8 "END_DEVICE_ID";
        /// Context of the last node.
        END_CONTEXT_ID: 4 @ 52, "endContextId", since CUDA_12_4, user 9 "END_CONTEXT_ID";
    }
}

record! {
    /// One execution of a graph that the device launched.
    pub mod device_graph_trace, kinds [DEVICE_GRAPH_TRACE], user "DEVICE_GRAPH_TRACE_FIELD_" {
        sizes { CUDA_12_8 "DeviceGraphTrace" 56; }
        /// Device.
        DEVICE_ID: 4 @ 4, "deviceId", since CUDA_12_8, user 1 "DEVICE_ID";
        /// Start, nanoseconds.
        START: 8 @ 8, "start", since CUDA_12_8, user 2 "START";
        /// End, nanoseconds.
        END: 8 @ 16, "end", since CUDA_12_8, user 3 "END";
        /// Executable graph.
        GRAPH_ID: 4 @ 24, "graphId", since CUDA_12_8, user 4 "GRAPH_ID";
        /// The graph that launched it.
        LAUNCHER_GRAPH_ID: 4 @ 28, "launcherGraphId", since CUDA_12_8, user 5 "LAUNCHER_GRAPH_ID";
        /// See [`DeviceGraphLaunchMode`](crate::DeviceGraphLaunchMode).
        LAUNCH_MODE: 4 @ 32, "deviceLaunchMode", since CUDA_12_8, user 6 "DEVICE_LAUNCH_MODE";
        /// Context.
        CONTEXT_ID: 4 @ 36, "contextId", since CUDA_12_8, user 7 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 8 @ 40, "streamId", since CUDA_12_8, user 8 "STREAM_ID";
    }
}

record! {
    /// One host node of a graph.
    pub mod graph_host_node, kinds [GRAPH_HOST_NODE], user "GRAPH_HOST_NODE_FIELD_" {
        sizes { CUDA_13_1 "GraphHostNode" 56; }
        /// Stream.
        STREAM_ID: 4 @ 4, "streamId", since CUDA_13_1, user 1 "STREAM_ID";
        /// Context.
        CONTEXT_ID: 4 @ 8, "contextId", since CUDA_13_1, user 2 "CONTEXT_ID";
        /// Device.
        DEVICE_ID: 4 @ 12, "deviceId", since CUDA_13_1, user 3 "DEVICE_ID";
        /// Joins the node to the graph launch.
        CORRELATION_ID: 4 @ 16, "correlationId", since CUDA_13_1, user 4 "CORRELATION_ID";
        /// Executable graph.
        GRAPH_ID: 4 @ 20, "graphId", since CUDA_13_1, user 5 "GRAPH_ID";
        /// Node.
        GRAPH_NODE_ID: 8 @ 24, "graphNodeId", since CUDA_13_1, user 6 "GRAPH_NODE_ID";
        /// Process.
        PROCESS_ID: 4 @ 32, "processId", since CUDA_13_1, user 7 "PROCESS_ID";
        /// Thread that ran it.
        THREAD_ID: 4 @ 36, "threadId", since CUDA_13_1, user 8 "THREAD_ID";
        /// Start, nanoseconds.
        START: 8 @ 40, "start", since CUDA_13_1, user 9 "START";
        /// End, nanoseconds.
        END: 8 @ 48, "end", since CUDA_13_1, user 10 "END";
    }
}
