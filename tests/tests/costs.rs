//! What requests cost, against the simulator's Shapley values of GPU time, and sums that must
//! conserve.

use std::collections::BTreeMap;
use std::path::Path;

use underspan_detectors::{Case, Cost};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_simulator::{Case as Planted, Container, EngineKind, Subject, Trap};

/// Most that the split may be away from the Shapley values, as a share of all of it (L1).
const APART_MAX: f64 = 0.05;

/// Milliseconds of GPU time by trace, as the simulator knows them and as the analysis says.
struct Split {
    name: String,
    truth: BTreeMap<String, f64>,
    said: BTreeMap<String, f64>,
}

impl Split {
    fn of(engine: EngineKind, trap: Trap, seed: u64, made: &Path) -> Self {
        let subject = Subject::Clean(trap);
        let case = Planted { engine, subject, seed, is_small: false };
        let folder = made.join(case.name());
        let truth = case.write_into(&folder, Container::Native).expect("the case");
        let of = &truth.document["gpu_ms"];
        let truth = of.as_object().expect("times by trace").iter();
        let truth = truth.map(|(trace, ms)| (trace.clone(), ms.as_f64().expect("a number")));
        let imported = import_paths(&[folder], &ImportOptions::default(), &NoProgress);
        let timeline = imported.expect("a folder that can be read").timeline;
        let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
        let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
        let shared: u64 = requests.requests.iter().map(|r| r.gpu_share.as_ns()).sum();
        let busy: u64 = analysis.occupancy.devices.iter().map(|d| d.busy.as_ns()).sum();
        assert!(shared <= busy, "{}: {shared} ns shared of {busy}", case.name());
        conserves(&Case::of(&timeline, &analysis, &requests));
        let said = requests.requests.iter().map(|request| {
            let trace = format!("{:032x}", request.trace_id.unwrap_or(0));
            (trace, request.gpu_share.as_ns() as f64 / 1e6)
        });
        Self { name: case.name(), truth: truth.collect(), said: said.collect() }
    }

    /// The sum of the differences of both splits, each taken as shares of the whole: nothing
    /// when they are the same, two when they have nothing in common.
    fn apart(&self) -> f64 {
        let whole = |split: &BTreeMap<String, f64>| split.values().sum::<f64>().max(1e-12);
        let (truth, said) = (whole(&self.truth), whole(&self.said));
        let difference = |trace: &String| {
            let share = |split: &BTreeMap<String, f64>, all: f64| {
                split.get(trace).copied().unwrap_or(0.0) / all
            };
            (share(&self.truth, truth) - share(&self.said, said)).abs()
        };
        let traces: std::collections::BTreeSet<&String> =
            self.truth.keys().chain(self.said.keys()).collect();
        traces.into_iter().map(difference).sum::<f64>()
    }
}

/// The parts of the price of the time sum to it.
fn conserves(case: &Case<'_>) {
    let cost = Cost::of(case, 2.5).expect("device work");
    let parts = cost.requests + cost.unattributed + cost.idle;
    assert!((parts - cost.total).abs() <= 0.001 * cost.total, "{parts} of {}", cost.total);
}

#[test]
fn the_split_is_near_the_shapley_values() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let mut far = Vec::new();
    let plain = EngineKind::ALL.map(|engine| (engine, Trap::Plain));
    // Prompts of very different lengths: who computes more pays more.
    let mixed = (EngineKind::Vllm, Trap::MixedLengths);
    for (engine, trap) in plain.into_iter().chain([mixed]) {
        for seed in [31, 58] {
            let split = Split::of(engine, trap, seed, made.path());
            let apart = split.apart();
            println!("{}: {:.2} % apart", split.name, apart * 100.0);
            if apart > APART_MAX {
                far.push(format!("{}: {:.1} %", split.name, apart * 100.0));
            }
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}
