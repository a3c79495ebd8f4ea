//! Plants faults into healthy servers: each is a change of physical quantities, sized relative to
//! what the server normally takes, so that severity 1 is plainly felt and 3 dominates.

use crate::conditions::{
    ClockSpell, Conditions, OtherProcess, REASON_HARDWARE_SLOWDOWN, REASON_HARDWARE_THERMAL,
    REASON_SOFTWARE_POWER_CAP, REASON_SOFTWARE_THERMAL, Tenancy,
};
use crate::device::Number;
use crate::faults::{Straggler, Transfer, Upload};
use crate::kernels::Library;
use crate::load::{Giants, Length, Place, Prefixes, WayFault};
use crate::model::{Conversion, Precision, Role};
use crate::plant::Plant;
use crate::profile::{self, Grain};
use crate::random::Random;
use crate::served::{Served, percentile};
use crate::server::Engine;
use crate::triton::Triton;
use crate::vllm::Vllm;

/// Bytes of keys and values per token of the full-size models that the short ones stand for.
const CACHE_BYTES_PER_TOKEN: f64 = 131_072.0;

/// A server that is ready for a plant, and the same server with it.
#[derive(Debug, Clone)]
pub(crate) struct Sown {
    pub(crate) healthy: Engine,
    pub(crate) faulty: Engine,
}

/// Which plants make sense on which engine.
pub(crate) fn suits_vllm(plant: Plant) -> bool {
    !matches!(plant, Plant::BatchDelay | Plant::SerialBranches | Plant::Waste)
}

pub(crate) fn suits_triton(plant: Plant) -> bool {
    !matches!(
        plant,
        Plant::PrefillInterference
            | Plant::LaunchGaps
            | Plant::CacheLoss
            | Plant::CacheTransfer
            | Plant::Straggler
    )
}

pub(crate) fn suits_pytorch(plant: Plant) -> bool {
    !matches!(
        plant,
        Plant::BatchDelay
            | Plant::PrefillInterference
            | Plant::CacheLoss
            | Plant::CacheTransfer
            | Plant::Straggler
            | Plant::GraphMiss
    )
}

impl Sown {
    /// Lowers the load until the faulty server keeps up with it: a fault is there to make requests
    /// slow, not to drown the server, unless that is the fault. The effect that is allowed grows
    /// with severity.
    pub(crate) fn relaxed(mut self, plant: Plant, severity: f64, load_seed: u64) -> Self {
        if matches!(plant, Plant::CapacityQueue | Plant::BatchDelay) {
            return self;
        }
        for _ in 0..10 {
            let p95 = |engine: &Engine| {
                let run = engine.run(load_seed, load_seed);
                percentile(run.served.iter().map(Served::outer_ns).collect(), 95.0) as f64
            };
            if p95(&self.faulty) <= (1.5 + 0.8 * severity) * p95(&self.healthy) {
                break;
            }
            self.healthy.load_mut().gap_ns *= 1.35;
            self.faulty.load_mut().gap_ns *= 1.35;
        }
        self
    }
}

