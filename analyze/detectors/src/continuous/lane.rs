//! One engine: its steps, its requests, and both run again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::pace::{Pace, factor_alike, paces};
use super::value;
use crate::replay::{Removal, length_error};
use crate::statistics::median;
use crate::step_model::StepModel;
use underspan_model::give_up_if_cancelled;

/// What a request needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) request: u32,
    pub(super) ready_ns: i64,
    pub(super) arrival_ns: i64,
    /// From the end of its last step to its own end.
    pub(super) after_ns: i64,
    pub(super) prompt_tokens: f64,
    /// Tokens of its prompt that the KV cache holds, computed or found there.
    pub(super) held_tokens: f64,
    pub(super) decode_steps: u64,
    /// Steps that its answer needs when it is never put out of the batch.
    pub(super) least_steps: u64,
}

/// A step that ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub(super) step: u32,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) tokens: f64,
    pub(super) decodes: u64,
    /// From when it could have begun until it did.
    pub(super) lag_ns: f64,
}

impl Observed {
    /// Its start, where that is about `now`: who was ready then joined it. Otherwise `now`.
    fn start_near(&self, now: i64) -> i64 {
        let off = now.saturating_sub(self.start_ns).saturating_abs();
        if self.is_over(off) { self.start_ns } else { now }
    }

    /// Whether it counts as over with so much `left_ns`: steps of a run that is a little ahead of
    /// the one that was seen are still each other's counterparts.
    fn is_over(&self, left_ns: i64) -> bool {
        left_ns.saturating_mul(4) < self.end_ns.saturating_sub(self.start_ns)
    }
}

/// What a step may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Most requests.
    pub(super) limit: f64,
    /// Most tokens in the KV cache; infinite where it never was used up.
    pub(super) kv_tokens: f64,
    /// Most tokens of prompts and answers.
    pub(super) budget: f64,
    /// Whether prompts are computed in steps of their own, before anything else.
    pub(super) is_apart: bool,
}

/// An engine.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) jobs: Vec<Job>,
    pub(super) steps: Vec<Observed>,
    pace: Vec<Pace>,
}

impl Lane {
    /// How far each step was off the model.
    pub(super) fn pace(&self) -> &[Pace] {
        &self.pace
    }

    /// Holds the steps, with lengths by step of the capture, against the model.
    pub(super) fn set_pace(&mut self, model: &StepModel, length_ns: impl Fn(usize) -> f64) {
        self.pace = self.pace_of(model, length_ns);
    }

    /// The same for other lengths.
    pub(super) fn pace_of(&self, model: &StepModel, length_ns: impl Fn(usize) -> f64) -> Vec<Pace> {
        paces(&self.steps, model, length_ns)
    }

