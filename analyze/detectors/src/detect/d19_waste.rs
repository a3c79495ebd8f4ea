//! D19: the GPU serves one request at a time although more are waiting.

use super::{Growth, is_same_model};
use crate::batching::BatchTimes;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{
    largest_steps, out_of_runs, p95_share, percent, ratio, requests_in, requests_of, spans_of,
    step_time,
};
use crate::replay::Removal;
use crate::statistics::median;
use crate::{Case, ServerKind, StepFacts};

/// A server batches when its steps hold at least this many requests on average.
const BATCHES_FROM: f64 = 1.3;
/// Least share of steps that begin while others wait.
const WAITING_MIN: f64 = 0.2;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.20;
/// Most and least requests a step, on average, of a server that batches nothing and of one that
/// batches what happens to be there.
const ALONE_MAX: f64 = 1.01;
const COMPANY_MIN: f64 = 1.05;
/// Least shares of the steps and the percentile where a baseline shows that the server did batch.
const LOST_WAITING_MIN: f64 = 0.05;
const LOST_SHARE_MIN: f64 = 0.08;
/// Least share of the 95th percentile of padding.
const PADDED_SHARE_MIN: f64 = 0.05;
/// A fixed batch counts as full from this share on.
const FULL_MIN: f64 = 0.75;
/// How many times as long the kernels of several requests take as those of one where no fixed batch
/// is computed, and the fewest steps of each that tell.
const GROWS_MIN: f64 = 1.1;
const SIZES_MIN: usize = 3;
/// What one more request adds to the time of a step, as a share: reading the weights is shared.
const PER_REQUEST: f64 = 0.1;
/// Batch that is tried.
const BATCH: usize = 8;

/// D19.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waste;

impl Detector for Waste {
    fn id(&self) -> &'static str {
        "D19"
    }

    fn title(&self) -> &'static str {
        "waste: no batching under load"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "An engine that can batch runs one request at a time while others wait: its batch limit is \
         one, or batching is off. Every step reads all weights for one request, so the GPU is busy, \
         expensive and slow at once. An idle GPU at low load is no finding: slack may be what the \
         latency goal needs, and its price is reported apart."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let engine = case.settings.text("engine.name").unwrap_or("").to_ascii_lowercase();
        let batches = ["vllm", "sglang", "triton", "tgi", "tensorrt"];
        let can_batch = batches.iter().any(|name| engine.contains(name))
            || case.kind == ServerKind::Continuous
            || case.settings.batch_limit().is_some_and(|limit| limit > 1.0);
        if case.kind == ServerKind::Unknown || case.facts.is_empty() {
            return Detection::MissingInput("requests that are known to have run in steps");
        }
        if let Some(padded) = padded(case) {
            return padded;
        }
        if !can_batch {
            return Detection::MissingInput("an engine that is known to batch");
        }
        let mean = mean_members(case);
        let waiting = share_with_queue(case);
        // Nothing is batched now that was at this load before.
        let batched_before = mean <= ALONE_MAX
            && case.baseline.as_deref().is_some_and(|then| mean_members(then) >= COMPANY_MIN);
        let (waiting_min, share_min) = match batched_before {
            true => (LOST_WAITING_MIN, LOST_SHARE_MIN),
            false => (WAITING_MIN, SHARE_MIN),
        };
        if mean >= BATCHES_FROM || waiting < waiting_min {
            return Detection::Clear(format!(
                "steps hold {mean:.1} requests on average; {} begin while others wait",
                percent(waiting)
            ));
        }
        let batched = waits_when_batched(case);
        let wait_ns: Vec<u64> =
            (0..batched.len()).map(|at| case.wait_ns(at).saturating_sub(batched[at])).collect();
        let removal = Removal { wait_ns, ..Removal::default() };
        let share = p95_share(case, &removal);
        if share < share_min {
            return Detection::Clear(format!("batching would take {} off p95", percent(share)));
        }
        let requests = requests_of(&removal.wait_ns);
        Detection::Found(Box::new(Finding {
            id: "D19",
            summary: format!(
                "the server runs {mean:.1} requests a step while others wait at {} of the steps",
                percent(waiting)
            ),
            removal,
            grade: Grade::Estimated,
            evidence: spans_of(case, &requests),
            requests,
            counter_evidence: vec![
                "Inputs that cannot be batched (different shapes, stateful models) run alone."
                    .to_owned(),
            ],
            remedy: "Let the server batch: raise its batch limit, or turn dynamic batching on."
                .to_owned(),
            setting: Some(Setting {
                key: if case.kind == ServerKind::Continuous {
                    case.settings.spelled("max_num_seqs")
                } else {
                    "max_batch_size"
                }
                .to_owned(),
                current: case.settings.batch_limit().map(|limit| format!("{limit:.0}")),
                suggested: BATCH.to_string(),
            }),
            confirm: "Requests per step and cost per request at the same load.".to_owned(),
        }))
    }
}

