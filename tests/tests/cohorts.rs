//! Latency by what requests have in common.

use underspan_detectors::{Case, Cohort, cohorts};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;
use underspan_model::tables::{AttributeKind, SpanAttribute};

fn healthy() -> Timeline {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample-traces/healthy-pytorch");
    let imported = import_paths(&[path.into()], &ImportOptions::default(), &NoProgress);
    imported.expect("a sample").timeline
}

/// Says of every request's serving span which of two replicas served it; `is_second` is told its
/// position and whether it is slower than the median.
fn with_replicas(timeline: &mut Timeline, is_second: impl Fn(usize, bool) -> bool) {
    let analysis = Analysis::of(timeline, &AnalysisOptions::default());
    let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
    let key = timeline.strings.intern("service.instance.id").raw();
    let names = ["replica-a", "replica-b"].map(|name| timeline.strings.intern(name).raw());
    let mut lengths: Vec<u64> = requests.requests.iter().map(|r| r.duration().as_ns()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    for (at, request) in requests.requests.iter().enumerate() {
        let row = *request.chain.last().expect("spans") as usize;
        let second = is_second(at, request.duration().as_ns() > median);
        timeline.span_attributes.push(SpanAttribute {
            span: timeline.spans.id[row],
            key,
            kind: AttributeKind::Text.code(),
            text: names[usize::from(second)],
            ..SpanAttribute::default()
        });
    }
}

fn replicas_of(timeline: &Timeline) -> Vec<Cohort> {
    let analysis = Analysis::of(timeline, &AnalysisOptions::default());
    let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
    let found = cohorts(&Case::of(timeline, &analysis, &requests));
    found.into_iter().filter(|cohort| cohort.by == "replica").collect()
}

#[test]
fn a_slow_replica_stands_out_and_one_by_lot_does_not() {
    let mut slow = healthy();
    let plain = slow.clone();
    with_replicas(&mut slow, |_, is_slow| is_slow);
    let found = replicas_of(&slow);
    let names: Vec<&str> = found.iter().map(|cohort| cohort.value.as_str()).collect();
    assert_eq!(found.len(), 2, "{names:?}");
    assert!(found.iter().all(|cohort| cohort.is_different), "{found:#?}");
    let second = found.iter().find(|cohort| cohort.value == "replica-b").expect("it is there");
    assert_eq!(second.n_slow, found.iter().map(|cohort| cohort.n_slow).sum::<usize>());
    let mut alike = plain;
    with_replicas(&mut alike, |at, _| at % 2 == 0);
    let found = replicas_of(&alike);
    assert!(found.len() == 2 && found.iter().all(|cohort| !cohort.is_different), "{found:#?}");
}
