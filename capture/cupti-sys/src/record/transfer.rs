//! Memory copies and sets.

use crate::field::record;

record! {
    /// One memory copy, except between two devices.
    pub mod memcpy, kinds [MEMCPY], user "MEMCPY_FIELD_" {
        sizes {
            CUDA_11_8 "Memcpy5" 88;
            CUDA_12_8 "Memcpy6" 96;
            CUDA_13_4 "Memcpy7" 112;
        }
        /// See [`MemcpyKind`](crate::MemcpyKind).
        COPY_KIND: 1 @ 4, "copyKind", user 1 "COPY_KIND";
        /// See [`MemoryKind`](crate::MemoryKind).
        SRC_KIND: 1 @ 5, "srcKind", user 2 "SRC_KIND";
        /// See [`MemoryKind`](crate::MemoryKind).
        DST_KIND: 1 @ 6, "dstKind", user 3 "DST_KIND";
        /// See [`ActivityFlag`](crate::ActivityFlag).
        FLAGS: 1 @ 7, "flags", user 4 "FLAGS";
        /// Bytes copied.
        BYTES: 8 @ 8, "bytes", user 5 "BYTES";
        /// Start, nanoseconds.
        START: 8 @ 16, "start", user 6 "START";
        /// End, nanoseconds.
        END: 8 @ 24, "end", user 7 "END";
        /// Device.
        DEVICE_ID: 4 @ 32, "deviceId", user 8 "DEVICE_ID";
        /// Context.
        CONTEXT_ID: 4 @ 36, "contextId", user 9 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 40, "streamId", user 10 "STREAM_ID";
        /// Joins the copy to the call that asked for it.
        CORRELATION_ID: 4 @ 44, "correlationId", user 11 "CORRELATION_ID";
        /// Graph node, 0 outside graphs.
        GRAPH_NODE_ID: 8 @ 64, "graphNodeId", user 12 "GRAPH_NODE_ID";
        /// Executable graph, 0 outside graphs.
        GRAPH_ID: 4 @ 72, "graphId", user 13 "GRAPH_ID";
        /// Hardware channel.
        CHANNEL_ID: 4 @ 76, "channelID", user 14 "CHANNEL_ID";
        /// See [`ChannelType`](crate::ChannelType).
        CHANNEL_TYPE: 4 @ 80, "channelType", user 15 "CHANNEL_TYPE";
        /// Copies that one batched call stands for.
        COPY_COUNT: 8 @ 88, "copyCount", since CUDA_12_8, user 17 "COPY_COUNT";
        /// Graph that the executable graph was made from.
        SOURCE_GRAPH_ID: 4 @ 96, "sourceGraphId", since CUDA_13_4, user 18 "SOURCE_GRAPH_ID";
        /// Node of that graph.
        SOURCE_GRAPH_NODE_ID: 8 @ 104, "sourceGraphNodeId", since CUDA_13_4, user 19 "SOURCE_GRAPH_NODE_ID";
    }
}

