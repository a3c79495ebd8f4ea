//! What the time of a request went to.

use std::borrow::Cow;

use smallvec::SmallVec;
use underspan_classifier::Role;
use underspan_model::DurationNs;
use underspan_model::tables::TableKind;

/// What an instant of a request's span was spent on. Every instant has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// Before the serving engine had the request, or after its answer: callers, gateways, network.
    Outside,
    /// In the server, before the engine's queue: reading, checking, tokenizing, hand-over.
    Frontend,
    /// Queued for a reason the capture does not show.
    Queue,
    /// Queued while the engine was at work on others: no room in the batch, or a step under way.
    QueueCapacity,
    /// Queued because the engine says it put the request off, though it had room.
    QueueDeferred,
    /// Queued while an instance stood idle: the batcher waited for more requests.
    BatchFormation,
    /// A kernel of the request's own step ran; of several at a time the one that started first.
    Kernel(Role),
    /// The device worked for others: kernels of other steps, or the part of the own step that
    /// the prompts of other requests made longer.
    Interference,
    /// The part of multiplies that a wider type than the model's took longer for.
    PrecisionExcess,
    /// The part of kernels that they took longer because the clocks were down.
    ClockExcess,
    /// A copy or fill ran and no kernel did.
    ExposedCopy,
    /// Nothing ran on the device, and the host waited for it or for the allocator.
    Sync,
    /// Nothing ran on the device, and the host had not launched what came next.
    LaunchGap,
    /// A kernel that exchanges data with other devices ran and no other did.
    CollectiveWait,
    /// In a step of which the capture shows no device work.
    Scheduled,
    /// Admitted before, and put out of the batch to make room.
    Preempted,
    /// After the last token, until the server let go of the request.
    Post,
    /// None of the above is known to have been the case.
    Unexplained,
}

impl PartKind {
    /// The kinds without those of kernels, in the order in which reports show them.
    pub const PLAIN: [Self; 17] = [
        Self::Outside,
        Self::Frontend,
        Self::Queue,
        Self::QueueCapacity,
        Self::QueueDeferred,
        Self::BatchFormation,
        Self::Interference,
        Self::PrecisionExcess,
        Self::ClockExcess,
        Self::CollectiveWait,
        Self::ExposedCopy,
        Self::Sync,
        Self::LaunchGap,
        Self::Scheduled,
        Self::Preempted,
        Self::Post,
        Self::Unexplained,
    ];

    /// Number of kinds, those of kernels included.
    pub const COUNT: usize = Self::PLAIN.len() + Role::ALL.len();

    /// The name reports and JSON use: `queue_capacity`, `kernel_gemm`.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Outside => "outside",
            Self::Frontend => "frontend",
            Self::Queue => "queue",
            Self::QueueCapacity => "queue_capacity",
            Self::QueueDeferred => "queue_deferred",
            Self::BatchFormation => "batch_formation",
            Self::Kernel(role) => return Cow::Owned(format!("kernel_{}", role.as_str())),
            Self::Interference => "interference",
            Self::PrecisionExcess => "precision_excess",
            Self::ClockExcess => "clock_excess",
            Self::ExposedCopy => "exposed_copy",
            Self::Sync => "sync",
            Self::LaunchGap => "launch_gap",
            Self::CollectiveWait => "collective_wait",
            Self::Scheduled => "scheduled",
            Self::Preempted => "preempted",
            Self::Post => "post",
            Self::Unexplained => "unexplained",
        })
    }

    /// Whether the request waited in the queue then.
    pub fn is_queue(self) -> bool {
        matches!(
            self,
            Self::Queue | Self::QueueCapacity | Self::QueueDeferred | Self::BatchFormation
        )
    }

    /// Whether the request was in the batch then.
    pub fn is_scheduled(self) -> bool {
        let is_not = matches!(
            self,
            Self::Outside | Self::Frontend | Self::Preempted | Self::Post | Self::Unexplained
        );
        !is_not && !self.is_queue()
    }

    /// Position in arrays indexed by kind, below [`PartKind::COUNT`].
    pub fn index(self) -> usize {
        match self {
            Self::Kernel(role) => Self::PLAIN.len() + role as usize,
            plain => Self::PLAIN.iter().position(|kind| *kind == plain).unwrap_or(0),
        }
    }

    /// The kind at a position; beyond [`PartKind::COUNT`] it is unexplained.
    pub fn from_index(index: usize) -> Self {
        match Self::PLAIN.get(index) {
            Some(kind) => *kind,
            None => Role::ALL
                .get(index - Self::PLAIN.len())
                .map_or(Self::Unexplained, |role| Self::Kernel(*role)),
        }
    }
}

/// A row of the capture that shows what is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// Table of the row. Rows of [`TableKind::Step`] are positions in
    /// [`Requests::steps`](super::Requests::steps), since not every step is a row of a table.
    pub table: TableKind,
    /// The row.
    pub row: u32,
}

/// How much of a request's span one kind of thing took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it was.
    pub kind: PartKind,
    /// How long, over the whole request. Never zero.
    pub ns: u64,
    /// Rows that show it, the most telling first; at most [`Part::MAX_EVIDENCE`].
    pub evidence: SmallVec<[Evidence; 2]>,
}

impl Part {
    /// Most rows of evidence a part lists.
    pub const MAX_EVIDENCE: usize = 8;

    /// How long, over the whole request.
    pub fn duration(&self) -> DurationNs {
        DurationNs::from_ns(self.ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_names_are_distinct_and_reversible() {
        let mut names = std::collections::HashSet::new();
        for index in 0..PartKind::COUNT {
            let kind = PartKind::from_index(index);
            assert_eq!(kind.index(), index, "{kind:?}");
            assert!(names.insert(kind.name()), "{kind:?}");
        }
        assert_eq!(PartKind::Kernel(Role::Gemm).name(), "kernel_gemm");
    }
}
