//! A server with continuous batching, run again.
//!
//! With steps of another length, requests join other steps: a request that came during a long step
//! would have joined an earlier, shorter one. So the schedule is not kept here as in
//! [`replay`](crate::replay()), but made again: requests come when they came, need as many steps as
//! they needed, and each step takes what is ready and has room. How long a step takes comes from a
//! model of its content, fitted on the capture, times how far the step that really ran then was
//! off that model, less what the removals take out of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use underspan_engine::Request;
use underspan_model::tables::Phase;

use crate::Case;
use crate::replay::{Removal, as_run_again, misfit};
use crate::step_model::StepModel;
use crate::telemetry::{KV_FULL, KV_USE};

/// Fewest steps, and least share of them, that show that prompts are computed apart.
const APART_STEPS_MIN: i32 = 8;
const APART_MIN: f64 = 0.9;

/// Least of the longer of two steps that the shorter takes, by the model, for what made one of them
/// longer to be true of the other, and how many steps before and after are looked at for one.
const ALIKE_MIN: f64 = 0.5;
const AROUND: usize = 8;

/// A server to run again.
#[derive(Debug)]
pub(crate) struct Continuous {
    model: StepModel,
    lanes: Vec<Lane>,
    /// Most requests a step may hold.
    limit: f64,
    /// Most prompt tokens a step may hold.
    budget: f64,
    /// Most tokens that the KV cache may hold; infinite where it never was used up.
    kv_tokens: f64,
    /// Whether prompts are computed in steps of their own, before anything else.
    is_apart: bool,
    n_requests: usize,
    /// Latencies of the run without any removal, to compare with.
    observed: Vec<Option<i64>>,
}

#[derive(Debug, Default)]
struct Lane {
    jobs: Vec<Job>,
    steps: Vec<Observed>,
}

/// What a request needs.
#[derive(Debug, Clone, Copy)]
struct Job {
    request: u32,
    ready_ns: i64,
    arrival_ns: i64,
    /// From the end of its last step to its own end.
    after_ns: i64,
    prompt_tokens: f64,
    /// Tokens of its prompt that the KV cache holds, computed or found there.
    held_tokens: f64,
    decode_steps: u64,
    /// Steps that its answer needs when it is never put out of the batch.
    least_steps: u64,
}

impl Job {
    fn decode_steps(&self, removals: &[&Removal]) -> u64 {
        let is_unpreempted = removals.iter().any(|removal| removal.is_unpreempted);
        if is_unpreempted { self.least_steps } else { self.decode_steps }
    }
}

/// A step that ran.
#[derive(Debug, Clone, Copy)]
struct Observed {
    step: u32,
    start_ns: i64,
    end_ns: i64,
    /// Its length over what the model says.
    factor: f64,
    tokens: f64,
    decodes: u64,
    /// From when it could have begun until it did.
    lag_ns: f64,
}

