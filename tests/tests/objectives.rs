//! Objectives on servers that do not say everything that is limited.

use underspan_detectors::{Attainment, Case, Measure, Objective};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};

fn attainment(sample: &str, limits: &str) -> Attainment {
    let path = format!("{}/../sample-traces/{sample}", env!("CARGO_MANIFEST_DIR"));
    let imported = import_paths(&[path.into()], &ImportOptions::default(), &NoProgress);
    let timeline = imported.expect("a sample").timeline;
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    let objective = Objective::parse(limits, 99.0).expect("limits");
    objective.attainment(&Case::of(&timeline, &analysis, &requests))
}

#[test]
fn what_a_server_does_not_say_judges_nothing() {
    // Triton has no tokens, so nothing is known of the first one.
    let alone = attainment("healthy-triton", "e2e=4ms");
    let with_ttft = attainment("healthy-triton", "ttft=1ns,e2e=4ms");
    assert!(alone.n > 100 && alone.share.is_some_and(|share| share > 0.5), "{alone:?}");
    assert_eq!((with_ttft.n, with_ttft.share), (alone.n, alone.share));
    assert_eq!(with_ttft.by_measure[0], (Measure::Ttft, None));
    let only = attainment("healthy-triton", "ttft=1ns");
    assert_eq!((only.n, only.share, only.burn_rate), (0, None, None));
}

#[test]
fn a_limit_that_nothing_keeps_is_missed_by_all() {
    let missed = attainment("healthy-vllm", "ttft=1ns,e2e=5s");
    assert!(missed.n > 100);
    assert_eq!((missed.share, missed.n_missed), (Some(0.0), missed.n));
    assert_eq!(missed.by_measure, [(Measure::Ttft, Some(0.0)), (Measure::E2e, Some(1.0))]);
}