/// Plants `plant` into a continuous-batching server.
pub(crate) fn vllm(plant: Plant, severity: f64, seed: u64) -> Sown {
    let mut random = Random::for_purpose(seed, "plant");
    let variant = random.between(0, 6);
    let is_fine = matches!((plant, variant % 2), (Plant::LaunchGaps, 1) | (Plant::GraphMiss, 1));
    let ranks = if plant == Plant::Straggler { 2 } else { 1 };
    let grain = if is_fine { Grain::Fine } else { Grain::Coarse };
    let mut healthy = profile::vllm(seed, grain, ranks);
    prepare_vllm(plant, &mut healthy, &mut random);
    let mut faulty = healthy.clone();
    let step_ns = profile::decode_ns(&healthy);
    let request_ns = step_ns * healthy.load.output.median;
    let run_ns = healthy.load.gap_ns * healthy.load.n_requests as f64;
    let faults = &mut faulty.faults;
    match plant {
        Plant::CapacityQueue => {
            let running = request_ns * 1.06 / healthy.load.gap_ns;
            faulty.max_num_seqs = (running * (1.25 - 0.2 * severity)).round().max(1.0) as usize;
        }
        Plant::PrefillInterference => {
            let tokens = (2_200.0 * severity) as u64;
            faulty.load.giants = Some(Giants { share: 0.035, tokens });
        }
        Plant::PrecisionFallback => {
            let number = if variant.is_multiple_of(2) { Number::Fp32 } else { Number::Tf32 };
            faulty.precision.other = wide_roles(severity, number);
        }
        Plant::Conversions => {
            let roles: &[Role] = match severity as u32 {
                0 | 1 => &[Role::Down],
                2 => &[Role::Down, Role::QueryKeyValue, Role::Output],
                _ => &Role::OF_A_LAYER,
            };
            faulty.precision.conversions =
                roles.iter().map(|&role| (role, Conversion::DequantizeWeights)).collect();
        }
        Plant::LaunchGaps if is_fine => {
            faulty.is_eager = true;
            faulty.host_per_op_ns = 9_000.0;
            faults.launch_delay_ns = 9_000.0 * severity;
        }
        Plant::LaunchGaps => faults.step_delay_ns = 0.5 * severity * step_ns,
        Plant::SyncStall => {
            let count = random.between(2, 5) as u32;
            faults.reads_back = Some((count, 0.4 * severity * step_ns / f64::from(count)));
        }
        Plant::ExposedCopies => {
            if let Some(upload) = &mut faults.upload {
                upload.is_pageable = true;
                upload.bytes = (upload.bytes as f64 * severity) as u64;
            }
        }
        Plant::CacheLoss if healthy.load.prefixes.is_none() => {
            // Room for fewer tokens than the running requests come to hold.
            let tokens = healthy.load.prompt.median + healthy.load.output.median;
            let running = request_ns / healthy.load.gap_ns;
            faulty.kv_tokens = (tokens * running * (1.15 - 0.15 * severity)) as u64;
        }
        Plant::CacheLoss => {
            let requests = [48.0, 24.0, 11.0][(severity as usize).clamp(1, 3) - 1];
            faults.cache_lifetime_ns = Some((requests * healthy.load.gap_ns) as u64);
        }
        Plant::CacheTransfer => {
            if let Some(transfer) = &mut faults.transfer {
                transfer.rate = 9.0 / severity;
            }
        }
        Plant::ClockDrop => {
            faulty.conditions[0] = clock_drop(severity, variant, run_ns);
        }
        Plant::NoisyNeighbour => {
            faulty.conditions[0] = neighbour(severity, run_ns, &mut random);
        }
        Plant::Straggler => {
            let rank = random.between(0, 2) as usize;
            faults.straggler = Some(if variant.is_multiple_of(2) {
                let host_delay_ns = 0.35 * severity * step_ns;
                Straggler { rank, host_delay_ns, kernel_factor: 1.0 }
            } else {
                Straggler { rank, host_delay_ns: 0.0, kernel_factor: 1.0 + 0.3 * severity }
            });
        }
        Plant::GraphMiss if is_fine => {
            let largest = [8, 4, 2][(severity as usize).clamp(1, 3) - 1];
            faulty.graph_sizes.retain(|size| *size <= largest);
            faulty.host_per_op_ns = 13_000.0;
        }
        Plant::GraphMiss if variant.is_multiple_of(4) => {
            faults.compilations = Some((7, 0.6 * severity * request_ns));
        }
        Plant::GraphMiss => {
            // One size only: every smaller batch is padded to it.
            let tokens_per_ns = 1.0 / prefill_ns(&healthy, 1.0);
            let rows = (1.0 + 0.4 * severity) * step_ns * tokens_per_ns;
            faulty.graph_sizes = vec![(rows as u64).next_multiple_of(64)];
        }
        Plant::Outside => {
            faulty.way.fault = Some(way_fault(variant, 0.5 * severity * request_ns, seed));
        }
        Plant::ModelBound => {
            let factor = 1.0 + 0.8 * severity;
            let intermediate = faulty.model.intermediate as f64 * factor;
            faulty.model.intermediate = (intermediate / 256.0) as u64 * 256;
            faulty.model.name = "acme/assist-large";
        }
        Plant::Allocator => faults.allocations = Some((2, 0.12 * severity * step_ns)),
        Plant::BatchDelay | Plant::SerialBranches | Plant::Waste => {}
    }
    Sown { healthy: Engine::Vllm(healthy), faulty: Engine::Vllm(faulty) }
}

