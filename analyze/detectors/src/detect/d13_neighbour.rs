//! D13: another process on the GPU takes its time.

use underspan_engine::Evidence;
use underspan_model::tables::TableKind;

use super::{by_size, is_other_model, size_of};
use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{largest_steps, out_of_runs, p95_share, percent, ratio, requests_in, total};
use crate::pace::Pace;
use crate::statistics::median;
use crate::telemetry::GpuProcess;

/// Least slow-down while the neighbour works.
const SLOWDOWN_MIN: f64 = 0.08;
/// Kernels differ by this much by themselves.
const NOISE: f64 = 1.03;
/// Least certainty that the slow-down follows the neighbour, in standard deviations (p < 0.01).
const Z_MIN: f64 = 2.33;
/// How far apart samplers take samples of processes at least, and stamp them to.
const PERIOD_NS: i64 = 1_000_000_000;
/// Fewest samples with the neighbour at work, and without, that can be compared.
const SAMPLES_MIN: usize = 4;
/// Least share of SM time of a neighbour, in percent, that was there all the time.
const ALWAYS_PERCENT: f64 = 10.0;
/// A neighbour works from this share of SM time on, in percent.
const AT_WORK_PERCENT: f64 = 3.0;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D13.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NoisyNeighbour;

impl Detector for NoisyNeighbour {
    fn id(&self) -> &'static str {
        "D13"
    }

    fn title(&self) -> &'static str {
        "noisy neighbour"
    }

    fn layer(&self) -> Layer {
        Layer::Hardware
    }

    fn explanation(&self) -> &'static str {
        "A process that is not part of the server uses the same GPU, and the server's kernels take \
         longer while it does. Without partitioning the two take turns or share the multiprocessors \
         and the memory. The claim needs both: the process seen on the GPU, and kernels that are \
         slower when it works than when it does not, or than in a baseline. Workers of the server \
         itself are no neighbours."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.telemetry.processes.is_empty() {
            return Detection::MissingInput("samples of the processes on the GPU (NVML or pmon)");
        }
        let foreign = foreign(case);
        if foreign.is_empty() {
            return Detection::Clear("no other process used the GPU".to_owned());
        }
        let at_work = |step: usize| neighbour_percent(case, &foreign, step) >= AT_WORK_PERCENT;
        // The order of coming and going says most; a sampler that saw neither often says nothing.
        let pace = Pace::of(case);
        let slowdown = pace.slowdown(at_work).filter(|_| comes_and_goes(case, &foreign));
        let (excess, by, grade) = match slowdown {
            Some(slowdown) if slowdown.z >= Z_MIN => {
                let by = slowdown.by;
                let excess = (0..case.facts.len()).map(|step| {
                    let by = pace.of_step(&slowdown, step).max(0.0);
                    let share = by / (1.0 + by);
                    let ns = case.facts[step].kernel_ns + case.facts[step].gap_queue_ns;
                    if at_work(step) { (ns as f64 * share) as u64 } else { 0 }
                });
                (excess.collect(), by, Grade::Measured)
            }
            // Samples that do not say when the neighbour worked cannot be compared within the run.
            Some(slowdown) if !is_new(case) || case.kernel_slowdown() < 1.0 + SLOWDOWN_MIN => {
                return Detection::Clear(format!(
                    "{} used the GPU; steps took {} longer meanwhile, which chance explains",
                    foreign[0].name,
                    percent(slowdown.by)
                ));
            }
            // It was there all the time, or came and went faster than it was sampled: steps of a
            // baseline, or the quickest ones of the same work, tell how long they take alone.
            _ => {
                let most = (0..case.facts.len()).map(|s| neighbour_percent(case, &foreign, s));
                if most.fold(0.0, f64::max) < ALWAYS_PERCENT {
                    return Detection::Clear(format!(
                        "{} used the GPU for less than {ALWAYS_PERCENT:.0} % of the time",
                        foreign[0].name
                    ));
                }
                let alone = alone(case);
                let of_kernels = |step: usize| case.facts[step].kernel_ns as f64;
                // Steps that nothing compares with were slowed as the others.
                let slowed = (0..alone.len()).filter(|step| at_work(*step));
                let usual = median(slowed.filter_map(|s| Some(of_kernels(s) / alone[s]?)));
                let usual = usual.unwrap_or(1.0).max(1.0);
                let excess: Vec<u64> = (0..case.facts.len())
                    .map(|step| {
                        let ns = of_kernels(step);
                        let alone = alone[step].unwrap_or(ns / usual);
                        (ns - NOISE * alone).max(0.0) as u64
                    })
                    .collect();
                let kernels: u64 = case.facts.iter().map(|facts| facts.kernel_ns).sum();
                let longer = total(&excess);
                let by = ratio(longer, kernels.saturating_sub(longer));
                let grade = if case.baseline.is_some() { Grade::Derived } else { Grade::Estimated };
                (excess, by, grade)
            }
        };
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        if by < SLOWDOWN_MIN || share < SHARE_MIN {
            return Detection::Clear(format!(
                "{} used the GPU; steps took {} longer meanwhile",
                foreign[0].name,
                percent(by)
            ));
        }
        let most =
            foreign.iter().max_by(|a, b| sum(a).total_cmp(&sum(b))).copied().unwrap_or(foreign[0]);
        Detection::Found(Box::new(Finding {
            id: "D13",
            summary: format!(
                "process {} ({}) used the same GPU, at most {:.0} % of SM time; kernels took {} \
                 longer meanwhile",
                most.pid,
                most.name,
                most.sm_percent.value.iter().copied().fold(0.0, f64::max),
                percent(by)
            ),
            evidence: evidence(case, most)
                .into_iter()
                .chain(largest_steps(&removal.run_ns))
                .collect(),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade,
            counter_evidence: vec![
                "Lower clocks at the same time would slow kernels too: see D12.".to_owned(),
            ],
            remedy:
                "Move the other process to another GPU, or part the GPU (MIG, MPS with limits)."
                    .to_owned(),
            setting: None,
            confirm: "Stop the other process and compare kernel times.".to_owned(),
        }))
    }
}

