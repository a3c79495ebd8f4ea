//! A server with continuous batching, run again.
//!
//! With steps of another length, requests join other steps: a request that came during a long step
//! would have joined an earlier, shorter one. So the schedule is not kept here as in
//! [`replay`](crate::replay()), but made again: requests come when they came, need as many steps as
//! they needed, and each step takes what is ready and has room. How long a step takes comes from a
//! model of its content, fitted on the capture, times how far the step that really ran then was
//! off that model, less what the removals take out of it.

mod content;
mod lane;
mod pace;
mod room;

use underspan_model::tables::Phase;

pub(crate) use content::{computed_tokens, computes_prompts_apart, prompt_scale, waiting_members};
use content::{kv_tokens, limit_of, prompts_of, work_since};
use lane::{Job, Lane, Observed, Rules};
pub(crate) use room::FULL;
use room::Room;

use crate::Case;
use crate::replay::{Misfit, Removal, Schedule, as_run_again, misfit};
use crate::statistics::median;
use crate::step_model::StepModel;

/// A server to run again.
#[derive(Debug)]
pub(crate) struct Continuous {
    model: StepModel,
    lanes: Vec<Lane>,
    rules: Rules,
    room: Room,
    n_requests: usize,
    /// Latencies of the run without any removal, to compare with.
    observed: Vec<Option<i64>>,
    /// The median error of its steps.
    step_error: f64,
}

impl Continuous {
    /// Takes a case apart; `None` when there is too little to model.
    pub(crate) fn of(case: &Case<'_>) -> Option<Self> {
        let model = StepModel::fit(case)?;
        let mut lanes = lanes_of(case);
        let steps = 0..case.facts.len();
        let largest = steps.clone().map(|step| case.members(step)).max().unwrap_or(0);
        let most_tokens = steps.map(|step| case.prefill_tokens(step)).max().unwrap_or(0).max(1);
        let declared = case.settings.token_budget().map_or(0.0, |(_, budget)| budget);
        let mut rules = Rules {
            limit: case.settings.batch_limit().unwrap_or(f64::from(largest)),
            kv_tokens: f64::INFINITY,
            budget: declared.max(most_tokens as f64),
            is_apart: computes_prompts_apart(case),
        };
        let prompts = prompts_of(case);
        let room = Room::of(case, rules, &prompts);
        rules.kv_tokens = kv_tokens(case).min(room.kv_tokens);
        rules.limit = limit_of(case, f64::from(largest), rules.kv_tokens);
        // Where no limit is declared, the largest batch may have been one.
        let full = rules.limit.min(f64::from(largest));
        add_jobs(case, &mut lanes, Rules { limit: full, ..rules }, &prompts);
        lanes.iter_mut().for_each(|lane| lane.set_pace(&model, |step| case.step_ns(step) as f64));
        let n_requests = case.latencies.len();
        let mut server =
            Self { model, lanes, rules, room, n_requests, observed: Vec::new(), step_error: 0.0 };
        let mut errors = Vec::new();
        server.observed = server.run(case, &[], &mut errors);
        server.step_error = median(errors).unwrap_or(0.0);
        Some(server)
    }

    /// Latencies with removals: what was observed, changed as the two runs differ.
    pub(crate) fn without(&self, case: &Case<'_>, removals: &[&Removal]) -> Vec<u64> {
        as_run_again(
            &case.latencies,
            &self.observed,
            &self.run(case, removals, &mut Vec::new()),
            removals,
        )
    }

    /// How far the run without removals is from what was observed, of requests that the trace covers.
    pub(crate) fn misfit(&self, case: &Case<'_>) -> Misfit {
        let covered = self.observed.iter().enumerate();
        let covered = covered.map(|(at, run)| run.filter(|_| case.coverage.has_request(at)));
        let latency = misfit(&case.latencies, &covered.collect::<Vec<_>>());
        Misfit { latency, steps: self.step_error }
    }

    /// Whether a step kept a request waiting that its batch and its budget had room for.
    pub(crate) fn is_held_back(&self, step: usize) -> bool {
        self.room.is_held_back[step]
    }

    /// Latencies of a run; how far each of its steps is off the one that really ran then goes to
    /// `errors`.
    fn run(
        &self,
        case: &Case<'_>,
        removals: &[&Removal],
        errors: &mut Vec<f64>,
    ) -> Vec<Option<i64>> {
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
        let unlimited =
            removals.iter().any(|removal| removal.is_unlimited || removal.is_unpreempted);
        let mut rules = self.rules;
        if unlimited {
            (rules.limit, rules.kv_tokens) = (f64::INFINITY, f64::INFINITY);
        }
        let mut latencies = vec![None; self.n_requests];
        for lane in &self.lanes {
            let pace = is_changed.then(|| lane.pace_of(model, left));
            let pace = pace.as_deref().unwrap_or(lane.pace());
            lane.run(model, pace, rules, removals, &mut latencies, errors);
        }
        latencies
    }
}