/// Steps that compute a fixed batch that is mostly empty, or more than the baseline's steps of the
/// same requests and the same model.
fn padded(case: &Case<'_>) -> Option<Detection> {
    let members: Vec<u64> =
        case.worker_steps().map(|step| u64::from(case.members(step)).max(1)).collect();
    let mean = members.iter().sum::<u64>() as f64 / members.len().max(1) as f64;
    let fixed = case.settings.number("engine.static_batch");
    let fixed = fixed.filter(|fixed| mean < FULL_MIN * fixed && !grows_with_members(case));
    let growth = case
        .baseline
        .as_deref()
        .filter(|baseline| is_same_model(case, baseline))
        .map(|baseline| Growth::of(case, baseline).beyond(case.kernel_slowdown()))
        .filter(|growth| growth.typical > 1.1);
    let (removal, grade) = match (&growth, fixed) {
        (Some(growth), _) => (growth.removal(case), Grade::Derived),
        (None, Some(fixed)) if case.baseline.is_none() => {
            // Kernels with fewer blocks than multiprocessors take as long for a part of them.
            let needed = |f: &StepFacts| (f.kernel_ns as f64 * mean / fixed) as u64;
            let run_ns =
                case.facts.iter().map(|f| f.kernel_ns.saturating_sub(needed(f).max(f.one_wave_ns)));
            (out_of_runs(run_ns.collect()), Grade::Estimated)
        }
        _ => return None,
    };
    if p95_share(case, &removal) < PADDED_SHARE_MIN {
        return None;
    }
    let what = match fixed {
        Some(fixed) => format!("each step computes a batch of {fixed:.0} for {mean:.1} requests"),
        None => format!(
            "steps of the same requests and the same model compute {:.2} times as long as in the \
             baseline",
            growth.map_or(1.0, |growth| growth.typical)
        ),
    };
    Some(Detection::Found(Box::new(Finding {
        id: "D19",
        summary: what,
        evidence: largest_steps(&removal.run_ns),
        requests: requests_in(case, &removal.run_ns),
        removal,
        grade,
        counter_evidence: vec![
            "A padded batch costs nothing while the GPU has room for it.".to_owned(),
        ],
        remedy: "Compute the batch that is there: dynamic shapes, or a few captured sizes."
            .to_owned(),
        setting: fixed.map(|fixed| Setting {
            key: "static_batch".to_owned(),
            current: Some(format!("{fixed:.0}")),
            suggested: format!("{:.0}", mean.ceil()),
        }),
        confirm: "Kernel time of a step against the number of requests in it.".to_owned(),
    })))
}

