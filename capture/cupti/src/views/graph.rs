//! Executions of CUDA graphs as wholes.

use super::macros::view;

view! {
    /// One execution of a graph; replaces the records of its nodes.
    pub struct GraphTrace, GraphTraceLayout, graph_trace {
        /// Start of the first node.
        start_ns: u64 = START;
        /// End of the last node.
        end_ns: u64 = END;
        /// Joins the execution to the call that launched it.
        correlation_id: u32 = CORRELATION_ID;
        /// Device of the first node.
        device_id: u32 = DEVICE_ID;
        /// Context of the first node.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Executable graph.
        graph_id: u32 = GRAPH_ID;
        ?
        /// Device of the last node. Since 12.4.
        end_device_id: u32 = END_DEVICE_ID;
        ?
        /// Context of the last node. Since 12.4.
        end_context_id: u32 = END_CONTEXT_ID;
    }
}

view! {
    /// One execution of a graph that the device launched. Since 12.8.
    pub struct DeviceGraphTrace, DeviceGraphTraceLayout, device_graph_trace {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u64 = STREAM_ID;
        /// Executable graph.
        graph_id: u32 = GRAPH_ID;
        /// The graph that launched it.
        launcher_graph_id: u32 = LAUNCHER_GRAPH_ID;
        /// How.
        launch_mode: u32 = LAUNCH_MODE;
    }
}

view! {
    /// One host node of a graph. Since 13.1.
    pub struct GraphHostNode, GraphHostNodeLayout, graph_host_node {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Joins the node to the graph launch.
        correlation_id: u32 = CORRELATION_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Executable graph.
        graph_id: u32 = GRAPH_ID;
        /// Node.
        graph_node_id: u64 = GRAPH_NODE_ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Thread that ran it.
        thread_id: u32 = THREAD_ID;
    }
}
