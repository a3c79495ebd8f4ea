//! Detectors on engines whose steps hold prompts and answers in ever other amounts.

use crate::hand_made::engine::{Asked, Content, LONG, asked};
use crate::hand_made::{
    MS, NARROW, Server, US, Work, assert_counterfactual, assert_told_apart, detect, p95_of,
    with_case,
};
use underspan_detectors::{Detection, Removal};

/// Prompts of many lengths, one after the other.
fn prompts(n: i64) -> Vec<Asked> {
    asked(n, LONG / n, |at| 600 + (at * 97 % 211) as u32 * 6)
}

/// Waits for memory to decode, and for arithmetic in prompts, which takes `slower` times as long.
fn step(work: &mut Work<'_>, content: &Content, slower: f64) {
    work.graph(NARROW, 10, 100 * US);
    if content.prompt_tokens > 0 {
        // A launch shape of its own for each length.
        let ns = content.prompt_tokens as f64 * 20_000.0 * slower;
        work.blocks(NARROW, 132 + content.prompt_tokens as u32, ns as i64);
    }
    work.sample_tokens();
}

/// The second half under clocks that the power limit holds down.
fn low_clocks(slower: f64) -> Server {
    let is_low = |time: i64| time > LONG / 2;
    Server::continuous(&prompts(180), move |work, content| {
        step(work, content, if is_low(content.start) { slower } else { 1.0 });
    })
    .sample("clocks.current.sm", move |time| if is_low(time) { 1_300.0 } else { 1_980.0 })
    .sample("clocks_event_reasons.active", move |time| if is_low(time) { 4.0 } else { 0.0 })
}

#[test]
fn d12_counts_where_clocks_slow_prompts_and_not_answers() {
    assert_told_apart("D12", low_clocks(1.5), low_clocks(1.0));
}

/// Clocks that the power limit holds down all the time; the GPU is idle whenever it is sampled
/// between two requests, and then names no limit. `full` is what it can run at.
fn always_low_clocks(slower: f64, full: f64) -> Server {
    Server::continuous(&prompts(180), move |work, content| step(work, content, slower))
        .sample("clocks.max.sm", move |_| full)
        .sample("clocks.current.sm", |_| 1_300.0)
        .sample(
            "clocks_event_reasons.active",
            |time| {
                if time / (100 * MS) % 3 == 1 { 1.0 } else { 4.0 }
            },
        )
}

#[test]
fn d12_counts_clocks_that_are_low_from_beginning_to_end() {
    assert_told_apart("D12", always_low_clocks(1.5, 1_980.0), always_low_clocks(1.5, 1_310.0));
    let before = || low_clocks(1.0).sample("clocks.max.sm", |_| 1_980.0);
    let found = detect("D12", always_low_clocks(1.5, 1_980.0), Some(before()));
    assert!(matches!(found, Detection::Found(_)), "{found:?}");
    let harmless = detect("D12", always_low_clocks(1.0, 1_980.0), Some(before()));
    assert!(matches!(harmless, Detection::Clear(_)), "{harmless:?}");
}

/// A neighbour that is there all the time and at work in turns of 150 ms, too short to be sampled.
fn in_bursts(slower: f64, percent: f64) -> Server {
    let is_at_work = |time: i64| time / (150 * MS) % 2 == 0;
    Server::continuous(&prompts(180), move |work, content| {
        step(work, content, if is_at_work(content.start) { slower } else { 1.0 });
    })
    .neighbour(move |_| percent)
}

#[test]
fn d13_counts_where_a_neighbour_slows_prompts_in_bursts() {
    assert_told_apart("D13", in_bursts(2.0, 60.0), in_bursts(2.0, 4.0));
    let harmless = detect("D13", in_bursts(1.0, 60.0), None);
    assert!(matches!(harmless, Detection::Clear(_)), "{harmless:?}");
}

/// One request of twelve loses what it had answered; `preempted` is what the counter says.
fn losing(preempted: f64) -> Server {
    let lost =
        |request: Asked, at: usize| Asked { lost: if at % 12 == 5 { 60 } else { 0 }, ..request };
    let all: Vec<Asked> =
        prompts(120).into_iter().enumerate().map(|(at, request)| lost(request, at)).collect();
    Server::continuous(&all, |work, content| step(work, content, 1.0))
        .sample("vllm:num_preemptions_total", move |time| {
            (preempted * time as f64 / LONG as f64).round()
        })
}

