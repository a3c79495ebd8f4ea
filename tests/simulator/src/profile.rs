//! Healthy servers: what is deployed, on what, under how much load. The seed picks among them.

use crate::conditions::Conditions;
use crate::device::{A10, A100, Gpu, H100, L4, Number};
use crate::encoder::Encoder;
use crate::faults::RuntimeFaults;
use crate::kernels::{Kernels, Library};
use crate::load::{Length, Load, Pattern, Way};
use crate::model::{Model, Pass, Precision};
use crate::pytorch::PyTorch;
use crate::random::Random;
use crate::rank::Work;
use crate::triton::Triton;
use crate::vllm::Vllm;

/// Whether a model has few large kernels or many small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grain {
    Coarse,
    Fine,
}

/// Time at which runs begin: a day of December 2026, by seed.
pub(crate) fn base_ns(seed: u64) -> u64 {
    let mut random = Random::for_purpose(seed, "base");
    1_796_083_200_000_000_000
        + random.between(0, 2_000_000) * 1_000_000_000
        + random.between(0, 1_000_000_000)
}

/// A healthy continuous-batching server.
pub(crate) fn vllm(seed: u64, grain: Grain, ranks: usize) -> Vllm {
    let mut random = Random::for_purpose(seed, "vllm profile");
    let picked = random.pick(&[H100, H100, A100]);
    let gpu = if grain == Grain::Fine { H100 } else { picked };
    let model = decoder(&mut random, &gpu, grain);
    let mut settings = Vllm {
        gpu,
        model,
        precision: Precision::default(),
        max_num_seqs: random.pick(&[64, 128, 256]),
        max_batched_tokens: random.pick(&[2_048, 4_096]),
        is_eager: false,
        graph_sizes: graph_sizes(),
        kv_tokens: 400_000,
        caches_prefixes: true,
        host_per_op_ns: 6_000.0,
        load: Load {
            n_requests: 420,
            gap_ns: 0.0,
            pattern: Pattern::Poisson,
            prompt: Length { median: random.within(24.0, 60.0), spread: 0.45, most: 200 },
            output: Length { median: random.within(9.0, 16.0), spread: 0.35, most: 64 },
            prefixes: None,
            giants: None,
        },
        way: Way::short(),
        faults: RuntimeFaults::default(),
        conditions: vec![Conditions::quiet(); ranks],
        base_ns: base_ns(seed),
    };
    let running = random.within(4.0, 8.0);
    settings.load.gap_ns = decode_ns(&settings) * settings.load.output.median * 1.06 / running;
    settings
}

fn decoder(random: &mut Random, gpu: &Gpu, grain: Grain) -> Model {
    let (layers, hidden, intermediate) = match grain {
        Grain::Fine => (12, 4_096, 11_008),
        Grain::Coarse if gpu.is_hopper() => {
            random.pick(&[(2, 12_288, 40_960), (3, 12_288, 32_768), (4, 8_192, 28_672)])
        }
        Grain::Coarse => {
            random.pick(&[(2, 8_192, 28_672), (3, 8_192, 22_016), (2, 10_240, 30_720)])
        }
    };
    Model {
        name: random.pick(&["acme/assist-4b-instruct", "acme/chat-7b", "orbit/helper-3b"]),
        declared: Number::Bf16,
        quantization: None,
        layers,
        hidden,
        intermediate,
        heads: hidden / 128,
        key_value_heads: 8,
        vocabulary: random.pick(&[32_000, 49_152]),
        note: None,
    }
}

fn graph_sizes() -> Vec<u64> {
    let small = [1, 2, 4];
    let medium = (1..=32).map(|n| 8 * n);
    small.into_iter().chain(medium).chain((17..=32).map(|n| 16 * n)).collect()
}

/// Time of a decode step of eight, ns.
pub(crate) fn decode_ns(settings: &Vllm) -> f64 {
    let kernels = Kernels { gpu: settings.gpu, library: Library::Vllm };
    let context = settings.load.prompt.median as u64 + 8;
    let pass = Pass { rows: 8, sequences: vec![(1, context); 8], outputs: 8 };
    let ranks = settings.conditions.len() as u64;
    let plain = Precision::default();
    let stretches = settings.model.decoder_stretches(&kernels, &plain, &pass, ranks);
    let forward = stretches.iter().flat_map(|(works, last)| works.iter().chain(last));
    let sampling = settings.model.sampling(&kernels, &plain, 8, ranks);
    let busy: f64 = forward.chain(&sampling).map(|work| work.time_ns(1.0) + 600.0).sum();
    busy + 240_000.0
}

