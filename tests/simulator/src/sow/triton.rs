//! Plants in Triton servers.

use super::parts::{branch, clock_drop, conversions, encoder_roles, grow, neighbour, way_fault};
use super::{Plot, Sown};
use crate::device::Number;
use crate::faults::Upload;
use crate::kernels::Library;
use crate::load::Pattern;
use crate::model::{Conversion, Role};
use crate::plant::Plant;
use crate::profile::{self, Grain};
use crate::random::Random;
use crate::server::Engine;
use crate::triton::Triton;

/// Whether a plant makes sense here.
pub(super) fn suits(plant: Plant) -> bool {
    !matches!(
        plant,
        Plant::PrefillInterference
            | Plant::LaunchGaps
            | Plant::CacheLoss
            | Plant::CacheTransfer
            | Plant::Straggler
    )
}

/// Plants all of a plot.
pub(super) fn sow(plot: &Plot) -> Sown {
    let mut healthy = profile::triton(plot.seed, Grain::Coarse);
    if plot.is_small {
        healthy.load.gap_ns /= healthy.encoder.model.layers as f64;
        healthy.encoder.model.layers = 1;
    }
    for &plant in &plot.plants {
        prepare(plant, plot.severity, &mut healthy, &mut plot.random(plant, "prepare"));
    }
    healthy.load.gap_ns *= plot.stretch;
    let mut faulty = healthy.clone();
    for &plant in &plot.plants {
        apply(plant, plot, &healthy, &mut faulty);
    }
    Sown { healthy: Engine::Triton(healthy), faulty: Engine::Triton(faulty) }
}

/// Device time of one request, ns.
fn execution_ns(server: &Triton) -> f64 {
    let (encoder, tokens) = (&server.encoder, server.load.prompt.median);
    let tower_ns = profile::execution_ns(encoder, server.gpu, Library::TensorRt, tokens);
    tower_ns * f64::from(encoder.branches.max(1))
}

fn apply(plant: Plant, plot: &Plot, healthy: &Triton, faulty: &mut Triton) {
    let (severity, variant) = (plot.severity, plot.variant(plant));
    let mut random = plot.random(plant, "apply");
    let execution_ns = execution_ns(healthy);
    let run_ns = healthy.load.gap_ns * healthy.load.n_requests as f64;
    let layers = healthy.encoder.model.layers as f64;
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
            faulty.encoder.precision.other = encoder_roles(severity, Number::Fp32);
            if healthy.encoder.model.declared == Number::Int8 {
                let roles = [Role::Up, Role::Down, Role::QueryKeyValue, Role::Output];
                let fallen = roles.iter().take(1 + severity as usize);
                faulty.encoder.precision.other = fallen.map(|&role| (role, Number::Fp16)).collect();
            }
        }
        Plant::Conversions => {
            faulty.encoder.precision.conversions =
                conversions(1 + severity as usize, Conversion::ReformatActivations);
        }
        Plant::SyncStall => {
            faults.reads_back = Some((1, 0.3 * severity * execution_ns / layers));
        }
        Plant::ExposedCopies => {
            if let Some(upload) = &mut faults.upload {
                upload.is_pageable = true;
            }
        }
        Plant::SerialBranches => faulty.encoder.branches_overlap = false,
        Plant::ClockDrop => faulty.conditions = clock_drop(severity, variant, run_ns),
        Plant::NoisyNeighbour => {
            faulty.conditions = neighbour(severity, variant, run_ns, &mut random);
        }
        Plant::GraphMiss => {
            faults.compilations = Some((28, 1.2 * severity * execution_ns));
        }
        Plant::Outside => {
            // Triton has no front end of its own to be slow in.
            let variant = if variant % 4 == 3 { 0 } else { variant };
            faulty.way.fault = Some(way_fault(variant, 0.6 * severity * execution_ns, plot.seed));
        }
        Plant::ModelBound => {
            grow(&mut faulty.encoder.model, severity);
            faulty.encoder.model.name = "bert_large_trt";
        }
        Plant::Allocator => faults.allocations = Some((2, 0.12 * severity * execution_ns)),
        Plant::Waste => {
            // One at a time, although a batch would cost hardly more.
            faulty.max_batch = 1;
            faulty.preferred.clear();
        }
        _ => {}
    }
}

/// What the healthy server must already do for the plant to mean something.
fn prepare(plant: Plant, severity: f64, healthy: &mut Triton, random: &mut Random) {
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
            let bytes = 0.4 * severity * execution_ns(healthy) * healthy.gpu.link_rate * 0.17;
            let bytes = bytes as u64;
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
        Plant::Waste => {
            healthy.instances = 1;
            healthy.load.prompt.median = 32.0;
            healthy.load.pattern = Pattern::Poisson;
            healthy.load.gap_ns = execution_ns(healthy) / (0.42 + 0.12 * severity);
        }
        // Enough rows that arithmetic bounds every multiply, on any board.
        Plant::ClockDrop => {
            healthy.load.gap_ns *= 512.0 / healthy.load.prompt.median;
            healthy.load.prompt.median = 512.0;
        }
        _ => {}
    }
}
