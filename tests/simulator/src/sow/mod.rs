//! Plants faults into healthy servers: each is a change of physical quantities, sized relative to
//! what the server normally takes, so that severity 1 is plainly felt and 3 dominates.

mod parts;
mod pytorch;
mod triton;
mod vllm;

use crate::plant::Plant;
use crate::random::Random;
use crate::served::{Served, percentile};
use crate::server::{Engine, EngineKind};

/// A server that is ready for a plant, and the same server with it.
#[derive(Debug, Clone)]
pub(crate) struct Sown {
    pub(crate) healthy: Engine,
    pub(crate) faulty: Engine,
}

/// What is planted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    pub(crate) plants: Vec<Plant>,
    pub(crate) severity: f64,
    pub(crate) seed: u64,
    /// Times between arrivals are so many times longer than usual.
    pub(crate) stretch: f64,
    /// Models have few layers and answers few tokens, so that files stay small.
    pub(crate) is_small: bool,
}

/// Whether a plant makes sense on an engine.
pub(crate) fn suits(plant: Plant, engine: EngineKind) -> bool {
    match engine {
        EngineKind::Vllm => vllm::suits(plant),
        EngineKind::Triton => triton::suits(plant),
        EngineKind::PyTorch => pytorch::suits(plant),
    }
}

/// Plants a plot, under a load that the faulty server keeps up with: a fault is there to make
/// requests slow, not to drown the server, unless that is the fault. The effect that is allowed
/// grows with severity.
pub(crate) fn sow(engine: EngineKind, mut plot: Plot) -> Sown {
    let drowns =
        |plant: &Plant| matches!(plant, Plant::CapacityQueue | Plant::BatchDelay | Plant::Waste);
    let is_left_alone = plot.plants.iter().any(drowns);
    let most = 1.5 + 0.8 * plot.severity * plot.plants.len() as f64;
    loop {
        let sown = match engine {
            EngineKind::Vllm => vllm::sow(&plot),
            EngineKind::Triton => triton::sow(&plot),
            EngineKind::PyTorch => pytorch::sow(&plot),
        };
        let ratio = || p95(&sown.faulty, plot.seed) / p95(&sown.healthy, plot.seed);
        if is_left_alone || plot.stretch > 6.0 || ratio() <= most {
            return sown;
        }
        plot.stretch *= 1.35;
    }
}

fn p95(engine: &Engine, seed: u64) -> f64 {
    let run = engine.run(seed, seed);
    percentile(run.served.iter().map(Served::outer_ns).collect(), 95.0) as f64
}

/// A healthy server without any plant.
pub(crate) fn healthy(engine: EngineKind, seed: u64, is_small: bool) -> Engine {
    let plot = Plot { plants: Vec::new(), severity: 0.0, seed, stretch: 1.0, is_small };
    match engine {
        EngineKind::Vllm => vllm::sow(&plot).healthy,
        EngineKind::Triton => triton::sow(&plot).healthy,
        EngineKind::PyTorch => pytorch::sow(&plot).healthy,
    }
}

impl Plot {
    /// Which of several ways to have the same fault.
    fn variant(&self, plant: Plant) -> u64 {
        self.random(plant, "variant").between(0, 6)
    }

    fn random(&self, plant: Plant, purpose: &str) -> Random {
        Random::for_purpose(self.seed, &format!("{} {purpose}", plant.id()))
    }
}
