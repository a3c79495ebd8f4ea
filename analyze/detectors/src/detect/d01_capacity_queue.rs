//! D1: requests wait because everything is busy.

use crate::continuous::FULL;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{p95_share, percent, ratio, requests_of, spans_of, time, total};
use crate::replay::Removal;
use crate::statistics::percentile_of;
use crate::telemetry::{KV_FULL, KV_USE};
use crate::{Case, ServerKind};

/// Least use of the server for a queue to be one of capacity.
pub(super) const BUSY_MIN: f64 = 0.70;
/// The same when a baseline had less to do.
const BUSY_MIN_COMPARED: f64 = 0.55;
/// Use up to which queues stay short.
const NATURAL_USE: f64 = 0.30;
/// Least share of what the 95th percentile is above the median that waiting takes.
const WAIT_MIN: f64 = 0.20;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.08;

const MORE_CAPACITY: &str = "Add capacity: another replica takes load off; more slots help only while \
                             the device has room for a larger batch.";
const MORE_KV: &str = "Give the KV cache more room (more of the memory, a narrower type for its \
                       tokens, shorter contexts), or add a replica.";

/// D1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CapacityQueue;

impl Detector for CapacityQueue {
    fn id(&self) -> &'static str {
        "D1"
    }

    fn title(&self) -> &'static str {
        "capacity queue"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Requests wait in the queue because the server is full: its batch holds as many requests \
         as it may, its KV cache is used up, or its only worker is at work nearly all the time. \
         Queues are healthy while they are short: a server at a third of its capacity owes half \
         its 95th percentile to them. This finding needs waits that are a fifth of the 95th \
         percentile and a server in use for seven tenths of the time. It is overload, not a \
         defect: more slots help where the batch limit binds and the device has room, more \
         replicas help always."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        match case.kind {
            ServerKind::Unknown => {
                Detection::MissingInput("requests that are known to have run in steps")
            }
            ServerKind::Continuous => continuous(case),
            ServerKind::Batch | ServerKind::Single => workers(case),
        }
    }
}

/// A server with a batch that requests join and leave.
fn continuous(case: &Case<'_>) -> Detection {
    let largest = (0..case.facts.len()).map(|step| case.members(step)).max().unwrap_or(0);
    let limit = case.settings.batch_limit().unwrap_or(f64::from(largest));
    let kv = case.telemetry.gauge(KV_USE);
    let queued = case.telemetry.gauge(&["num_requests_waiting", "num_queue_reqs"]);
    let declared = case.settings.batch_limit().is_some();
    // Time each request waited while nothing more could be admitted, the running step aside.
    let mut wait_ns = vec![0; case.latencies.len()];
    let mut full_steps = 0_u64;
    let is_full: Vec<bool> = (0..case.facts.len())
        .map(|step| {
            let at = case.schedule.runs[step].start_ns;
            let by_batch = f64::from(case.members(step)) >= FULL * limit && limit > 1.0;
            let by_kv = kv.as_ref().and_then(|kv| kv.at(at)).is_some_and(|used| used >= KV_FULL);
            by_kv
                || case.is_held_back(step)
                || by_batch && (declared || queued.as_ref().and_then(|q| q.at(at)) > Some(0.0))
        })
        .collect();
    let starts: Vec<i64> = case.schedule.runs.iter().map(|run| run.start_ns).collect();
    for (at, served) in case.schedule.requests.iter().enumerate() {
        let wait = case.wait_ns(at);
        if wait == 0 || served.first_run as usize >= starts.len() {
            continue;
        }
        let from = starts.partition_point(|start| *start < served.ready_ns);
        let skipped = from..served.first_run as usize;
        let full: Vec<usize> = skipped.filter(|step| is_full[*step]).collect();
        // The first step after it came was being put together: that wait is no queue.
        if let Some(first) = full.first() {
            let since = starts[*first].max(served.ready_ns);
            let until = starts[served.first_run as usize];
            wait_ns[at] = wait.min(until.saturating_sub(since).max(0) as u64);
            full_steps += full.len() as u64;
        }
    }
    let n_full = is_full.iter().filter(|full| **full).count();
    let removal = Removal { is_unlimited: true, ..Removal::default() };
    let share = p95_share(case, &removal);
    if !is_much(case, share) || full_steps == 0 {
        return Detection::Clear(format!(
            "waits while the batch was full are {} of p95; it was full in {} of {} steps",
            percent(share),
            n_full,
            is_full.len()
        ));
    }
    let by_kv = kv.is_some_and(|kv| kv.value.iter().any(|used| *used >= KV_FULL))
        || (0..case.facts.len()).any(|step| case.is_held_back(step));
    found(
        case,
        removal,
        wait_ns,
        &format!(
            "requests wait for a place in the batch: it was full in {n_full} of {} steps{}",
            is_full.len(),
            if by_kv { ", its KV cache used up" } else { "" }
        ),
        if by_kv {
            let memory = case.settings.spelled("gpu_memory_utilization");
            let current = case.settings.text(&format!("engine.{memory}")).map(str::to_owned);
            let suggested = "0.95, or fp8 for kv_cache_dtype".to_owned();
            (MORE_KV, Some(Setting { key: memory.to_owned(), current, suggested }))
        } else {
            let key = case.settings.spelled("max_num_seqs").to_owned();
            let (current, suggested) = (format!("{limit:.0}"), format!("{:.0}", limit * 2.0));
            let setting = Setting { key, current: Some(current), suggested };
            (MORE_CAPACITY, declared.then_some(setting))
        },
    )
}

