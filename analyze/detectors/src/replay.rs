//! What latencies would have been without a cause, by replaying the schedule.
//!
//! Subtracting a delay from every request that met it is not a counterfactual: a shorter run lets
//! the next one start earlier, and where requests queue that counts many times. The replay keeps
//! who ran with whom and in which order, and lets every run start as soon as what it waited for
//! allows: the run before it on the same lane, and the requests that are new in it.

use crate::statistics::percentile_of;

/// No run.
pub const NO_RUN: u32 = u32::MAX;

/// The lane of a run that needs none: work of the host alone, beside that of every worker.
pub const NO_LANE: u32 = u32::MAX;

/// What a server did: its runs and the requests that they served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Runs in order of start. Runs of one lane do not overlap.
    pub runs: Vec<Run>,
    /// Requests in order of arrival.
    pub requests: Vec<Served>,
}

impl Schedule {
    /// Number of lanes.
    pub fn n_lanes(&self) -> usize {
        let lanes = self.runs.iter().filter(|run| run.has_lane());
        lanes.map(|run| run.lane as usize + 1).max().unwrap_or(0)
    }
}

/// One run of a lane: an engine step, the execution of a batch, or one request's computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The worker that ran it, one run after the other; [`NO_LANE`] for a run that needs none.
    pub lane: u32,
    /// Start.
    pub start_ns: i64,
    /// End.
    pub end_ns: i64,
}

impl Run {
    /// Whether it takes up a worker.
    pub const fn has_lane(&self) -> bool {
        self.lane != NO_LANE
    }

    /// How long it is.
    pub fn length_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns).max(0) as u64
    }
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Start of its outermost span.
    pub arrival_ns: i64,
    /// End of its outermost span.
    pub end_ns: i64,
    /// When the server could first have run it.
    pub ready_ns: i64,
    /// First run with a lane that it was in; [`NO_RUN`] for none.
    pub first_run: u32,
    /// Last such run.
    pub last_run: u32,
}

impl Served {
    /// Its latency.
    pub fn latency_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.arrival_ns).max(0) as u64
    }
}

/// Time to take out of a schedule: what one cause added. Lists may be empty, which is all zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// Out of the length of each run.
    pub run_ns: Vec<u64>,
    /// Out of the wait of each run's lane before it, beyond what the run had to wait for.
    pub lag_ns: Vec<u64>,
    /// Out of the time from each request's arrival until it was ready.
    pub before_ns: Vec<u64>,
    /// Out of the time from the end of each request's last run until its own end; for a request
    /// without runs out of all its time.
    pub after_ns: Vec<u64>,
    /// Out of the time from each request being ready to its first run, the runs left as they are:
    /// for waits that the replay cannot let a run start without.
    pub wait_ns: Vec<u64>,
    /// Out of each request's prompt, in tokens, on a server that computes prompts in steps.
    pub prompt_tokens: Vec<u64>,
    /// Whether the batch of a server with continuous batching may hold any number of requests.
    pub is_unlimited: bool,
    /// Whether no running request is put out of that batch for lack of room.
    pub is_unpreempted: bool,
    /// So many more replicas of a server of batches or single requests, which take turns.
    pub more_replicas: u32,
    /// Whether the batcher hands over what waits at once.
    pub is_undelayed: bool,
    /// Whether what is taken out of the runs is work of the device: runs of other lanes that
    /// shared the device meanwhile had to wait for it too.
    pub is_device: bool,
}

impl Removal {
    /// The same with so many times the time, tokens and replicas; what has no amount stays.
    #[must_use]
    pub fn scaled(&self, by: f64) -> Self {
        let scale = |list: &[u64]| list.iter().map(|ns| (*ns as f64 * by) as u64).collect();
        Self {
            run_ns: scale(&self.run_ns),
            lag_ns: scale(&self.lag_ns),
            before_ns: scale(&self.before_ns),
            after_ns: scale(&self.after_ns),
            wait_ns: scale(&self.wait_ns),
            prompt_tokens: scale(&self.prompt_tokens),
            is_unlimited: self.is_unlimited,
            is_unpreempted: self.is_unpreempted,
            more_replicas: if self.more_replicas == 0 {
                0
            } else {
                (f64::from(self.more_replicas) * by).round().max(1.0) as u32
            },
            is_undelayed: self.is_undelayed,
            is_device: self.is_device,
        }
    }

