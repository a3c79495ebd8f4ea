//! A server that runs batches, or one request at a time, run again.
//!
//! With shorter runs, or more workers, other requests are in the queue when a worker is free: the
//! schedule is not kept but made again, as a dynamic batcher makes it. A free worker takes what
//! waits once there is a preferred number of requests, or once the first of them has waited as long
//! as the batcher may hold it. How long a batch takes is the median of batches of its size, less
//! what the removals take out of those, times how far the run that really served its requests was
//! off that; of several runs the one that is furthest off, since what stops the server stops a batch
//! once.

use std::collections::BTreeMap;

use crate::Case;
use crate::replay::{Misfit, Removal, as_run_again, length_error, misfit};
use crate::statistics::{median, percentile_of};
use underspan_model::give_up_if_cancelled;

/// Least time that the batcher holds requests for: below it lies the time of handing them over.
const HOLD_MIN_NS: u64 = 200_000;

/// A server to run again.
#[derive(Debug)]
pub(crate) struct Batching {
    n_workers: usize,
    /// Most requests that a batch may hold.
    limit: usize,
    /// From how many requests on a batch starts at once.
    enough: usize,
    /// How long the first request may wait for that.
    hold_ns: i64,
    /// From a batch being complete and a worker free until it runs.
    handover_ns: i64,
    /// In order of being ready.
    jobs: Vec<Job>,
    /// By step.
    runs: Vec<Observed>,
    n_requests: usize,
    /// Latencies of the run without any removal, to compare with.
    observed: Vec<Option<i64>>,
    /// The median error of its runs.
    step_error: f64,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    request: usize,
    arrival_ns: i64,
    ready_ns: i64,
    /// From the end of its run to its own end.
    after_ns: i64,
    /// The step that served it.
    step: usize,
}

#[derive(Debug, Clone, Copy)]
struct Observed {
    size: usize,
    length_ns: f64,
    /// Whether it took up a worker.
    has_worker: bool,
}

impl Batching {
    /// Takes a case apart; `None` for a server that runs requests more than once.
    pub(crate) fn of(case: &Case<'_>) -> Option<Self> {
        let schedule = &case.schedule;
        let times = BatchTimes::of(case);
        let served = schedule.requests.iter().enumerate();
        let mut jobs: Vec<Job> = Vec::new();
        for (request, served) in served {
            give_up_if_cancelled();
            let Some(run) = schedule.runs.get(served.first_run as usize) else { continue };
            if served.first_run != served.last_run {
                return None;
            }
            jobs.push(Job {
                request,
                arrival_ns: served.arrival_ns,
                ready_ns: served.ready_ns,
                after_ns: served.end_ns.saturating_sub(run.end_ns),
                step: served.first_run as usize,
            });
        }
        if jobs.is_empty() {
            return None;
        }
        jobs.sort_by_key(|job| (job.ready_ns, job.request));
        let runs = schedule.runs.iter().enumerate();
        let runs = runs.map(|(step, run)| Observed {
            size: case.members(step).max(1) as usize,
            length_ns: case.step_ns(step) as f64,
            has_worker: run.has_lane(),
        });
        let runs: Vec<Observed> = runs.collect();
        let largest = times.largest();
        let limit = case.settings.batch_limit().map_or(largest, |limit| limit as usize);
        let limit = limit.max(largest).max(1);
        let mut batching = Self {
            n_workers: case.n_lanes().max(1),
            limit,
            enough: case.settings.preferred_batch().map_or(limit, |n| n as usize).clamp(1, limit),
            hold_ns: 0,
            handover_ns: 0,
            jobs,
            runs,
            n_requests: schedule.requests.len(),
            observed: Vec::new(),
            step_error: 0.0,
        };
        batching.measure_batcher(case);
        let mut errors = Vec::new();
        batching.observed = batching.run(&[], &mut errors);
        batching.step_error = median(errors).unwrap_or(0.0);
        Some(batching)
    }