    /// Runs the requests again and writes down how long each took, and how far each step was off the
    /// one that really ran then.
    pub(super) fn run(
        &self,
        model: &StepModel,
        pace: &[Pace],
        rules: Rules,
        removals: &[&Removal],
        latencies: &mut [Option<i64>],
        errors: &mut Vec<f64>,
    ) {
        let sooner_ns = self.sooner_for_all(removals);
        let arrivals = self.arrivals(removals, sooner_ns);
        // The first step that was seen waited for its requests: it comes with them.
        let seen = self.jobs.iter().map(|job| job.ready_ns).min();
        let sooner = seen.zip(arrivals.first()).map_or(0, |(seen, now)| seen - now.0);
        let mut again = Again {
            lane: self,
            removals,
            is_unpreempted: removals.iter().any(|removal| removal.is_unpreempted),
            sooner_ns,
            coming: arrivals.into(),
            prompts: VecDeque::new(),
            decoding: BinaryHeap::new(),
            held: 0.0,
            now: self.steps.first().map_or(i64::MIN, |first| first.start_ns - sooner.max(0)),
            count: 0,
        };
        let lags = self.steps.iter();
        let lags = lags.map(|seen| seen.lag_ns - out(removals, |r| &r.lag_ns, seen.step));
        let usual_lag = median(lags).unwrap_or(0.0);
        let (mut near, mut met) = (0, None);
        while let Some(ready) = again.next_work() {
            give_up_if_cancelled();
            again.now = again.now.max(ready);
            // The step that really ran at this time tells what was different about it.
            while self.steps.get(near + 1).is_some_and(|next| {
                let seen = &self.steps[near];
                let left = seen.end_ns.saturating_sub(again.now);
                next.start_ns <= again.now || left <= 0 || met == Some(near) && seen.is_over(left)
            }) {
                near += 1;
            }
            let is_new = met.replace(near) != Some(near);
            let (lag, once) = match self.steps.get(near) {
                Some(seen) if is_new => {
                    (seen.lag_ns - out(removals, |r| &r.lag_ns, seen.step), pace[near].once_ns)
                }
                _ => (usual_lag, 0.0),
            };
            again.wait(lag.max(0.0));
            let seen = self.steps.get(near).filter(|_| is_new);
            again.admit(seen.map_or(again.now, |seen| seen.start_near(again.now)), rules);
            let step = again.compose(rules);
            let length = model.step(step.tokens, step.n_decodes);
            let length = length * factor_alike(&self.steps, pace, near, model, length) + once;
            if let Some(seen) = seen {
                errors.push(length_error(length, (seen.end_ns - seen.start_ns) as f64));
            }
            again.wait(length);
            again.finish(step, latencies);
        }
    }

    /// When each request is ready, `later_ns` later than it is, and which it is, in order.
    fn arrivals(&self, removals: &[&Removal], later_ns: i64) -> Vec<(i64, usize)> {
        let of = |(at, job): (usize, &Job)| {
            (job.ready_ns.saturating_sub(sooner(job, removals)).saturating_add(later_ns), at)
        };
        let mut arrivals: Vec<(i64, usize)> = self.jobs.iter().enumerate().map(of).collect();
        arrivals.sort_unstable();
        arrivals
    }

    /// How much sooner every request is ready: what moves all of them moves the steps with them,
    /// and nothing else changes.
    fn sooner_for_all(&self, removals: &[&Removal]) -> i64 {
        self.jobs.iter().map(|job| sooner(job, removals)).min().unwrap_or(0)
    }
}

/// How much sooner a request is ready.
fn sooner(job: &Job, removals: &[&Removal]) -> i64 {
    let before = job.ready_ns.saturating_sub(job.arrival_ns).max(0);
    (out(removals, |r| &r.before_ns, job.request) as i64).min(before)
}

/// What all removals together take out of one place of a list.
fn out(removals: &[&Removal], list: fn(&Removal) -> &Vec<u64>, at: u32) -> f64 {
    removals.iter().map(|removal| value(list(removal), at as usize) as f64).sum()
}

/// What a step computes.
struct Composed {
    tokens: f64,
    n_decodes: u64,
    /// Jobs whose prompts are computed with it.
    begun: Vec<usize>,
}

/// An engine in the middle of being run again.
struct Again<'a> {
    lane: &'a Lane,
    removals: &'a [&'a Removal],
    is_unpreempted: bool,
    /// How much sooner all that happens does.
    sooner_ns: i64,
    /// When jobs are ready that nobody has begun with.
    coming: VecDeque<(i64, usize)>,
    /// Prompts being computed, in order, with the tokens that are left.
    prompts: VecDeque<(usize, f64)>,
    /// Jobs that decode, by the number of the step that is their last.
    decoding: BinaryHeap<Reverse<(u64, usize)>>,
    /// Tokens in the KV cache: of prompts, and what each step of each job added.
    held: f64,
    now: i64,
    /// Steps that decoded.
    count: u64,
}