/// What the healthy server must already do for the plant to mean something.
fn prepare_vllm(plant: Plant, healthy: &mut Vllm, random: &mut Random) {
    match plant {
        Plant::PrefillInterference => healthy.max_batched_tokens = 16_384,
        Plant::Conversions => healthy.model.quantization = Some("awq"),
        Plant::ExposedCopies => {
            let bytes = random.between(8, 12) << 20;
            healthy.faults.upload =
                Some(Upload { bytes, is_pageable: false, is_overlapped: false });
        }
        Plant::CacheLoss if random.unit() < 0.6 => {
            healthy.load.prefixes =
                Some(Prefixes { groups: 12, tokens: random.between(28, 48) * 16 });
            healthy.load.gap_ns *= 1.5;
        }
        Plant::CacheLoss => {
            healthy.load.output = Length { median: 70.0, spread: 0.3, most: 200 };
            healthy.load.prompt = Length { median: 120.0, spread: 0.3, most: 400 };
            healthy.load.n_requests = 160;
            healthy.load.gap_ns = profile::decode_ns(healthy) * 70.0 * 1.06 / 9.0;
        }
        Plant::CacheTransfer => {
            healthy.faults.transfer = Some(Transfer {
                bytes_per_token: CACHE_BYTES_PER_TOKEN,
                rate: 0.9 * healthy.gpu.link_rate,
                is_peer: random.unit() < 0.5,
            });
        }
        Plant::ClockDrop => {
            // Prefill keeps the multiprocessors busy; decode alone hardly notices their clock.
            healthy.load.prompt = Length { median: 420.0, spread: 0.4, most: 1_500 };
            healthy.load.output = Length { median: 5.0, spread: 0.3, most: 16 };
            healthy.load.n_requests = 360;
            healthy.load.gap_ns = 2.4 * prefill_ns(healthy, 450.0);
        }
        Plant::NoisyNeighbour => healthy.load.n_requests = 480,
        _ => {}
    }
}

/// Time that the multiplies of a prefill of so many tokens take, ns.
fn prefill_ns(settings: &Vllm, tokens: f64) -> f64 {
    2.0 * settings.model.parameters() as f64 * tokens / (0.7 * settings.gpu.half_rate)
}

fn wide_roles(severity: f64, number: Number) -> Vec<(Role, Number)> {
    let roles: &[Role] = match severity as u32 {
        0 | 1 => &[Role::Down],
        2 => &[Role::Down, Role::QueryKeyValue, Role::Output],
        _ => &Role::OF_A_LAYER,
    };
    roles.iter().map(|&role| (role, number)).collect()
}

fn clock_drop(severity: f64, variant: u64, run_ns: f64) -> Conditions {
    let ratio = [0.78, 0.62, 0.48][(severity as usize).clamp(1, 3) - 1];
    let (reasons, temperature) = [
        (REASON_SOFTWARE_THERMAL, 84),
        (REASON_HARDWARE_SLOWDOWN | REASON_HARDWARE_THERMAL, 91),
        (REASON_SOFTWARE_POWER_CAP, 66),
    ][(variant % 3) as usize];
    let slow = ClockSpell { from_ns: 0, ratio, reasons, temperature };
    let mut conditions = Conditions::quiet();
    if variant < 3 {
        // Sets in after a while and stays.
        conditions.clocks.push(ClockSpell { from_ns: (0.4 * run_ns) as u64, ..slow });
    } else {
        conditions.clocks = vec![slow];
    }
    conditions
}