    /// How long batches are held, and how long handing one over takes.
    fn measure_batcher(&mut self, case: &Case<'_>) {
        let schedule = &case.schedule;
        let mut first_ready = vec![i64::MAX; schedule.runs.len()];
        let mut newest_ready = vec![i64::MIN; schedule.runs.len()];
        for job in &self.jobs {
            let run = schedule.requests[job.request].first_run as usize;
            first_ready[run] = first_ready[run].min(job.ready_ns);
            newest_ready[run] = newest_ready[run].max(job.ready_ns);
        }
        let mut free = vec![i64::MIN; case.n_lanes()];
        let (mut holds, mut handovers, mut behind) = (Vec::new(), Vec::new(), Vec::new());
        for step in case.worker_steps() {
            give_up_if_cancelled();
            let run = &schedule.runs[step];
            let free = &mut free[run.lane as usize];
            if newest_ready[step] != i64::MIN {
                let since = |from: i64| run.start_ns.saturating_sub(from).max(0) as u64;
                handovers.push(since(newest_ready[step].max(*free)));
                if *free > newest_ready[step] {
                    behind.push(since(*free));
                }
                let is_full = case.members(step) as usize >= self.enough;
                if first_ready[step] > *free && !is_full {
                    holds.push(since(first_ready[step]));
                }
            }
            *free = (*free).max(run.end_ns);
        }
        self.handover_ns = percentile_of(&handovers, 25) as i64;
        if self.handover_ns as u64 >= HOLD_MIN_NS {
            // Held batches do not show it: those behind another do, which waited for nothing else.
            let shortest = percentile_of(&handovers, 5).min(HOLD_MIN_NS);
            let usual = percentile_of(&behind, 25);
            self.handover_ns =
                if behind.len() >= 5 { usual.min(shortest) } else { shortest } as i64;
        }
        // What was declared may have been overruled: what was observed counts.
        let held = percentile_of(&holds, 50);
        if held >= HOLD_MIN_NS && self.limit > 1 {
            self.hold_ns = held as i64 - self.handover_ns;
        }
    }

    /// Latencies with removals: what was observed, changed as the two runs differ.
    pub(crate) fn without(&self, case: &Case<'_>, removals: &[&Removal]) -> Vec<u64> {
        as_run_again(
            &case.latencies,
            &self.observed,
            &self.run(removals, &mut Vec::new()),
            removals,
        )
    }

    /// How far the run without removals is from what was observed.
    pub(crate) fn misfit(&self, case: &Case<'_>) -> Misfit {
        Misfit { latency: misfit(&case.latencies, &self.observed), steps: self.step_error }
    }

    /// Latencies of a run; how far each batch is off the run of its first request goes to `errors`.
    fn run(&self, removals: &[&Removal], errors: &mut Vec<f64>) -> Vec<Option<i64>> {
        let more: usize = removals.iter().map(|removal| removal.more_replicas as usize).sum();
        let is_undelayed = removals.iter().any(|removal| removal.is_undelayed);
        let hold_ns = if is_undelayed { 0 } else { self.hold_ns };
        let mut queue: Vec<(i64, &Job)> = self
            .jobs
            .iter()
            .map(|job| {
                let before = (job.ready_ns - job.arrival_ns).max(0);
                let out = sum(removals, |r| &r.before_ns, job.request);
                (job.ready_ns - out.min(before), job)
            })
            .collect();
        queue.sort_by_key(|(ready, job)| (*ready, job.request));
        let mut latencies = vec![None; self.n_requests];
        let lengths = Lengths::of(&self.runs, removals);
        // Replicas take turns.
        for replica in 0..=more {
            let own: Vec<(i64, &Job)> =
                queue.iter().skip(replica).step_by(more + 1).copied().collect();
            self.run_replica(&own, hold_ns, &lengths, removals, &mut latencies, errors);
        }
        latencies
    }

