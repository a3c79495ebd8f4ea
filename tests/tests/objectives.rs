//! Objectives on servers that do not say everything that is limited.

use underspan_detectors::{Attainment, Case, Measure, Objective};
use underspan_engine::{Analysis, AnalysisOptions, Request, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};

fn attainment(sample: &str, limits: &str) -> Attainment {
    judged(sample, limits, |_, attainment| attainment)
}

/// What `read` makes of the requests and how they stand.
fn judged<T>(sample: &str, limits: &str, read: impl FnOnce(&Requests, Attainment) -> T) -> T {
    changed(sample, limits, |_| {}, read)
}

/// The same of requests that `change` has changed.
fn changed<T>(
    sample: &str,
    limits: &str,
    change: impl FnOnce(&mut Requests),
    read: impl FnOnce(&Requests, Attainment) -> T,
) -> T {
    let path = format!("{}/../sample-traces/{sample}", env!("CARGO_MANIFEST_DIR"));
    let imported = import_paths(&[path.into()], &ImportOptions::default(), &NoProgress);
    let timeline = imported.expect("a sample").timeline;
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let mut requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    change(&mut requests);
    let objective = Objective::parse(limits, 99.0).expect("limits");
    let attainment = objective.attainment(&Case::of(&timeline, &analysis, &requests));
    read(&requests, attainment)
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

#[test]
fn a_limit_between_tokens_judges_each_of_them_where_steps_are_known() {
    judged("d03-prefill-interference", "itl=25ms", |requests, attainment| {
        let served = requests.requests.iter().filter(|request| !request.chain.is_empty());
        let longest = |request| {
            let gaps = requests.token_gaps(request);
            gaps.iter().map(|token| token.gap.as_ns()).max()
        };
        let n_of_one = served.clone().filter(|request| request.tokens.output == Some(1)).count();
        let (mut n, mut n_missed, mut n_hidden) = (0, 0, 0);
        for request in served {
            let Some(longest) = longest(request) else { continue };
            n += 1;
            let is_slow = longest > 25_000_000;
            n_missed += usize::from(is_slow || request.is_error);
            n_hidden +=
                usize::from(is_slow && request.tpot.is_some_and(|t| t.as_ns() <= 25_000_000));
        }
        assert!(n_hidden > 1, "{n_hidden} of {n_missed} would not show in a mean");
        let itl = attainment.itl.expect("a limit on it");
        let n_by_mean = attainment.n - n - n_of_one;
        assert_eq!((itl.n_by_gaps, itl.n_by_mean), (n, n_by_mean), "{attainment:?}");
        assert_eq!(attainment.n_missed, n_missed);
        assert!(itl.n_gaps_kept < itl.n_gaps && itl.n_gaps > 500, "{itl:?}");
    });
}

#[test]
fn a_request_of_one_token_keeps_a_limit_between_tokens() {
    let limits = "ttft=50ms,e2e=80ms";
    let without = attainment("d01-capacity-queue", limits);
    let with = attainment("d01-capacity-queue", &format!("{limits},itl=10s"));
    // A limit that every request keeps leaves out none but those of which nothing is known.
    judged("d01-capacity-queue", limits, |requests, _| {
        let is_of_one = |request: &&Request| request.tokens.output == Some(1);
        assert!(requests.requests.iter().filter(is_of_one).count() > 10);
        let unknown = requests.requests.iter().filter(|request| {
            request.tpot.is_none() && requests.token_gaps(request).is_empty() && !is_of_one(request)
        });
        assert_eq!(with.n + unknown.count(), without.n);
    });
}

#[test]
fn one_token_is_no_word_on_the_time_between_tokens() {
    // Triton has no tokens; a single request that is known to have one changes nothing.
    let one = |requests: &mut Requests| requests.requests[0].tokens.output = Some(1);
    let limits = "itl=1ns,e2e=4ms";
    let (n, itl) =
        changed("healthy-triton", limits, one, |_, found| (found.n, found.by_measure[0]));
    assert_eq!((n, itl), (attainment("healthy-triton", "e2e=4ms").n, (Measure::Itl, None)));
}

#[test]
fn a_mean_is_judged_where_nothing_else_is_known_and_is_said_to_be_one() {
    let by_spans = attainment("healthy-vllm/spans.otlp.json.gz", "itl=40ms");
    let itl = by_spans.itl.expect("a limit on it");
    let n_of_one = judged("healthy-vllm/spans.otlp.json.gz", "itl=40ms", |requests, _| {
        requests.requests.iter().filter(|request| request.tokens.output == Some(1)).count()
    });
    assert_eq!((itl.n_by_gaps, itl.n_by_mean), (0, by_spans.n - n_of_one), "{by_spans:?}");
    assert!(by_spans.n > 100);
    let other = attainment("healthy-vllm/spans.otlp.json.gz", "e2e=5s");
    assert_eq!(other.itl, None, "no limit on it");
}
