//! Small closed vocabularies stored as one byte. A value of a later version reads as `Unknown`.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[non_exhaustive]
        pub enum $name {
            /// Not stated, or a value this version does not know.
            #[default]
            Unknown,
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// The value as stored in a column.
            pub const fn code(self) -> u8 {
                match self { Self::Unknown => 0, $(Self::$variant => $code,)* }
            }

            /// The meaning of a stored value.
            pub const fn from_code(code: u8) -> Self {
                match code { $($code => Self::$variant,)* _ => Self::Unknown }
            }

            /// The name reports and JSON use.
            pub const fn as_str(self) -> &'static str {
                match self { Self::Unknown => "unknown", $(Self::$variant => $text,)* }
            }

            /// Every value, `Unknown` first.
            pub const ALL: &[Self] = &[Self::Unknown, $(Self::$variant),*];
        }
    )*};
}

codes! {
    /// Direction of a copy. Codes are CUPTI's `CUpti_ActivityMemcpyKind`.
    MemcpyKind {
        /// Host to device.
        HtoD = 1, "HtoD";
        /// Device to host.
        DtoH = 2, "DtoH";
        /// Host to CUDA array.
        HtoA = 3, "HtoA";
        /// CUDA array to host.
        AtoH = 4, "AtoH";
        /// CUDA array to CUDA array.
        AtoA = 5, "AtoA";
        /// CUDA array to device.
        AtoD = 6, "AtoD";
        /// Device to CUDA array.
        DtoA = 7, "DtoA";
        /// Within one device.
        DtoD = 8, "DtoD";
        /// Host to host.
        HtoH = 9, "HtoH";
        /// Between devices.
        PtoP = 10, "PtoP";
    }

    /// Where a copy's or fill's memory lives. Codes are CUPTI's `CUpti_ActivityMemoryKind`.
    MemoryKind {
        /// Pageable host memory.
        Pageable = 1, "pageable";
        /// Page-locked host memory.
        Pinned = 2, "pinned";
        /// Device memory.
        Device = 3, "device";
        /// A CUDA array.
        Array = 4, "array";
        /// Managed memory.
        Managed = 5, "managed";
        /// Device static memory.
        DeviceStatic = 6, "device_static";
        /// Managed static memory.
        ManagedStatic = 7, "managed_static";
    }

    /// What a synchronization waited for. Codes are CUPTI's `CUpti_ActivitySynchronizationType`.
    SyncKind {
        /// The host waits for an event.
        EventSynchronize = 1, "event_synchronize";
        /// A stream waits for an event.
        StreamWaitEvent = 2, "stream_wait_event";
        /// The host waits for a stream.
        StreamSynchronize = 3, "stream_synchronize";
        /// The host waits for a context.
        ContextSynchronize = 4, "context_synchronize";
    }

    /// Which library an API call entered.
    ApiDomain {
        /// The driver API (`cu*`).
        Driver = 1, "driver";
        /// The runtime API (`cuda*`, `hip*`).
        Runtime = 2, "runtime";
    }

    /// Where an annotation came from.
    AnnotationKind {
        /// Framework range on the host (`record_function`).
        User = 1, "user_annotation";
        /// The same range projected onto the device.
        GpuUser = 2, "gpu_user_annotation";
        /// NVTX push/pop range.
        NvtxPushPop = 3, "nvtx_push_pop";
        /// NVTX start/end range.
        NvtxStartEnd = 4, "nvtx_start_end";
        /// NVTX mark.
        NvtxMark = 5, "nvtx_mark";
    }

    /// What a host-side operator row is.
    CpuOpKind {
        /// A framework operator such as `aten::mm`.
        Operator = 1, "operator";
        /// A Python function.
        PythonFunction = 2, "python_function";
        /// An allocation or other runtime helper the profiler drew as an operator.
        Runtime = 3, "runtime";
    }

    /// Role of a span in its trace. Codes are OpenTelemetry's `SpanKind`.
    SpanKind {
        /// Internal operation.
        Internal = 1, "internal";
        /// Server side of a call.
        Server = 2, "server";
        /// Client side of a call.
        Client = 3, "client";
        /// Producer of a message.
        Producer = 4, "producer";
        /// Consumer of a message.
        Consumer = 5, "consumer";
    }

    /// How a span ended. Codes are OpenTelemetry's `StatusCode`.
    SpanStatus {
        /// Completed.
        Ok = 1, "ok";
        /// Failed.
        Error = 2, "error";
    }

    /// Type of an attribute's value.
    AttributeKind {
        /// Text.
        Text = 1, "text";
        /// A whole number.
        Whole = 2, "whole";
        /// A real number.
        Real = 3, "real";
        /// True or false.
        Truth = 4, "truth";
    }

    /// What the values of a counter track mean.
    CounterKind {
        /// A level that goes up and down.
        Gauge = 1, "gauge";
        /// A total that only grows, but for restarts.
        Total = 2, "total";
        /// A total of observations up to the bound in the track's `le` label.
        HistogramBucket = 3, "histogram_bucket";
        /// A quantile of a summary.
        Quantile = 4, "quantile";
    }

    /// What an engine step did.
    StepKind {
        /// Prefill only.
        Prefill = 1, "prefill";
        /// Decode only.
        Decode = 2, "decode";
        /// Prefill and decode in one step.
        Mixed = 3, "mixed";
        /// A training or profiler step with no serving meaning.
        Profiler = 4, "profiler";
        /// No forward pass.
        Empty = 5, "empty";
        /// A draft or verification pass of speculative decoding.
        Speculative = 6, "speculative";
        /// One execution of a batch by a server that knows no phases.
        Batch = 7, "batch";
    }

    /// What a member of a step was doing in it.
    Phase {
        /// Its prompt was processed.
        Prefill = 1, "prefill";
        /// It produced tokens.
        Decode = 2, "decode";
        /// It was pushed out of the batch.
        Preempted = 3, "preempted";
        /// It finished.
        Finished = 4, "finished";
    }

    /// How well membership of steps is known (1 exact hook … 5 none).
    Rung {
        /// Exact, from a hook inside the engine.
        ExactHook = 1, "exact_hook";
        /// Exact, rebuilt from the batch server's own stamps.
        ExactBatch = 2, "exact_batch";
        /// Step labels carry counts, not members.
        Counts = 3, "counts";
        /// Inferred from spans and kernel timing.
        Inferred = 4, "inferred";
        /// Kernels only.
        None = 5, "none";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_reversible() {
        let mut names = std::collections::HashSet::new();
        for &kind in MemcpyKind::ALL {
            assert_eq!(MemcpyKind::from_code(kind.code()), kind);
            assert!(names.insert(kind.as_str()));
        }
        assert_eq!(MemcpyKind::from_code(200), MemcpyKind::Unknown);
        assert_eq!(StepKind::from_code(StepKind::Mixed.code()), StepKind::Mixed);
    }
}
