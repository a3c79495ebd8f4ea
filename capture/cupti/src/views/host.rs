//! What happened on the host.

use super::macros::view;

view! {
    /// One runtime or driver call; the kind says which.
    pub struct ApiRecord, ApiLayout, api {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// The call.
        cbid: u32 = CBID;
        /// Joins the call to the work it started.
        correlation_id: u32 = CORRELATION_ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Thread; the system's id only if so chosen.
        thread_id: u32 = THREAD_ID;
        /// What the call returned.
        return_value: u32 = RETURN_VALUE;
    }
}

view! {
    /// One wait for the device.
    pub struct Sync, SyncLayout, synchronization {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// What was waited for.
        sync_type: u32 = TYPE;
        /// Joins the wait to the call that waited.
        correlation_id: u32 = CORRELATION_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream; all ones when the wait was not for one.
        stream_id: u32 = STREAM_ID;
        /// Event; all ones when there was none.
        event_id: u32 = CUDA_EVENT_ID;
        ?
        /// Joins the wait to one recording of the event. Since 12.8.
        event_sync_id: u64 = CUDA_EVENT_SYNC_ID;
        ?
        /// What the call returned. Since 12.8.
        return_value: u32 = RETURN_VALUE;
    }
}

view! {
    /// A correlation id that somebody pushed around a call.
    pub struct ExternalCorrelation, ExternalCorrelationLayout, external_correlation {
        /// Who pushed it.
        external_kind: u32 = EXTERNAL_KIND;
        /// The id.
        external_id: u64 = EXTERNAL_ID;
        /// The call it was pushed around.
        correlation_id: u32 = CORRELATION_ID;
    }
}

view! {
    /// Time that profiling or the driver took from the application.
    pub struct Overhead, OverheadLayout, overhead {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// What it was spent on.
        overhead_kind: u32 = OVERHEAD_KIND;
        /// Process; the device when the object is a device, context or stream.
        process_id: u32 = PROCESS_ID;
        /// Thread; the context when the object is a context or stream.
        thread_id: u32 = THREAD_ID;
        ?
        /// What the ids identify. Not in user-defined records.
        object_kind: u32 = OBJECT_KIND;
        ?
        /// Joins the overhead to a call, where it belongs to one. Since 12.4.
        correlation_id: u32 = CORRELATION_ID;
    }
}

view! {
    /// One host function run on a stream. Since 13.1.
    pub struct HostLaunch, HostLaunchLayout, host_launch {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// Joins the function to the call that enqueued it.
        correlation_id: u32 = CORRELATION_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Thread that ran it.
        thread_id: u32 = THREAD_ID;
    }
}

view! {
    /// One just-in-time compilation or cache access.
    pub struct Jit, JitLayout, jit {
        /// Start.
        start_ns: u64 = START;
        /// End.
        end_ns: u64 = END;
        /// What was compiled.
        entry_type: u32 = ENTRY_TYPE;
        /// Load, store or compile.
        operation_type: u32 = OPERATION_TYPE;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// Joins the compilation to the call that caused it.
        correlation_id: u32 = CORRELATION_ID;
        /// Bytes read from or written to the cache.
        cache_bytes: u64 = CACHE_SIZE;
        ?
        /// Process. Since 12.4.
        process_id: u32 = PROCESS_ID;
        ?
        /// Thread. Since 12.4.
        thread_id: u32 = THREAD_ID;
    }
}

view! {
    /// One recording of a CUDA event.
    pub struct CudaEvent, CudaEventLayout, cuda_event {
        /// Event.
        event_id: u32 = EVENT_ID;
        /// Joins the recording to the call.
        correlation_id: u32 = CORRELATION_ID;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        ?
        /// When the device passed the event; 0 unless asked for. Since 12.8.
        device_timestamp_ns: u64 = DEVICE_TIMESTAMP;
        ?
        /// Joins the recording to waits for it. Since 12.8.
        event_sync_id: u64 = CUDA_EVENT_SYNC_ID;
    }
}
