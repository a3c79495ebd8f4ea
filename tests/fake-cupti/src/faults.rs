//! What the double does wrong, as set by the script.

use cupti_sys::{ActivityKind, CUptiResult};

/// When completed buffers come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Soon, on the library's own thread.
    #[default]
    Worker,
    /// At once, on the thread that filled them.
    Inline,
    /// On a flush only.
    Flush,
}

/// In which order completed buffers come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they were filled.
    #[default]
    Fifo,
    /// The last one first.
    Lifo,
    /// Any, depending on the number.
    Shuffle(u64),
}

/// A function that fails.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) function: String,
    pub(crate) result: CUptiResult,
    /// Calls that go well first.
    pub(crate) after: u64,
    /// Calls that fail then.
    pub(crate) times: u64,
}

/// Everything the script sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) driver_absent: bool,
    pub(crate) subscriber: Option<String>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) stride_lies: Vec<(ActivityKind, isize)>,
    pub(crate) size_lies: Vec<(ActivityKind, isize)>,
    pub(crate) zero_every: u64,
    pub(crate) zero_after: Option<u64>,
    pub(crate) inverted_every: u64,
    pub(crate) delivery: Delivery,
    pub(crate) order: Order,
    pub(crate) overfull_bytes: usize,
    pub(crate) truncate_bytes: usize,
}

impl Faults {
    /// Whether records must be looked at one by one.
    pub(crate) fn touch_times(&self) -> bool {
        self.zero_every > 0 || self.zero_after.is_some() || self.inverted_every > 0
    }

    /// The scripted outcome of the `n`th call (from 0) of `function`.
    pub(crate) fn failure_of(&self, function: &str, n: u64) -> Option<CUptiResult> {
        self.failures
            .iter()
            .find(|failure| {
                failure.function == function
                    && n >= failure.after
                    && n - failure.after < failure.times
            })
            .map(|failure| failure.result)
    }
}

/// `base + delta`, for lies about lengths.
pub(crate) fn lied(lies: &[(ActivityKind, isize)], kind: ActivityKind, base: usize) -> usize {
    let delta = lies.iter().find(|(lied, _)| *lied == kind).map_or(0, |(_, delta)| *delta);
    base.saturating_add_signed(delta)
}