impl Continuous {
    /// Takes a case apart; `None` when there is too little to model.
    pub(crate) fn of(case: &Case<'_>) -> Option<Self> {
        let model = StepModel::fit(case)?;
        let mut lanes: Vec<Lane> = (0..case.n_lanes()).map(|_| Lane::default()).collect();
        let mut last = vec![i64::MIN; lanes.len()];
        let since = work_since(case);
        let mut largest = 0.0_f64;
        let mut most_tokens = 1.0_f64;
        for (at, run) in case.schedule.runs.iter().enumerate() {
            let tokens = case.prefill_tokens(at) as f64;
            let length_ns = case.step_ns(at) as f64;
            let expected = model.step(tokens, case.decode_requests(at)).max(1.0);
            let end = &mut last[run.lane as usize];
            lanes[run.lane as usize].steps.push(Observed {
                step: at as u32,
                start_ns: run.start_ns,
                end_ns: run.end_ns,
                factor: (length_ns / expected).clamp(0.2, 20.0),
                tokens,
                decodes: case.decode_requests(at),
                lag_ns: match since[at].max(*end) {
                    i64::MIN => 0.0,
                    since => run.start_ns.saturating_sub(since).max(0) as f64,
                },
            });
            *end = (*end).max(run.end_ns);
            largest = largest.max(f64::from(case.members(at)));
            most_tokens = most_tokens.max(tokens);
        }
        let scale = prompt_scale(case);
        let limit = limit_of(case, largest);
        let declared = case.settings.token_budget().map(|(_, budget)| budget);
        let budget = declared.unwrap_or(most_tokens).max(most_tokens);
        let kv_tokens = kv_tokens(case);
        let mut places = vec![0; case.schedule.runs.len()];
        for lane in &lanes {
            lane.steps.iter().enumerate().for_each(|(at, seen)| places[seen.step as usize] = at);
        }
        for (at, request) in case.requests.requests.iter().enumerate() {
            let served = &case.schedule.requests[at];
            let runs = &case.schedule.runs;
            let (Some(first), Some(end)) =
                (runs.get(served.first_run as usize), runs.get(served.last_run as usize))
            else {
                continue;
            };
            let decodes = request.steps.iter().filter(|m| m.phase == Phase::Decode).count();
            let prefills = request.steps.len() - decodes;
            let prompt = computed_tokens(request, scale);
            let lane = &mut lanes[first.lane as usize];
            // A step that had room and did not take it began before the scheduler knew of it.
            let missed = places[served.first_run as usize].checked_sub(1);
            let missed = missed.map(|at| lane.steps[at]).filter(|seen| {
                let members = f64::from(case.members(seen.step as usize));
                let has_place = members < limit.min(largest) && kv_tokens.is_infinite();
                has_place && seen.tokens + seen.decodes as f64 + prompt <= budget
            });
            let known_ns = missed.map_or(i64::MIN, |seen| seen.start_ns.saturating_add(1));
            lane.jobs.push(Job {
                request: at as u32,
                ready_ns: served.ready_ns.max(known_ns).min(first.start_ns.max(served.ready_ns)),
                arrival_ns: served.arrival_ns,
                after_ns: served.end_ns.saturating_sub(end.end_ns),
                prompt_tokens: if prefills > 0 { prompt.max(1.0) } else { 0.0 },
                held_tokens: request.tokens.prompt.map_or(prompt, |n| n as f64),
                decode_steps: decodes as u64,
                least_steps: request
                    .tokens
                    .output
                    .map_or(decodes as u64, |n| n.saturating_sub(1).min(decodes as u64)),
            });
        }
        let mut server = Self {
            model,
            lanes,
            limit,
            budget,
            kv_tokens,
            is_apart: computes_prompts_apart(case),
            n_requests: case.latencies.len(),
            observed: Vec::new(),
        };
        server.observed = server.run(case, &[]);
        Some(server)
    }

    /// Latencies with removals: what was observed, changed as the two runs differ.
    pub(crate) fn without(&self, case: &Case<'_>, removals: &[&Removal]) -> Vec<u64> {
        as_run_again(&case.latencies, &self.observed, &self.run(case, removals), removals)
    }

    /// How far the run without removals is from what was observed: the largest relative difference
    /// of the median and the 95th percentile of latencies.
    pub(crate) fn misfit(&self, case: &Case<'_>) -> f64 {
        misfit(&case.latencies, &self.observed)
    }

