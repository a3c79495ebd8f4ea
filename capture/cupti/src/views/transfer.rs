//! Memory copies and sets.

use super::macros::view;

view! {
    /// One memory copy, except between two devices.
    pub struct Memcpy, MemcpyLayout, memcpy {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Bytes copied.
        bytes: u64 = BYTES;
        /// Direction.
        copy_kind: u8 = COPY_KIND;
        /// Kind of memory read.
        src_kind: u8 = SRC_KIND;
        /// Kind of memory written.
        dst_kind: u8 = DST_KIND;
        /// Flags; bit 0 for an asynchronous copy.
        flags: u8 = FLAGS;
        /// Joins the copy to the call that asked for it.
        correlation_id: u32 = CORRELATION_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Graph node, 0 outside graphs.
        graph_node_id: u64 = GRAPH_NODE_ID;
        /// Executable graph, 0 outside graphs.
        graph_id: u32 = GRAPH_ID;
        ?
        /// Hardware channel.
        channel_id: u32 = CHANNEL_ID;
        ?
        /// Type of the channel.
        channel_type: u32 = CHANNEL_TYPE;
        ?
        /// Copies that one batched call stands for. Since 12.8.
        copy_count: u64 = COPY_COUNT;
        +
        /// Node of the graph that the executable graph was made from. Since 13.4.
        source_graph_node_id: u64 = SOURCE_GRAPH_NODE_ID;
    }
}

view! {
    /// One memory copy between two devices.
    pub struct MemcpyPtoP, MemcpyPtoPLayout, memcpy_ptop {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Bytes copied.
        bytes: u64 = BYTES;
        /// Direction.
        copy_kind: u8 = COPY_KIND;
        /// Kind of memory read.
        src_kind: u8 = SRC_KIND;
        /// Kind of memory written.
        dst_kind: u8 = DST_KIND;
        /// Flags; bit 0 for an asynchronous copy.
        flags: u8 = FLAGS;
        /// Joins the copy to the call that asked for it.
        correlation_id: u32 = CORRELATION_ID;
        /// Device whose copy engine ran it.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Device read from.
        src_device_id: u32 = SRC_DEVICE_ID;
        /// Context read from.
        src_context_id: u32 = SRC_CONTEXT_ID;
        /// Device written to.
        dst_device_id: u32 = DST_DEVICE_ID;
        /// Context written to.
        dst_context_id: u32 = DST_CONTEXT_ID;
        /// Graph node, 0 outside graphs.
        graph_node_id: u64 = GRAPH_NODE_ID;
        /// Executable graph, 0 outside graphs.
        graph_id: u32 = GRAPH_ID;
        ?
        /// Hardware channel.
        channel_id: u32 = CHANNEL_ID;
        ?
        /// Type of the channel.
        channel_type: u32 = CHANNEL_TYPE;
    }
}

view! {
    /// One memory set.
    pub struct Memset, MemsetLayout, memset {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Bytes written.
        bytes: u64 = BYTES;
        /// The value written.
        value: u32 = VALUE;
        /// Kind of memory written.
        memory_kind: u16 = MEMORY_KIND;
        /// Flags; bit 0 for an asynchronous set.
        flags: u16 = FLAGS;
        /// Joins the set to the call that asked for it.
        correlation_id: u32 = CORRELATION_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Graph node, 0 outside graphs.
        graph_node_id: u64 = GRAPH_NODE_ID;
        /// Executable graph, 0 outside graphs.
        graph_id: u32 = GRAPH_ID;
        ?
        /// Hardware channel.
        channel_id: u32 = CHANNEL_ID;
        ?
        /// Type of the channel.
        channel_type: u32 = CHANNEL_TYPE;
        +
        /// Node of the graph that the executable graph was made from. Since 13.4.
        source_graph_node_id: u64 = SOURCE_GRAPH_NODE_ID;
    }
}
