//! Labelled cases: a folder in public formats, and the truth about it in a file kept elsewhere.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::corruption::Corruption;
use crate::cost;
use crate::plant::{Layer, Plant};
use crate::public::{Capture, Container, Server, write_capture};
use crate::served::{Run, Served, percentile};
use crate::server::{Engine, EngineKind};
use crate::sow::{self, Plot, Sown};
use crate::trap::Trap;

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// A fault of some severity.
    Fault(Plant, f64),
    /// Nothing is wrong, however it looks.
    Clean(Trap),
    /// Two faults at once.
    Mixture(Plant, Plant, f64),
    /// A capture that is damaged, of a server with a fault or without.
    Damaged(Option<Plant>, Corruption),
}

/// A case that can be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// The server.
    pub engine: EngineKind,
    /// What is wrong, if anything.
    pub subject: Subject,
    /// Seed of everything random.
    pub seed: u64,
    /// A server whose files are small: few layers, short answers.
    pub is_small: bool,
}

/// Every case of the matrix: plants, traps, mixtures and damages on every engine they suit.
pub fn matrix(first_seed: u64, seeds: u64, is_quick: bool) -> Vec<Case> {
    let seeds = if is_quick { 1 } else { seeds };
    let severities: &[f64] = if is_quick { &[1.0, 3.0] } else { &[1.0, 2.0, 3.0] };
    let faults = Plant::ALL
        .into_iter()
        .flat_map(|plant| severities.iter().map(move |&severity| Subject::Fault(plant, severity)));
    let mixtures = MIXTURES.into_iter().map(|(a, b)| Subject::Mixture(a, b, 2.0));
    let damages = Corruption::ALL
        .into_iter()
        .flat_map(|corruption| DAMAGED.map(|plant| Subject::Damaged(plant, corruption)));
    let subjects: Vec<Subject> =
        faults.chain(Trap::ALL.map(Subject::Clean)).chain(mixtures).chain(damages).collect();
    let of = |subject: &Subject, seed: u64| {
        let subject = *subject;
        EngineKind::ALL.map(|engine| Case { engine, subject, seed, is_small: false })
    };
    (first_seed..first_seed + seeds)
        .flat_map(|seed| subjects.iter().flat_map(move |subject| of(subject, seed)))
        .filter(Case::is_possible)
        .collect()
}

/// Faults that are planted together: from one layer, and from two.
const MIXTURES: [(Plant, Plant); 10] = [
    (Plant::PrefillInterference, Plant::LaunchGaps),
    (Plant::ClockDrop, Plant::LaunchGaps),
    (Plant::NoisyNeighbour, Plant::Outside),
    (Plant::PrefillInterference, Plant::Outside),
    (Plant::PrecisionFallback, Plant::ExposedCopies),
    (Plant::Conversions, Plant::Allocator),
    (Plant::ExposedCopies, Plant::Outside),
    (Plant::BatchDelay, Plant::NoisyNeighbour),
    (Plant::BatchDelay, Plant::Outside),
    (Plant::SyncStall, Plant::ClockDrop),
];

/// What is the matter in captures that are damaged.
const DAMAGED: [Option<Plant>; 5] = [
    None,
    Some(Plant::BatchDelay),
    Some(Plant::PrefillInterference),
    Some(Plant::NoisyNeighbour),
    Some(Plant::ExposedCopies),
];

/// What is true about a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Name of the case.
    pub name: String,
    /// The document written as `truth.json`.
    pub document: Value,
}

impl Case {
    /// Whether the plant makes sense on the engine.
    pub fn is_possible(&self) -> bool {
        match (self.subject, self.engine) {
            (Subject::Clean(trap), engine) => trap.suits(engine),
            (Subject::Fault(plant, _), engine) => sow::suits(plant, engine),
            (Subject::Mixture(a, b, _), engine) => sow::suits(a, engine) && sow::suits(b, engine),
            (Subject::Damaged(plant, _), engine) => {
                plant.is_none_or(|plant| sow::suits(plant, engine))
            }
        }
    }

