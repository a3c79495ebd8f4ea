//! The labelled cases of `sample-traces/`: one per fault, and healthy servers to compare with.

use crate::case::{Case, Subject};
use crate::plant::Plant;
use crate::public::Container;
use crate::server::EngineKind;
use crate::trap::Trap;

/// A case that is kept with the project.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleCase {
    /// Folder below `sample-traces/`.
    pub path: &'static str,
    /// What is in it.
    pub case: Case,
    /// What holds the records.
    pub container: Container,
}

/// Every one of them.
pub const SAMPLES: &[SampleCase] = &[
    clean("healthy-vllm", EngineKind::Vllm),
    clean("healthy-triton", EngineKind::Triton),
    clean("healthy-pytorch", EngineKind::PyTorch),
    fault("d01-capacity-queue", EngineKind::Vllm, Plant::CapacityQueue, 2),
    fault("d02-batch-delay", EngineKind::Triton, Plant::BatchDelay, 2),
    mild("d03-prefill-interference", EngineKind::Vllm, Plant::PrefillInterference, 2),
    fault("d04-precision-fallback", EngineKind::Triton, Plant::PrecisionFallback, 2),
    fault("d05-conversions", EngineKind::Triton, Plant::Conversions, 2),
    fault("d06-launch-gaps", EngineKind::Vllm, Plant::LaunchGaps, 2),
    fault("d07-sync-stall", EngineKind::Triton, Plant::SyncStall, 2),
    fault("d08-exposed-copies", EngineKind::PyTorch, Plant::ExposedCopies, 2),
    fault("d09-serial-branches", EngineKind::PyTorch, Plant::SerialBranches, 2),
    fault("d10-cache-loss", EngineKind::Vllm, Plant::CacheLoss, 9),
    fault("d11-cache-transfer", EngineKind::Vllm, Plant::CacheTransfer, 2),
    fault("d12-clock-drop", EngineKind::Triton, Plant::ClockDrop, 2),
    fault("d13-noisy-neighbour", EngineKind::Triton, Plant::NoisyNeighbour, 2),
    fault("d14-straggler", EngineKind::Vllm, Plant::Straggler, 2),
    fault("d15-graph-miss", EngineKind::Triton, Plant::GraphMiss, 2),
    fault("d16-outside", EngineKind::PyTorch, Plant::Outside, 2),
    fault("d17-model-bound", EngineKind::Triton, Plant::ModelBound, 2),
    fault("d18-allocator", EngineKind::Triton, Plant::Allocator, 2),
    fault("d19-waste", EngineKind::PyTorch, Plant::Waste, 2),
];

const fn clean(path: &'static str, engine: EngineKind) -> SampleCase {
    sample(path, engine, Subject::Clean(Trap::Plain), 2)
}

const fn fault(path: &'static str, engine: EngineKind, plant: Plant, seed: u64) -> SampleCase {
    sample(path, engine, Subject::Fault(plant, 3.0), seed)
}

const fn mild(path: &'static str, engine: EngineKind, plant: Plant, seed: u64) -> SampleCase {
    sample(path, engine, Subject::Fault(plant, 1.0), seed)
}

const fn sample(path: &'static str, engine: EngineKind, subject: Subject, seed: u64) -> SampleCase {
    // Profiler traces of Triton and of the healthy server; the project's own files, a third of
    // the size, of the rest.
    let container = match (engine, subject) {
        (EngineKind::Triton, _) | (EngineKind::PyTorch, Subject::Clean(_)) => Container::Kineto,
        _ => Container::Native,
    };
    SampleCase { path, case: Case { engine, subject, seed, is_small: true }, container }
}
