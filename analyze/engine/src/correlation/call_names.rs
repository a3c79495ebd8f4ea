//! What API calls are, by name.

use underspan_model::NONE_U32;
use underspan_model::Timeline;

/// What an API call does, as far as the analysis of waits and launches cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// Launches one kernel.
    KernelLaunch,
    /// Launches a whole graph.
    GraphLaunch,
    /// Copies or fills; may block until the data has arrived.
    Transfer,
    /// Blocks the calling thread until device work is done.
    Synchronize,
    /// Begins or ends the recording of a graph.
    StreamCapture,
    /// Anything else.
    Other,
}

/// The kind of every API call name of a capture, looked up by the call's name column.
#[derive(Debug, Clone)]
pub struct CallNames {
    kinds: Vec<CallKind>,
    n_of_kind: [u64; CallKind::N],
}

impl CallKind {
    /// Number of kinds.
    const N: usize = Self::Other as usize + 1;

    /// The kind of the call named `name`, of any of the runtime and driver APIs of CUDA and HIP.
    ///
    /// Names may carry a version or thread suffix (`cuGraphLaunch_ptsz`,
    /// `cudaLaunchKernel_v7000`).
    pub fn of(name: &str) -> Self {
        let Some(verb) = ["cuda", "cu", "hip"].iter().find_map(|api| name.strip_prefix(api)) else {
            return Self::Other;
        };
        // HIP repeats the prefix of module functions: hipExtModuleLaunchKernel.
        let verb = verb.strip_prefix("ExtModule").or(verb.strip_prefix("Module")).unwrap_or(verb);
        let verb = verb.strip_prefix("Ext").unwrap_or(verb);
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| verb.starts_with(prefix));
        if starts(&["GraphLaunch"]) {
            Self::GraphLaunch
        } else if starts(&["Launch"]) && !starts(&["LaunchHostFunc"]) {
            Self::KernelLaunch
        } else if starts(&[
            "DeviceSynchronize",
            "CtxSynchronize",
            "StreamSynchronize",
            "EventSynchronize",
            "ThreadSynchronize",
        ]) {
            Self::Synchronize
        } else if starts(&["StreamBeginCapture", "StreamEndCapture"]) {
            Self::StreamCapture
        } else if starts(&["Memcpy", "Memset"]) {
            Self::Transfer
        } else {
            Self::Other
        }
    }
}

impl CallNames {
    /// Looks at every distinct name that an API call of the timeline has.
    pub fn of(timeline: &Timeline) -> Self {
        let mut n_of_name = vec![0_u64; timeline.strings.len()];
        for &name in &timeline.api_calls.name {
            if let Some(n) = n_of_name.get_mut(name as usize) {
                *n += 1;
            }
        }
        let mut kinds = vec![CallKind::Other; n_of_name.len()];
        let mut n_of_kind = [0; CallKind::N];
        for ((kind, n), name) in kinds.iter_mut().zip(n_of_name).zip(timeline.strings.iter()) {
            if n > 0 {
                *kind = CallKind::of(name);
                n_of_kind[*kind as usize] += n;
            }
        }
        Self { kinds, n_of_kind }
    }

    /// Number of API calls of a kind.
    pub fn n_calls(&self, kind: CallKind) -> u64 {
        self.n_of_kind[kind as usize]
    }

    /// The kind of calls with this name column value.
    #[inline]
    pub fn kind(&self, name: u32) -> CallKind {
        debug_assert!(name == NONE_U32 || (name as usize) < self.kinds.len());
        self.kinds.get(name as usize).copied().unwrap_or(CallKind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_api_and_version_are_known() {
        use CallKind::{GraphLaunch, KernelLaunch, Other, StreamCapture, Synchronize, Transfer};
        for (name, kind) in [
            ("cudaLaunchKernel", KernelLaunch),
            ("cudaLaunchKernelExC_v11060", KernelLaunch),
            ("cudaLaunchCooperativeKernel", KernelLaunch),
            ("cuLaunchKernelEx", KernelLaunch),
            ("hipLaunchKernel", KernelLaunch),
            ("hipExtLaunchKernel", KernelLaunch),
            ("hipModuleLaunchKernel", KernelLaunch),
            ("hipExtModuleLaunchKernel", KernelLaunch),
            ("cudaLaunchHostFunc", Other),
            ("cudaGraphLaunch", GraphLaunch),
            ("cudaGraphLaunch_v10000", GraphLaunch),
            ("cuGraphLaunch_ptsz", GraphLaunch),
            ("hipGraphLaunch", GraphLaunch),
            ("cudaGraphInstantiate", Other),
            ("cudaStreamBeginCapture", StreamCapture),
            ("hipStreamEndCapture", StreamCapture),
            ("cudaStreamIsCapturing", Other),
            ("hipStreamGetCaptureInfo", Other),
            ("cudaMemcpyAsync", Transfer),
            ("cuMemcpyHtoDAsync_v2", Transfer),
            ("hipMemsetAsync", Transfer),
            ("cudaDeviceSynchronize", Synchronize),
            ("cuCtxSynchronize", Synchronize),
            ("hipEventSynchronize", Synchronize),
            ("cudaStreamWaitEvent", Other),
            ("INVALID", Other),
            ("", Other),
        ] {
            assert_eq!(CallKind::of(name), kind, "{name}");
        }
    }
}
