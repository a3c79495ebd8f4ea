//! Which tables Nsight Systems writes, so that another tool's can be told apart.
//!
//! Nsight Systems exporter documentation, "SQLite Schema Reference"; tables are created only when
//! they have something to hold, and new versions add some, so families are known by their prefix.

const PREFIXES: &[&str] = &[
    "ANALYSIS_",
    "CPU_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "CUPTI_",
    "D3D",
    "DIAGNOSTIC_",
    "DX",
    "ENUM_",
    "ETW_",
    "FECS_",
    "FRAME_",
    "GENERIC_EVENT",
    "GPU_",
    "IB_",
    "KHR_",
    "MEMORY_",
    "MEM_",
    "META_DATA_",
    "MMAP_",
    "MPI_",
    "NET_",
    "NIC_",
    "NVDRIVER_",
    "NVLINK",
    "NVMEDIA_",
    "NVTX_",
    "NVVIDEO_",
    "OPENACC_",
    "OPENGL_",
    "OPENMP_",
    "OPENXR_",
    "OSRT_",
    "PERF_",
    "PMU_",
    "PROFILER_",
    "PYTHON_",
    "QNX_",
    "SAMPLING_",
    "SCHED_",
    "SLI_",
    "SOC_",
    "STORAGE_",
    "SYSCALL",
    "TARGET_INFO_",
    "TEGRA_",
    "TRACE_PROCESS_",
    "UCP_",
    "UNCORE_",
    "VIDEO_",
    "VSYNC_",
    "VULKAN_",
    "WDDM_",
    "OPENSHMEM",
    "NVSHMEM",
    "NCCL_",
    "CUDLA",
    "GLES_",
    "EGL_",
    "WIN_",
    "LINUX_",
    "HOST_",
];

const NAMES: &[&str] = &[
    "COMPOSITE_EVENTS",
    "EXPORT_META_DATA",
    "PROCESSES",
    "ProcessStreams",
    "StringIds",
    "TOTAL_BYTES_RESIDENT_IN_SEGMENT_EVENTS",
    "ThreadNames",
    "UnwindMethodType",
];

/// Tables that describe rather than record; they are not missed when they are not read.
const DESCRIPTIVE: &[&str] = &["ANALYSIS_", "ENUM_", "META_DATA_", "TARGET_INFO_"];

/// Tables whose content must not be taken or says nothing about the GPU's work.
const UNWANTED: &[&str] = &["ProcessStreams", "UnwindMethodType", "EXPORT_META_DATA"];

/// Whether Nsight Systems writes a table of this name.
pub(super) fn is_own(table: &str) -> bool {
    NAMES.contains(&table) || PREFIXES.iter().any(|prefix| table.starts_with(prefix))
}

/// Whether a table of Nsight Systems records events or samples.
pub(super) fn is_record(table: &str) -> bool {
    !UNWANTED.contains(&table) && !DESCRIPTIVE.iter().any(|prefix| table.starts_with(prefix))
}
