//! What happened on the host: calls, waits, overheads.

use crate::field::record;

record! {
    /// One runtime or driver call.
    pub mod api, kinds [RUNTIME, DRIVER], user "API_FIELD_" {
        sizes { CUDA_11_8 "API" 40; }
        /// The call, see [`RuntimeCbid`](crate::RuntimeCbid) and [`DriverCbid`](crate::DriverCbid).
        CBID: 4 @ 4, "cbid", user 1 "CBID";
        /// Start, nanoseconds.
        START: 8 @ 8, "start", user 2 "START";
        /// End, nanoseconds.
        END: 8 @ 16, "end", user 3 "END";
        /// Process.
        PROCESS_ID: 4 @ 24, "processId", user 4 "PROCESS_ID";
        /// Thread.
        THREAD_ID: 4 @ 28, "threadId", user 5 "THREAD_ID";
        /// Joins the call to the work it started.
        CORRELATION_ID: 4 @ 32, "correlationId", user 6 "CORRELATION_ID";
        /// What the call returned.
        RETURN_VALUE: 4 @ 36, "returnValue", user 7 "RETURN_VALUE";
    }
}

record! {
    /// One wait for the device.
    pub mod synchronization, kinds [SYNCHRONIZATION], user "SYNCHRONIZATION_FIELD_" {
        sizes {
            CUDA_11_8 "Synchronization" 40;
            CUDA_12_8 "Synchronization2" 56;
        }
        /// See [`SynchronizationType`](crate::SynchronizationType).
        TYPE: 4 @ 4, "type", user 1 "TYPE";
        /// Start, nanoseconds.
        START: 8 @ 8, "start", user 2 "START";
        /// End, nanoseconds.
        END: 8 @ 16, "end", user 3 "END";
        /// Joins the wait to the call that waited.
        CORRELATION_ID: 4 @ 24, "correlationId", user 4 "CORRELATION_ID";
        /// Context.
        CONTEXT_ID: 4 @ 28, "contextId", user 5 "CONTEXT_ID";
        /// Stream, all ones when the wait was not for one.
        STREAM_ID: 4 @ 32, "streamId", user 6 "STREAM_ID";
        /// Event waited for, all ones when there was none.
        CUDA_EVENT_ID: 4 @ 36, "cudaEventId", user 7 "CUDA_EVENT_ID";
        /// Joins the wait to one recording of the event.
        CUDA_EVENT_SYNC_ID: 8 @ 40, "cudaEventSyncId", since CUDA_12_8, user 8 "CUDA_EVENT_SYNC_ID";
        /// What the call returned.
        RETURN_VALUE: 4 @ 48, "returnValue", since CUDA_12_8, user 9 "RETURN_VALUE";
    }
}

record! {
    /// A correlation id that somebody pushed around a call.
    pub mod external_correlation, kinds [EXTERNAL_CORRELATION], user "EXTERNAL_CORRELATION_FIELD_" {
        sizes { CUDA_11_8 "ExternalCorrelation" 24; }
        /// See [`ExternalCorrelationKind`](crate::ExternalCorrelationKind).
        EXTERNAL_KIND: 4 @ 4, "externalKind", user 1 "EXTERNAL_KIND";
        /// The id pushed.
        EXTERNAL_ID: 8 @ 8, "externalId", user 2 "EXTERNAL_ID";
        /// The call it was pushed around.
        CORRELATION_ID: 4 @ 16, "correlationId", user 3 "CORRELATION_ID";
    }
}

record! {
    /// Time that profiling or the driver took from the application.
    pub mod overhead, kinds [OVERHEAD], user "OVERHEAD_FIELD_" {
        sizes {
            CUDA_11_8 "Overhead" 40;
            CUDA_12_4 "Overhead3" 56;
        }
        /// See [`OverheadKind`](crate::OverheadKind).
        OVERHEAD_KIND: 4 @ 4, "overheadKind", user 1 "OVERHEAD_KIND";
        /// See [`ObjectKind`](crate::ObjectKind).
        OBJECT_KIND: 4 @ 8, "objectKind";
        /// Process, or the device when the object is a device, context or stream.
        PROCESS_ID: 4 @ 12, "objectId.pt.processId", user 2 "PROCESS_ID";
        /// Thread, or the context when the object is a context or stream.
        THREAD_ID: 4 @ 16, "objectId.pt.threadId", user 3 "THREAD_ID";
        /// Start, nanoseconds.
        START: 8 @ 24, "start", user 4 "START";
        /// End, nanoseconds.
        END: 8 @ 32, "end", user 5 "END";
        /// Joins the overhead to a call, where it belongs to one.
        CORRELATION_ID: 4 @ 40, "correlationId", since CUDA_12_4, user 6 "CORRELATION_ID";
    }
}

