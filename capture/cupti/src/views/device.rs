//! Devices, contexts, streams, and the state of the board.

use super::macros::view;

view! {
    /// One device.
    pub struct Device, DeviceLayout, device {
        /// Device id.
        id: u32 = ID;
        /// Unique id.
        uuid: [u8; 16] = UUID;
        /// Address of the name; see [`name_bytes`](crate::name_bytes).
        name_address: u64 = NAME;
        /// Compute capability, major.
        compute_capability_major: u32 = COMPUTE_CAPABILITY_MAJOR;
        /// Compute capability, minor.
        compute_capability_minor: u32 = COMPUTE_CAPABILITY_MINOR;
        /// Multiprocessors.
        n_multiprocessors: u32 = NUM_MULTIPROCESSORS;
        /// Copy engines.
        n_copy_engines: u32 = NUM_MEMCPY_ENGINES;
        /// Core clock, kilohertz.
        core_clock_khz: u32 = CORE_CLOCK_RATE;
        /// Memory.
        memory_bytes: u64 = MEMORY_SIZE;
        /// Memory bandwidth, kilobytes a second.
        memory_kbytes_per_s: u64 = MEMORY_BANDWIDTH;
        /// L2 cache.
        l2_cache_bytes: u32 = L2_CACHE_SIZE;
        /// 1 when the device is one slice of a divided GPU.
        is_mig: u8 = IS_MIG_ENABLED;
        /// GPU instance of the slice.
        gpu_instance_id: u32 = GPU_INSTANCE_ID;
        /// Compute instance of the slice.
        compute_instance_id: u32 = COMPUTE_INSTANCE_ID;
    }
}

view! {
    /// One context.
    pub struct Context, ContextLayout, context {
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// The default stream's id.
        null_stream_id: u16 = NULL_STREAM_ID;
        ?
        /// The context this one was carved from. Since 12.4.
        parent_context_id: u32 = PARENT_CONTEXT_ID;
        ?
        /// 1 for a green context. Since 12.6.
        is_green: u8 = IS_GREEN_CONTEXT;
        ?
        /// Multiprocessors of a green context. Since 12.6.
        n_multiprocessors: u16 = NUM_MULTIPROCESSORS;
    }
}

view! {
    /// One stream.
    pub struct Stream, StreamLayout, stream {
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// Stream.
        stream_id: u32 = STREAM_ID;
        /// Priority; smaller is more urgent.
        priority: i32 = PRIORITY;
        /// How the stream was made.
        flag: u32 = FLAG;
        /// Joins the stream to the call that made it.
        correlation_id: u32 = CORRELATION_ID;
    }
}

view! {
    /// One sample of clocks, temperature, power or cooling.
    pub struct Environment, EnvironmentLayout, environment {
        /// When.
        timestamp_ns: u64 = TIMESTAMP;
        /// Device.
        device_id: u32 = DEVICE_ID;
        /// What was measured.
        environment_kind: u32 = ENVIRONMENT_KIND;
        ?
        /// Multiprocessor clock, megahertz; power, milliwatts; temperature, degrees; fan, percent.
        /// Not in user-defined records.
        value_0: u32 = VALUE_0;
        ?
        /// Memory clock, megahertz; power limit, milliwatts. Not in user-defined records.
        value_1: u32 = VALUE_1;
        ?
        /// Why clocks are held down, for clock samples. Not in user-defined records.
        throttle_reasons: u32 = THROTTLE_REASONS;
    }
}

view! {
    /// A context switched onto or off the compute engine. Since 13.1.
    pub struct CtxSwitch, CtxSwitchLayout, compute_engine_ctx_switch {
        /// When.
        timestamp_ns: u64 = TIMESTAMP;
        /// Context.
        context_id: u32 = CONTEXT_ID;
        /// On or off.
        operation: u32 = OPERATION;
    }
}
