//! What an event is, by its `cat`. Spellings of 2021 (`Kernel`) and later (`kernel`) alike.

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Category {
    /// No category given.
    #[default]
    Absent,
    Kernel,
    Memcpy,
    Memset,
    Runtime,
    Driver,
    Sync,
    Overhead,
    UserAnnotation,
    GpuUserAnnotation,
    CpuOp,
    PythonFunction,
    /// The profiler's own frame around its recording.
    Recording,
    /// One that is not imported.
    Other,
}

impl Category {
    /// The category named `text`.
    ///
    /// `xpu_*` and `privateuse1_*` (libkineto `ActivityType.cpp`) are the runtime and driver calls
    /// of other accelerators; HIP calls come as `cuda_runtime`.
    #[inline]
    pub(super) fn of(text: &[u8]) -> Self {
        match text {
            b"kernel" | b"Kernel" => Self::Kernel,
            b"gpu_memcpy" | b"Memcpy" => Self::Memcpy,
            b"gpu_memset" | b"Memset" => Self::Memset,
            b"cuda_runtime" | b"Runtime" | b"xpu_runtime" | b"privateuse1_runtime" => Self::Runtime,
            b"cuda_driver" | b"xpu_driver" | b"privateuse1_driver" => Self::Driver,
            b"cpu_op" | b"Operator" => Self::CpuOp,
            b"python_function" => Self::PythonFunction,
            b"user_annotation" => Self::UserAnnotation,
            b"gpu_user_annotation" => Self::GpuUserAnnotation,
            b"cuda_sync" | b"xpu_sync" => Self::Sync,
            b"overhead" => Self::Overhead,
            b"Trace" => Self::Recording,
            b"" => Self::Absent,
            _ => Self::Other,
        }
    }
}
