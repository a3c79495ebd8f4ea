//! `underspan arm`: requests that are too slow make captures of themselves.

mod support;

use std::process::Output;

use support::{Bench, server, stderr};
use underspan_native::read_timeline;

/// Runs `underspan arm OPTIONS` on a server that answers some twenty requests a second.
fn arm(bench: &Bench, options: &[&str], seconds: &str) -> Output {
    let server = server();
    let host = ["--", server.as_str(), "steady", "--seconds", seconds];
    let words = [&["arm", "-o", "cap.uspan"], options, &host].concat();
    let output = bench.command(&words).output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    output
}

fn captures(bench: &Bench) -> Vec<String> {
    bench.files().into_iter().filter(|name| name.starts_with("cap-")).collect()
}

#[test]
fn a_request_slower_than_it_may_be_is_captured_once() {
    let bench = Bench::new();
    let output = arm(&bench, &["--last", "20s", "--slower-than", "1ms"], "2");
    let said = stderr(&output);
    assert!(said.contains("a slow request") && said.contains("a request took"), "{said}");
    // Every request is slower than that; one capture has those of the last seconds.
    assert_eq!(captures(&bench), ["cap-1.uspan"], "{said}");
    let capture = read_timeline(&bench.path("cap-1.uspan")).expect("a capture");
    let longest = capture.spans.duration_ns.iter().max().copied();
    assert!(longest > Some(1_000_000), "the request is in it: {longest:?}");
    assert!(!capture.steps.is_empty() && !capture.graph_launches.is_empty(), "{said}");
}

#[test]
fn missing_an_objective_arms_a_dormant_server() {
    let bench = Bench::new();
    let options = ["--dormant", "--duration", "300ms", "--slo", "e2e=1us", "--target", "90"];
    let output = arm(&bench, &options, "4");
    let said = stderr(&output);
    assert!(said.contains("requests of the last 60 s missed the objective"), "{said}");
    assert_eq!(captures(&bench), ["cap-1.uspan"], "{said}");
    let capture = read_timeline(&bench.path("cap-1.uspan")).expect("a capture");
    assert!(!capture.steps.is_empty(), "{said}");
}

#[test]
fn requests_within_their_limits_make_no_capture() {
    let bench = Bench::new();
    let limits = ["--slower-than", "1h", "--slo", "ttft=1000s,itl=1000s,e2e=1000s"];
    let output = arm(&bench, &limits, "1.5");
    assert!(captures(&bench).is_empty(), "{}", stderr(&output));
    assert!(!bench.path("cap.uspan.parts").exists(), "{:?}", bench.files());
}

#[test]
fn limits_that_are_none_and_limits_without_spans_are_refused() {
    for (options, word) in [
        (&["--slo", "e2e=soon"][..], "e2e=soon"),
        (&["--slo", "e2e=1s", "--target", "100"], "target 100"),
        (&["--slower-than", "a while"], "a while"),
        (&["--slower-than", "1s", "--no-otlp"], "--no-otlp"),
    ] {
        let bench = Bench::new();
        let words = [&["arm"], options, &["--", "true"]].concat();
        let output = bench.command(&words).output().expect("it ends");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(word), "{options:?}: {}", stderr(&output));
    }
}
