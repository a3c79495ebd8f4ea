//! What is known where a trace covers a part of the requests, or an engine labels none of its steps.

use crate::hand_made::engine::{Content, asked};
use crate::hand_made::{
    MS, N, NARROW, Server, US, Work, assert_counterfactual, assert_told_apart, p95_of, with_case,
};
use underspan_detectors::{Detection, Layer, Removal, Verdict, VerdictKind, detector};
use underspan_model::tables::MemoryKind;

/// Between two bursts of five requests.
const BURSTS: i64 = 45 * MS;

/// Requests in bursts, for a worker that uploads what it could have kept.
fn uploading() -> Server {
    let mut server = Server::new();
    for at in 0..N {
        server.request(at / 5 * BURSTS + at % 5 * 300 * US, 200 * US, |work: &mut Work<'_>| {
            work.upload(MemoryKind::Pageable, 2 * MS, false);
            for _ in 0..4 {
                work.kernel(NARROW, (800 + at % 7) * US);
            }
            work.wait();
        });
    }
    server
}

/// p95 with and without exposed copies.
fn without_copies(server: Server) -> (f64, f64) {
    with_case(server, |case| {
        let found = detector("D8").expect("a detector").detect(case);
        let Detection::Found(finding) = found else { panic!("{found:?}") };
        (case.percentile(95) as f64, p95_of(case.without(&[&finding.removal])) as f64)
    })
}

#[test]
fn what_a_third_of_the_requests_show_is_carried_over_to_the_others() {
    let whole = without_copies(uploading());
    let cut = without_copies(uploading().traced(4 * BURSTS..8 * BURSTS));
    assert_eq!(whole.0, cut.0, "of all requests");
    assert!(whole.1 < 0.7 * whole.0, "{whole:?}");
    assert!((cut.1 / whole.1 - 1.0).abs() < 0.1, "{cut:?} of {whole:?}");
}

#[test]
fn what_lies_around_the_runs_is_known_without_a_trace() {
    let delayed = |at: i64| if at % 4 == 0 { 6 * MS } else { 200 * US };
    let mut server = Server::new();
    for at in 0..N {
        server.request(at * 20 * MS, delayed(at), |work: &mut Work<'_>| {
            work.kernel(NARROW, 2 * MS).wait();
        });
    }
    with_case(server.traced(0..N * 7 * MS), |case| {
        let found = detector("D16").expect("a detector").detect(case);
        let Detection::Found(finding) = found else { panic!("{found:?}") };
        assert_eq!(finding.removal.before_ns.iter().filter(|ns| **ns > 0).count() as i64, N / 4);
        let without = case.without(&[&finding.removal]);
        assert!(p95_of(without) < 4 * MS as u64, "of requests that no trace covers too");
        let nothing = Removal::default();
        assert_eq!(case.without(&[&nothing]), case.latencies);
    });
}

/// A step whose kernels have a block for each token.
fn step(work: &mut Work<'_>, content: &Content) {
    let rows = content.prompt_tokens + content.n_decodes;
    work.blocks("void vllm::rotary_embedding_kernel<c10::BFloat16, true>", rows as u32, 5 * US);
    work.kernel(NARROW, MS + content.prompt_tokens as i64 * 4 * US);
    work.sample_tokens();
}

/// An engine that labels no steps, and that gets a long prompt now and then.
fn unlabelled(long: u32) -> Server {
    let length = |at| if at % 20 == 10 { long } else { 100 + (at * 7 % 30) as u32 };
    Server::continuous(&asked(5 * N, 9 * MS, length), step).unlabelled()
}

#[test]
fn long_prompts_are_seen_by_their_rows_where_no_step_is_labelled() {
    assert_told_apart("D3", unlabelled(7_000), unlabelled(120));
    assert_counterfactual("D3", unlabelled(7_000), unlabelled(120));
}

const CONVERSION: &str = "void vllm::awq::dequantize_weights<8>(int*, __half*)";

/// Answers that take half a second each, a third of it for conversions, and a trace of a part.
fn long_answers(traced: std::ops::Range<i64>) -> Server {
    let mut all = asked(3 * N, 25 * MS, |at| 100 + (at * 7 % 30) as u32);
    for (at, request) in all.iter_mut().enumerate() {
        request.answer = 300 + at as u32 * 37 % 100;
    }
    let converting = |work: &mut Work<'_>, content: &Content| {
        let rows = content.prompt_tokens + content.n_decodes;
        work.blocks("void vllm::rotary_embedding_kernel<c10::BFloat16, true>", rows as u32, 5 * US);
        work.kernel(NARROW, MS).kernel(CONVERSION, 500 * US).sample_tokens();
    };
    Server::continuous(&all, converting).unlabelled().traced(traced)
}

#[test]
fn parts_of_requests_tell_what_the_whole_of_them_lost() {
    with_case(long_answers(2_000 * MS..2_100 * MS), |case| {
        let found = detector("D5").expect("a detector").detect(case);
        let Detection::Found(finding) = found else { panic!("{found:?}") };
        let (p95, without) = (case.percentile(95), p95_of(case.without(&[&finding.removal])));
        let left = without as f64 / p95 as f64;
        assert!((left - 2.0 / 3.0).abs() < 0.05, "{left}");
        // What they did before the trace began and after it ended is not known.
        let around = detector("D16").expect("a detector").detect(case);
        assert!(matches!(around, Detection::Clear(_)), "{around:?}");
        assert_ne!(Verdict::of(case).kind, VerdictKind::Layer(Layer::Model));
    });
}