record! {
    /// One memory copy between two devices.
    pub mod memcpy_ptop, kinds [MEMCPY2], user "MEMCPY2_FIELD_" {
        sizes { CUDA_11_8 "MemcpyPtoP4" 96; }
        /// See [`MemcpyKind`](crate::MemcpyKind).
        COPY_KIND: 1 @ 4, "copyKind", user 1 "COPY_KIND";
        /// See [`MemoryKind`](crate::MemoryKind).
        SRC_KIND: 1 @ 5, "srcKind", user 2 "SRC_KIND";
        /// See [`MemoryKind`](crate::MemoryKind).
        DST_KIND: 1 @ 6, "dstKind", user 3 "DST_KIND";
        /// See [`ActivityFlag`](crate::ActivityFlag).
        FLAGS: 1 @ 7, "flags", user 4 "FLAGS";
        /// Bytes copied.
        BYTES: 8 @ 8, "bytes", user 5 "BYTES";
        /// Start, nanoseconds.
        START: 8 @ 16, "start", user 6 "START";
        /// End, nanoseconds.
        END: 8 @ 24, "end", user 7 "END";
        /// Device whose copy engine ran it.
        DEVICE_ID: 4 @ 32, "deviceId", user 8 "DEVICE_ID";
        /// Context.
        CONTEXT_ID: 4 @ 36, "contextId", user 9 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 40, "streamId", user 10 "STREAM_ID";
        /// Device read from.
        SRC_DEVICE_ID: 4 @ 44, "srcDeviceId", user 11 "SRC_DEVICE_ID";
        /// Context read from.
        SRC_CONTEXT_ID: 4 @ 48, "srcContextId", user 12 "SRC_CONTEXT_ID";
        /// Device written to.
        DST_DEVICE_ID: 4 @ 52, "dstDeviceId", user 13 "DST_DEVICE_ID";
        /// Context written to.
        DST_CONTEXT_ID: 4 @ 56, "dstContextId", user 14 "DST_CONTEXT_ID";
        /// Joins the copy to the call that asked for it.
        CORRELATION_ID: 4 @ 60, "correlationId", user 15 "CORRELATION_ID";
        /// Graph node, 0 outside graphs.
        GRAPH_NODE_ID: 8 @ 72, "graphNodeId", user 16 "GRAPH_NODE_ID";
        /// Executable graph, 0 outside graphs.
        GRAPH_ID: 4 @ 80, "graphId", user 17 "GRAPH_ID";
        /// Hardware channel.
        CHANNEL_ID: 4 @ 84, "channelID", user 18 "CHANNEL_ID";
        /// See [`ChannelType`](crate::ChannelType).
        CHANNEL_TYPE: 4 @ 88, "channelType", user 19 "CHANNEL_TYPE";
    }
}

record! {
    /// One memory set.
    pub mod memset, kinds [MEMSET], user "MEMSET_FIELD_" {
        sizes {
            CUDA_11_8 "Memset4" 88;
            CUDA_13_4 "Memset5" 104;
        }
        /// The value written.
        VALUE: 4 @ 4, "value", user 1 "VALUE";
        /// Bytes written.
        BYTES: 8 @ 8, "bytes", user 2 "BYTES";
        /// Start, nanoseconds.
        START: 8 @ 16, "start", user 3 "START";
        /// End, nanoseconds.
        END: 8 @ 24, "end", user 4 "END";
        /// Device.
        DEVICE_ID: 4 @ 32, "deviceId", user 5 "DEVICE_ID";
        /// Context.
        CONTEXT_ID: 4 @ 36, "contextId", user 6 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 40, "streamId", user 7 "STREAM_ID";
        /// Joins the set to the call that asked for it.
        CORRELATION_ID: 4 @ 44, "correlationId", user 8 "CORRELATION_ID";
        /// See [`ActivityFlag`](crate::ActivityFlag).
        FLAGS: 2 @ 48, "flags", user 9 "FLAGS";
        /// See [`MemoryKind`](crate::MemoryKind).
        MEMORY_KIND: 2 @ 50, "memoryKind", user 10 "MEMORY_KIND";
        /// Graph node, 0 outside graphs.
        GRAPH_NODE_ID: 8 @ 64, "graphNodeId", user 11 "GRAPH_NODE_ID";
        /// Executable graph, 0 outside graphs.
        GRAPH_ID: 4 @ 72, "graphId", user 12 "GRAPH_ID";
        /// Hardware channel.
        CHANNEL_ID: 4 @ 76, "channelID", user 13 "CHANNEL_ID";
        /// See [`ChannelType`](crate::ChannelType).
        CHANNEL_TYPE: 4 @ 80, "channelType", user 14 "CHANNEL_TYPE";
        /// Graph that the executable graph was made from.
        SOURCE_GRAPH_ID: 4 @ 88, "sourceGraphId", since CUDA_13_4, user 16 "SOURCE_GRAPH_ID";
        /// Node of that graph.
        SOURCE_GRAPH_NODE_ID: 8 @ 96, "sourceGraphNodeId", since CUDA_13_4, user 17 "SOURCE_GRAPH_NODE_ID";
    }
}