    /// What it takes out around the runs: the part that spans alone tell.
    #[must_use]
    pub(crate) fn around_runs(&self) -> Self {
        Self {
            before_ns: self.before_ns.clone(),
            after_ns: self.after_ns.clone(),
            ..Self::default()
        }
    }

    /// Whether it takes out nothing.
    pub fn is_empty(&self) -> bool {
        let lists = [
            &self.run_ns,
            &self.lag_ns,
            &self.before_ns,
            &self.after_ns,
            &self.wait_ns,
            &self.prompt_tokens,
        ];
        !self.is_unlimited
            && !self.is_unpreempted
            && !self.changes_server()
            && lists.iter().all(|list| list.iter().all(|ns| *ns == 0))
    }

    /// Whether it is another server of batches and not another amount of time: where that server
    /// is run again, [`Removal::wait_ns`] only stands for it.
    pub const fn changes_server(&self) -> bool {
        self.more_replicas > 0 || self.is_undelayed
    }
}

/// The latency of a request that `seen` was observed of, when a model of the server has `before` of
/// it unchanged and `after` with something taken out. How far the model is off shrinks with what
/// it is of: a request that waits no more is not as late as the model was wrong about its wait.
fn as_changed(seen: u64, before: i64, after: i64) -> u64 {
    const MOST_OFF: f64 = 5.0;
    let off = seen as f64 / before.max(1) as f64;
    (after.max(0) as f64 * off.clamp(1.0 / MOST_OFF, MOST_OFF)) as u64
}

/// The latency of every request from two runs of a model, one unchanged and one with `removals`
/// taken out; `None` for a request in no run that the capture shows, which loses only what is taken
/// out around its runs.
pub(crate) fn as_run_again(
    seen: &[u64],
    unchanged: &[Option<i64>],
    changed: &[Option<i64>],
    removals: &[&Removal],
) -> Vec<u64> {
    let out = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0);
    seen.iter()
        .zip(unchanged.iter().zip(changed))
        .enumerate()
        .map(|(at, (seen, runs))| match runs {
            (Some(before), Some(after)) => as_changed(*seen, *before, *after),
            _ => {
                let around =
                    removals.iter().map(|r| out(&r.before_ns, at) + out(&r.after_ns, at)).sum();
                seen.saturating_sub(around)
            }
        })
        .collect()
}

/// How far the unchanged run of a model is off what was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Misfit {
    /// The largest relative difference of the median, the 95th percentile and, with a hundred
    /// requests or more, the 99th of latencies.
    pub latency: f64,
    /// The median relative difference of the lengths of steps.
    pub steps: f64,
}

impl Misfit {
    /// Largest with which a run without the causes says what p95 would be.
    const LATENCY_MAX: f64 = 0.05;
    const STEPS_MAX: f64 = 0.10;

    /// Whether the model reproduces what was observed well enough to say what would be.
    pub fn is_small(&self) -> bool {
        self.latency <= Self::LATENCY_MAX && self.steps <= Self::STEPS_MAX
    }
}

/// The relative difference of a run's length from what was observed.
pub(crate) fn length_error(length_ns: f64, observed_ns: f64) -> f64 {
    (length_ns / observed_ns.max(1.0) - 1.0).abs()
}

/// How far the latencies of the unchanged run of a model are from what was `seen`: the largest relative difference of
/// the median and the 95th percentile of latencies, and of the 99th with a hundred requests or more.
pub(crate) fn misfit(seen: &[u64], unchanged: &[Option<i64>]) -> f64 {
    let both = unchanged.iter().zip(seen);
    let (run, seen): (Vec<u64>, Vec<u64>) =
        both.filter_map(|(run, seen)| Some(((*run)?.max(0) as u64, *seen))).unzip();
    let off = |percent: u32| {
        let seen = percentile_of(&seen, percent).max(1) as f64;
        (percentile_of(&run, percent) as f64 / seen - 1.0).abs()
    };
    let percents: &[u32] = if seen.len() < 100 { &[50, 95] } else { &[50, 95, 99] };
    percents.iter().copied().map(off).fold(0.0, f64::max)
}

