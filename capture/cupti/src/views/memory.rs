//! Device memory.

use super::macros::view;

view! {
    /// One allocation or release.
    pub struct MemoryOperationRecord, MemoryLayout, memory {
        /// When.
        timestamp_ns: u64 = TIMESTAMP;
        /// Allocation or release.
        operation: u32 = OPERATION;
        /// Kind of memory.
        memory_kind: u32 = MEMORY_KIND;
        /// Address.
        address: u64 = ADDRESS;
        /// Bytes.
        bytes: u64 = BYTES;
        /// Joins the operation to the call.
        correlation_id: u32 = CORRELATION_ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream; all ones when there is none.
        stream_id: u32 = STREAM_ID;
        /// 1 for a stream-ordered operation.
        is_async: u32 = IS_ASYNC;
        /// Address of the pool of a stream-ordered operation.
        pool_address: u64 = POOL_ADDRESS;
        /// Bytes of that pool in use.
        pool_used_bytes: u64 = POOL_UTILIZED_SIZE;
    }
}

view! {
    /// One change of a memory pool.
    pub struct MemoryPoolRecord, MemoryPoolLayout, memory_pool {
        /// When.
        timestamp_ns: u64 = TIMESTAMP;
        /// Created, destroyed or trimmed.
        operation: u32 = OPERATION;
        /// Joins the operation to the call.
        correlation_id: u32 = CORRELATION_ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// The pool's address.
        address: u64 = ADDRESS;
        /// Bytes the pool has.
        bytes: u64 = SIZE;
        /// Bytes the pool keeps when memory is released.
        release_threshold_bytes: u64 = RELEASE_THRESHOLD;
        /// Bytes of the pool in use.
        used_bytes: u64 = UTILIZED_SIZE;
    }
}
