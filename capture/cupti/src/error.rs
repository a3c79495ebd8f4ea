//! The crate's error.

use std::path::PathBuf;

use cupti_sys::{ActivityKind, CUptiResult, Toolkit};

/// Why libcupti could not be found, trusted or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A function of the library failed.
    #[error("{function}: {result}{}", hint_of(*result).map(|hint| format!(": {hint}")).unwrap_or_default())]
    Call {
        /// The function.
        function: &'static str,
        /// What it returned.
        result: CUptiResult,
    },

    /// The library does not have a function.
    #[error("{library}: no function {function}", library = library.display())]
    MissingFunction {
        /// The function.
        function: &'static str,
        /// The library's path.
        library: PathBuf,
    },

    /// The dynamic loader refused a library.
    #[error("{}: {message}", path.display())]
    Open {
        /// The library's path.
        path: PathBuf,
        /// What the loader said.
        message: String,
    },

    /// There is no libcupti to load.
    #[error("no libcupti in this process, beside libcudart, or in a toolkit (looked at {})", looked_at.join(", "))]
    NoLibrary {
        /// The places.
        looked_at: Vec<String>,
    },

    /// The folder that the user named has no libcupti.
    #[error("{}: no libcupti in this folder", folder.display())]
    NothingNamed {
        /// The folder.
        folder: PathBuf,
    },

    /// The library does not say how long its records are; some releases need a driver first.
    #[error("{}: does not tell record lengths: {result}", library.display())]
    Uncalibrated {
        /// The library's path.
        library: PathBuf,
        /// What it returned instead.
        result: CUptiResult,
    },

    /// Two answers of the library about the length of a record differ.
    #[error("{}: {kind} records: one answer says {first} bytes, another {second}", library.display())]
    LengthsDisagree {
        /// The library's path.
        library: PathBuf,
        /// The kind.
        kind: ActivityKind,
        /// One answer.
        first: usize,
        /// The other.
        second: usize,
    },

    /// A record is as long as no known release has it, and not a grown one either.
    #[error("{}: {kind} records of {bytes} bytes: expected one of {known:?} or a longer one", library.display())]
    LengthImplausible {
        /// The library's path.
        library: PathBuf,
        /// The kind.
        kind: ActivityKind,
        /// What the library says.
        bytes: usize,
        /// Lengths in known releases.
        known: Vec<u16>,
    },

    /// Each length is known, but they come from different releases.
    #[error("{}: {kind} records of {bytes} bytes beside records of CUDA {release}", library.display())]
    LengthsOfNoRelease {
        /// The library's path.
        library: PathBuf,
        /// The release that most lengths are of.
        release: Toolkit,
        /// A kind whose length is not of it.
        kind: ActivityKind,
        /// That length.
        bytes: u16,
    },

    /// Another profiler is in the way.
    #[error("another profiler is subscribed{}", other.as_deref().map(|name| format!(": {name}")).unwrap_or_default())]
    Subscribed {
        /// Its name, where the library tells.
        other: Option<String>,
    },

    /// The kind cannot be recorded through this backend.
    #[error("{kind} cannot be recorded as a user-defined record")]
    NotSelectable {
        /// The kind.
        kind: ActivityKind,
    },
}

impl Error {
    /// The library's result code, where the error carries one.
    pub fn result(&self) -> Option<CUptiResult> {
        match self {
            Self::Call { result, .. } | Self::Uncalibrated { result, .. } => Some(*result),
            Self::Subscribed { .. } => Some(CUptiResult::ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED),
            _ => None,
        }
    }
}

/// What a result usually means for the user of a profiler.
fn hint_of(result: CUptiResult) -> Option<&'static str> {
    Some(match result {
        CUptiResult::ERROR_NOT_INITIALIZED => "no CUDA driver, or it is not initialized",
        CUptiResult::ERROR_NOT_COMPATIBLE => {
            "this process already uses the other generation of the activity interface"
        }
        CUptiResult::ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED
        | CUptiResult::ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES => {
            "the virtual GPU does not allow profiling"
        }
        CUptiResult::ERROR_INSUFFICIENT_PRIVILEGES => {
            "the driver restricts profiling to administrators"
        }
        CUptiResult::ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED => {
            "another profiler is subscribed (nsys, ncu, cuda-gdb, compute-sanitizer, or a second \
             copy of libcupti)"
        }
        CUptiResult::ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED => "confidential computing is on",
        CUptiResult::ERROR_MIG_DEVICE_NOT_SUPPORTED => "not on a divided (MIG) GPU",
        CUptiResult::ERROR_HES_TRACE_NOT_SUPPORTED_ON_MPS => "not under MPS",
        CUptiResult::ERROR_UNKNOWN => "no CUDA driver, or one that this libcupti does not know",
        _ => return None,
    })
}