/// A healthy Triton server with a TensorRT encoder.
pub(crate) fn triton(seed: u64, grain: Grain) -> Triton {
    let mut random = Random::for_purpose(seed, "triton profile");
    let gpu = random.pick(&[A10, L4, A100]);
    let encoder = Encoder {
        model: encoder_model(&mut random, grain, "bert_embed_trt"),
        precision: Precision::default(),
        uses_graphs: true,
        branches: 1,
        branches_overlap: false,
        padded_batch: 1,
        input_bytes: random.between(100, 400) << 10,
        host_per_op_ns: 1_500.0,
        returns_pageable: false,
    };
    let max_batch = random.pick(&[8, 8, 16]);
    let tokens = random.pick(&[256.0, 384.0]);
    let mut settings = Triton {
        gpu,
        encoder,
        max_batch,
        preferred: vec![max_batch],
        queue_delay_ns: random.pick(&[0, 0, 100_000]),
        instances: random.pick(&[1, 1, 2]),
        is_ensemble: random.unit() < 0.25,
        load: Load {
            n_requests: 420,
            gap_ns: 0.0,
            pattern: random.pick(&[Pattern::Poisson, Pattern::Steady]),
            prompt: Length { median: tokens, spread: 0.0, most: 512 },
            output: Length { median: 1.0, spread: 0.0, most: 1 },
            prefixes: None,
            giants: None,
        },
        way: Way::short(),
        faults: RuntimeFaults::default(),
        conditions: Conditions::quiet(),
        base_ns: base_ns(seed),
    };
    let load = random.within(0.10, 0.35);
    settings.load.gap_ns = execution_ns(&settings.encoder, gpu, Library::TensorRt, tokens) / load;
    settings
}

/// A healthy plain PyTorch server.
pub(crate) fn pytorch(seed: u64, grain: Grain) -> PyTorch {
    let mut random = Random::for_purpose(seed, "pytorch profile");
    let gpu = random.pick(&[A10, A10, L4]);
    let encoder = Encoder {
        model: encoder_model(&mut random, grain, "rerank-l2"),
        precision: Precision::default(),
        uses_graphs: false,
        branches: 1,
        branches_overlap: false,
        padded_batch: 1,
        input_bytes: 4_096,
        host_per_op_ns: 7_200.0,
        returns_pageable: true,
    };
    let tokens = random.within(200.0, 330.0);
    let mut settings = PyTorch {
        gpu,
        encoder,
        load: Load {
            n_requests: 420,
            gap_ns: 0.0,
            pattern: Pattern::Poisson,
            prompt: Length { median: tokens, spread: 0.22, most: 512 },
            output: Length { median: 1.0, spread: 0.0, most: 1 },
            prefixes: None,
            giants: None,
        },
        way: Way::short(),
        faults: RuntimeFaults::default(),
        conditions: Conditions::quiet(),
        base_ns: base_ns(seed),
    };
    let load = random.within(0.04, 0.25);
    let busy_ns = handling_ns(&settings);
    settings.load.gap_ns = busy_ns / load;
    settings
}

fn encoder_model(random: &mut Random, grain: Grain, name: &'static str) -> Model {
    let (layers, hidden) = match grain {
        Grain::Fine => (12, random.pick(&[768, 1_024])),
        Grain::Coarse => random.pick(&[(2, 4_096), (2, 3_072), (3, 2_560)]),
    };
    Model {
        name,
        declared: Number::Fp16,
        quantization: None,
        layers,
        hidden,
        intermediate: 4 * hidden,
        heads: hidden / 128,
        key_value_heads: hidden / 128,
        vocabulary: 0,
        note: None,
    }
}

/// Device time of one execution of one sequence, ns.
pub(crate) fn execution_ns(encoder: &Encoder, gpu: Gpu, library: Library, tokens: f64) -> f64 {
    let kernels = Kernels { gpu, library };
    let pass =
        Pass { rows: tokens as u64, sequences: vec![(tokens as u64, tokens as u64)], outputs: 0 };
    let works: Vec<Work> = encoder.model.encoder(&kernels, &Precision::default(), &pass);
    works.iter().map(|work| work.time_ns(1.0) + 700.0).sum()
}

/// Time the plain server needs for one request, ns.
pub(crate) fn handling_ns(settings: &PyTorch) -> f64 {
    let device_ns =
        execution_ns(&settings.encoder, settings.gpu, Library::Torch, settings.load.prompt.median);
    let n_ops = 8.0 * settings.encoder.model.layers as f64;
    device_ns.max(n_ops * (settings.encoder.host_per_op_ns + 4_800.0)) + 250_000.0
}