    /// Runs the requests of one replica, in order of being ready.
    fn run_replica(
        &self,
        queue: &[(i64, &Job)],
        hold_ns: i64,
        lengths: &Lengths,
        removals: &[&Removal],
        latencies: &mut [Option<i64>],
        errors: &mut Vec<f64>,
    ) {
        let mut free = vec![i64::MIN; self.n_workers];
        let mut next = 0;
        while next < queue.len() {
            give_up_if_cancelled();
            let Some(worker) = (0..free.len()).min_by_key(|worker| free[*worker]) else { break };
            let first = queue[next].0;
            // When there are enough, or the first has waited long enough, and a worker is free.
            let full = queue.get(next + self.enough - 1).map_or(i64::MAX, |(ready, _)| *ready);
            let start = full.min(first.saturating_add(hold_ns)).max(free[worker]).max(first);
            let waiting = queue[next..].iter().take(self.limit);
            let batch = waiting.take_while(|(ready, _)| *ready <= start).count().max(1);
            let start = start.saturating_add(self.handover_ns);
            let members = &queue[next..next + batch];
            let (mut off, mut lag) = (0.0_f64, 0);
            for (at, (_, job)) in members.iter().enumerate() {
                if at > 0 && members[at - 1].1.step == job.step {
                    continue;
                }
                off = off.max(lengths.factors[job.step]);
                lag = lag.max(sum(removals, |r| &r.lag_ns, job.step));
            }
            let length = lengths.usual.of_size(batch) * off;
            errors.push(length_error(length, self.runs[members[0].1.step].length_ns));
            let lag = lag.min(self.handover_ns);
            let end = start.saturating_sub(lag).saturating_add(length as i64);
            free[worker] = end;
            for (_, job) in members {
                let out = sum(removals, |r| &r.after_ns, job.request);
                let after =
                    if job.after_ns > 0 { (job.after_ns - out).max(0) } else { job.after_ns };
                let wait: i64 = removals
                    .iter()
                    .filter(|removal| !removal.changes_server())
                    .map(|removal| value(&removal.wait_ns, job.request))
                    .sum();
                latencies[job.request] = Some(end + after - job.arrival_ns - wait);
            }
            next += batch;
        }
    }
}

/// How long runs are with removals taken out.
struct Lengths {
    usual: BatchTimes,
    /// The length of each run over the usual one of its size.
    factors: Vec<f64>,
}

impl Lengths {
    fn of(runs: &[Observed], removals: &[&Removal]) -> Self {
        let left = runs.iter().enumerate().map(|(step, run)| {
            (run.length_ns - sum(removals, |r| &r.run_ns, step) as f64).max(0.0)
        });
        let left: Vec<f64> = left.collect();
        let of_workers = runs.iter().zip(&left).filter(|(run, _)| run.has_worker);
        let usual = BatchTimes::fit(of_workers.map(|(run, length)| (run.size, *length)));
        let factors = runs.iter().zip(&left);
        let factors = factors
            .map(|(run, length)| (length / usual.of_size(run.size).max(1.0)).clamp(0.0, 20.0));
        Self { factors: factors.collect(), usual }
    }
}

fn value(list: &[u64], at: usize) -> i64 {
    list.get(at).copied().unwrap_or(0) as i64
}

fn sum(removals: &[&Removal], list: impl Fn(&Removal) -> &Vec<u64>, at: usize) -> i64 {
    removals.iter().map(|removal| value(list(removal), at)).sum()
}

/// How long a batch of each size runs: the median of those seen, straight lines between sizes.
#[derive(Debug)]
pub(crate) struct BatchTimes {
    /// Size and time, in order of size.
    known: Vec<(usize, f64)>,
}

impl BatchTimes {
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let steps = case.worker_steps();
        Self::fit(steps.map(|step| (case.members(step).max(1) as usize, case.step_ns(step) as f64)))
    }

    /// From the size and length of runs.
    fn fit(runs: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut by_size: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        runs.for_each(|(size, length)| by_size.entry(size).or_default().push(length));
        let known = by_size.into_iter().filter_map(|(size, all)| Some((size, median(all)?)));
        Self { known: known.collect() }
    }

    pub(crate) fn largest(&self) -> usize {
        self.known.last().map_or(1, |(size, _)| *size)
    }

    /// In nanoseconds. A larger batch than any that was seen takes in proportion to the largest.
    pub(crate) fn of_size(&self, size: usize) -> f64 {
        let after = self.known.iter().position(|(known, _)| *known >= size);
        match after {
            Some(0) => self.known[0].1,
            Some(at) => {
                let ((low, t_low), (high, t_high)) = (self.known[at - 1], self.known[at]);
                t_low + (t_high - t_low) * (size - low) as f64 / (high - low) as f64
            }
            None => self.known.last().map_or(0.0, |(known, ns)| ns * size as f64 / *known as f64),
        }
    }
}