/// Other processes that used the GPU enough to matter.
fn foreign<'a>(case: &'a Case<'_>) -> Vec<&'a GpuProcess> {
    let processes = case.telemetry.processes.iter().filter(|process| !process.is_own);
    processes
        .filter(|process| process.sm_percent.value.iter().any(|sm| *sm >= AT_WORK_PERCENT))
        .collect()
}

/// Whether there is a baseline, and no neighbour in it.
fn is_new(case: &Case<'_>) -> bool {
    case.baseline.as_deref().is_some_and(|baseline| foreign(baseline).is_empty())
}

fn sum(process: &GpuProcess) -> f64 {
    process.sm_percent.value.iter().sum()
}

/// Whether neighbours were seen at work and not at work often enough to compare the two.
fn comes_and_goes(case: &Case<'_>, foreign: &[&GpuProcess]) -> bool {
    let starts = case.worker_steps().map(|step| case.schedule.runs[step].start_ns);
    let (Some(first), Some(last)) = (starts.clone().min(), starts.max()) else { return false };
    // Samples lie about a period apart: of several processes the one with most counts.
    let n_of = |is_at_work: bool| {
        let count = |process: &&GpuProcess| {
            let samples = process.sm_percent.within(first, last.saturating_add(PERIOD_NS));
            samples.iter().filter(|sm| (**sm >= AT_WORK_PERCENT) == is_at_work).count()
        };
        foreign.iter().map(count).max().unwrap_or(0)
    };
    let n_samples = ((last - first) / PERIOD_NS) as usize;
    // Processes are listed only while they are there: what is missing counts as not at work.
    let n_at_work = n_of(true);
    n_at_work >= SAMPLES_MIN && n_of(false).max(n_samples.saturating_sub(n_at_work)) >= SAMPLES_MIN
}

/// SM time of the neighbours during a step, in percent. A sample stands for the period before it.
fn neighbour_percent(case: &Case<'_>, foreign: &[&GpuProcess], step: usize) -> f64 {
    let run = &case.schedule.runs[step];
    let middle = run.start_ns + (run.end_ns - run.start_ns) / 2;
    foreign
        .iter()
        .map(|process| {
            let series = &process.sm_percent;
            // Samplers print time to the second and a process only while it is there.
            let period = series.period_ns().unwrap_or(PERIOD_NS).max(PERIOD_NS);
            let after = series.time_ns.partition_point(|time| *time < middle);
            let near = [Some(after), after.checked_sub(1)];
            near.into_iter()
                .flatten()
                .filter(|at| {
                    let time = series.time_ns.get(*at);
                    time.is_some_and(|time| time.abs_diff(middle) <= period.unsigned_abs())
                })
                .map(|at| series.value[at])
                .next()
                .unwrap_or(0.0)
        })
        .sum()
}

/// How long the kernels of each step take without company, in nanoseconds; `None` where nothing
/// compares.
fn alone(case: &Case<'_>) -> Vec<Option<f64>> {
    // Kernels of another model say nothing of these.
    let baseline = case.baseline.as_deref().filter(|baseline| !is_other_model(case, baseline));
    if let Some(baseline) = baseline {
        let known = by_size(baseline);
        let usual = |step: usize| {
            let expected = case.same_kernels.as_ref().and_then(|same| same.expected_ns(step));
            if expected.is_some() {
                return expected;
            }
            let same = known.get(&size_of(case, step)).filter(|same| same.len() >= 3)?;
            median(same.iter().copied())
        };
        return (0..case.facts.len()).map(usual).collect();
    }
    Pace::of(case).quickest()
}

fn evidence(case: &Case<'_>, process: &GpuProcess) -> Option<Evidence> {
    let series = &process.sm_percent;
    let at =
        (0..series.value.len()).max_by(|a, b| series.value[*a].total_cmp(&series.value[*b]))?;
    let counters = &case.timeline.counters;
    let row = (0..counters.len()).find(|row| {
        counters.time_ns[*row] == series.time_ns[at] && counters.value[*row] == series.value[at]
    })?;
    Some(Evidence { table: TableKind::Counter, row: row as u32 })
}