/// Whether kernels take longer for several requests than for one: then a step computes those that
/// are there, whatever the largest batch may be.
fn grows_with_members(case: &Case<'_>) -> bool {
    let of = |is_counted: fn(u32) -> bool| {
        let steps = case.worker_steps().filter(|step| is_counted(case.members(*step)));
        let ns: Vec<f64> = steps.map(|step| case.facts[step].kernel_ns as f64).collect();
        if ns.len() < SIZES_MIN { None } else { median(ns) }
    };
    let (one, several) = (of(|n| n == 1), of(|n| n > 1));
    one.zip(several).is_some_and(|(one, several)| several > GROWS_MIN * one)
}

/// Requests that a step holds on average.
fn mean_members(case: &Case<'_>) -> f64 {
    let members: u64 = case.worker_steps().map(|step| u64::from(case.members(step))).sum();
    members as f64 / case.worker_steps().count().max(1) as f64
}

/// Share of the steps that begin while a request is ready that is not in them.
fn share_with_queue(case: &Case<'_>) -> f64 {
    let starts: Vec<i64> = case.schedule.runs.iter().map(|run| run.start_ns).collect();
    let mut waiting = vec![0_i32; starts.len() + 1];
    for served in &case.schedule.requests {
        if (served.first_run as usize) < starts.len() {
            let from = starts.partition_point(|start| *start < served.ready_ns);
            if from < served.first_run as usize {
                waiting[from] += 1;
                waiting[served.first_run as usize] -= 1;
            }
        }
    }
    let mut now = 0;
    let with = waiting[..starts.len()].iter().enumerate().filter(|(step, change)| {
        now += **change;
        now > 0 && case.schedule.runs[*step].has_lane()
    });
    with.count() as f64 / case.worker_steps().count().max(1) as f64
}

/// How much of the GPU the kernels of one request fill, by their blocks, over the time of the steps:
/// what they fill, the next request of a batch cannot have. Zero for engines that decode, whose
/// kernels read weights that all requests share.
fn fill(case: &Case<'_>) -> f64 {
    if case.kind == ServerKind::Continuous {
        return 0.0;
    }
    let sum = |of: fn(&StepFacts) -> u64| case.facts.iter().map(of).sum::<u64>();
    ratio(sum(|f| f.filled_ns), step_time(case))
}

/// How long requests would wait if each run took all that is waiting, up to a batch.
fn waits_when_batched(case: &Case<'_>) -> Vec<u64> {
    let requests = &case.schedule.requests;
    let length = |at: usize| {
        let served = &requests[at];
        let (first, last) = (served.first_run as usize, served.last_run as usize);
        let runs = &case.schedule.runs;
        (runs[last].end_ns - runs[first].start_ns).max(0)
    };
    let mut order: Vec<usize> = (0..requests.len())
        .filter(|at| (requests[*at].last_run as usize) < case.schedule.runs.len())
        .collect();
    order.sort_by_key(|at| (requests[*at].ready_ns, *at));
    let mut waits = vec![0; requests.len()];
    let mut free = i64::MIN;
    let mut next = 0;
    let fill = fill(case);
    // What batches took when the server made some.
    let then = case.baseline.as_deref().map(BatchTimes::of).filter(|times| times.largest() > 1);
    let stretch_of = |batch: usize| match &then {
        Some(times) => times.of_size(batch) / times.of_size(1).max(1.0),
        None => (1.0 + PER_REQUEST * (batch - 1) as f64).max(fill * batch as f64),
    };
    while next < order.len() {
        let start = requests[order[next]].ready_ns.max(free);
        let queued = order[next..].iter().take(BATCH);
        let batch = queued.take_while(|at| requests[**at].ready_ns <= start).count().max(1);
        let members = &order[next..next + batch];
        let longest = members.iter().map(|at| length(*at)).max().unwrap_or(0);
        let together = (longest as f64 * stretch_of(batch)) as i64;
        for at in members {
            // What its own run takes longer in company counts as waiting.
            let waits_for = start.saturating_sub(requests[*at].ready_ns);
            waits[*at] = (waits_for + together - length(*at)).max(0) as u64;
        }
        free = start.saturating_add(together);
        next += batch;
    }
    waits
}
