//! Device memory: allocations and pools.

use crate::field::record;

record! {
    /// One allocation or release.
    pub mod memory, kinds [MEMORY2], user "MEMORY_FIELD_" {
        sizes {
            CUDA_11_8 "Memory3" 120;
            CUDA_12_6 "Memory4" 128;
        }
        /// See [`MemoryOperation`](crate::MemoryOperation).
        OPERATION: 4 @ 4, "memoryOperationType", user 1 "OPERATION_TYPE";
        /// See [`MemoryKind`](crate::MemoryKind).
        MEMORY_KIND: 4 @ 8, "memoryKind", user 2 "MEMORY_KIND";
        /// Joins the operation to the call.
        CORRELATION_ID: 4 @ 12, "correlationId", user 3 "CORRELATION_ID";
        /// Address.
        ADDRESS: 8 @ 16, "address", user 4 "ADDRESS";
        /// Bytes.
        BYTES: 8 @ 24, "bytes", user 5 "BYTES";
        /// When, nanoseconds.
        TIMESTAMP: 8 @ 32, "timestamp", user 6 "TIMESTAMP";
        /// Process.
        PROCESS_ID: 4 @ 48, "processId", user 7 "PROCESS_ID";
        /// Device.
        DEVICE_ID: 4 @ 52, "deviceId", user 8 "DEVICE_ID";
        /// Context.
        CONTEXT_ID: 4 @ 56, "contextId", user 9 "CONTEXT_ID";
        /// Stream, all ones when there is none.
        STREAM_ID: 4 @ 60, "streamId", user 10 "STREAM_ID";
        /// 1 for stream-ordered operations.
        IS_ASYNC: 4 @ 72, "isAsync", user 11 "IS_ASYNC";
        /// The pool's address, for stream-ordered operations.
        POOL_ADDRESS: 8 @ 88, "memoryPoolConfig.address", user 13 "POOL_ADDRESS";
        /// Bytes of the pool in use, for stream-ordered operations.
        POOL_UTILIZED_SIZE: 8 @ 112, "memoryPoolConfig.utilizedSize", user 17 "POOL_UTILIZED_SIZE";
    }
}

record! {
    /// One change of a memory pool.
    pub mod memory_pool, kinds [MEMORY_POOL], user "MEMORY_POOL_FIELD_" {
        sizes {
            CUDA_11_8 "MemoryPool2" 72;
            CUDA_13_0 "MemoryPool3" 80;
        }
        /// See [`MemoryPoolOperation`](crate::MemoryPoolOperation).
        OPERATION: 4 @ 4, "memoryPoolOperationType", user 1 "OPERATION_TYPE";
        /// Joins the operation to the call.
        CORRELATION_ID: 4 @ 12, "correlationId", user 3 "CORRELATION_ID";
        /// Process.
        PROCESS_ID: 4 @ 16, "processId", user 4 "PROCESS_ID";
        /// Device.
        DEVICE_ID: 4 @ 20, "deviceId", user 5 "DEVICE_ID";
        /// The pool's address.
        ADDRESS: 8 @ 32, "address", user 7 "ADDRESS";
        /// Bytes the pool has.
        SIZE: 8 @ 40, "size", user 8 "SIZE";
        /// Bytes the pool keeps when memory is released.
        RELEASE_THRESHOLD: 8 @ 48, "releaseThreshold", user 9 "RELEASE_THRESHOLD";
        /// When, nanoseconds.
        TIMESTAMP: 8 @ 56, "timestamp", user 10 "TIMESTAMP";
        /// Bytes of the pool in use.
        UTILIZED_SIZE: 8 @ 64, "utilizedSize", user 11 "UTILIZED_SIZE";
    }
}
