//! One interface over the engines.

use crate::public::{Declared, EngineDeclared};
use crate::pytorch::PyTorch;
use crate::served::Run;
use crate::triton::Triton;
use crate::vllm::Vllm;

/// A server of one kind with its settings.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Vllm(Vllm),
    Triton(Triton),
    PyTorch(PyTorch),
}

/// Which kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineKind {
    /// Continuous batching, as vLLM.
    Vllm,
    /// Dynamic batching, as Triton with TensorRT.
    Triton,
    /// One request at a time, as FastAPI with PyTorch.
    PyTorch,
}

impl EngineKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Vllm, Self::Triton, Self::PyTorch];

    /// Name on the command line and in case names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Triton => "triton",
            Self::PyTorch => "pytorch",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Engine {
    /// Serves the load. `noise_seed` changes the noise but not who asks for what.
    pub(crate) fn run(&self, load_seed: u64, noise_seed: u64) -> Run {
        match self {
            Self::Vllm(settings) => settings.run(load_seed, noise_seed),
            Self::Triton(settings) => settings.run(load_seed, noise_seed),
            Self::PyTorch(settings) => settings.run(load_seed, noise_seed),
        }
    }

    pub(crate) fn base_ns(&self) -> u64 {
        match self {
            Self::Vllm(settings) => settings.base_ns,
            Self::Triton(settings) => settings.base_ns,
            Self::PyTorch(settings) => settings.base_ns,
        }
    }

    pub(crate) fn set_base_ns(&mut self, base_ns: u64) {
        match self {
            Self::Vllm(settings) => settings.base_ns = base_ns,
            Self::Triton(settings) => settings.base_ns = base_ns,
            Self::PyTorch(settings) => settings.base_ns = base_ns,
        }
    }

    /// What the operator would write down about it.
    pub(crate) fn declared(&self) -> Declared {
        match self {
            Self::Vllm(v) => Declared {
                model: v.model.clone(),
                gpu: v.gpu,
                gpus: v.conditions.len() as u32,
                engine: EngineDeclared::Vllm {
                    max_num_seqs: v.max_num_seqs,
                    max_batched_tokens: v.max_batched_tokens,
                    is_eager: v.is_eager,
                    largest_graph: v.graph_sizes.last().copied().unwrap_or(0),
                    kv_tokens: v.kv_tokens,
                    caches_prefixes: v.caches_prefixes,
                },
            },
            Self::Triton(t) => Declared {
                model: t.encoder.model.clone(),
                gpu: t.gpu,
                gpus: 1,
                engine: EngineDeclared::Triton {
                    max_batch: t.max_batch,
                    preferred: t.preferred.clone(),
                    queue_delay_us: t.queue_delay_ns / 1_000,
                    instances: t.instances,
                },
            },
            Self::PyTorch(p) => Declared {
                model: p.encoder.model.clone(),
                gpu: p.gpu,
                gpus: 1,
                engine: EngineDeclared::PyTorch { static_batch: p.encoder.padded_batch },
            },
        }
    }
}
