//! How far clocks are apart by requests whose steps are known by name.

use super::super::discover::Found;
use super::super::engine_time::EngineTime;
use super::super::request::Membership;
use super::super::tokens::making_steps;
use super::{Apart, ClockEvidence, FEWEST, NEAR_NS, STAMP_NS, TOLD, densest};
use underspan_model::give_up_if_cancelled;

/// Share of the requests, in percent, whose bounds may be broken: an id used twice, a span that an
/// engine ended late.
const BROKEN_PERCENT: usize = 5;

/// A request is scheduled just before its first step begins. Where spans do not tell when that was,
/// it is in its first step after it came and had waited in the queue, and its answer is complete
/// no sooner than the last token: between them, all requests leave little room for the offset of
/// the spans' clock. `None` when the clocks agree.
pub(super) fn apart(
    found: &[Found],
    time: &EngineTime<'_>,
    exact: &[Vec<Membership>],
) -> Option<Apart> {
    let (mut least, mut most, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for (request, memberships) in found.iter().zip(exact) {
        give_up_if_cancelled();
        let Some(first) = memberships.first().filter(|_| request.span().is_some()) else {
            continue;
        };
        let host = |at: u32| time.steps.steps[at as usize].host;
        let facts = &request.facts;
        let whole = |fact: Option<i64>| fact.and_then(|n| u64::try_from(n).ok());
        let came = request.serving.start().as_ns();
        let began = host(first.step).start().as_ns();
        let queued = facts.queue_ns.filter(|ns| *ns >= 0).unwrap_or(0);
        most.push(began.saturating_sub(queued).saturating_sub(came));
        if let (Some(ttft), Some(prefill)) = (facts.ttft_ns, facts.prefill_ns) {
            told.push(began.saturating_sub(came.saturating_add(ttft).saturating_sub(prefill)));
        }
        let (prompt, output) = (whole(facts.prompt_tokens), whole(facts.output_tokens));
        if let Some(last) = making_steps(memberships, prompt, output).last() {
            let went = request.serving.end().as_ns();
            least.push(host(*last).end().as_ns().saturating_sub(went));
        }
    }
    let evidence = ClockEvidence::Members;
    if told.len() >= FEWEST
        && let Some((offset_ns, n)) = densest(&mut told)
        && n as f64 >= TOLD * told.len() as f64
    {
        let uncertainty_ns = Some(STAMP_NS.unsigned_abs());
        let is_apart = offset_ns.abs() > NEAR_NS;
        return is_apart.then_some(Apart { offset_ns, uncertainty_ns, evidence });
    }
    if least.len() < FEWEST || most.len() < FEWEST {
        return None;
    }
    least.sort_unstable();
    most.sort_unstable();
    let least = least[least.len() - 1 - least.len() * BROKEN_PERCENT / 100];
    let most = most[most.len() * BROKEN_PERCENT / 100];
    if least <= NEAR_NS && most >= -NEAR_NS {
        return None;
    }
    let offset_ns = least / 2 + most / 2;
    // Bounds that contradict each other are not those of one offset.
    let uncertainty_ns = (least <= most).then(|| most.abs_diff(least) / 2 + 1);
    Some(Apart { offset_ns, uncertainty_ns, evidence })
}
