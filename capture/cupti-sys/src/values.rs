//! Values of record fields and of settings.

use crate::integer::integer_newtype;

integer_newtype! {
    /// Settings of the activity interface, for `cuptiActivitySetAttribute`.
    pub struct ActivityAttribute(u32), prefix "CUPTI_ACTIVITY_ATTR_" {
        DEVICE_BUFFER_SIZE = 0;
        DEVICE_BUFFER_SIZE_CDP = 1;
        DEVICE_BUFFER_POOL_LIMIT = 2;
        PROFILING_SEMAPHORE_POOL_SIZE = 3;
        PROFILING_SEMAPHORE_POOL_LIMIT = 4;
        ZEROED_OUT_ACTIVITY_BUFFER = 5;
        DEVICE_BUFFER_PRE_ALLOCATE_VALUE = 6;
        PROFILING_SEMAPHORE_PRE_ALLOCATE_VALUE = 7;
        MEM_ALLOCATION_TYPE_HOST_PINNED = 8;
        PER_THREAD_ACTIVITY_BUFFER = 9, since CUDA_12_4;
        DEVICE_BUFFER_SIZE_DEVICE_GRAPHS = 10, since CUDA_12_9;
        USER_DEFINED_RECORDS = 11, since CUDA_13_2;
        MULTIPLE_SUBSCRIBER_STATE = 12, since CUDA_13_2;
        ENABLE_HES = 13, since CUDA_13_2;
        ENABLE_ALLOCATION_SOURCE_TRACKING = 14, since CUDA_13_2;
        ENABLE_KERNEL_LATENCY_TIMESTAMPS = 15, since CUDA_13_2;
        ENABLE_ALL_SYNC_RECORDS = 16, since CUDA_13_2;
        ENABLE_CUDA_EVENT_DEVICE_TIMESTAMPS = 17, since CUDA_13_2;
        ENABLE_KERNEL_LAUNCH_ATTRIBUTES = 18, since CUDA_13_2;
        ENABLE_DEVICE_GRAPH_TRACE = 19, since CUDA_13_2;
        ENABLE_MULTI_SUBSCRIBER_GRAPH_TRACE = 20, since CUDA_13_3;
        THREAD_ID_TYPE = 21, since CUDA_13_2;
        TIMESTAMP_CALLBACK = 22, since CUDA_13_2;
    }
}

integer_newtype! {
    /// Which thread id API records carry; anything but `SYSTEM` is `pthread_self`.
    pub struct ThreadIdType(u32), prefix "CUPTI_ACTIVITY_THREAD_ID_TYPE_" {
        DEFAULT = 0;
        SYSTEM = 1;
    }
}

integer_newtype! {
    /// Bits of the flags argument of `cuptiActivityFlushAll`.
    pub struct FlushFlag(u32), prefix "CUPTI_ACTIVITY_FLAG_FLUSH_" {
        FORCED = 1;
    }
}

integer_newtype! {
    /// Direction of a memory copy.
    pub struct MemcpyKind(u8), prefix "CUPTI_ACTIVITY_MEMCPY_KIND_" {
        UNKNOWN = 0;
        HTOD = 1;
        DTOH = 2;
        HTOA = 3;
        ATOH = 4;
        ATOA = 5;
        ATOD = 6;
        DTOA = 7;
        DTOD = 8;
        HTOH = 9;
        PTOP = 10;
    }
}

integer_newtype! {
    /// Where the memory of a copy, set or allocation lives.
    pub struct MemoryKind(u32), prefix "CUPTI_ACTIVITY_MEMORY_KIND_" {
        UNKNOWN = 0;
        PAGEABLE = 1;
        PINNED = 2;
        DEVICE = 3;
        ARRAY = 4;
        MANAGED = 5;
        DEVICE_STATIC = 6;
        MANAGED_STATIC = 7;
    }
}

integer_newtype! {
    /// What a synchronization record waited for.
    pub struct SynchronizationType(u32), prefix "CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_" {
        UNKNOWN = 0;
        EVENT_SYNCHRONIZE = 1;
        STREAM_WAIT_EVENT = 2;
        STREAM_SYNCHRONIZE = 3;
        CONTEXT_SYNCHRONIZE = 4;
    }
}

integer_newtype! {
    /// What an overhead record spent its time on.
    pub struct OverheadKind(u32), prefix "CUPTI_ACTIVITY_OVERHEAD_" {
        UNKNOWN = 0;
        DRIVER_COMPILER = 1;
        CUPTI_BUFFER_FLUSH = 1 << 16;
        CUPTI_INSTRUMENTATION = 2 << 16;
        CUPTI_RESOURCE = 3 << 16;
        RUNTIME_TRIGGERED_MODULE_LOADING = 4 << 16, since CUDA_12_4;
        LAZY_FUNCTION_LOADING = 5 << 16, since CUDA_12_4;
        COMMAND_BUFFER_FULL = 6 << 16, since CUDA_12_4;
        ACTIVITY_BUFFER_REQUEST = 7 << 16, since CUDA_12_6;
        UVM_ACTIVITY_INIT = 8 << 16, since CUDA_12_8;
    }
}

