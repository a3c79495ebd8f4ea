//! Plants in continuous-batching servers.

use super::parts::{by_severity, clock_drop, growing_roles, neighbour, way_fault, wide_roles};
use super::{Plot, Sown};
use crate::device::Number;
use crate::faults::{CacheFlushes, Straggler, Transfer, Upload};
use crate::load::{Giants, Length, Prefixes};
use crate::model::Conversion;
use crate::plant::Plant;
use crate::profile::{self, Grain};
use crate::server::Engine;
use crate::vllm::Vllm;

/// Bytes of keys and values per token of the full-size models that the short ones stand for.
const CACHE_BYTES_PER_TOKEN: f64 = 131_072.0;

/// Whether a plant makes sense here.
pub(super) fn suits(plant: Plant) -> bool {
    !matches!(plant, Plant::BatchDelay | Plant::SerialBranches | Plant::Waste)
}

/// Plants all of a plot.
pub(super) fn sow(plot: &Plot) -> Sown {
    let is_fine = plot.plants.iter().any(|&plant| is_fine(plant, plot));
    let ranks = if plot.plants.contains(&Plant::Straggler) { 2 } else { 1 };
    let grain = if is_fine { Grain::Fine } else { Grain::Coarse };
    let mut healthy = profile::vllm(plot.seed, grain, ranks);
    if plot.is_small {
        healthy.load.gap_ns *= 3.0 / healthy.load.output.median;
        healthy.load.output = Length { median: 3.0, spread: 0.3, most: 8 };
        healthy.load.prompt = Length { median: 16.0, spread: 0.3, most: 40 };
    }
    for &plant in &plot.plants {
        prepare(plant, plot, &mut healthy);
    }
    healthy.load.gap_ns *= plot.stretch;
    let mut faulty = healthy.clone();
    for &plant in &plot.plants {
        apply(plant, plot, &healthy, &mut faulty);
    }
    Sown { healthy: Engine::Vllm(healthy), faulty: Engine::Vllm(faulty) }
}

/// Whether the plant shows only where there are many small kernels.
fn is_fine(plant: Plant, plot: &Plot) -> bool {
    matches!(plant, Plant::LaunchGaps | Plant::GraphMiss) && plot.variant(plant) % 2 == 1
}

fn apply(plant: Plant, plot: &Plot, healthy: &Vllm, faulty: &mut Vllm) {
    let (severity, variant) = (plot.severity, plot.variant(plant));
    let mut random = plot.random(plant, "apply");
    let is_fine = is_fine(plant, plot);
    let step_ns = profile::decode_ns(healthy);
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
            let roles = growing_roles(severity).iter();
            faulty.precision.conversions =
                roles.map(|&role| (role, Conversion::DequantizeWeights)).collect();
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
            }
        }
        Plant::CacheLoss if healthy.load.prefixes.is_none() => {
            // Room for fewer tokens than the running requests come to hold under the usual load,
            // though for the longest of them.
            let tokens = healthy.load.prompt.median + 0.6 * healthy.load.output.median;
            let running = request_ns * plot.stretch / healthy.load.gap_ns;
            let room = tokens * running * (1.15 - 0.15 * severity);
            faulty.kv_tokens = (room as u64).max(400);
        }
        Plant::CacheLoss => {
            let requests = by_severity(severity, [48.0, 24.0, 11.0]);
            // It begins during the run: what was cached before tells what could have been.
            faults.cache_flushes = Some(CacheFlushes {
                from_ns: (0.35 * run_ns) as u64,
                every_ns: (requests * healthy.load.gap_ns) as u64,
            });
        }
        Plant::CacheTransfer => {
            if let Some(transfer) = &mut faults.transfer {
                transfer.rate = 4.5 / severity;
            }
        }
        Plant::ClockDrop => {
            faulty.conditions[0] = clock_drop(severity, variant, run_ns);
        }
        Plant::NoisyNeighbour => {
            faulty.conditions[0] = neighbour(severity, variant, run_ns, &mut random);
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
            let largest = by_severity(severity, [8, 4, 2]);
            faulty.graph_sizes.retain(|size| *size <= largest);
        }
        Plant::GraphMiss if variant.is_multiple_of(4) => {
            faults.compilations = Some((8, 0.7 * severity * request_ns));
        }
        Plant::GraphMiss => {
            // One size only: every smaller batch is padded to it.
            let tokens_per_ns = 1.0 / prefill_ns(healthy, 1.0);
            let rows = (1.1 + 0.4 * severity) * step_ns * tokens_per_ns;
            faulty.graph_sizes = vec![(rows as u64).next_multiple_of(64)];
        }
        Plant::Outside => {
            faulty.way.fault = Some(way_fault(variant, 0.5 * severity * request_ns, plot.seed));
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
}

/// What the healthy server must already do for the plant to mean something.
fn prepare(plant: Plant, plot: &Plot, healthy: &mut Vllm) {
    let severity = plot.severity;
    let random = &mut plot.random(plant, "prepare");
    match plant {
        Plant::PrefillInterference => healthy.max_batched_tokens = 16_384,
        // A host that is slow enough to need the graphs.
        Plant::GraphMiss if is_fine(plant, plot) => healthy.host_per_op_ns = 16_000.0,
        Plant::Conversions => healthy.model.quantization = Some("awq"),
        Plant::ExposedCopies => {
            let bytes = (random.within(8.0, 12.0) * severity * 1e6) as u64;
            healthy.faults.upload =
                Some(Upload { bytes, is_pageable: false, is_overlapped: false });
        }
        Plant::CacheLoss if plot.seed % 4 != 3 => {
            healthy.load.prefixes =
                Some(Prefixes { groups: 12, tokens: random.between(28, 48) * 16 });
            healthy.load.gap_ns *= 1.5;
        }
        Plant::CacheLoss => {
            healthy.load.output = Length { median: 45.0, spread: 0.3, most: 140 };
            healthy.load.prompt = Length { median: 60.0, spread: 0.3, most: 200 };
            healthy.load.gap_ns = profile::decode_ns(healthy) * 45.0 * 1.06 / 9.0;
        }
        Plant::CacheTransfer => {
            healthy.faults.transfer = Some(Transfer {
                bytes_per_token: CACHE_BYTES_PER_TOKEN,
                rate: 0.9 * healthy.gpu.link_rate,
                is_peer: random.unit() < 0.5,
            });
        }
        Plant::ClockDrop => {
            // Prefill keeps the multiprocessors busy; decode alone notices their clock less.
            healthy.load.prompt = Length { median: 220.0, spread: 0.3, most: 600 };
            healthy.load.output = Length { median: 8.0, spread: 0.3, most: 24 };
            let request_ns = 8.0 * profile::decode_ns(healthy) + prefill_ns(healthy, 230.0);
            healthy.load.gap_ns = (request_ns / 4.0).max(4.0 * prefill_ns(healthy, 230.0));
        }
        // Long enough that samples of other processes, one a second, show the spells.
        Plant::NoisyNeighbour => healthy.load.n_requests = 700,
        _ => {}
    }
}

/// Time that the multiplies of a prefill of so many tokens take, ns.
fn prefill_ns(settings: &Vllm, tokens: f64) -> f64 {
    2.0 * settings.model.parameters() as f64 * tokens / (0.7 * settings.gpu.half_rate)
}
