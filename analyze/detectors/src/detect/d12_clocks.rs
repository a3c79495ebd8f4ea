//! D12: the GPU ran below its clock for a reason that is a fault or a limit.

use underspan_engine::Evidence;
use underspan_model::tables::TableKind;

use super::{Growth, is_other_model};
use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::gpu::Gpu;
use crate::measure::{largest_steps, out_of_runs, p95_share, percent, ratio, requests_in};
use crate::pace::Pace;
use crate::telemetry::{Clocks, IDLE_REASON, SET_CLOCKS_REASON, SLOWDOWN_REASONS};

/// Least slow-down that the clocks themselves say: boards under load run a few per cent below their
/// maximum for their power limit.
const SLOWDOWN_MIN: f64 = 0.06;
/// Least slow-down of all kernels under low clocks: those that wait for memory do not follow.
const STEPS_SLOWDOWN_MIN: f64 = 0.03;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;
/// Share of the clock without the limit from which on a clock is full.
const FULL_MIN: f64 = 0.97;

/// D12.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClockSlowdown;

impl Detector for ClockSlowdown {
    fn id(&self) -> &'static str {
        "D12"
    }

    fn title(&self) -> &'static str {
        "clock slow-down"
    }

    fn layer(&self) -> Layer {
        Layer::Hardware
    }

    fn explanation(&self) -> &'static str {
        "The SM clock was below its maximum and the driver names a limit as the reason: power, heat, \
         a power brake, a slow-down in hardware. Clocks that the operator set and clocks of an idle \
         GPU do not count. What it cost is measured on steps of the same work with and without the \
         low clock where the capture has both, and otherwise taken from the ratio of the clocks, \
         for the multiplies only: kernels that wait for memory do not follow the SM clock."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.telemetry.clocks.is_empty() {
            return Detection::MissingInput("samples of SM clocks (NVML or nvidia-smi)");
        }
        let Some(low) = LowClocks::of(case) else {
            return Detection::Clear(
                "no sample has a low clock with a limit as its reason".to_owned(),
            );
        };
        let pace = Pace::of(case);
        let slowdown = pace.slowdown(|step| low.ratio_at(case, step) < FULL_MIN);
        let growth = case
            .baseline
            .as_deref()
            .filter(|baseline| slowdown.is_none() && !is_other_model(case, baseline))
            .map(|baseline| Growth::of(case, baseline));
        let excess: Vec<u64> = (0..case.facts.len())
            .map(|step| {
                let clock = low.ratio_at(case, step);
                if clock >= 1.0 {
                    return 0;
                }
                let (ns, factor) = match slowdown {
                    // Measured on all kernels of the step, at the clock that was then.
                    Some(slowdown) => {
                        let slowdown = pace.of_step(&slowdown, step).max(0.0);
                        let depth = (1.0 - clock) / (1.0 - low.typical);
                        (case.facts[step].kernel_ns as f64, slowdown * depth.clamp(0.0, 2.0))
                    }
                    // Against the same kernels in the baseline, or steps of the same size: but nothing
                    // follows the clock more than in proportion.
                    None => {
                        let ns = case.facts[step].kernel_ns as f64;
                        let expected =
                            case.same_kernels.as_ref().and_then(|same| same.expected_ns(step));
                        let by_kernels = expected.map(|expected| ns / expected.max(1.0));
                        let by_size = growth.as_ref().and_then(|growth| growth.of_step(step));
                        match by_kernels.or(by_size) {
                            Some(growth) => (ns, (growth - 1.0).clamp(0.0, 1.0 / clock - 1.0)),
                            None => (case.facts[step].multiply_ns as f64, 1.0 / clock - 1.0),
                        }
                    }
                };
                (ns * factor / (1.0 + factor)) as u64
            })
            .collect();
        let grade = match slowdown {
            Some(_) => Grade::Measured,
            None if case.same_kernels.is_some() || growth.is_some() => Grade::Derived,
            None => Grade::Estimated,
        };
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        let by_clock = 1.0 / low.typical - 1.0;
        let slowdown = low.slowed(case, &removal.run_ns);
        if share < SHARE_MIN || by_clock < SLOWDOWN_MIN || slowdown < STEPS_SLOWDOWN_MIN {
            return Detection::Clear(format!(
                "clocks were {} low, but steps did not slow down with them ({} of p95)",
                percent(1.0 - low.typical),
                percent(share)
            ));
        }
        Detection::Found(Box::new(Finding {
            id: "D12",
            summary: format!(
                "the SM clock was at {:.0} MHz of {:.0} ({}) in {} of the samples under load; steps \
                 took {} longer",
                low.typical * low.full_mhz,
                low.full_mhz,
                reasons(low.reasons),
                percent(low.share),
                percent(slowdown)
            ),
            evidence: low
                .evidence(case)
                .into_iter()
                .chain(largest_steps(&removal.run_ns))
                .collect(),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade,
            counter_evidence: vec![
                "Clocks are sampled: a change between two samples is placed to within one period."
                    .to_owned(),
            ],
            remedy: "Look at power limit, cooling and power supply of this GPU; move the load to \
                     another machine meanwhile."
                .to_owned(),
            setting: None,
            confirm: "`nvidia-smi -q -d CLOCK,PERFORMANCE,TEMPERATURE` under load.".to_owned(),
        }))
    }
}

/// When the clocks were low, and how low.
struct LowClocks {
    /// Clock without the limit, in MHz.
    full_mhz: f64,
    /// Median of the low clocks, as a share of it.
    typical: f64,
    /// Share of the samples under load that are low.
    share: f64,
    /// Reasons seen, as bits.
    reasons: u64,
    /// Which clocks.
    gpu: usize,
    /// Positions of the samples that tell the clock of a GPU at work: one of an idle GPU names no
    /// limit, but at the full clock there was none.
    telling: Vec<usize>,
}