record! {
    /// One host function run on a stream.
    pub mod host_launch, kinds [HOST_LAUNCH], user "HOST_LAUNCH_FIELD_" {
        sizes { CUDA_13_1 "HostLaunch" 48; }
        /// Stream.
        STREAM_ID: 4 @ 4, "streamId", since CUDA_13_1, user 1 "STREAM_ID";
        /// Context.
        CONTEXT_ID: 4 @ 8, "contextId", since CUDA_13_1, user 2 "CONTEXT_ID";
        /// Device.
        DEVICE_ID: 4 @ 12, "deviceId", since CUDA_13_1, user 3 "DEVICE_ID";
        /// Joins the function to the call that enqueued it.
        CORRELATION_ID: 4 @ 16, "correlationId", since CUDA_13_1, user 4 "CORRELATION_ID";
        /// Process.
        PROCESS_ID: 4 @ 20, "processId", since CUDA_13_1, user 5 "PROCESS_ID";
        /// Thread that ran it.
        THREAD_ID: 4 @ 24, "threadId", since CUDA_13_1, user 6 "THREAD_ID";
        /// Start, nanoseconds.
        START: 8 @ 32, "start", since CUDA_13_1, user 7 "START";
        /// End, nanoseconds.
        END: 8 @ 40, "end", since CUDA_13_1, user 8 "END";
    }
}

record! {
    /// One just-in-time compilation or cache access.
    pub mod jit, kinds [JIT], user "JIT_FIELD_" {
        sizes {
            CUDA_11_8 "Jit" 64;
            CUDA_12_4 "Jit2" 72;
        }
        /// What was compiled.
        ENTRY_TYPE: 4 @ 4, "jitEntryType", user 1 "ENTRY_TYPE";
        /// What was done: load, store or compile.
        OPERATION_TYPE: 4 @ 8, "jitOperationType", user 2 "OPERATION_TYPE";
        /// Device.
        DEVICE_ID: 4 @ 12, "deviceId", user 3 "DEVICE_ID";
        /// Start, nanoseconds.
        START: 8 @ 16, "start", user 4 "START";
        /// End, nanoseconds.
        END: 8 @ 24, "end", user 5 "END";
        /// Joins the compilation to the call that caused it.
        CORRELATION_ID: 4 @ 32, "correlationId", user 6 "CORRELATION_ID";
        /// Bytes read from or written to the cache.
        CACHE_SIZE: 8 @ 48, "cacheSize", user 8 "CACHE_SIZE";
        /// Process.
        PROCESS_ID: 4 @ 64, "processId", since CUDA_12_4, user 10 "PROCESS_ID";
        /// Thread.
        THREAD_ID: 4 @ 68, "threadId", since CUDA_12_4, user 11 "THREAD_ID";
    }
}

record! {
    /// One recording of a CUDA event.
    pub mod cuda_event, kinds [CUDA_EVENT], user "CUDA_EVENT_FIELD_" {
        sizes {
            CUDA_11_8 "CudaEvent" 24;
            CUDA_12_8 "CudaEvent2" 56;
            CUDA_13_5 "CudaEvent3" 80;
        }
        /// Joins the recording to the call.
        CORRELATION_ID: 4 @ 4, "correlationId", user 1 "CORRELATION_ID";
        /// Context.
        CONTEXT_ID: 4 @ 8, "contextId", user 2 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 12, "streamId", user 3 "STREAM_ID";
        /// Event.
        EVENT_ID: 4 @ 16, "eventId", user 4 "EVENT_ID";
        /// Device.
        DEVICE_ID: 4 @ 24, "deviceId", since CUDA_12_8, user 5 "DEVICE_ID";
        /// When the device passed the event, nanoseconds; 0 unless asked for.
        DEVICE_TIMESTAMP: 8 @ 40, "deviceTimestamp", since CUDA_12_8, user 6 "DEVICE_TIMESTAMP";
        /// Joins the recording to waits for it.
        CUDA_EVENT_SYNC_ID: 8 @ 48, "cudaEventSyncId", since CUDA_12_8, user 7 "CUDA_EVENT_SYNC_ID";
    }
}