#[test]
fn d10_preemptions_count_when_they_reach_the_slowest_requests() {
    assert_told_apart("D10", losing(10.0), losing(1.0));
}

/// Prompts of which 400 tokens were computed before, and found again where `hits` says so.
fn cached(hits: impl Fn(usize) -> bool) -> Server {
    let found =
        |at: usize, request: Asked| Asked { cached: if hits(at) { 400 } else { 0 }, ..request };
    let all: Vec<Asked> =
        prompts(240).into_iter().enumerate().map(|(at, request)| found(at, request)).collect();
    Server::continuous(&all, |work, content| step(work, content, 1.0))
}

#[test]
fn d10_prompts_that_are_no_more_found_in_the_cache_count() {
    assert_told_apart("D10", cached(|at| at < 100), cached(|at| at > 40));
    let before = || cached(|at| at % 10 > 1);
    let harmless = detect("D10", cached(|at| at % 10 > 2), Some(before()));
    assert!(matches!(harmless, Detection::Clear(_)), "{harmless:?}");
    let gone = detect("D10", cached(|_| false), Some(before()));
    assert!(matches!(gone, Detection::Found(_)), "{gone:?}");
    let few = detect("D10", cached(|at| at % 5 == 0), Some(before()));
    assert!(matches!(few, Detection::Found(_)), "{few:?}");
}

#[test]
fn d3_leaves_prompts_that_are_no_more_found_in_the_cache_to_d10() {
    // Of all prompts nine tenths were found: then ten times as much of them is new.
    let all = |hits: i64| -> Vec<Asked> {
        let asked = asked(120, LONG / 120, |at| 2_000 + (at * 97 % 211) as u32 * 6);
        let found = asked.into_iter().enumerate().map(|(at, request)| Asked {
            cached: if (at as i64) < hits { request.prompt * 9 / 10 } else { 0 },
            ..request
        });
        found.collect()
    };
    let engine = |hits| Server::continuous(&all(hits), |work, content| step(work, content, 1.0));
    let flushed = detect("D3", engine(90), Some(engine(120)));
    assert!(matches!(flushed, Detection::Clear(_)), "{flushed:?}");
    let flushed = detect("D10", engine(90), Some(engine(120)));
    assert!(matches!(flushed, Detection::Found(_)), "{flushed:?}");
}

/// Steps of an engine that computes prompts apart, each with `ns` in which the host is slow.
fn apart(long: u32, ns: i64) -> Server {
    let all = asked(180, LONG / 180, |at| if at % 15 == 7 { long } else { 400 });
    Server::prompts_apart(&all, move |work, content| {
        work.kernel(NARROW, 10 * US).think(ns);
        step(work, content, 1.0);
    })
}

#[test]
fn d3_counts_long_prompts_that_all_others_wait_for() {
    assert_told_apart("D3", apart(6_000, 0), apart(450, 0));
}

#[test]
fn whole_steps_of_others_prompts_interfere_where_they_are_computed_apart() {
    let all = asked(500, LONG / 500, |at| if at % 15 == 7 { 6_000 } else { 300 });
    let busy = Server::prompts_apart(&all, |work, content| step(work, content, 1.0));
    let Detection::Found(found) = detect("D3", busy, None) else {
        panic!("long prompts interfere")
    };
    assert!(found.removal.run_ns.iter().any(|ns| *ns > 0), "{}", found.summary);
}

#[test]
fn p95_without_a_slow_host_is_right_where_prompts_are_computed_apart() {
    assert_counterfactual("D6", apart(400, 3 * MS), apart(400, 0));
}

#[test]
fn p95_without_a_full_kv_cache_is_that_of_a_server_with_room() {
    let all = asked(400, LONG / 400, |at| 300 + (at * 97 % 211) as u32 * 4);
    let with = |tokens| Server::with_kv_cache(&all, tokens, |w, content| step(w, content, 1.0));
    let truth = with_case(with(1_000_000), |case| case.percentile(95)) as f64;
    let (p95, without) = with_case(with(2_000), |case| {
        let unlimited = Removal { is_unlimited: true, ..Removal::default() };
        (case.percentile(95) as f64, p95_of(case.without(&[&unlimited])) as f64)
    });
    assert!(p95 > 1.25 * truth, "{p95} is not slow, against {truth}");
    assert!((without / truth - 1.0).abs() < 0.1, "{without}, not {truth}; it was {p95}");
}