fn neighbour(severity: f64, run_ns: f64, random: &mut Random) -> Conditions {
    let mut conditions = Conditions::quiet();
    let mut at_ns = 0.02 * run_ns;
    while at_ns < run_ns {
        let on_ns = run_ns * random.within(0.05, 0.11);
        conditions.tenancies.push(Tenancy {
            start_ns: at_ns as u64,
            end_ns: (at_ns + on_ns) as u64,
            slowdown: 1.0 + 0.45 * severity,
        });
        at_ns += on_ns + run_ns * random.within(0.05, 0.11);
    }
    conditions.others.push(OtherProcess {
        pid: random.between(20_000, 60_000) as u32,
        command: random.pick(&["python", "ffmpeg", "train.py"]),
        sm_percent: (25.0 + 18.0 * severity) as u32,
        memory_mb: random.between(2_000, 16_000) as u32,
    });
    conditions
}

/// `delay_ns` holds for delays that everybody has; rarer ones are longer.
fn way_fault(variant: u64, delay_ns: f64, seed: u64) -> WayFault {
    let places = [Place::Gateway, Place::Network, Place::FarReplica, Place::Frontend];
    let place = places[(variant % 4) as usize];
    // Some routes or all of them.
    let share = if seed.is_multiple_of(2) && place != Place::FarReplica { 1.0 } else { 0.35 };
    WayFault { place, share, delay_ns: delay_ns * if share < 1.0 { 1.7 } else { 1.0 } }
}

/// Plants `plant` into a Triton server.
pub(crate) fn triton(plant: Plant, severity: f64, seed: u64) -> Sown {
    let mut random = Random::for_purpose(seed, "plant");
    let variant = random.between(0, 6);
    let mut healthy = profile::triton(seed, Grain::Coarse);
    prepare_triton(plant, severity, &mut healthy, &mut random);
    let tokens = healthy.load.prompt.median;
    let execution_ns =
        profile::execution_ns(&healthy.encoder, healthy.gpu, Library::TensorRt, tokens)
            * f64::from(healthy.encoder.branches.max(1));
    let run_ns = healthy.load.gap_ns * healthy.load.n_requests as f64;
    let mut faulty = healthy.clone();
    let faults = &mut faulty.faults;
    match plant {
        Plant::CapacityQueue => {
            let load = 0.78 + 0.11 * severity;
            faulty.load.gap_ns = execution_ns / load;
        }
        Plant::BatchDelay => {
            let delay_ns = severity * random.within(1.0, 1.7) * execution_ns.max(2.5e6);
            faulty.queue_delay_ns = (delay_ns / 5e5).ceil() as u64 * 500_000;
        }
        Plant::PrecisionFallback => {
            faulty.precision_mut().other = encoder_roles(severity, Number::Fp32);
            if healthy.encoder.model.declared == Number::Int8 {
                faulty.precision_mut().other = encoder_roles(3.0, Number::Fp16);
                let fallen = (1.0 + severity) as usize;
                faulty.precision_mut().other.truncate(fallen);
            }
        }
        Plant::Conversions => {
            faulty.precision_mut().conversions = conversions(severity, false);
        }
        Plant::SyncStall => {
            faults.reads_back = Some((1, 0.3 * severity * execution_ns / healthy.layers()));
        }
        Plant::ExposedCopies => {
            if let Some(upload) = &mut faults.upload {
                upload.is_pageable = true;
                upload.bytes = (upload.bytes as f64 * severity) as u64;
            }
        }
        Plant::SerialBranches => faulty.encoder.branches_overlap = false,
        Plant::ClockDrop => faulty.conditions = clock_drop(severity, variant, run_ns),
        Plant::NoisyNeighbour => faulty.conditions = neighbour(severity, run_ns, &mut random),
        Plant::GraphMiss => {
            faults.compilations = Some((28, 1.2 * severity * execution_ns));
        }
        Plant::Outside => {
            // Triton has no front end of its own to be slow in.
            let variant = if variant % 4 == 3 { 0 } else { variant };
            faulty.way.fault = Some(way_fault(variant, 0.6 * severity * execution_ns, seed));
        }
        Plant::ModelBound => {
            grow(&mut faulty.encoder.model, severity);
            faulty.encoder.model.name = "bert_large_trt";
        }
        Plant::Allocator => faults.allocations = Some((2, 0.12 * severity * execution_ns)),
        Plant::Waste => faulty.encoder.padded_batch = 1 + severity as u64,
        _ => {}
    }
    Sown { healthy: Engine::Triton(healthy), faulty: Engine::Triton(faulty) }
}

