//! Requests that a server without ids took together: it runs one range for all of a batch and then
//! answers them at once, so that only one of them has a range of its own.

use std::collections::BTreeMap;

use super::Membership;
use super::discover::Found;
use super::engine_time::EngineTime;

/// How many times as long after its batch as others a request may be answered.
const SLACK: u64 = 2;
/// Least time after a batch in which requests are answered, in nanoseconds.
const ANSWER_NS: u64 = 100_000;
/// Least share of the requests without a range that must fit a batch: a server that takes one
/// request at a time leaves some without when records were lost.
const FITTING_MIN: f64 = 0.5;

/// How far from the median the wait of a batch may be that a timer ended, as a share of it, how
/// many batches are like that at least, and how long such a wait is at least, in nanoseconds.
const TIMER_OFF: f64 = 0.1;
const TIMED_MIN: f64 = 0.5;
const TIMER_NS: u64 = 200_000;

/// What is done for a request that has ranges.
#[derive(Clone, Copy)]
struct Done {
    request: u32,
    begun_ns: i64,
    done_ns: i64,
}

/// Gives requests of `owners` without a step those of the request that was done last before they
/// were answered, if they were there when it was begun and answered as soon after it as others.
/// Returns how long requests waited in the queue, where the server holds them for company.
pub(super) fn join_mates(
    time: &EngineTime<'_>,
    found: &[Found],
    owners: &[u32],
    of_request: &mut [Vec<Membership>],
) -> Vec<(u32, u64)> {
    let serving = |at: u32| {
        let serving = found[at as usize].serving;
        (serving.start().as_ns(), serving.end().as_ns())
    };
    let done_of = |request: &u32| {
        let ranges = &of_request[*request as usize];
        let windows = || ranges.iter().map(|member| time.window(member.step));
        let begun_ns = windows().map(|(start, _)| start).min()?;
        let done_ns = windows().map(|(_, end)| end).max()?;
        Some(Done { request: *request, begun_ns, done_ns })
    };
    let mut done: Vec<Done> = owners.iter().filter_map(done_of).collect();
    done.sort_by_key(|done| (done.done_ns, done.request));
    let after = |done: &Done| serving(done.request).1.saturating_sub(done.done_ns).max(0);
    let mut answers: Vec<i64> = done.iter().map(after).collect();
    answers.sort_unstable();
    let usual = answers.get(answers.len() * 9 / 10).copied().unwrap_or(0).unsigned_abs();
    let limit = ANSWER_NS.max(usual.saturating_mul(SLACK));
    let mate_of = |request: u32| {
        let (start, end) = serving(request);
        let before = done.partition_point(|done| done.done_ns <= end).checked_sub(1)?;
        let mate = done[before];
        let is_with_it = start <= mate.begun_ns && mate.done_ns.abs_diff(end) <= limit;
        is_with_it.then_some((request, mate.request))
    };
    // Of requests before and after the ranges nothing is known.
    let begun = done.iter().map(|done| serving(done.request).0).min().unwrap_or(i64::MAX);
    let ended = done.last().map_or(i64::MIN, |last| last.done_ns.saturating_add_unsigned(limit));
    let without = || {
        owners.iter().filter(|at| {
            let (start, end) = serving(**at);
            of_request[**at as usize].is_empty() && start >= begun && end <= ended
        })
    };
    let mates: Vec<(u32, u32)> = without().filter_map(|at| mate_of(*at)).collect();
    if mates.is_empty() || (mates.len() as f64) < FITTING_MIN * without().count() as f64 {
        return Vec::new();
    }
    for (request, mate) in mates {
        of_request[request as usize] = of_request[mate as usize].clone();
    }
    held(time, found, owners, of_request)
}

/// How long requests were held for company: a server that does has a timer, so that the first of
/// each batch that finds it idle waits as long as that of any other. What the quickest request
/// took to get from its span to its batch is not in it.
fn held(
    time: &EngineTime<'_>,
    found: &[Found],
    owners: &[u32],
    of_request: &[Vec<Membership>],
) -> Vec<(u32, u64)> {
    let came = |at: u32| found[at as usize].serving.start().as_ns();
    let mut batches: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for at in owners {
        if let Some(first) = of_request[*at as usize].first() {
            batches.entry(first.step).or_default().push(*at);
        }
    }
    let waited = |step: u32, at: u32| time.window(step).0.saturating_sub(came(at)).max(0) as u64;
    let waits = || {
        let all =
            batches.iter().map(|(step, batch)| batch.iter().map(|at| (*at, waited(*step, *at))));
        all.flatten()
    };
    let Some(handover) = waits().map(|(_, ns)| ns).min() else { return Vec::new() };
    // By batch: how long its first request waited, where the server was idle when it came.
    let mut free = i64::MIN;
    let mut firsts: Vec<u64> = Vec::new();
    for (step, batch) in &batches {
        let Some(first) = batch.iter().copied().min_by_key(|at| came(*at)) else { continue };
        if came(first) >= free {
            firsts.push(waited(*step, first) - handover);
        }
        let steps = batch.iter().filter_map(|at| of_request[*at as usize].last());
        free = steps.map(|member| time.window(member.step).1).fold(free, i64::max);
    }
    firsts.sort_unstable();
    let timer = firsts.get(firsts.len() / 2).copied().unwrap_or(0);
    let is_timed = |ns: &&u64| ns.abs_diff(timer) as f64 <= TIMER_OFF * timer as f64;
    let n_timed = firsts.iter().filter(is_timed).count();
    if timer < TIMER_NS || (n_timed as f64) < TIMED_MIN * firsts.len() as f64 {
        return Vec::new();
    }
    waits().map(|(at, ns)| (at, ns - handover)).collect()
}