integer_newtype! {
    /// What the object id of an overhead, name or marker record identifies.
    pub struct ObjectKind(u32), prefix "CUPTI_ACTIVITY_OBJECT_" {
        UNKNOWN = 0;
        PROCESS = 1;
        THREAD = 2;
        DEVICE = 3;
        CONTEXT = 4;
        STREAM = 5;
    }
}

integer_newtype! {
    /// Bits of the flags of copy, marker and marker-data records.
    pub struct ActivityFlag(u32), prefix "CUPTI_ACTIVITY_FLAG_" {
        MEMCPY_ASYNC = 1;
        MARKER_INSTANTANEOUS = 1;
        MARKER_START = 2;
        MARKER_END = 4;
        MARKER_SYNC_ACQUIRE = 8;
        MARKER_SYNC_ACQUIRE_SUCCESS = 16;
        MARKER_SYNC_ACQUIRE_FAILED = 32;
        MARKER_SYNC_RELEASE = 64;
        MARKER_COLOR_NONE = 1;
        MARKER_COLOR_ARGB = 2;
    }
}

integer_newtype! {
    /// Who pushed an external correlation id.
    pub struct ExternalCorrelationKind(u32), prefix "CUPTI_EXTERNAL_CORRELATION_KIND_" {
        INVALID = 0;
        UNKNOWN = 1;
        OPENACC = 2;
        CUSTOM0 = 3;
        CUSTOM1 = 4;
        CUSTOM2 = 5;
    }
}

integer_newtype! {
    /// How a kernel was launched.
    pub struct LaunchType(u8), prefix "CUPTI_ACTIVITY_LAUNCH_TYPE_" {
        REGULAR = 0;
        COOPERATIVE_SINGLE_DEVICE = 1;
        COOPERATIVE_MULTI_DEVICE = 2;
        CBL_COMMANDLIST = 3, since CUDA_12_0;
    }
}

integer_newtype! {
    /// The hardware channel an operation ran on.
    pub struct ChannelType(u32), prefix "CUPTI_CHANNEL_TYPE_" {
        INVALID = 0;
        COMPUTE = 1;
        ASYNC_MEMCPY = 2;
        DECOMP = 3, since CUDA_12_8;
    }
}

integer_newtype! {
    /// How a kernel's code is written.
    pub struct ExecutionModel(u32), prefix "CUPTI_FUNC_EXECUTION_MODEL_" {
        UNKNOWN = 0, since CUDA_13_3;
        SIMT = 1, since CUDA_13_3;
        TILE = 2, since CUDA_13_3;
        HYBRID = 3, since CUDA_13_4;
    }
}

integer_newtype! {
    /// How a graph was launched from the device.
    pub struct DeviceGraphLaunchMode(u32), prefix "CUPTI_DEVICE_GRAPH_LAUNCH_MODE_" {
        INVALID = 0, since CUDA_12_8;
        FIRE_AND_FORGET = 1, since CUDA_12_8;
        TAIL = 2, since CUDA_12_8;
        FIRE_AND_FORGET_AS_SIBLING = 3, since CUDA_12_8;
    }
}

integer_newtype! {
    /// What an environment record measured.
    pub struct EnvironmentKind(u32), prefix "CUPTI_ACTIVITY_ENVIRONMENT_" {
        UNKNOWN = 0;
        SPEED = 1;
        TEMPERATURE = 2;
        POWER = 3;
        COOLING = 4;
    }
}

integer_newtype! {
    /// What a memory record did.
    pub struct MemoryOperation(u32), prefix "CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_" {
        INVALID = 0;
        ALLOCATION = 1;
        RELEASE = 2;
    }
}

integer_newtype! {
    /// What a memory-pool record did.
    pub struct MemoryPoolOperation(u32), prefix "CUPTI_ACTIVITY_MEMORY_POOL_OPERATION_TYPE_" {
        INVALID = 0;
        CREATED = 1;
        DESTROYED = 2;
        TRIMMED = 3;
    }
}

integer_newtype! {
    /// Whether a context was switched onto or off the compute engine.
    pub struct CtxSwitchOperation(u32), prefix "CUPTI_COMPUTE_ENGINE_CTX_SWITCH_OPERATION_" {
        INVALID = 0, since CUDA_13_1;
        START = 1, since CUDA_13_1;
        END = 2, since CUDA_13_1;
    }
}
