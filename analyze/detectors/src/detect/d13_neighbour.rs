//! D13: another process on the GPU takes its time.

use underspan_engine::Evidence;
use underspan_model::tables::TableKind;

use super::{by_size, size_of};
use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{largest_steps, out_of_runs, p95_share, percent, ratio, requests_in, total};
use crate::pace::Pace;
use crate::telemetry::GpuProcess;

/// Least slow-down while the neighbour works.
const SLOWDOWN_MIN: f64 = 0.08;
/// Kernels differ by this much by themselves.
const NOISE: f64 = 1.03;
/// Least certainty that the slow-down follows the neighbour, in standard deviations (p < 0.01).
const Z_MIN: f64 = 2.33;
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
        let slowdown = Pace::of(case).slowdown(at_work);
        let (excess, by, grade) = match slowdown {
            Some(slowdown) if slowdown.z >= Z_MIN => {
                let by = slowdown.by;
                let share = by / (1.0 + by);
                let excess = (0..case.facts.len()).map(|step| {
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
            // It was always there: steps of a baseline, or the quickest ones of the same work, tell
            // how long they take alone.
            _ => {
                let alone = alone(case);
                let excess: Vec<u64> = (0..case.facts.len())
                    .map(|step| {
                        let ns = case.facts[step].kernel_ns as f64;
                        let alone = alone[step].filter(|_| at_work(step)).unwrap_or(ns);
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

/// SM time of the neighbours during a step, in percent. A sample stands for the period before it.
fn neighbour_percent(case: &Case<'_>, foreign: &[&GpuProcess], step: usize) -> f64 {
    let run = &case.schedule.runs[step];
    let middle = run.start_ns + (run.end_ns - run.start_ns) / 2;
    foreign
        .iter()
        .map(|process| {
            let series = &process.sm_percent;
            // Samplers print time to the second and a process only while it is there.
            let period = series.period_ns().unwrap_or(1_000_000_000).max(1_000_000_000);
            let at = series.time_ns.partition_point(|time| *time <= middle);
            let near = [at.checked_sub(1), (at < series.time_ns.len()).then_some(at)];
            near.into_iter()
                .flatten()
                .filter(|at| series.time_ns[*at].abs_diff(middle) <= period as u64)
                .min_by_key(|at| series.time_ns[*at].abs_diff(middle))
                .map_or(0.0, |at| series.value[at])
        })
        .sum()
}

/// How long the kernels of each step take without company, in nanoseconds; `None` where nothing
/// compares.
fn alone(case: &Case<'_>) -> Vec<Option<f64>> {
    if let Some(baseline) = case.baseline.as_deref() {
        let known = by_size(baseline);
        let usual = |step: usize| {
            let expected = case.same_kernels.as_ref().and_then(|same| same.expected_ns(step));
            if expected.is_some() {
                return expected;
            }
            let same = known.get(&size_of(case, step)).filter(|same| same.len() >= 3)?;
            crate::statistics::median(same.iter().copied())
        };
        return (0..case.facts.len()).map(usual).collect();
    }
    Pace::of(case).quickest(case)
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