/// The latency of every request with the `removals` taken out, in the schedule's order. Without
/// any it is what was observed.
pub fn replay(schedule: &Schedule, removals: &[&Removal]) -> Vec<u64> {
    let sum = |list: fn(&Removal) -> &Vec<u64>, at: usize| -> i64 {
        let sum = removals
            .iter()
            .map(|removal| list(removal).get(at).copied().unwrap_or(0))
            .fold(0_u64, u64::saturating_add);
        i64::try_from(sum).unwrap_or(i64::MAX)
    };
    let ready: Vec<i64> = schedule
        .requests
        .iter()
        .enumerate()
        .map(|(at, request)| {
            let before = request.ready_ns.saturating_sub(request.arrival_ns).max(0);
            request.arrival_ns.saturating_add((before - sum(|r| &r.before_ns, at)).max(0))
        })
        .collect();
    let ends = run_ends(schedule, &ready, &sum);
    schedule
        .requests
        .iter()
        .enumerate()
        .map(|(at, request)| {
            let latency = request.latency_ns() as i64;
            let run = schedule.runs.get(request.last_run as usize);
            let Some((run, end)) = run.zip(ends.get(request.last_run as usize)) else {
                let out = sum(|r| &r.before_ns, at).saturating_add(sum(|r| &r.after_ns, at));
                return latency.saturating_sub(out).max(0) as u64;
            };
            // A request may be answered before its last run has ended on the device: what comes
            // after is kept as it was, negative or not.
            let after = request.end_ns.saturating_sub(run.end_ns);
            let after = if after > 0 { (after - sum(|r| &r.after_ns, at)).max(0) } else { after };
            let wait = sum(|r| &r.wait_ns, at);
            end.saturating_add(after).saturating_sub(request.arrival_ns).saturating_sub(wait).max(0)
                as u64
        })
        .collect()
}

