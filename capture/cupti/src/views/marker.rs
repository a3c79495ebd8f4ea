//! Annotations of the application.

use super::macros::view;

view! {
    /// One point, start or end of an NVTX range.
    pub struct Marker, MarkerLayout, marker {
        /// When.
        timestamp_ns: u64 = TIMESTAMP;
        /// Point, start or end.
        flags: u32 = FLAGS;
        /// Joins start and end.
        id: u32 = ID;
        /// Process.
        process_id: u32 = PROCESS_ID;
        /// Thread.
        thread_id: u32 = THREAD_ID;
        /// Address of the text, 0 for an end; see [`name_bytes`](crate::name_bytes).
        name_address: u64 = NAME;
        /// Address of the domain's name, or 0.
        domain_address: u64 = DOMAIN;
        ?
        /// What the ids identify. Not in user-defined records.
        object_kind: u32 = OBJECT_KIND;
    }
}

view! {
    /// Colour, category and payload of a marker.
    pub struct MarkerData, MarkerDataLayout, marker_data {
        /// Whether there is a colour.
        flags: u32 = FLAGS;
        /// The marker's id.
        id: u32 = ID;
        /// Type of the payload.
        payload_kind: u32 = PAYLOAD_KIND;
        /// The payload's bits.
        payload: u64 = PAYLOAD;
        /// Colour.
        color: u32 = COLOR;
        /// Category.
        category: u32 = CATEGORY;
    }
}

view! {
    /// The name of a process, thread, device, context or stream.
    pub struct Name, NameLayout, name {
        /// What is named.
        object_kind: u32 = OBJECT_KIND;
        /// Address of the text; see [`name_bytes`](crate::name_bytes).
        name_address: u64 = NAME;
        ?
        /// Process, or device. Not in user-defined records.
        process_or_device_id: u32 = PROCESS_OR_DEVICE_ID;
        ?
        /// Thread, or context. Not in user-defined records.
        thread_or_context_id: u32 = THREAD_OR_CONTEXT_ID;
        ?
        /// Stream. Not in user-defined records.
        stream_id: u32 = STREAM_ID;
    }
}
