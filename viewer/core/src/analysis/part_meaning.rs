//! What a part of a request's time means, in words.

use underspan_classifier::Role;
use underspan_engine::PartKind;

use super::{Culprit, PartItem, Tone};

impl PartItem {
    /// Name in words.
    pub(crate) fn name(&self) -> String {
        words(self.kind)
    }

    /// What in a range of evidence is to blame.
    pub(crate) fn culprit(&self) -> Culprit {
        culprit(self.kind)
    }

    /// What to do when it is more than usual.
    pub(crate) fn remedy(&self) -> &'static str {
        meaning(self.kind).1
    }

    /// What kind of part it is, for its colour.
    pub(crate) fn tone(&self) -> Tone {
        meaning(self.kind).0
    }
}

fn culprit(kind: PartKind) -> Culprit {
    match kind {
        PartKind::Kernel(role) => Culprit::Kernel(role),
        PartKind::PrecisionExcess => Culprit::Multiply,
        PartKind::CollectiveWait => Culprit::Kernel(Role::Collective),
        PartKind::Interference | PartKind::ClockExcess | PartKind::QueueCapacity => {
            Culprit::AnyKernel
        }
        PartKind::ExposedCopy => Culprit::Copy,
        PartKind::Sync | PartKind::LaunchGap => Culprit::Call,
        _ => Culprit::Nothing,
    }
}

fn words(kind: PartKind) -> String {
    match kind {
        PartKind::Kernel(role) => format!("own kernels: {}", role.as_str().replace('_', " ")),
        PartKind::QueueCapacity => "queue: no room in the batch".to_owned(),
        PartKind::QueueDeferred => "queue: put off by the engine".to_owned(),
        PartKind::Interference => "GPU at work for other requests".to_owned(),
        PartKind::PrecisionExcess => "multiplies in a wider type than declared".to_owned(),
        PartKind::ClockExcess => "kernels slowed by lower clocks".to_owned(),
        PartKind::ExposedCopy => "copies that no kernel hid".to_owned(),
        PartKind::Sync => "GPU idle: the host waited or allocated".to_owned(),
        PartKind::LaunchGap => "GPU idle: nothing was launched yet".to_owned(),
        PartKind::CollectiveWait => "communication with other GPUs".to_owned(),
        PartKind::Outside => "outside the server".to_owned(),
        PartKind::Scheduled => "in steps without device work in the capture".to_owned(),
        other => other.name().replace('_', " "),
    }
}

/// What a part means for the request, and what to do when there is much of it.
fn meaning(kind: PartKind) -> (Tone, &'static str) {
    match kind {
        PartKind::Outside => {
            (Tone::Outside, "Look at the callers and the network in front of the server.")
        }
        PartKind::Frontend => (
            Tone::Waiting,
            "Look at tokenizing and the API process: more workers, shorter prompts.",
        ),
        PartKind::Queue | PartKind::QueueCapacity => {
            (Tone::Waiting, "Raise the batch limit or add a replica; look at who filled the batch.")
        }
        PartKind::QueueDeferred => {
            (Tone::Waiting, "Look at the engine's scheduling policy and KV cache size.")
        }
        PartKind::BatchFormation => (Tone::Waiting, "Lower the batcher's maximum queue delay."),
        PartKind::Preempted => {
            (Tone::Waiting, "Give the KV cache more memory or admit fewer requests.")
        }
        PartKind::Interference => (
            Tone::Excess,
            "Chunk long prompts (chunked prefill) or serve prefill apart from decode.",
        ),
        PartKind::PrecisionExcess => {
            (Tone::Excess, "Find out why the kernel fell back to a wider type.")
        }
        PartKind::ClockExcess => (Tone::Excess, "Look at power and thermal limits of the GPU."),
        PartKind::ExposedCopy => {
            (Tone::Excess, "Use pinned memory and a stream of its own for copies.")
        }
        PartKind::Sync => {
            (Tone::Excess, "Remove host waits (.item(), cudaMalloc, synchronize) from the step.")
        }
        PartKind::LaunchGap => (Tone::Excess, "Use CUDA graphs or less host work per step."),
        PartKind::CollectiveWait => (Tone::Excess, "Look for the rank that comes last."),
        PartKind::Kernel(_) => {
            (Tone::Work, "See whether the kernel took longer than usual, or ran more often.")
        }
        PartKind::Scheduled | PartKind::Post => (Tone::Work, ""),
        _ => (Tone::Unknown, ""),
    }
}
