//! What steps held, what they might have held, and since when there was something to do.

use underspan_engine::{Request, StepMember};
use underspan_model::tables::Phase;

use crate::Case;
use crate::telemetry::{KV_FULL, KV_USE};

/// Fewest steps, and least share of them, that show that prompts are computed apart.
const APART_STEPS_MIN: i32 = 8;
const APART_MIN: f64 = 0.9;

/// Since when there was something to do for each step: the earliest that one of its requests was
/// ready, where all of them are new in it. Others follow the step before at once.
pub(super) fn work_since(case: &Case<'_>) -> Vec<i64> {
    let mut since = vec![i64::MAX; case.schedule.runs.len()];
    for (request, served) in case.requests.requests.iter().zip(&case.schedule.requests) {
        for member in &request.steps {
            let is_first = member.step == served.first_run;
            let ready = if is_first { served.ready_ns } else { i64::MIN };
            let since = &mut since[member.step as usize];
            *since = (*since).min(ready);
        }
    }
    // A step of new requests that nobody knows began when it began.
    let waiting = waiting_members(case);
    let runs = case.schedule.runs.iter().enumerate();
    let known = since.into_iter().zip(runs).map(|(since, (at, run))| match since {
        _ if waiting[at] > 0 || since == i64::MAX && case.decode_requests(at) > 0 => i64::MIN,
        since => since.min(run.start_ns),
    });
    known.collect()
}

/// Whether the engine computes prompts in steps of their own, in which running requests wait: so do
/// nearly all steps that hold prompts while requests are running.
pub(crate) fn computes_prompts_apart(case: &Case<'_>) -> bool {
    let waiting = waiting_members(case);
    let (mut apart, mut all) = (0, 0);
    for (step, row) in case.steps().iter().enumerate() {
        let n_decodes = case.decode_requests(step);
        if case.prefill_tokens(step) > 0 && n_decodes + u64::from(waiting[step]) > 0 {
            all += 1;
            apart += usize::from(row.label.generation_requests == Some(0));
        }
    }
    all >= APART_STEPS_MIN && apart as f64 >= APART_MIN * f64::from(all)
}

/// How many requests have begun and not ended at each step of their engine without being in it.
pub(crate) fn waiting_members(case: &Case<'_>) -> Vec<u32> {
    let mut begun = vec![0_i32; case.facts.len() + 1];
    let mut inside = vec![0_i32; case.facts.len()];
    for request in &case.requests.requests {
        let (Some(first), Some(last)) = (request.steps.first(), request.steps.last()) else {
            continue;
        };
        begun[first.step as usize] += 1;
        begun[last.step as usize + 1] -= 1;
        request.steps.iter().for_each(|member| inside[member.step as usize] += 1);
    }
    let mut now = 0;
    let waiting = inside.iter().zip(&begun).map(|(inside, change)| {
        now += change;
        (now - inside).max(0) as u32
    });
    waiting.collect()
}

/// Most requests a step may hold: as declared, but what was seen where the KV cache was used up
/// first and nothing tells how much it holds.
pub(super) fn limit_of(case: &Case<'_>, largest: f64, kv_tokens: f64) -> f64 {
    let kv = case.telemetry.gauge(KV_USE);
    let is_used_up = kv.is_some_and(|kv| kv.value.iter().any(|used| *used >= KV_FULL));
    let declared = case.settings.batch_limit().unwrap_or(f64::INFINITY);
    if is_used_up && kv_tokens.is_infinite() { largest.max(1.0) } else { declared.max(largest) }
}

/// Tokens that the KV cache holds, where it is declared and was used up.
pub(super) fn kv_tokens(case: &Case<'_>) -> f64 {
    let kv = case.telemetry.gauge(KV_USE);
    let is_used_up = kv.is_some_and(|kv| kv.value.iter().any(|used| *used >= KV_FULL));
    let counted = case.telemetry.gauge(&["max_total_num_tokens"]);
    let counted = counted.and_then(|tokens| tokens.value.last().copied()).filter(|n| *n >= 1.0);
    let declared = case.settings.kv_tokens().or(counted);
    declared.filter(|_| is_used_up).unwrap_or(f64::INFINITY)
}

/// Prompt tokens of a request that were computed: as its steps say, or `scale` of those that its
/// prompt holds beyond what was cached.
pub(crate) fn computed_tokens(request: &Request, scale: f64) -> f64 {
    let prefills = request.steps.iter().filter(|member| member.phase == Phase::Prefill);
    let own: Option<u64> = prefills.map(|member| member.own_tokens.map(u64::from)).sum();
    let cached = request.tokens.cached.unwrap_or(0);
    let held = request.tokens.prompt.unwrap_or(0).saturating_sub(cached);
    own.filter(|own| *own > 0).map_or(held as f64 * scale, |own| own as f64)
}

/// Prompt tokens of every request that steps computed: each step's tokens go to those whose prompts
/// it held, as they say themselves or by the length of their prompts. Where no step tells, as
/// [`computed_tokens`] has it.
pub(super) fn prompts_of(case: &Case<'_>) -> Vec<f64> {
    let requests = &case.requests.requests;
    let length = |request: u32| {
        let tokens = &requests[request as usize].tokens;
        let held = tokens.prompt.unwrap_or(0).saturating_sub(tokens.cached.unwrap_or(0));
        held.max(1) as f64
    };
    let mut computed = vec![0.0; requests.len()];
    for (at, step) in case.steps().iter().enumerate() {
        let prompts = || step.members.iter().filter(|member| member.phase == Phase::Prefill);
        let own = |member: &StepMember| member.own_tokens.map(f64::from);
        let told: f64 = prompts().filter_map(own).sum();
        let open = (case.prefill_tokens(at) as f64 - told).max(0.0);
        let untold = || prompts().filter(|member| own(member).is_none());
        let lengths: f64 = untold().map(|member| length(member.request)).sum();
        for member in prompts() {
            let part = own(member).unwrap_or(open * length(member.request) / lengths.max(1.0));
            computed[member.request as usize] += part;
        }
    }
    let scale = prompt_scale(case);
    let told = requests.iter().zip(computed);
    told.map(|(request, sum)| if sum > 0.0 { sum } else { computed_tokens(request, scale) })
        .collect()
}

/// Prompt tokens that steps computed, over those that the requests' prompts hold: caches make it
/// less than one, computing again more.
pub(crate) fn prompt_scale(case: &Case<'_>) -> f64 {
    let computed: u64 = (0..case.facts.len()).map(|step| case.prefill_tokens(step)).sum();
    let held: u64 = case
        .requests
        .requests
        .iter()
        .filter(|request| request.steps.iter().any(|member| member.phase == Phase::Prefill))
        .map(|r| r.tokens.prompt.unwrap_or(0).saturating_sub(r.tokens.cached.unwrap_or(0)))
        .sum();
    if held == 0 || computed == 0 { 1.0 } else { (computed as f64 / held as f64).clamp(0.05, 20.0) }
}
