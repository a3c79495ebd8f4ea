//! Engines run again unchanged: requests must take what they took.

use crate::hand_made::engine::{Asked, Content, asked};
use crate::hand_made::{MS, NARROW, Server, US, Work, with_case};
use underspan_detectors::Removal;
use underspan_model::tables::SpanKind;
use underspan_model::{StringId, span_facts};

/// Prompts of many lengths that come at uneven times, often while others run.
fn uneven(n: i64) -> Vec<Asked> {
    let mut all = asked(n, 6 * MS, |at| 80 + (at * 97 % 211) as u32 * 4);
    for (at, request) in all.iter_mut().enumerate() {
        request.at += (at as i64 * 41 % 19) * 300 * US;
    }
    all.sort_by_key(|request| request.at);
    all
}

/// Steps whose length the model can only about tell: kernels vary by up to a tenth.
fn step(work: &mut Work<'_>, content: &Content) {
    let vary = |ns: i64| ns + ns * (content.at as i64 * 31 % 11 - 5) / 50;
    let rows = content.prompt_tokens + content.n_decodes;
    work.blocks("void vllm::rotary_embedding_kernel<c10::BFloat16, true>", rows as u32, 5 * US);
    work.kernel(NARROW, vary(MS + content.prompt_tokens as i64 * 6 * US)).sample_tokens();
}

fn misfit_of(server: Server) -> f64 {
    with_case(server, |case| case.misfit().latency)
}

/// What of spans that tell of it is added to the start, or put in place of the value.
fn change(server: &mut Server, fact: &str, to: impl Fn(i64) -> i64) {
    let timeline = server.timeline_mut();
    let key = timeline.strings.intern(fact);
    let rows = &mut timeline.span_attributes;
    for row in 0..rows.len() {
        if StringId::from_raw(rows.key[row]) == key {
            rows.whole[row] = to(rows.whole[row]);
        }
    }
}

#[test]
fn requests_that_the_scheduler_learns_of_late_join_the_step_that_they_joined() {
    let mut server = Server::continuous(&uneven(300), step);
    // The span begins, and is queued, before the scheduler looks for the last time.
    let early = 900 * US;
    change(&mut server, span_facts::QUEUE_NS, |queue| queue + early);
    change(&mut server, span_facts::TTFT_NS, |first| first + early);
    let spans = &mut server.timeline_mut().spans;
    for row in 0..spans.len() {
        spans.start_ns[row] -= early;
        spans.duration_ns[row] += early as u64;
    }
    let misfit = misfit_of(server);
    assert!(misfit < 0.02, "{misfit}");
}

#[test]
fn prompts_computed_apart_begin_when_the_step_before_has_ended_and_the_host_is_ready() {
    // The host is slow to begin, whether somebody is new or not, and that is not yet the step.
    let before = |at: usize| 600 * US + at as i64 * 37 % 13 * 100 * US;
    let mut server = Server::prompts_apart(&uneven(300), |work, content| {
        work.call("cudaEventRecord", before(content.at));
        step(work, content);
    });
    let steps = &mut server.timeline_mut().steps;
    for at in 0..steps.len() {
        steps.start_ns[at] += before(at);
        steps.duration_ns[at] -= before(at) as u64;
    }
    let misfit = misfit_of(server);
    assert!(misfit < 0.001, "{misfit}");
}

#[test]
fn what_a_cache_spared_is_told_by_the_rows_of_steps() {
    let mut all = uneven(300);
    for (at, request) in all.iter_mut().enumerate() {
        request.cached = request.prompt / 8 * (at % 7) as u32;
    }
    let mut server = Server::continuous(&all, step).unlabelled();
    change(&mut server, span_facts::CACHED_TOKENS, |_| 0);
    let misfit = misfit_of(server);
    assert!(misfit < 0.001, "{misfit}");
}

#[test]
fn what_all_requests_wait_before_the_engine_moves_all_of_them_by_as_much() {
    let way = 80 * MS;
    let mut server = Server::continuous(&uneven(300), step);
    // Callers send each request so much earlier.
    let timeline = server.timeline_mut();
    let is_client = SpanKind::Client.code();
    for row in (0..timeline.spans.len()).filter(|row| timeline.spans.kind[*row] == is_client) {
        timeline.spans.start_ns[row] -= way;
        timeline.spans.duration_ns[row] += way as u64;
    }
    with_case(server, |case| {
        let n = case.latencies.len();
        let without = |before_ns| case.without(&[&Removal { before_ns, ..Removal::default() }]);
        let of_all = without(vec![way as u64; n]);
        let off = of_all.iter().zip(&case.latencies).map(|(now, then)| (then - now) as i64 - way);
        assert!(off.map(i64::abs).max() < Some(MS), "{of_all:?}");
        // Of one in three: these come sooner, and what they take then the others wait for.
        let some = without((0..n).map(|at| if at % 3 == 0 { way as u64 } else { 0 }).collect());
        let fell = |at: usize| case.latencies[at] as i64 - some[at] as i64;
        let third: i64 = (0..n).step_by(3).map(fell).sum::<i64>() / (n as i64 / 3);
        assert!(third > way * 3 / 4, "{third}");
    });
}
