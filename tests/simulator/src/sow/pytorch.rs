//! Plants in plain PyTorch servers.

use super::parts::{
    branch, clock_drop, conversions, encoder_roles, grow, neighbour, way_fault, wide_roles,
};
use super::{Plot, Sown};
use crate::device::Number;
use crate::faults::Upload;
use crate::model::Conversion;
use crate::plant::Plant;
use crate::profile::{self, Grain};
use crate::pytorch::PyTorch;
use crate::server::Engine;

/// Whether a plant makes sense here.
pub(super) fn suits(plant: Plant) -> bool {
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

/// Plants all of a plot.
pub(super) fn sow(plot: &Plot) -> Sown {
    let is_fine = |plant: &Plant| matches!(plant, Plant::LaunchGaps | Plant::SyncStall);
    let grain = if plot.plants.iter().any(is_fine) { Grain::Fine } else { Grain::Coarse };
    let mut healthy = profile::pytorch(plot.seed, grain);
    if plot.is_small {
        healthy.load.gap_ns /= healthy.encoder.model.layers as f64;
        healthy.encoder.model.layers = 1;
    }
    for &plant in &plot.plants {
        prepare(plant, plot.severity, &mut healthy);
    }
    healthy.load.gap_ns *= plot.stretch;
    let mut faulty = healthy.clone();
    for &plant in &plot.plants {
        apply(plant, plot, &healthy, &mut faulty);
    }
    Sown { healthy: Engine::PyTorch(healthy), faulty: Engine::PyTorch(faulty) }
}

/// What the healthy server must already do for the plant to mean something.
fn prepare(plant: Plant, severity: f64, healthy: &mut PyTorch) {
    match plant {
        Plant::SerialBranches => {
            branch(&mut healthy.encoder, &mut healthy.load, severity);
            healthy.load.gap_ns = 15e6;
        }
        Plant::ExposedCopies => {
            let bytes =
                0.4 * severity * profile::handling_ns(healthy) * healthy.gpu.link_rate * 0.17;
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
}

fn apply(plant: Plant, plot: &Plot, healthy: &PyTorch, faulty: &mut PyTorch) {
    let (severity, variant) = (plot.severity, plot.variant(plant));
    let mut random = plot.random(plant, "apply");
    let handling_ns = profile::handling_ns(healthy);
    let run_ns = healthy.load.gap_ns * healthy.load.n_requests as f64;
    let layers = healthy.encoder.model.layers as f64;
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
            faulty.encoder.precision.conversions =
                conversions(severity as usize, Conversion::CastActivations);
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
            }
        }
        Plant::SerialBranches => faulty.encoder.branches_overlap = false,
        Plant::ClockDrop => faulty.conditions = clock_drop(severity, variant, run_ns),
        Plant::NoisyNeighbour => {
            faulty.conditions = neighbour(severity, variant, run_ns, &mut random);
        }
        Plant::Outside => {
            faulty.way.fault = Some(way_fault(variant, 0.6 * severity * handling_ns, plot.seed));
        }
        Plant::ModelBound => {
            grow(&mut faulty.encoder.model, severity);
            faulty.encoder.model.name = "rerank-xl";
        }
        Plant::Allocator => faults.allocations = Some((2, 0.12 * severity * handling_ns)),
        Plant::Waste => faulty.encoder.padded_batch = 1 + severity as u64,
        _ => {}
    }
}
