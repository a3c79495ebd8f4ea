//! Annotations of the application.

use crate::field::record;

record! {
    /// One point, start or end of an NVTX range.
    pub mod marker, kinds [MARKER], user "MARKER_FIELD_" {
        sizes { CUDA_11_8 "Marker2" 56; }
        /// See [`ActivityFlag`](crate::ActivityFlag).
        FLAGS: 4 @ 4, "flags", user 1 "FLAGS";
        /// When, nanoseconds.
        TIMESTAMP: 8 @ 8, "timestamp", user 2 "TIMESTAMP";
        /// Joins start and end.
        ID: 4 @ 16, "id", user 3 "ID";
        /// See [`ObjectKind`](crate::ObjectKind).
        OBJECT_KIND: 4 @ 20, "objectKind";
        /// Process.
        PROCESS_ID: 4 @ 24, "objectId.pt.processId", user 4 "PROCESS_ID";
        /// Thread.
        THREAD_ID: 4 @ 28, "objectId.pt.threadId", user 5 "THREAD_ID";
        /// Address of the NUL-terminated text; null for an end.
        NAME: 8 @ 40, "name", user 6 "NAME";
        /// Address of the NUL-terminated domain name, or null.
        DOMAIN: 8 @ 48, "domain", user 7 "DOMAIN";
    }
}

record! {
    /// Colour, category and payload of a marker.
    pub mod marker_data, kinds [MARKER_DATA], user "MARKER_DATA_FIELD_" {
        sizes {
            CUDA_11_8 "MarkerData" 32;
            CUDA_13_0 "MarkerData2" 40;
        }
        /// See [`ActivityFlag`](crate::ActivityFlag).
        FLAGS: 4 @ 4, "flags", user 1 "FLAGS";
        /// The marker's id.
        ID: 4 @ 8, "id", user 2 "ID";
        /// Type of the payload.
        PAYLOAD_KIND: 4 @ 12, "payloadKind", user 3 "PAYLOAD_KIND";
        /// The payload's bits.
        PAYLOAD: 8 @ 16, "payload", user 4 "PAYLOAD";
        /// Colour.
        COLOR: 4 @ 24, "color", user 5 "COLOR";
        /// Category.
        CATEGORY: 4 @ 28, "category", user 6 "CATEGORY";
    }
}

record! {
    /// The name of a process, thread, device, context or stream.
    pub mod name, kinds [NAME], user "NAME_FIELD_" {
        sizes { CUDA_11_8 "Name" 32; }
        /// See [`ObjectKind`](crate::ObjectKind).
        OBJECT_KIND: 4 @ 4, "objectKind", user 1 "OBJECT_KIND";
        /// Process or device.
        PROCESS_OR_DEVICE_ID: 4 @ 8, "objectId.dcs.deviceId";
        /// Thread or context.
        THREAD_OR_CONTEXT_ID: 4 @ 12, "objectId.dcs.contextId";
        /// Stream.
        STREAM_ID: 4 @ 16, "objectId.dcs.streamId";
        /// Address of the NUL-terminated text.
        NAME: 8 @ 24, "name", user 3 "NAME";
    }
}