/// The steps of each lane.
fn lanes_of(case: &Case<'_>) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = (0..case.n_lanes()).map(|_| Lane::default()).collect();
    let mut last: Vec<Option<i64>> = vec![None; lanes.len()];
    let since = work_since(case);
    for (at, run) in case.schedule.runs.iter().enumerate() {
        let Some(lane) = lanes.get_mut(run.lane as usize) else { continue };
        let end = &mut last[run.lane as usize];
        let lag = end.map_or(0, |end| run.start_ns.saturating_sub(since[at].max(end)).max(0));
        lane.steps.push(Observed {
            step: at as u32,
            start_ns: run.start_ns,
            end_ns: run.end_ns,
            tokens: case.prefill_tokens(at) as f64,
            decodes: case.decode_requests(at),
            lag_ns: lag as f64,
        });
        *end = Some(end.map_or(run.end_ns, |end| end.max(run.end_ns)));
    }
    lanes
}

/// Gives each lane the requests that it served.
fn add_jobs(case: &Case<'_>, lanes: &mut [Lane], rules: Rules, prompts: &[f64]) {
    let mut places = vec![0; case.schedule.runs.len()];
    for lane in lanes.iter() {
        lane.steps.iter().enumerate().for_each(|(at, seen)| places[seen.step as usize] = at);
    }
    for (at, request) in case.requests.requests.iter().enumerate() {
        let served = &case.schedule.requests[at];
        let runs = &case.schedule.runs;
        let ends = (runs.get(served.first_run as usize), runs.get(served.last_run as usize));
        let (Some(first), Some(last)) = ends else { continue };
        let Some(lane) = lanes.get_mut(first.lane as usize) else { continue };
        let decodes = request.steps.iter().filter(|m| m.phase == Phase::Decode).count() as u64;
        let is_begun_here = request.steps.len() as u64 > decodes;
        let prompt = prompts[at];
        // A step that had room and did not take it began before the scheduler knew of it. Who
        // missed more than one waited for something else.
        let place = places[served.first_run as usize];
        let missed = place.checked_sub(1).map(|at| lane.steps[at]).filter(|seen| {
            let n_members = f64::from(case.members(seen.step as usize));
            let has_place = n_members < rules.limit && rules.kv_tokens.is_infinite();
            let before = place.checked_sub(2).map_or(i64::MIN, |at| lane.steps[at].start_ns);
            has_place
                && served.ready_ns > before
                && seen.tokens + seen.decodes as f64 + prompt <= rules.budget
        });
        let known_ns = missed.map_or(i64::MIN, |seen| seen.start_ns.saturating_add(1));
        let answer = request.tokens.output.map_or(decodes, |n| n.saturating_sub(1).min(decodes));
        lane.jobs.push(Job {
            request: at as u32,
            ready_ns: known_ns.min(first.start_ns).max(served.ready_ns),
            arrival_ns: served.arrival_ns,
            after_ns: served.end_ns.saturating_sub(last.end_ns),
            prompt_tokens: if is_begun_here { prompt.max(1.0) } else { 0.0 },
            held_tokens: request.tokens.prompt.map_or(prompt, |n| n as f64),
            decode_steps: decodes,
            least_steps: answer,
        });
    }
    lanes.iter_mut().for_each(|lane| leave_out_before(lane, &case.schedule));
}

/// Of prompts in the first step that is known, a part may have been computed before it.
fn leave_out_before(lane: &mut Lane, schedule: &Schedule) {
    let Some(first) = lane.steps.first() else { return };
    let is_in_it = |job: &&mut Job| {
        schedule.requests[job.request as usize].first_run == first.step && job.prompt_tokens > 0.0
    };
    let prompts: f64 = lane.jobs.iter_mut().filter(is_in_it).map(|job| job.prompt_tokens).sum();
    if prompts > first.tokens {
        let left = first.tokens / prompts;
        for job in lane.jobs.iter_mut().filter(is_in_it) {
            job.prompt_tokens = (job.prompt_tokens * left).max(1.0);
        }
    }
}

fn value(list: &[u64], at: usize) -> u64 {
    list.get(at).copied().unwrap_or(0)
}