impl Again<'_> {
    /// From when on there is something to do; `None` when all is done.
    fn next_work(&self) -> Option<i64> {
        if self.is_idle() { self.coming.front().map(|(ready, _)| *ready) } else { Some(self.now) }
    }

    fn is_idle(&self) -> bool {
        self.prompts.is_empty() && self.decoding.is_empty()
    }

    fn wait(&mut self, ns: f64) {
        self.now = self.now.saturating_add(ns as i64);
    }

    fn decode_steps(&self, job: &Job) -> u64 {
        if self.is_unpreempted { job.least_steps } else { job.decode_steps }
    }

    /// Takes in who is ready by then and has room.
    fn admit(&mut self, by: i64, rules: Rules) {
        while let Some((ready, at)) = self.coming.front().copied() {
            let job = &self.lane.jobs[at];
            let is_full = (self.prompts.len() + self.decoding.len()) as f64 >= rules.limit
                || self.held + job.held_tokens > rules.kv_tokens;
            if ready > by && !(self.is_idle() && ready <= self.now) || is_full && !self.is_idle() {
                break;
            }
            self.coming.pop_front();
            self.held += job.held_tokens;
            if job.prompt_tokens > 0.0 {
                let tokens =
                    job.prompt_tokens - out(self.removals, |r| &r.prompt_tokens, job.request);
                self.prompts.push_back((at, tokens.max(1.0)));
            } else {
                let last = self.count + self.decode_steps(job).max(1);
                self.decoding.push(Reverse((last, at)));
            }
        }
    }

    /// Fills a step.
    fn compose(&mut self, rules: Rules) -> Composed {
        // Those that decode wait for prompts that are computed apart.
        let waits = rules.is_apart && !self.prompts.is_empty();
        self.count += u64::from(!waits);
        let n_decodes = if waits { 0 } else { self.decoding.len() as u64 };
        self.held += n_decodes as f64;
        let mut left = (rules.budget - n_decodes as f64).max(1.0);
        let (mut tokens, mut begun) = (0.0, Vec::new());
        for (job, open) in &mut self.prompts {
            let taken = open.min(left);
            *open -= taken;
            left -= taken;
            tokens += taken;
            if *open <= 0.0 {
                begun.push(*job);
            }
            if left <= 0.0 {
                break;
            }
        }
        self.prompts.retain(|(_, open)| *open > 0.0);
        Composed { tokens, n_decodes, begun }
    }

    /// Answers those whose last step this was.
    fn finish(&mut self, step: Composed, latencies: &mut [Option<i64>]) {
        let mut done = Vec::new();
        while let Some(Reverse((_, job))) =
            self.decoding.peek().copied().filter(|Reverse((last, _))| *last <= self.count)
        {
            self.decoding.pop();
            done.push(job);
        }
        for at in step.begun {
            match self.decode_steps(&self.lane.jobs[at]) {
                0 => done.push(at),
                steps => self.decoding.push(Reverse((self.count + steps, at))),
            }
        }
        for at in done {
            let job = &self.lane.jobs[at];
            self.held -= job.held_tokens + self.decode_steps(job) as f64;
            let after = if job.after_ns > 0 {
                (job.after_ns as f64 - out(self.removals, |r| &r.after_ns, job.request)).max(0.0)
                    as i64
            } else {
                job.after_ns
            };
            let wait = out(self.removals, |r| &r.wait_ns, job.request) as i64;
            latencies[job.request as usize] =
                Some(self.now - self.sooner_ns + after - job.arrival_ns - wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_a_little_ahead_or_behind_takes_in_the_same_requests() {
        let seen = Observed {
            step: 0,
            start_ns: 1_000,
            end_ns: 2_000,
            tokens: 0.0,
            decodes: 1,
            lag_ns: 0.0,
        };
        assert_eq!([900, 1_000, 1_200].map(|now| seen.start_near(now)), [1_000; 3]);
        assert_eq!([500, 1_600].map(|now| seen.start_near(now)), [500, 1_600]);
        assert!(seen.is_over(200) && !seen.is_over(300), "of a quarter that is left");
    }
}