    fn run(&self, case: &Case<'_>, removals: &[&Removal]) -> Vec<Option<i64>> {
        // Time that prompts took goes with their tokens, all other by step. What is taken out of
        // steps may have gone with what was in them: the model is that of the steps without it.
        let of_steps: Vec<&Removal> =
            removals.iter().copied().filter(|r| r.prompt_tokens.iter().all(|n| *n == 0)).collect();
        let left = |step: usize| {
            let out: u64 = of_steps.iter().map(|removal| value(&removal.run_ns, step)).sum();
            case.step_ns(step).saturating_sub(out) as f64
        };
        let is_changed = of_steps.iter().any(|removal| !removal.run_ns.is_empty());
        let changed = is_changed.then(|| StepModel::fit_to(case, left)).flatten();
        let model = changed.as_ref().unwrap_or(&self.model);
        let factors: Vec<f64> = if is_changed {
            let factor = |step: usize| {
                let usual =
                    model.step(case.prefill_tokens(step) as f64, case.decode_requests(step));
                (left(step) / usual.max(1.0)).clamp(0.02, 20.0)
            };
            (0..case.facts.len()).map(factor).collect()
        } else {
            Vec::new()
        };
        let mut latencies = vec![None; self.n_requests];
        let unlimited =
            removals.iter().any(|removal| removal.is_unlimited || removal.is_unpreempted);
        let limit = if unlimited { f64::INFINITY } else { self.limit };
        let kv_tokens = if unlimited { f64::INFINITY } else { self.kv_tokens };
        for lane in &self.lanes {
            let rules = Rules { limit, kv_tokens, budget: self.budget, is_apart: self.is_apart };
            lane.run(model, &factors, rules, removals, &mut latencies);
        }
        latencies
    }
}

/// What a step may hold, see [`Continuous`].
#[derive(Clone, Copy)]
struct Rules {
    limit: f64,
    kv_tokens: f64,
    budget: f64,
    is_apart: bool,
}

impl Lane {
    fn run(
        &self,
        model: &StepModel,
        factors: &[f64],
        rules: Rules,
        removals: &[&Removal],
        latencies: &mut [Option<i64>],
    ) {
        let sum = |list: fn(&Removal) -> &Vec<u64>, at: u32| -> f64 {
            removals.iter().map(|removal| value(list(removal), at as usize) as f64).sum()
        };
        let mut jobs: Vec<(i64, usize)> = self
            .jobs
            .iter()
            .enumerate()
            .map(|(at, job)| {
                let before = (job.ready_ns - job.arrival_ns).max(0) as f64;
                let before = (before - sum(|r| &r.before_ns, job.request)).max(0.0);
                (job.arrival_ns.saturating_add(before as i64), at)
            })
            .collect();
        jobs.sort_unstable();
        // Prompts being computed, in order, with the tokens that are left.
        let mut prompts: std::collections::VecDeque<(usize, f64)> = Default::default();
        // Requests that decode, by the number of the step that is their last.
        let mut decoding: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let (mut next, mut now, mut count) = (0, i64::MIN, 0_u64);
        let mut near = 0;
        // Tokens in the KV cache: of prompts, and what each step of each request added.
        let mut held = 0.0_f64;
        let mut tokens_out: Vec<usize> = Vec::new();
        while next < jobs.len() || !prompts.is_empty() || !decoding.is_empty() {
            if prompts.is_empty() && decoding.is_empty() {
                now = now.max(jobs[next].0);
            }
            // The step that really ran at this time tells what was different about it.
            while near + 1 < self.steps.len()
                && (self.steps[near + 1].start_ns <= now || self.steps[near].end_ns <= now)
            {
                near += 1;
            }
            let seen = self.steps.get(near);
            let lag = seen.map_or(0.0, |seen| seen.lag_ns - sum(|r| &r.lag_ns, seen.step));
            now = now.saturating_add(lag.max(0.0) as i64);
            while next < jobs.len()
                && jobs[next].0 <= now
                && ((prompts.len() + decoding.len()) as f64) < rules.limit
            {
                let job = &self.jobs[jobs[next].1];
                let is_empty = prompts.is_empty() && decoding.is_empty();
                if held + job.held_tokens > rules.kv_tokens && !is_empty {
                    break;
                }
                held += job.held_tokens;
                if job.prompt_tokens > 0.0 {
                    let tokens = job.prompt_tokens - sum(|r| &r.prompt_tokens, job.request);
                    prompts.push_back((jobs[next].1, tokens.max(1.0)));
                } else {
                    let steps = job.decode_steps(removals).max(1);
                    decoding.push(Reverse((count + steps, jobs[next].1)));
                }
                next += 1;
            }
            // Those that decode wait for prompts that are computed apart.
            let waits = rules.is_apart && !prompts.is_empty();
            count += u64::from(!waits);
            let n_decode = if waits { 0 } else { decoding.len() as u64 };
            held += n_decode as f64;
            let mut left = (rules.budget - n_decode as f64).max(1.0);
            let mut tokens = 0.0;
            tokens_out.clear();
            for (job, open) in &mut prompts {
                let taken = open.min(left);
                *open -= taken;
                left -= taken;
                tokens += taken;
                if *open <= 0.0 {
                    tokens_out.push(*job);
                }
                if left <= 0.0 {
                    break;
                }
            }
            prompts.retain(|(_, open)| *open > 0.0);
            let mut length = model.step(tokens, n_decode);
            length *= self.alike(near, model, length).map_or(1.0, |alike| {
                factors.get(alike.step as usize).copied().unwrap_or(alike.factor)
            });
            now = now.saturating_add(length as i64);
            let mut done: Vec<usize> = Vec::new();
            while let Some(Reverse((last, job))) = decoding.peek().copied() {
                if last > count {
                    break;
                }
                decoding.pop();
                done.push(job);
            }
            for job in tokens_out.drain(..) {
                let steps = self.jobs[job].decode_steps(removals);
                if steps == 0 {
                    done.push(job);
                } else {
                    decoding.push(Reverse((count + steps, job)));
                }
            }
            for at in done {
                let job = &self.jobs[at];
                held -= job.held_tokens + job.decode_steps(removals) as f64;
                let after = job.after_ns;
                let after = if after > 0 {
                    (after as f64 - sum(|r| &r.after_ns, job.request)).max(0.0) as i64
                } else {
                    after
                };
                let wait = sum(|r| &r.wait_ns, job.request) as i64;
                latencies[job.request as usize] = Some(now + after - job.arrival_ns - wait);
            }
        }
    }
}

