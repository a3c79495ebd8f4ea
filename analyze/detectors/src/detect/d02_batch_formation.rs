//! D2: requests wait while an instance stands idle, because the batcher holds them for company.

use crate::batching::BatchTimes;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{p95_share, percent, requests_of, spans_of, time};
use crate::replay::Removal;
use crate::statistics::percentile_of;
use crate::{Case, ServerKind};

/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.10;
/// Least wait that is one: below it lies the time a batcher takes to hand a batch over.
const WAIT_MIN_NS: u64 = 200_000;

/// Most steps with several requests, as a share of all, of a server that takes one at a time.
const SEVERAL_MAX: f64 = 0.05;

/// D2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BatchFormation;

impl Detector for BatchFormation {
    fn id(&self) -> &'static str {
        "D2"
    }

    fn title(&self) -> &'static str {
        "batch-formation delay"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Requests wait although an instance stands idle: the dynamic batcher holds them back until \
         a preferred size is reached or max_queue_delay has passed. At low load the batch never \
         fills and every request pays the delay. The wait counted here is the time in which a \
         request was queued and its instance ran nothing; waits behind a running batch are not in \
         it. What the delay's removal is worth comes from running the batcher again without it, \
         since smaller batches take more executions."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if !matches!(case.kind, ServerKind::Batch | ServerKind::Single) || takes_one_each(case) {
            return Detection::MissingInput("a server whose batcher waits for company");
        }
        let idle = idle_waits(case);
        let without = without_delay(case);
        let wait_ns: Vec<u64> = (0..idle.len())
            .map(|at| if idle[at] == 0 { 0 } else { case.wait_ns(at).saturating_sub(without[at]) })
            .collect();
        let removal = Removal { wait_ns, is_undelayed: true, ..Removal::default() };
        let share = p95_share(case, &removal);
        let waited: Vec<u64> = idle.iter().copied().filter(|wait| *wait > 0).collect();
        if share < SHARE_MIN {
            return Detection::Clear(format!(
                "{} of {} requests waited for an idle instance; {} of p95",
                waited.len(),
                idle.len(),
                percent(share)
            ));
        }
        let requests = requests_of(&removal.wait_ns);
        let typical = percentile_of(&waited, 50);
        let declared = case.settings.batch_delay_ns();
        Detection::Found(Box::new(Finding {
            id: "D2",
            summary: format!(
                "{} of {} requests waited for an idle instance, half of them longer than {}{}",
                waited.len(),
                idle.len(),
                time(typical),
                declared.map_or(String::new(), |delay| format!(
                    "; the batcher may hold them {}",
                    time(delay as u64)
                ))
            ),
            removal,
            grade: Grade::Measured,
            evidence: spans_of(case, &requests),
            requests,
            counter_evidence: vec![
                "A rate limiter, an ensemble or a model being loaded would make requests wait for \
                 an idle instance too."
                    .to_owned(),
            ],
            remedy: "Shorten the batcher's delay, or drop the preferred sizes: at this load \
                     batches do not fill in time."
                .to_owned(),
            setting: Some(Setting {
                key: "dynamic_batching.max_queue_delay_microseconds".to_owned(),
                current: declared.map(|delay| format!("{:.0}", delay / 1e3)),
                suggested: "0".to_owned(),
            }),
            confirm: "Set the delay to zero and compare queue time at the same load.".to_owned(),
        }))
    }
}

/// Whether a batch never holds more than one request, as declared and as seen, but for requests
/// that two workers handled at the same time: there is no company to wait for.
fn takes_one_each(case: &Case<'_>) -> bool {
    let n_several = case.worker_steps().filter(|step| case.members(*step) > 1).count();
    case.settings.batch_limit().is_some_and(|limit| limit <= 1.0)
        && n_several as f64 <= SEVERAL_MAX * case.worker_steps().count() as f64
}

/// How long each request was queued while the lane that ran it did nothing.
fn idle_waits(case: &Case<'_>) -> Vec<u64> {
    let mut last_end = vec![i64::MIN; case.n_lanes()];
    let free_since: Vec<i64> = case
        .schedule
        .runs
        .iter()
        .map(|run| {
            let Some(end) = last_end.get_mut(run.lane as usize) else { return i64::MIN };
            let before = *end;
            *end = before.max(run.end_ns);
            before
        })
        .collect();
    case.schedule
        .requests
        .iter()
        .map(|served| {
            let Some(run) = case.schedule.runs.get(served.first_run as usize) else { return 0 };
            let from = served.ready_ns.max(free_since[served.first_run as usize]);
            let wait = run.start_ns.saturating_sub(from).max(0) as u64;
            if wait < WAIT_MIN_NS { 0 } else { wait }
        })
        .collect()
}

/// How long each request would wait if a free lane took what is queued at once.
fn without_delay(case: &Case<'_>) -> Vec<u64> {
    let times = BatchTimes::of(case);
    let limit = case
        .settings
        .batch_limit()
        .map_or(times.largest(), |limit| limit as usize)
        .max(times.largest())
        .max(1);
    let requests = &case.schedule.requests;
    let mut order: Vec<usize> = (0..requests.len())
        .filter(|at| (requests[*at].first_run as usize) < case.schedule.runs.len())
        .collect();
    order.sort_by_key(|at| (requests[*at].ready_ns, *at));
    let mut free = vec![i64::MIN; case.n_lanes().max(1)];
    let mut waits = vec![0; requests.len()];
    let mut next = 0;
    while next < order.len() {
        let Some(lane) = (0..free.len()).min_by_key(|lane| free[*lane]) else { break };
        let start = requests[order[next]].ready_ns.max(free[lane]);
        let queued = order[next..].iter().take(limit);
        let batch = queued.take_while(|at| requests[**at].ready_ns <= start).count().max(1);
        for at in &order[next..next + batch] {
            waits[*at] = start.saturating_sub(requests[*at].ready_ns).max(0) as u64;
        }
        free[lane] = start.saturating_add(times.of_size(batch) as i64);
        next += batch;
    }
    waits
}
