//! The releases that can be played.

use cupti_sys::{ActivityKind, SYMBOLS, Toolkit, record_of};

/// How one CUDA release's libcupti looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The release.
    pub toolkit: Toolkit,
    /// What `cuptiGetVersion` says.
    pub api_version: u32,
    /// The library's soname.
    pub soname: &'static str,
}

const fn profile(major: u16, minor: u16, api_version: u32, soname: &'static str) -> Profile {
    Profile { toolkit: Toolkit::new(major, minor), api_version, soname }
}

/// All of them, oldest first.
pub const PROFILES: &[Profile] = &[
    profile(11, 8, 18, "libcupti.so.11.8"),
    profile(12, 0, 18, "libcupti.so.12"),
    profile(12, 1, 18, "libcupti.so.12"),
    profile(12, 4, 22, "libcupti.so.12"),
    profile(12, 6, 24, "libcupti.so.12"),
    profile(12, 8, 26, "libcupti.so.12"),
    profile(12, 9, 28, "libcupti.so.12"),
    profile(13, 0, 130_001, "libcupti.so.13"),
    profile(13, 1, 130_101, "libcupti.so.13"),
    profile(13, 2, 130_202, "libcupti.so.13"),
    profile(13, 3, 130_301, "libcupti.so.13"),
    profile(13, 4, 130_401, "libcupti.so.13"),
    profile(13, 5, 130_500, "libcupti.so.13"),
];

/// Kinds that the ledger has no fields of, with their lengths: a real library steps over them too.
const OTHER_KINDS: &[(ActivityKind, u16, Toolkit)] = &[
    (ActivityKind::FUNCTION, 32, cupti_sys::CUDA_11_8),
    (ActivityKind::MODULE, 24, cupti_sys::CUDA_11_8),
    (ActivityKind::PCIE, 168, cupti_sys::CUDA_11_8),
    (ActivityKind::MEM_DECOMPRESS, 64, cupti_sys::CUDA_12_8),
    (ActivityKind::CONFIDENTIAL_COMPUTE_ROTATION, 32, cupti_sys::CUDA_12_9),
];

impl Profile {
    /// The profile of a release.
    pub fn of(toolkit: Toolkit) -> Option<Self> {
        PROFILES.iter().copied().find(|profile| profile.toolkit == toolkit)
    }

    /// The length of `kind`'s records; `None` when the release does not have the kind.
    pub fn stride(&self, kind: ActivityKind) -> Option<u16> {
        match record_of(kind) {
            Some(record) => record.size_in(self.toolkit).map(|size| size.bytes),
            None => OTHER_KINDS
                .iter()
                .find(|(other, _, since)| *other == kind && self.toolkit.at_least(*since))
                .map(|(_, bytes, _)| *bytes),
        }
    }

    /// Whether the release exports a function.
    pub fn has(&self, function: &str) -> bool {
        SYMBOLS
            .iter()
            .find(|symbol| symbol.name == function)
            .is_none_or(|symbol| self.toolkit.at_least(symbol.since))
    }

    /// Whether each thread has a buffer of its own unless told otherwise.
    pub fn per_thread_by_default(&self) -> bool {
        self.toolkit.at_least(cupti_sys::CUDA_13_0)
    }

    /// Whether a refused buffer means dropped records rather than a crash.
    pub fn survives_refusal(&self) -> bool {
        self.api_version >= 27
    }
}
