//! `underspan record` beside a server that exports spans.

mod support;

use support::{Bench, server, stderr};
use underspan_model::{ProblemKind, Trust};
use underspan_receiver::{Receiver, ReceiverOptions};

#[test]
fn request_spans_are_in_the_capture_and_reach_the_users_endpoint() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = Receiver::start(ReceiverOptions::new(folder.path())).expect("an endpoint");
    let bench = bench
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", endpoint.http_port()));
    let output = bench.record(&[], &[&server(), "steady", "--seconds", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    assert!(capture.spans.len() > 5, "{} spans", capture.spans.len());
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", capture.problems);
    let got = endpoint.stop().stats;
    assert_eq!(got.traces.items, capture.spans.len() as u64, "everything was passed on");
    assert!(bench.files().iter().all(|name| !name.contains("parts")), "{:?}", bench.files());
}

#[test]
fn an_endpoint_that_is_down_is_said_and_stops_nothing() {
    let bench = Bench::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let output = bench.record(&["--duration", "0.5s"], &[&server(), "steady", "--seconds", "1.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("exports of traces did not reach your endpoint"));
    assert_eq!(bench.capture().problems.count(ProblemKind::WriteFailed), 0);
}

#[test]
fn without_otlp_exports_are_left_alone() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = Receiver::start(ReceiverOptions::new(folder.path())).expect("an endpoint");
    let bench = bench
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", endpoint.http_port()));
    let output = bench.record(&["--no-otlp"], &[&server(), "steady", "--seconds", "0.5"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.capture().spans.len(), 0);
    assert!(endpoint.stop().stats.traces.items > 0, "they went where they always go");
}