    /// Name of folder and truth, as `vllm-D4-2-s7`.
    pub fn name(&self) -> String {
        let engine = self.engine.name();
        match self.subject {
            Subject::Fault(plant, severity) => {
                format!("{engine}-{}-{severity}-s{}", plant.id(), self.seed)
            }
            Subject::Clean(trap) => format!("{engine}-clean-{}-s{}", trap.name(), self.seed),
            Subject::Mixture(a, b, severity) => {
                format!("{engine}-{}+{}-{severity}-s{}", a.id(), b.id(), self.seed)
            }
            Subject::Damaged(plant, corruption) => {
                let subject = plant.map_or("clean".to_owned(), Plant::id);
                format!("{engine}-{subject}-{}-s{}", corruption.name(), self.seed)
            }
        }
    }

    /// Writes the case into `folder/<name>`, its baseline into `folder/<name>/baseline` where it
    /// has one, and returns the truth.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn write(&self, folder: &Path, container: Container) -> Result<Truth> {
        self.write_into(&folder.join(self.name()), container)
    }

    /// Writes the case into `case_folder` itself.
    ///
    /// # Errors
    /// What the file system returns.
    pub fn write_into(&self, case_folder: &Path, container: Container) -> Result<Truth> {
        let sown = self.sow();
        let noise_seed = self.seed.wrapping_mul(31) + 7;
        let run = sown.faulty.run(self.seed, noise_seed);
        let healthy = sown.healthy.run(self.seed, noise_seed);
        let document = self.truth(&sown.faulty, &run, &healthy);
        create(case_folder)?;
        let mut capture = self.capture(&sown.faulty, run, self.seed);
        if let Subject::Damaged(_, corruption) = self.subject {
            corruption.damage(&mut capture, self.seed);
        }
        capture.container = container;
        write_capture(&capture, case_folder)
            .with_context(|| format!("cannot write {}", case_folder.display()))?;
        if let Subject::Damaged(_, corruption) = self.subject {
            corruption.damage_files(case_folder, self.seed)?;
        }
        if self.has_baseline() {
            let mut before = sown.healthy;
            // The day before.
            before.set_base_ns(before.base_ns() - 86_400_000_000_000);
            let run = before.run(self.seed + 1_000_003, noise_seed + 1_000_003);
            let baseline = case_folder.join("baseline");
            create(&baseline)?;
            let mut capture = self.capture(&before, run, self.seed + 1);
            capture.container = container;
            write_capture(&capture, &baseline)
                .with_context(|| format!("cannot write {}", baseline.display()))?;
        }
        Ok(Truth { name: self.name(), document })
    }

    /// Faults that change everything alike cannot be seen without a run from before.
    fn has_baseline(&self) -> bool {
        let changes_all = |plant: &Plant| {
            matches!(
                plant,
                Plant::ModelBound | Plant::ClockDrop | Plant::Outside | Plant::NoisyNeighbour
            )
        };
        !self.seed.is_multiple_of(2) || self.plants().iter().any(changes_all)
    }

    /// What is planted.
    pub fn plants(&self) -> Vec<Plant> {
        match self.subject {
            Subject::Fault(plant, _) => vec![plant],
            Subject::Clean(_) => Vec::new(),
            Subject::Mixture(a, b, _) => vec![a, b],
            Subject::Damaged(plant, _) => plant.into_iter().collect(),
        }
    }

    /// How bad it is; 0 when nothing is wrong.
    pub fn severity(&self) -> f64 {
        match self.subject {
            Subject::Fault(_, severity) | Subject::Mixture(_, _, severity) => severity,
            Subject::Damaged(Some(_), _) => 2.0,
            Subject::Clean(_) | Subject::Damaged(None, _) => 0.0,
        }
    }

    fn sow(&self) -> Sown {
        let (plants, severity) = (self.plants(), self.severity());
        if plants.is_empty() {
            let trap = match self.subject {
                Subject::Clean(trap) => trap,
                _ => Trap::Plain,
            };
            let healthy = match trap {
                Trap::Plain => sow::healthy(self.engine, self.seed, self.is_small),
                _ => trap.set(self.engine, self.seed),
            };
            return Sown { faulty: healthy.clone(), healthy };
        }
        let (seed, is_small) = (self.seed, self.is_small);
        sow::sow(self.engine, Plot { plants, severity, seed, stretch: 1.0, is_small })
    }

    fn capture(&self, engine: &Engine, run: Run, seed: u64) -> Capture {
        let server = match engine {
            Engine::Vllm(_) => Server::Vllm,
            Engine::Triton(t) if t.is_ensemble => Server::Triton("pipeline"),
            Engine::Triton(t) => Server::Triton(t.encoder.model.name),
            Engine::PyTorch(_) => Server::PyTorch,
        };
        let hides_declared = self.subject == Subject::Clean(Trap::NothingDeclared);
        Capture {
            window_ns: window_ns(&run),
            run,
            server,
            declared: (!hides_declared).then(|| engine.declared()),
            base_ns: engine.base_ns(),
            seed,
            has_samples: true,
            lost_spans: Vec::new(),
            span_skew_ns: 0,
            container: Container::Kineto,
        }
    }

    /// Detectors whose claim describes the case rightly.
    pub fn accepted(&self) -> Vec<String> {
        self.plants().into_iter().flat_map(accepted).collect()
    }

    /// Layers that a verdict may name.
    pub fn layers(&self) -> Vec<Layer> {
        self.plants().iter().flat_map(|plant| plant.layers()).copied().collect()
    }

    fn truth(&self, engine: &Engine, run: &Run, healthy: &Run) -> Value {
        let (with, without) = (Latencies::of(run), Latencies::of(healthy));
        let mut document = json!({
            "case": self.name(),
            "engine": self.engine.name(),
            "plants": self.plants().into_iter().map(Plant::id).collect::<Vec<_>>(),
            "severity": self.severity(),
            "layers": self.layers().iter().map(|layer| layer.name()).collect::<Vec<_>>(),
            "accepted": self.accepted(),
            "has_baseline": self.has_baseline(),
            "requests": run.served.len(),
            "with_fault": with.document(),
            "without_fault": without.document(),
            "effect_p95_ms": with.outer[1] - without.outer[1],
            "gpu_ms": gpu_ms(engine, run),
        });
        match self.subject {
            Subject::Clean(trap) => document["trap"] = json!(trap.name()),
            Subject::Damaged(_, corruption) => document["corruption"] = json!(corruption.name()),
            Subject::Mixture(..) | Subject::Fault(..) => {}
        }
        document
    }
}