impl LowClocks {
    fn of(case: &Case<'_>) -> Option<Self> {
        let known = Gpu::known(case).map_or(0.0, |gpu| gpu.sm_mhz);
        let limits =
            case.telemetry.highest(&["clocks.max.sm", "clocks.max.graphics"]).unwrap_or(known);
        let then = case.baseline.as_deref().map_or(0.0, |baseline| {
            let clocks = baseline.telemetry.clocks.iter();
            clocks.flat_map(|clocks| &clocks.sm_mhz.value).copied().fold(0.0, f64::max)
        });
        let found = case.telemetry.clocks.iter().enumerate().filter_map(|(gpu, clocks)| {
            let highest = clocks.sm_mhz.value.iter().copied().fold(0.0, f64::max);
            let loaded: Vec<(f64, u64)> = (0..clocks.sm_mhz.value.len())
                .map(|at| (clocks.sm_mhz.value[at], reasons_at(clocks, at)))
                .filter(|(_, reasons)| reasons & IDLE_REASON == 0)
                .collect();
            // A product's maximum counts when nothing higher was seen and it is near, or when the
            // driver names a limit most of the time.
            let n_limited = loaded.iter().filter(|(_, reasons)| is_limited(*reasons)).count();
            let counts = limits < 1.6 * highest || n_limited * 2 > loaded.len();
            let full_mhz = highest.max(then).max(if counts { limits } else { 0.0 });
            let is_low =
                |(mhz, reasons): &(f64, u64)| *mhz < FULL_MIN * full_mhz && is_limited(*reasons);
            let low: Vec<(f64, u64)> =
                loaded.iter().filter(|sample| is_low(sample)).copied().collect();
            let typical = crate::statistics::median(low.iter().map(|(mhz, _)| mhz / full_mhz))?;
            let tells = |at: &usize| {
                reasons_at(clocks, *at) & IDLE_REASON == 0
                    || clocks.sm_mhz.value[*at] >= FULL_MIN * full_mhz
            };
            Some(Self {
                telling: (0..clocks.sm_mhz.value.len()).filter(tells).collect(),
                full_mhz,
                typical,
                share: low.len() as f64 / loaded.len().max(1) as f64,
                reasons: low.iter().fold(0, |all, (_, reasons)| all | reasons) & SLOWDOWN_REASONS,
                gpu,
            })
        });
        found.max_by(|a, b| (a.share * (1.0 - a.typical)).total_cmp(&(b.share * (1.0 - b.typical))))
    }

    /// The clock during a step as a share of the full one; one when it was not low.
    fn ratio_at(&self, case: &Case<'_>, step: usize) -> f64 {
        let clocks = &case.telemetry.clocks[self.gpu];
        let run = &case.schedule.runs[step];
        let middle = run.start_ns + (run.end_ns - run.start_ns) / 2;
        let time = |at: &usize| clocks.sm_mhz.time_ns[*at];
        let after = self.telling.partition_point(|at| time(at) <= middle);
        // The nearer of the samples around it.
        let near = [after.checked_sub(1), Some(after)]
            .into_iter()
            .filter_map(|at| self.telling.get(at?).copied())
            .min_by_key(|at| time(at).abs_diff(middle));
        let Some(near) = near else { return 1.0 };
        let reasons = reasons_at(clocks, near);
        if is_limited(reasons) {
            (clocks.sm_mhz.value[near] / self.full_mhz).clamp(0.05, 1.0)
        } else {
            1.0
        }
    }

    /// How much longer the kernels of all steps under low clocks took, of which `excess` is too much.
    fn slowed(&self, case: &Case<'_>, excess: &[u64]) -> f64 {
        let low = (0..case.facts.len()).filter(|step| self.ratio_at(case, *step) < 1.0);
        let (kernels, excess) = low.fold((0, 0), |(kernels, sum), step| {
            (kernels + case.facts[step].kernel_ns, sum + excess[step])
        });
        ratio(excess, kernels.saturating_sub(excess))
    }

    fn evidence(&self, case: &Case<'_>) -> Vec<Evidence> {
        let lowest = &case.telemetry.clocks[self.gpu].sm_mhz;
        let at =
            (0..lowest.value.len()).min_by(|a, b| lowest.value[*a].total_cmp(&lowest.value[*b]));
        let row = at.and_then(|at| {
            let counters = &case.timeline.counters;
            (0..counters.len()).find(|row| {
                counters.time_ns[*row] == lowest.time_ns[at]
                    && counters.value[*row] == lowest.value[at]
            })
        });
        row.map(|row| Evidence { table: TableKind::Counter, row: row as u32 }).into_iter().collect()
    }
}

/// Whether a fault or a limit holds the clock down, not the operator.
const fn is_limited(reasons: u64) -> bool {
    reasons & SLOWDOWN_REASONS != 0 && reasons & SET_CLOCKS_REASON == 0
}

fn reasons_at(clocks: &Clocks, at: usize) -> u64 {
    let time = clocks.sm_mhz.time_ns[at];
    clocks.reasons.at(time).map_or(0, |reasons| reasons.max(0.0) as u64)
}

fn reasons(bits: u64) -> String {
    let names = [
        (0x4, "power cap"),
        (0x8, "slow-down in hardware"),
        (0x20, "heat in software"),
        (0x40, "heat in hardware"),
        (0x80, "power brake"),
    ];
    let named: Vec<&str> =
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    named.join(", ")
}