fn prepare_triton(plant: Plant, severity: f64, healthy: &mut Triton, random: &mut Random) {
    match plant {
        Plant::CapacityQueue => {
            healthy.max_batch = 4;
            healthy.preferred = vec![4];
            healthy.instances = 1;
        }
        Plant::PrecisionFallback if random.unit() < 0.5 && !healthy.gpu.is_hopper() => {
            healthy.encoder.model.declared = Number::Int8;
            healthy.encoder.model.quantization = Some("int8");
        }
        Plant::ExposedCopies => {
            let (encoder, gpu) = (&healthy.encoder, healthy.gpu);
            let tokens = healthy.load.prompt.median;
            let execution_ns = profile::execution_ns(encoder, gpu, Library::TensorRt, tokens);
            let bytes = (0.4 * execution_ns * gpu.link_rate * 0.17) as u64;
            healthy.faults.upload =
                Some(Upload { bytes, is_pageable: false, is_overlapped: false });
        }
        Plant::SyncStall => healthy.encoder.uses_graphs = false,
        Plant::SerialBranches => {
            branch(&mut healthy.encoder, &mut healthy.load, severity);
            healthy.load.gap_ns = 12e6;
        }
        Plant::NoisyNeighbour => {
            healthy.load.gap_ns = healthy.load.gap_ns.max(2e7);
        }
        // Enough rows that arithmetic bounds every multiply, on any board.
        Plant::ClockDrop => {
            healthy.load.gap_ns *= 512.0 / healthy.load.prompt.median;
            healthy.load.prompt.median = 512.0;
        }
        _ => {}
    }
}

/// Small towers that could run side by side.
fn branch(encoder: &mut crate::encoder::Encoder, load: &mut crate::load::Load, severity: f64) {
    encoder.model.hidden = 1_024;
    encoder.model.heads = 8;
    encoder.model.key_value_heads = 8;
    encoder.model.intermediate = 2_048;
    encoder.model.layers = 6;
    encoder.branches = 1 + severity as u32;
    encoder.branches_overlap = true;
    encoder.uses_graphs = true;
    load.prompt = Length { median: 96.0, spread: 0.0, most: 128 };
}

fn encoder_roles(severity: f64, number: Number) -> Vec<(Role, Number)> {
    let roles: &[Role] = match severity as u32 {
        0 | 1 => &[Role::Output],
        2 => &[Role::Output, Role::QueryKeyValue],
        _ => &Role::OF_A_LAYER,
    };
    roles.iter().map(|&role| (role, number)).collect()
}

fn conversions(severity: f64, is_cast: bool) -> Vec<(Role, Conversion)> {
    let conversion =
        if is_cast { Conversion::CastActivations } else { Conversion::ReformatActivations };
    (0..severity as usize).flat_map(|_| Role::OF_A_LAYER.map(|role| (role, conversion))).collect()
}

fn grow(model: &mut crate::model::Model, severity: f64) {
    let factor = 1.0 + 0.8 * severity;
    model.intermediate = (model.intermediate as f64 * factor / 256.0) as u64 * 256;
}

