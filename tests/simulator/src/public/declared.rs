//! `declared.json`: what the operator knows about the deployment.

use serde_json::{Value, json};

use crate::device::Gpu;
use crate::model::Model;

/// What an operator would write down.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) model: Model,
    pub(crate) gpu: Gpu,
    pub(crate) gpus: u32,
    pub(crate) engine: EngineDeclared,
}

/// The engine's own settings.
#[derive(Debug, Clone)]
pub(crate) enum EngineDeclared {
    Vllm {
        max_num_seqs: usize,
        max_batched_tokens: u64,
        is_eager: bool,
        largest_graph: u64,
        kv_tokens: u64,
        caches_prefixes: bool,
    },
    Triton {
        max_batch: usize,
        preferred: Vec<usize>,
        queue_delay_us: u64,
        instances: usize,
    },
    PyTorch {
        static_batch: u64,
    },
}

impl Declared {
    pub(crate) fn document(&self) -> Value {
        let model = &self.model;
        let mut card = json!({
            "name": model.name,
            "declared_dtype": model.declared.declared(),
            "num_hidden_layers": model.layers,
            "hidden_size": model.hidden,
            "intermediate_size": model.intermediate,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.key_value_heads,
            "vocab_size": model.vocabulary,
            "parameters": model.parameters(),
        });
        if let Some(quantization) = model.quantization {
            card["quantization"] = json!(quantization);
        }
        if let Some(note) = model.note {
            card["note"] = json!(note);
        }
        json!({"model": card, "gpu": self.gpu.name, "gpus": self.gpus, "engine": self.engine()})
    }

    fn engine(&self) -> Value {
        match &self.engine {
            EngineDeclared::Vllm {
                max_num_seqs,
                max_batched_tokens,
                is_eager,
                largest_graph,
                kv_tokens,
                caches_prefixes,
            } => json!({
                "name": "vllm",
                "version": "0.33.0",
                "max_num_seqs": max_num_seqs,
                "max_num_batched_tokens": max_batched_tokens,
                "enable_chunked_prefill": true,
                "enforce_eager": is_eager,
                "cudagraph_capture_sizes_max": largest_graph,
                "tensor_parallel_size": self.gpus,
                "kv_cache_tokens": kv_tokens,
                "enable_prefix_caching": caches_prefixes,
            }),
            EngineDeclared::Triton { max_batch, preferred, queue_delay_us, instances } => json!({
                "name": "triton",
                "version": "2.62.0",
                "max_batch_size": max_batch,
                "dynamic_batching": {
                    "preferred_batch_size": preferred,
                    "max_queue_delay_microseconds": queue_delay_us,
                },
                "instance_group": [{"count": instances, "kind": "KIND_GPU"}],
                "backend": "tensorrt",
            }),
            EngineDeclared::PyTorch { static_batch } => json!({
                "name": "fastapi+pytorch",
                "torch": "2.9.1",
                "workers": 1,
                "static_batch": static_batch,
            }),
        }
    }
}