/// A server of workers that each run one thing after the other.
fn workers(case: &Case<'_>) -> Detection {
    let busy = use_of_capacity(case);
    let then = case.baseline.as_deref().map(use_of_capacity);
    let n_workers = case.n_lanes().max(1);
    // As many more as bring it back to what it was, or to what keeps queues short.
    let natural = then.unwrap_or(NATURAL_USE).clamp(NATURAL_USE / 2.0, NATURAL_USE * 2.0);
    let more_replicas = (busy / natural - 1.0).round().clamp(1.0, 64.0) as u32;
    let with_more = wait_with_more_lanes(case, n_workers * more_replicas as usize);
    let wait_ns: Vec<u64> = with_more
        .iter()
        .enumerate()
        .map(|(at, wait)| case.wait_ns(at).saturating_sub(*wait))
        .collect();
    let removal = Removal { wait_ns, more_replicas, ..Removal::default() };
    let share = p95_share(case, &removal);
    // Against a baseline a queue needs no full server: it grew with the load.
    let grew = then.is_some_and(|then| busy > BUSY_MIN_COMPARED && busy > 1.25 * then);
    if !is_much(case, share) || busy < BUSY_MIN && !grew {
        return Detection::Clear(format!(
            "the workers were in use {} of the time; {more_replicas} more replica(s) would take {} off \
             p95",
            percent(busy),
            percent(share)
        ));
    }
    found(
        case,
        removal.clone(),
        removal.wait_ns,
        &format!(
            "requests queue for {n_workers} worker(s) in use {} of the time; with {more_replicas} more \
             replica(s) they would not",
            percent(busy)
        ),
        (
            MORE_CAPACITY,
            Some(Setting {
                key: "replicas".to_owned(),
                current: Some("1".to_owned()),
                suggested: (1 + more_replicas).to_string(),
            }),
        ),
    )
}

/// Whether a share of the 95th percentile is much of what it is above the median.
fn is_much(case: &Case<'_>, share: f64) -> bool {
    let (p50, p95) = (case.percentile(50) as f64, case.percentile(95) as f64);
    share >= SHARE_MIN && share * p95 >= WAIT_MIN * (p95 - p50)
}

/// Share of the workers' time in which they ran something.
fn use_of_capacity(case: &Case<'_>) -> f64 {
    let window = case.served_window_ns().saturating_mul(case.n_lanes().max(1) as u64);
    let runs: Vec<u64> = case.worker_steps().map(|step| case.step_ns(step)).collect();
    ratio(total(&runs), window)
}

/// How long each request would wait if the server had more workers, the same runs served in the
/// same order by whichever worker is free first.
fn wait_with_more_lanes(case: &Case<'_>, more: usize) -> Vec<u64> {
    let mut free = vec![i64::MIN; case.n_lanes() + more];
    let mut newest = vec![i64::MIN; case.schedule.runs.len()];
    for served in &case.schedule.requests {
        if let Some(newest) = newest.get_mut(served.first_run as usize) {
            *newest = (*newest).max(served.ready_ns);
        }
    }
    let mut order: Vec<usize> = case.worker_steps().collect();
    order.sort_by_key(|run| (newest[*run], *run));
    let mut starts = vec![i64::MIN; newest.len()];
    for run in order {
        let length = case.step_ns(run) as i64;
        let Some(lane) = (0..free.len()).min_by_key(|lane| free[*lane]) else { continue };
        let ready =
            if newest[run] == i64::MIN { case.schedule.runs[run].start_ns } else { newest[run] };
        let start = free[lane].max(ready).min(case.schedule.runs[run].start_ns);
        free[lane] = start.saturating_add(length);
        starts[run] = start;
    }
    case.schedule
        .requests
        .iter()
        .map(|served| {
            let start = starts.get(served.first_run as usize);
            start.map_or(0, |start| start.saturating_sub(served.ready_ns).max(0) as u64)
        })
        .collect()
}

fn found(
    case: &Case<'_>,
    removal: Removal,
    wait_ns: Vec<u64>,
    what: &str,
    (remedy, setting): (&str, Option<Setting>),
) -> Detection {
    let requests = requests_of(&wait_ns);
    let waits: Vec<u64> = wait_ns.iter().copied().filter(|wait| *wait > 0).collect();
    Detection::Found(Box::new(Finding {
        id: "D1",
        summary: format!(
            "{what}; {} requests waited, half of them longer than {}",
            waits.len(),
            time(percentile_of(&waits, 50))
        ),
        removal,
        grade: Grade::Derived,
        evidence: spans_of(case, &requests),
        requests,
        counter_evidence: vec![
            "Steps that became slower fill a server too: whatever else was found comes first."
                .to_owned(),
        ],
        remedy: remedy.to_owned(),
        setting,
        confirm: "Run at half the load: the wait must all but go.".to_owned(),
    }))
}
