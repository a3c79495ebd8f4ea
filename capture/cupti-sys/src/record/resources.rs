//! Devices, contexts, streams, and the state of the board.

use crate::field::record;

record! {
    /// One device.
    pub mod device, kinds [DEVICE], user "DEVICE_FIELD_" {
        sizes {
            CUDA_11_8 "Device4" 176;
            CUDA_12_4 "Device5" 184;
            CUDA_13_2 "Device6" 192;
        }
        /// Memory bandwidth, kilobytes a second.
        MEMORY_BANDWIDTH: 8 @ 8, "globalMemoryBandwidth", user 2 "GLOBAL_MEMORY_BANDWIDTH";
        /// Memory, bytes.
        MEMORY_SIZE: 8 @ 16, "globalMemorySize", user 3 "GLOBAL_MEMORY_SIZE";
        /// L2 cache, bytes.
        L2_CACHE_SIZE: 4 @ 28, "l2CacheSize", user 5 "L2_CACHE_SIZE";
        /// Core clock, kilohertz.
        CORE_CLOCK_RATE: 4 @ 36, "coreClockRate", user 7 "CORE_CLOCK_RATE";
        /// Copy engines.
        NUM_MEMCPY_ENGINES: 4 @ 40, "numMemcpyEngines", user 8 "NUM_MEMCPY_ENGINES";
        /// Multiprocessors.
        NUM_MULTIPROCESSORS: 4 @ 44, "numMultiprocessors", user 9 "NUM_MULTIPROCESSORS";
        /// Compute capability, major.
        COMPUTE_CAPABILITY_MAJOR: 4 @ 104, "computeCapabilityMajor", user 24 "COMPUTE_CAPABILITY_MAJOR";
        /// Compute capability, minor.
        COMPUTE_CAPABILITY_MINOR: 4 @ 108, "computeCapabilityMinor", user 25 "COMPUTE_CAPABILITY_MINOR";
        /// Device id.
        ID: 4 @ 112, "id", user 26 "ID";
        /// Unique id.
        UUID: 16 @ 120, "uuid", user 28 "UUID";
        /// Address of the NUL-terminated name.
        NAME: 8 @ 136, "name", user 29 "NAME";
        /// 1 when the device is one slice of a divided GPU.
        IS_MIG_ENABLED: 1 @ 145, "isMigEnabled", user 31 "IS_MIG_ENABLED";
        /// GPU instance of the slice.
        GPU_INSTANCE_ID: 4 @ 152, "gpuInstanceId", user 32 "GPU_INSTANCE_ID";
        /// Compute instance of the slice.
        COMPUTE_INSTANCE_ID: 4 @ 156, "computeInstanceId", user 33 "COMPUTE_INSTANCE_ID";
    }
}

record! {
    /// One context.
    pub mod context, kinds [CONTEXT], user "CONTEXT_FIELD_" {
        sizes {
            CUDA_11_8 "Context" 16;
            CUDA_12_4 "Context2" 24;
            CUDA_12_6 "Context3" 32;
            CUDA_13_1 "Context4" 40;
        }
        /// Context.
        CONTEXT_ID: 4 @ 4, "contextId", user 1 "CONTEXT_ID";
        /// Device.
        DEVICE_ID: 4 @ 8, "deviceId", user 2 "DEVICE_ID";
        /// The default stream's id.
        NULL_STREAM_ID: 2 @ 14, "nullStreamId", user 4 "NULL_STREAM_ID";
        /// The context this one was carved from.
        PARENT_CONTEXT_ID: 4 @ 16, "parentContextId", since CUDA_12_4, user 5 "PARENT_CONTEXT_ID";
        /// 1 for a green context.
        IS_GREEN_CONTEXT: 1 @ 20, "isGreenContext", since CUDA_12_6, user 6 "IS_GREEN_CONTEXT";
        /// Multiprocessors of a green context.
        NUM_MULTIPROCESSORS: 2 @ 22, "numMultiprocessors", since CUDA_12_6, user 7 "NUM_MULTIPROCESSORS";
    }
}

record! {
    /// One stream.
    pub mod stream, kinds [STREAM], user "STREAM_FIELD_" {
        sizes { CUDA_11_8 "Stream" 24; }
        /// Context.
        CONTEXT_ID: 4 @ 4, "contextId", user 1 "CONTEXT_ID";
        /// Stream.
        STREAM_ID: 4 @ 8, "streamId", user 2 "STREAM_ID";
        /// Priority; smaller is more urgent.
        PRIORITY: 4 @ 12, "priority", user 3 "PRIORITY";
        /// How the stream was made.
        FLAG: 4 @ 16, "flag", user 4 "FLAG";
        /// Joins the stream to the call that made it.
        CORRELATION_ID: 4 @ 20, "correlationId", user 5 "CORRELATION_ID";
    }
}

record! {
    /// One sample of clocks, temperature, power or cooling.
    pub mod environment, kinds [ENVIRONMENT], user "ENVIRONMENT_FIELD_" {
        sizes { CUDA_11_8 "Environment" 40; }
        /// Device.
        DEVICE_ID: 4 @ 4, "deviceId", user 1 "DEVICE_ID";
        /// When, nanoseconds.
        TIMESTAMP: 8 @ 8, "timestamp", user 2 "TIMESTAMP";
        /// See [`EnvironmentKind`](crate::EnvironmentKind).
        ENVIRONMENT_KIND: 4 @ 16, "environmentKind", user 3 "ENVIRONMENT_KIND";
        /// Multiprocessor clock, megahertz; power, milliwatts; temperature, degrees; fan, percent.
        VALUE_0: 4 @ 20, "data.speed.smClock";
        /// Memory clock, megahertz; power limit, milliwatts.
        VALUE_1: 4 @ 24, "data.speed.memoryClock";
        /// Why clocks are held down, a bit mask, for speed samples.
        THROTTLE_REASONS: 4 @ 36, "data.speed.clocksThrottleReasons";
    }
}

record! {
    /// A context switched onto or off the compute engine.
    pub mod compute_engine_ctx_switch, kinds [COMPUTE_ENGINE_CTX_SWITCH], user "COMPUTE_ENGINE_CTX_SWITCH_FIELD_" {
        sizes { CUDA_13_1 "ComputeEngineCtxSwitch" 24; }
        /// Context.
        CONTEXT_ID: 4 @ 4, "contextId", since CUDA_13_1, user 1 "CONTEXT_ID";
        /// When, nanoseconds.
        TIMESTAMP: 8 @ 8, "timestamp", since CUDA_13_1, user 2 "TIMESTAMP";
        /// See [`CtxSwitchOperation`](crate::CtxSwitchOperation).
        OPERATION: 4 @ 16, "operationType", since CUDA_13_1, user 3 "OPERATION_TYPE";
    }
}
