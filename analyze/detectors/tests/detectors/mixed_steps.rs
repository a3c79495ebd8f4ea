//! Detectors on engines whose steps hold prompts and answers in ever other amounts.

use crate::hand_made::engine::{Asked, Content, LONG, asked};
use crate::hand_made::{MS, NARROW, Server, US, Work, assert_told_apart};

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