/// When each run ends.
fn run_ends(
    schedule: &Schedule,
    ready: &[i64],
    sum: &impl Fn(fn(&Removal) -> &Vec<u64>, usize) -> i64,
) -> Vec<i64> {
    // What each run's newest request was ready at, as observed and now.
    let mut newest = vec![(i64::MIN, i64::MIN); schedule.runs.len()];
    for (request, ready) in schedule.requests.iter().zip(ready) {
        if let Some(newest) = newest.get_mut(request.first_run as usize) {
            newest.0 = newest.0.max(request.ready_ns);
            newest.1 = newest.1.max(*ready);
        }
    }
    let n_lanes = schedule.n_lanes();
    // End of the run before each one on its lane, as observed.
    let mut last = vec![i64::MIN; n_lanes];
    let free: Vec<i64> = schedule
        .runs
        .iter()
        .map(|run| {
            let Some(last) = last.get_mut(run.lane as usize) else { return i64::MIN };
            let before = *last;
            *last = before.max(run.end_ns);
            before
        })
        .collect();
    // Whoever is there first is served first: a run whose requests come earlier now moves up.
    let mut order: Vec<usize> = (0..schedule.runs.len()).collect();
    order.sort_by_key(|at| {
        let earlier = newest[*at].0.saturating_sub(newest[*at].1);
        (schedule.runs[*at].start_ns.saturating_sub(earlier), *at)
    });
    let mut lanes = vec![i64::MIN; n_lanes];
    let mut ends = vec![0; schedule.runs.len()];
    for at in order {
        let (run, newest) = (&schedule.runs[at], newest[at]);
        let Some(lane) = lanes.get_mut(run.lane as usize) else {
            ends[at] = run.end_ns;
            continue;
        };
        let length = run.end_ns.saturating_sub(run.start_ns).max(0);
        let length = (length - sum(|r| &r.run_ns, at)).max(0);
        let waited_for = free[at].max(newest.0);
        let start = if waited_for == i64::MIN {
            run.start_ns
        } else {
            let lag = run.start_ns.saturating_sub(waited_for);
            let lag = if lag > 0 { (lag - sum(|r| &r.lag_ns, at)).max(0) } else { lag };
            // Never before the lane is free or the request is there, unless it was so observed.
            (*lane).max(newest.1).saturating_add(lag)
        };
        let end = start.saturating_add(length);
        *lane = (*lane).max(end);
        ends[at] = end;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_run_is_near_what_was_observed_in_latencies_and_in_steps() {
        let near = |latency, steps| Misfit { latency, steps }.is_small();
        assert!(near(0.0, 0.0) && near(0.05, 0.10));
        assert!(!near(0.06, 0.0) && !near(0.0, 0.11));
        assert_eq!(
            [length_error(90.0, 100.0), length_error(150.0, 100.0)].map(|e| (e * 10.0).round()),
            [1.0, 5.0]
        );
    }

    /// A server that takes one request at a time, 10 ns each, requests 8 ns apart.
    fn one_at_a_time(n: i64) -> Schedule {
        let mut schedule = Schedule::default();
        let mut free = 0;
        for at in 0..n {
            let arrival = at * 8;
            let start = free.max(arrival + 1);
            free = start + 10;
            schedule.runs.push(Run { lane: 0, start_ns: start, end_ns: free });
            schedule.requests.push(Served {
                arrival_ns: arrival,
                end_ns: free + 2,
                ready_ns: arrival + 1,
                first_run: at as u32,
                last_run: at as u32,
            });
        }
        schedule
    }

    #[test]
    fn a_shorter_run_shortens_the_queue_behind_it() {
        let schedule = one_at_a_time(10);
        let observed = replay(&schedule, &[]);
        assert_eq!(observed[9], 1 + 10 + 2 + 9 * 2, "the last one waited for all before");
        let removal = Removal { run_ns: vec![3; 10], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&removal]), vec![1 + 7 + 2; 10], "no queue is left");
        let half = Removal { run_ns: vec![1; 10], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&half])[9], 1 + 9 + 2 + 9, "it grows half as fast");
        assert_eq!(replay(&schedule, &[&half, &half, &half]), vec![1 + 7 + 2; 10]);
    }

    #[test]
    fn waits_outside_of_runs_are_the_requests_own() {
        let schedule = one_at_a_time(3);
        let after = Removal { after_ns: vec![0, 2, 9], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&after]), [13, 13, 15]);
        let before = Removal { before_ns: vec![1, 0, 0], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&before]), [12, 14, 16], "all follow the first one");
        let wait = Removal { wait_ns: vec![0, 2, 0], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&wait]), [13, 13, 17]);
    }

    #[test]
    fn a_held_batch_starts_when_its_last_request_is_there() {
        let schedule = Schedule {
            runs: vec![Run { lane: 0, start_ns: 60, end_ns: 70 }],
            requests: [0, 5]
                .map(|arrival| Served {
                    arrival_ns: arrival,
                    end_ns: 70,
                    ready_ns: arrival,
                    first_run: 0,
                    last_run: 0,
                })
                .to_vec(),
        };
        let lag = Removal { lag_ns: vec![50], ..Removal::default() };
        assert_eq!(replay(&schedule, &[]), [70, 65]);
        assert_eq!(replay(&schedule, &[&lag]), [20, 15]);
    }

    #[test]
    fn requests_without_runs_keep_their_time() {
        let request =
            Served { arrival_ns: 5, end_ns: 25, ready_ns: 5, first_run: NO_RUN, last_run: NO_RUN };
        let schedule = Schedule { runs: Vec::new(), requests: vec![request] };
        assert_eq!(replay(&schedule, &[]), [20]);
        let after = Removal { after_ns: vec![15], ..Removal::default() };
        assert_eq!(replay(&schedule, &[&after]), [5]);
        assert!(!after.is_empty() && Removal::default().is_empty());
    }

    proptest! {
        #[test]
        fn nothing_taken_out_changes_nothing_and_more_never_hurts(
            rows in prop::collection::vec((0..50_i64, 0..3_i64, 1..40_i64, 0..4_i64), 1..60),
            out in prop::collection::vec((0..20_u64, 0..20_u64), 60),
        ) {
            let mut schedule = Schedule::default();
            let (mut arrival, mut free) = (0, [0_i64; 2]);
            for (at, (apart, before, length, after)) in rows.iter().enumerate() {
                arrival += apart;
                let lane = at % 2;
                let ready_ns = arrival + before;
                let start_ns = free[lane].max(ready_ns) + (at as i64 % 3);
                free[lane] = start_ns + length;
                schedule.runs.push(Run { lane: lane as u32, start_ns, end_ns: free[lane] });
                schedule.requests.push(Served {
                    arrival_ns: arrival,
                    end_ns: free[lane] + after,
                    ready_ns,
                    first_run: at as u32,
                    last_run: at as u32,
                });
            }
            let observed: Vec<u64> = schedule.requests.iter().map(Served::latency_ns).collect();
            prop_assert_eq!(&replay(&schedule, &[]), &observed);
            let removal = Removal {
                run_ns: out.iter().map(|(run, _)| *run).collect(),
                lag_ns: out.iter().map(|(_, lag)| *lag).collect(),
                ..Removal::default()
            };
            let faster = replay(&schedule, &[&removal]);
            prop_assert!(faster.iter().zip(&observed).all(|(now, then)| now <= then));
        }
    }
}
