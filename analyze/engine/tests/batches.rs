//! Requests that a server without ids takes together: one range for all of them.

use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests, StageKind};
use underspan_model::ClockDomain;
use underspan_model::tables::{AnnotationKind, Span, SpanKind};

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const N: i64 = 30;

struct Capture(TraceBuilder, u32);

impl Capture {
    fn new() -> Self {
        let mut trace = TraceBuilder::new();
        trace.timeline_mut().info.clock = ClockDomain::Realtime;
        Self(trace, 0)
    }

    fn range(&mut self, thread: i64, from: i64, to: i64) {
        self.0.process(1).thread(thread).stream(0, thread as u64);
        self.0.annotation(AnnotationKind::User, "predict", from..to);
        self.0.launch("gemm", from..from + 10 * US, from + 20 * US..to);
    }

    fn request(&mut self, from: i64, to: i64) {
        self.1 += 1;
        self.0.timeline_mut().spans.push(Span {
            start_ns: from,
            duration_ns: (to - from) as u64,
            trace_id_low: u64::from(self.1),
            span_id: 1,
            kind: SpanKind::Server.code(),
            id: self.1,
            ..Span::default()
        });
    }

    fn requests(self) -> Requests {
        let timeline = self.0.build();
        let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
        Requests::of(&timeline, &analysis, &RequestOptions::default())
    }
}

/// Two requests a batch, which begins `hold` after the first of them came; the second comes a
/// third of a millisecond to all of `hold` later.
fn held(hold: i64) -> Requests {
    let mut capture = Capture::new();
    for batch in 0..N {
        let came = batch * 50 * MS;
        let start = came + hold;
        capture.range(1, start, start + 4 * MS);
        capture.request(came - 100 * US, start + 4 * MS + 150 * US);
        let second = start - (batch % 6) * hold / 6;
        capture.request(second - 100 * US, start + 4 * MS + 180 * US);
    }
    capture.requests()
}

#[test]
fn requests_that_are_answered_together_were_taken_together() {
    let found = held(6 * MS);
    assert_eq!(found.requests.len(), 2 * N as usize);
    for step in &found.steps {
        assert_eq!(step.members.len(), 2);
    }
    for pair in found.requests.chunks(2) {
        let first = &pair[0];
        assert_eq!(first.of_stage(StageKind::Queue).as_ns(), 6 * MS as u64, "held by a timer");
        assert_eq!(first.of_stage(StageKind::Frontend).as_ns(), 100 * US as u64);
    }
}

#[test]
fn waits_of_another_length_each_time_are_no_timer() {
    let mut capture = Capture::new();
    for batch in 0..N {
        let came = batch * 50 * MS;
        let start = came + (1 + batch * 7 % 11) * MS;
        capture.range(1, start, start + 4 * MS);
        capture.request(came, start + 4 * MS + 150 * US);
        capture.request(start - 100 * US, start + 4 * MS + 180 * US);
    }
    let found = capture.requests();
    assert!(found.requests.iter().all(|request| request.steps.len() == 1));
    let queued = |r: &underspan_engine::Request| r.of_stage(StageKind::Queue).as_ns();
    assert!(found.requests.iter().all(|request| queued(request) == 0));
}

#[test]
fn requests_answered_later_than_others_join_nobody() {
    let mut capture = Capture::new();
    for round in 0..N {
        let came = round * 50 * MS;
        capture.range(1, came + MS, came + 5 * MS);
        capture.request(came, came + 5_100 * US);
        // Answered out of a cache, at any time.
        let done = came + 6 * MS + round * 7 % 11 * MS;
        capture.request(came, done);
    }
    let found = capture.requests();
    assert!(found.steps.iter().all(|step| step.members.len() == 1));
}

#[test]
fn what_two_threads_do_at_once_is_of_two_requests() {
    let mut capture = Capture::new();
    for round in 0..N {
        let came = round * 50 * MS;
        // The second begins and ends within the time of the first.
        for (thread, from, to) in [(1, MS, 5_000 * US), (2, 1_500 * US, 5_100 * US)] {
            let (from, to) = (came + from, came + to);
            let Capture(trace, _) = &mut capture;
            trace.process(1).thread(thread).stream(0, thread as u64);
            trace.launch("gemm", from..from + 10 * US, from + 20 * US..from + 2 * MS);
            trace.launch("gemm", from + 20 * US..from + 30 * US, from + 2 * MS..to);
            trace.api_call("cudaStreamSynchronize", from + 40 * US..to + US, 0);
            capture.request(from - 100 * US, came + 5_500 * US + thread * 50 * US);
        }
    }
    let found = capture.requests();
    assert_eq!(found.requests.len(), 2 * N as usize);
    assert!(found.requests.iter().all(|request| request.steps.len() == 1));
    assert!(found.steps.iter().all(|step| step.members.len() == 1));
}
