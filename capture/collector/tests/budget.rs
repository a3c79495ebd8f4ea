//! A collector that costs more than it may gives detail up, step by step, and says so.

mod support;

use cupti_sys::{CUDA_12_9, CUDA_13_3};
use support::{Bench, problems};
use underspan_model::{ProblemKind, StringId, Timeline};

/// The smallest budget there is, and little patience.
fn bench(toolkit: cupti_sys::Toolkit, kinds: &str, budget: &str) -> Bench {
    Bench::of(toolkit)
        .with("UNDERSPAN_KINDS", kinds)
        .with("UNDERSPAN_OVERHEAD_BUDGET", budget)
        .with("UNDERSPAN_OVERHEAD_WINDOW_MS", "60")
        .with_socket()
}

/// What is recorded, as the control socket tells: the kinds, or that nothing is.
fn recorded(bench: &Bench) -> String {
    let status = bench.ask("status");
    let (_, kinds) = status.split_once("\"kinds\":\"").expect("kinds");
    let (kinds, _) = kinds.split_once('"').expect("a text");
    if status.contains("\"armed\":true") { kinds.to_owned() } else { "nothing".to_owned() }
}

fn property<'a>(capture: &'a Timeline, key: &str) -> Vec<&'a str> {
    let text = |id| capture.strings.resolve_or_empty(StringId::from_raw(id));
    let properties = capture.dimensions.properties.iter();
    properties.filter(|row| text(row.key) == key).map(|row| text(row.value)).collect()
}

#[test]
fn detail_is_given_up_in_order_and_the_file_says_so() {
    for toolkit in [CUDA_12_9, CUDA_13_3] {
        let bench = bench(toolkit, "api", "0.1%");
        const ROUNDS: usize = 2000;
        let work = ["kernels=4000", "calls=1000", "wait"];
        let actions: Vec<&str> = (0..ROUNDS).flat_map(|_| work).collect();
        let mut host = bench.start(&[&["init"], &actions[..], &["graphs=5"]].concat());
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            host.until("waiting");
            let now = recorded(&bench);
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            if seen.last().is_some_and(|last| last == "nothing") {
                break;
            }
            host.go_on();
        }
        assert_eq!(seen, ["api", "node", "lite", "nothing"], "{toolkit:?}");
        let outcome = host.finish();
        outcome.assert_well();
        let capture = bench.capture();
        assert!(!capture.kernels.is_empty() && !capture.api_calls.is_empty());
        assert_eq!(property(&capture, "collector.kinds"), ["api"]);
        assert_eq!(property(&capture, "collector.kinds_reduced_to"), ["node", "lite"]);
        let ledger = problems(&capture);
        assert_eq!(capture.problems.count(ProblemKind::MissingEvidence), 2, "{ledger:?}");
        assert_eq!(capture.problems.count(ProblemKind::CollectionGap), 1, "{ledger:?}");
        let told = capture.problems.iter().find(|p| p.kind == ProblemKind::MissingEvidence);
        let told = told.expect("it is told").example;
        assert!(told.contains("of a core") && told.contains("calls of the host"), "{told}");
    }
}

#[test]
fn within_its_budget_nothing_is_given_up() {
    let bench = bench(CUDA_12_9, "api", "10000%");
    const ROUNDS: usize = 40;
    let actions: Vec<&str> = (0..ROUNDS).flat_map(|_| ["kernels=4000", "wait"]).collect();
    let mut host = bench.start(&[&["init"], &actions[..]].concat());
    for _ in 0..ROUNDS {
        host.until("waiting");
        assert!(bench.ask("flush").contains("\"ok\":true"));
        assert_eq!(recorded(&bench), "api");
        host.go_on();
    }
    host.finish().assert_well();
    let capture = bench.capture();
    assert_eq!(capture.problems.count(ProblemKind::MissingEvidence), 0, "{:?}", problems(&capture));
    assert!(property(&capture, "collector.kinds_reduced_to").is_empty());
}