/// Plants `plant` into a plain PyTorch server.
pub(crate) fn pytorch(plant: Plant, severity: f64, seed: u64) -> Sown {
    let mut random = Random::for_purpose(seed, "plant");
    let variant = random.between(0, 6);
    let is_fine = matches!(plant, Plant::LaunchGaps | Plant::SyncStall);
    let grain = if is_fine { Grain::Fine } else { Grain::Coarse };
    let mut healthy = profile::pytorch(seed, grain);
    match plant {
        Plant::SerialBranches => {
            branch(&mut healthy.encoder, &mut healthy.load, severity);
            healthy.load.gap_ns = 15e6;
        }
        Plant::ExposedCopies => {
            let bytes = 0.4 * profile::handling_ns(&healthy) * healthy.gpu.link_rate * 0.17;
            healthy.faults.upload =
                Some(Upload { bytes: bytes as u64, is_pageable: false, is_overlapped: false });
        }
        Plant::NoisyNeighbour => healthy.load.gap_ns = healthy.load.gap_ns.max(2e7),
        Plant::ClockDrop => {
            healthy.load.gap_ns *= 400.0 / healthy.load.prompt.median;
            healthy.load.prompt.median = 400.0;
        }
        _ => {}
    }
    let handling_ns = profile::handling_ns(&healthy);
    let run_ns = healthy.load.gap_ns * healthy.load.n_requests as f64;
    let layers = healthy.encoder.model.layers as f64;
    let mut faulty = healthy.clone();
    let faults = &mut faulty.faults;
    match plant {
        Plant::CapacityQueue => faulty.load.gap_ns = handling_ns / (0.72 + 0.1 * severity),
        Plant::PrecisionFallback => {
            let number = if variant.is_multiple_of(2) { Number::Fp32 } else { Number::Tf32 };
            faulty.encoder.precision.other = if number == Number::Fp32 {
                encoder_roles(severity, number)
            } else {
                wide_roles(severity, number)
            };
        }
        Plant::Conversions => {
            faulty.encoder.precision.conversions = conversions(severity, true);
        }
        Plant::LaunchGaps => {
            // The host falls behind the device by a share of what a request takes.
            let per_op_ns = handling_ns / (8.0 * layers);
            let slow_ns = (1.0 + 0.45 * severity) * per_op_ns;
            faults.launch_delay_ns = slow_ns - healthy.encoder.host_per_op_ns - 4_800.0;
        }
        Plant::SyncStall => {
            faults.reads_back = Some((1, 0.5 * severity * handling_ns / layers));
        }
        Plant::ExposedCopies => {
            if let Some(upload) = &mut faults.upload {
                upload.is_pageable = true;
                upload.bytes = (upload.bytes as f64 * severity) as u64;
            }
        }
        Plant::SerialBranches => faulty.encoder.branches_overlap = false,
        Plant::ClockDrop => faulty.conditions = clock_drop(severity, variant, run_ns),
        Plant::NoisyNeighbour => faulty.conditions = neighbour(severity, run_ns, &mut random),
        Plant::Outside => {
            faulty.way.fault = Some(way_fault(variant, 0.6 * severity * handling_ns, seed));
        }
        Plant::ModelBound => {
            grow(&mut faulty.encoder.model, severity);
            faulty.encoder.model.name = "rerank-xl";
        }
        Plant::Allocator => faults.allocations = Some((2, 0.12 * severity * handling_ns)),
        Plant::Waste => faulty.encoder.padded_batch = 1 + severity as u64,
        _ => {}
    }
    Sown { healthy: Engine::PyTorch(healthy), faulty: Engine::PyTorch(faulty) }
}

impl Triton {
    fn precision_mut(&mut self) -> &mut Precision {
        &mut self.encoder.precision
    }

    fn layers(&self) -> f64 {
        self.encoder.model.layers as f64
    }
}
