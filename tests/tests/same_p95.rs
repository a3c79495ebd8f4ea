//! The same red span, for different reasons: what p95 alone cannot tell apart.

use std::path::Path;

use underspan_detectors::{Case, Cost, Latency, Verdict};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;
use underspan_model::tables::{Span, SpanTable};
use underspan_simulator::{Case as Planted, Container, EngineKind, Plant, Subject, Trap};

/// Most that a 95th percentile may differ from the one that is aimed at, as a share of it.
const SAME: f64 = 0.03;

struct Run {
    timeline: Timeline,
    analysis: Analysis,
    requests: Requests,
}

impl Run {
    fn of(timeline: Timeline) -> Self {
        let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
        let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
        Self { timeline, analysis, requests }
    }

    fn read(folder: &Path) -> Self {
        let imported = import_paths(&[folder.to_owned()], &ImportOptions::default(), &NoProgress);
        Self::of(imported.expect("a folder that can be read").timeline)
    }

    fn case(&self) -> Case<'_> {
        Case::of(&self.timeline, &self.analysis, &self.requests)
    }
}

/// Writes a server with a fault that is as bad as it takes for a 95th percentile of `p95_ms`: of
/// the severities that are tried, the one that comes nearest. The load follows the severity, so
/// that a worse fault does not always mean a longer percentile.
fn with_p95(plant: Plant, p95_ms: f64, folder: &Path) {
    let p95_of = |severity: f64, folder: &Path| {
        let subject = Subject::Fault(plant, severity);
        let case = Planted { engine: EngineKind::Triton, subject, seed: 41, is_small: true };
        let truth = case.write_into(folder, Container::Native).expect("the case");
        truth.document["with_fault"]["p95_ms"].as_f64().expect("a number")
    };
    let tried = tempfile::tempdir().expect("a temporary folder");
    let severities = (6..80).map(|at| f64::from(at) * 0.05);
    let apart = |severity: &f64| (p95_of(*severity, tried.path()) / p95_ms - 1.0).abs();
    let nearest = severities
        .map(|severity| (apart(&severity), severity))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("severities");
    assert!(nearest.0 < SAME, "no severity of {plant:?} gives a p95 of {p95_ms} ms: {nearest:?}");
    p95_of(nearest.1, folder);
}

#[test]
fn three_reasons_for_one_p95_get_three_verdicts() {
    let made = tempfile::tempdir().expect("a temporary folder");
    // Clocks drop to the few steps that a GPU has: the other two are brought to the same p95.
    let subject = Subject::Fault(Plant::ClockDrop, 2.0);
    let case = Planted { engine: EngineKind::Triton, subject, seed: 41, is_small: true };
    let slowed = made.path().join("slowed");
    let truth = case.write_into(&slowed, Container::Native).expect("the case");
    let p95_ms = truth.document["with_fault"]["p95_ms"].as_f64().expect("a number");
    let (delayed, larger) = (made.path().join("delayed"), made.path().join("larger"));
    with_p95(Plant::BatchDelay, p95_ms, &delayed);
    with_p95(Plant::ModelBound, p95_ms, &larger);
    for (folder, kind, cause) in
        [(larger, "model", "D17"), (delayed, "runtime", "D2"), (slowed, "hardware", "D12")]
    {
        let (now, then) = (Run::read(&folder), Run::read(&folder.join(underspan_import::BASELINE)));
        let verdict = Verdict::of(&now.case().with_baseline(then.case()));
        let p95 = verdict.latency.p95.expect("requests").value as f64 / 1e6;
        assert!((p95 / p95_ms - 1.0).abs() < 2.0 * SAME, "{kind}: {p95} ms, not {p95_ms}");
        let said = (verdict.kind.as_str(), verdict.top_cause);
        assert_eq!(said, (kind, Some(cause)), "{:?}", verdict.reasons);
    }
}

#[test]
fn the_same_p95_at_three_times_the_cost_is_said_to_cost_three_times_as_much() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let subject = Subject::Clean(Trap::Plain);
    let case = Planted { engine: EngineKind::PyTorch, subject, seed: 42, is_small: false };
    case.write_into(made.path(), Container::Native).expect("the case");
    let busy = Run::read(made.path());
    let idle = Run::of(every_third_trace(&busy.timeline));
    // A third of the requests has a 95th percentile that chance moves: their intervals overlap.
    let p95 = |run: &Run| Latency::of(run.case().latencies.clone()).p95.expect("requests");
    let (often, rarely) = (p95(&busy), p95(&idle));
    assert!(often.low <= rarely.high && rarely.low <= often.high, "{often:?}, {rarely:?}");
    let per_served = |run: &Run| {
        let cost = Cost::of(&run.case(), 2.5).expect("device work");
        cost.per_served.expect("requests were served")
    };
    let ratio = per_served(&idle) / per_served(&busy);
    assert!((ratio / 3.0 - 1.0).abs() < 0.05, "{ratio} times the cost");
}

/// The same GPU held for the same time, with a third of the requests.
fn every_third_trace(timeline: &Timeline) -> Timeline {
    let mut kept = timeline.clone();
    let trace = |span: &Span| (span.trace_id_high, span.trace_id_low);
    let mut traces: Vec<(u64, u64)> = timeline.spans.iter().map(|span| trace(&span)).collect();
    traces.sort_unstable();
    traces.dedup();
    kept.spans = SpanTable::default();
    for span in timeline.spans.iter() {
        let place = traces.binary_search(&trace(&span)).expect("a known trace");
        if place.is_multiple_of(3) {
            kept.spans.push(span);
        }
    }
    kept
}