/// Detectors whose claim describes the plant rightly; the first is the one it is named after.
fn accepted(plant: Plant) -> Vec<String> {
    let more: &[Plant] = match plant {
        // Padding a batch to a fixed size is both, and a server without batches queues early.
        Plant::Waste => &[Plant::GraphMiss, Plant::CapacityQueue],
        _ => &[],
    };
    std::iter::once(&plant).chain(more).map(|plant| plant.id()).collect()
}

/// What the trace covers, ns: the profiler is switched on in a server that is already running.
fn window_ns(run: &Run) -> (u64, u64) {
    let first_ns = run.served.iter().map(|s| s.arrival.gateway_ns).min().unwrap_or(0);
    let last_ns = run.served.iter().map(Served::gateway_end_ns).max().unwrap_or(0);
    (first_ns + (last_ns - first_ns) / 85, last_ns + 1_000_000)
}

/// Kernel time that each request caused inside the window, ms, by trace id.
fn gpu_ms(engine: &Engine, run: &Run) -> Value {
    let shares = cost::shares_ns(engine, run, window_ns(run));
    let rows = run.served.iter().zip(shares);
    rows.map(|(served, ns)| (format!("{:032x}", served.arrival.trace_id), json!(ns / 1e6)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// p50, p95 and p99 of the outermost and of the serving span, ms.
struct Latencies {
    outer: [f64; 3],
    serving: [f64; 3],
}

impl Latencies {
    fn of(run: &Run) -> Self {
        let of = |length: fn(&Served) -> u64| {
            let values: Vec<u64> = run.served.iter().map(length).collect();
            [50.0, 95.0, 99.0].map(|p| percentile(values.clone(), p) as f64 / 1e6)
        };
        Self { outer: of(Served::outer_ns), serving: of(Served::serving_ns) }
    }

    fn document(&self) -> Value {
        let [p50, p95, p99] = self.outer;
        let [serving_p50, serving_p95, serving_p99] = self.serving;
        json!({"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "serving_p50_ms": serving_p50,
            "serving_p95_ms": serving_p95, "serving_p99_ms": serving_p99})
    }
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::served::Stages;

    fn runs(case: &Case) -> (Run, Run) {
        let sown = case.sow();
        (sown.faulty.run(case.seed, 5), sown.healthy.run(case.seed, 5))
    }

    fn p95(run: &Run) -> f64 {
        Latencies::of(run).outer[1]
    }

    fn faults_of(engine: EngineKind, seeds: std::ops::Range<u64>) -> impl Iterator<Item = Case> {
        seeds
            .flat_map(|seed| matrix(seed, 1, false))
            .filter(move |case| matches!(case.subject, Subject::Fault(..)) && case.engine == engine)
    }

    /// Streams run one thing at a time, nothing starts before it was launched, spans nest.
    fn is_physical(run: &Run, name: &str) {
        for recording in &run.recordings {
            let mut calls = std::collections::HashMap::new();
            for call in &recording.api_calls {
                calls.insert(call.correlation, call.start_ns);
            }
            let mut ready = std::collections::HashMap::new();
            for kernel in &recording.kernels {
                assert!(calls[&kernel.correlation] < kernel.start_ns, "{name}");
                let ready = ready.entry(kernel.stream).or_insert(0);
                assert!(*ready <= kernel.start_ns, "{name}: {}", kernel.launch.name);
                *ready = kernel.start_ns + kernel.duration_ns;
            }
        }
        for served in &run.served {
            let a = &served.arrival;
            assert!(a.gateway_ns < a.client_ns && a.client_ns < a.server_ns, "{name}");
            assert!(a.server_ns < served.server_end_ns, "{name}");
            if let Stages::Llm { queued_ns, scheduled_ns, first_token_ns, last_token_ns } =
                served.stages
            {
                assert!(a.server_ns < queued_ns && queued_ns <= scheduled_ns, "{name}");
                assert!(scheduled_ns < first_token_ns, "{name}");
                assert!(first_token_ns <= last_token_ns, "{name}");
                assert!(last_token_ns < served.server_end_ns, "{name}");
            }
        }
    }

    fn every_plant_is_felt(engine: EngineKind) {
        let mut odd = Vec::new();
        for case in faults_of(engine, 1..3) {
            let (faulty, healthy) = runs(&case);
            is_physical(&faulty, &case.name());
            let ratio = p95(&faulty) / p95(&healthy);
            let Subject::Fault(plant, severity) = case.subject else { continue };
            let most = match plant {
                Plant::CapacityQueue | Plant::BatchDelay | Plant::Waste => 40.0,
                // CUDA cores are up to sixteen times slower than tensor cores.
                Plant::PrecisionFallback => 16.0,
                _ => 1.9 + 0.9 * severity,
            };
            if !(1.08..most).contains(&ratio) {
                odd.push(format!("{} {ratio:.2}", case.name()));
            }
        }
        assert!(odd.is_empty(), "{odd:#?}");
    }

    #[test]
    fn every_plant_is_felt_in_vllm() {
        every_plant_is_felt(EngineKind::Vllm);
    }

    #[test]
    fn every_plant_is_felt_in_triton() {
        every_plant_is_felt(EngineKind::Triton);
    }

    #[test]
    fn every_plant_is_felt_in_pytorch() {
        every_plant_is_felt(EngineKind::PyTorch);
    }

    #[test]
    fn a_case_is_the_same_every_time_and_changes_with_its_seed() {
        let subject = Subject::Fault(Plant::BatchDelay, 1.0);
        let case = Case { engine: EngineKind::Triton, subject, seed: 3, is_small: false };
        let (a, b) = (runs(&case).0, runs(&case).0);
        assert_eq!((&a.recordings, &a.served), (&b.recordings, &b.served));
        let other = runs(&Case { seed: 4, ..case }).0;
        assert_ne!(a.served, other.served);
    }

    #[test]
    fn clean_servers_keep_up() {
        for engine in EngineKind::ALL {
            for trap in Trap::ALL.into_iter().filter(|trap| trap.suits(engine)) {
                let case = Case { engine, subject: Subject::Clean(trap), seed: 2, is_small: false };
                let run = runs(&case).0;
                is_physical(&run, &case.name());
                let [p50, p95, _] = Latencies::of(&run).outer;
                assert!(p95 < 4.0 * p50, "{}: {p50} {p95}", case.name());
            }
        }
    }
}