impl Lane {
    /// The step that ran at the time of step `near` and held about as much as one of `length_ns`:
    /// how far a long prompt was off the model says nothing of steps without it. `None` when no
    /// step around did.
    fn alike(&self, near: usize, model: &StepModel, length_ns: f64) -> Option<&Observed> {
        let is_alike = |seen: &&Observed| {
            let other = model.step(seen.tokens, seen.decodes);
            length_ns.min(other) >= ALIKE_MIN * length_ns.max(other)
        };
        let before = self.steps[..near].iter().rev().map(Some).chain(std::iter::repeat(None));
        let after = self.steps[near + 1..].iter().map(Some).chain(std::iter::repeat(None));
        let around = after.zip(before).take(AROUND).flat_map(|(after, before)| [after, before]);
        self.steps.get(near).into_iter().chain(around.flatten()).find(is_alike)
    }
}

/// Since when there was something to do for each step: the earliest that one of its requests was
/// ready, where all of them are new in it. Others follow the step before at once.
fn work_since(case: &Case<'_>) -> Vec<i64> {
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
    let runs = case.schedule.runs.iter().enumerate();
    let known = since.into_iter().zip(runs).map(|(since, (at, run))| match since {
        i64::MAX if case.decode_requests(at) > 0 => i64::MIN,
        since => since.min(run.start_ns),
    });
    known.collect()
}

fn value(list: &[u64], at: usize) -> u64 {
    list.get(at).copied().unwrap_or(0)
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
/// first.
fn limit_of(case: &Case<'_>, largest: f64) -> f64 {
    let kv = case.telemetry.gauge(KV_USE);
    let is_used_up = kv.is_some_and(|kv| kv.value.iter().any(|used| *used >= KV_FULL));
    let declared = case.settings.batch_limit().unwrap_or(f64::INFINITY);
    if is_used_up { largest.max(1.0) } else { declared.max(largest) }
}

/// Tokens that the KV cache holds, where it is declared and was used up.
fn kv_tokens(case: &Case<'_>) -> f64 {
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
