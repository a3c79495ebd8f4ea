//! D6: the device is idle in the middle of work because the host launches too late.

use underspan_engine::Evidence;
use underspan_model::tables::TableKind;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{
    largest_steps, p95_share, percent, ratio, requests_in, step_time, time, total,
};
use crate::replay::Removal;
use crate::statistics::percentile_of;

/// Least share of the time of steps that the device is idle for the host.
const IDLE_MIN: f64 = 0.20;
/// The same with a baseline to compare with.
const IDLE_MIN_COMPARED: f64 = 0.08;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.08;
/// Wait between steps that engines need for scheduling, as a share of a step's device time.
const BETWEEN_NATURAL: f64 = 0.10;

/// D6.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LaunchGaps;

impl Detector for LaunchGaps {
    fn id(&self) -> &'static str {
        "D6"
    }

    fn title(&self) -> &'static str {
        "launch gaps: the host is too slow"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Within steps, and between steps while requests are in the batch, the device has nothing to \
         do because the host has not launched what comes next: Python between launches, a scheduler \
         that takes long, a thread without its interpreter lock. Idle time that waits for the \
         device, for the allocator or for code being loaded is not counted here but by the \
         detectors of those, and neither is idle time in which no request was being served."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.facts.iter().all(|facts| facts.n_kernels == 0) {
            return Detection::MissingInput("device work within steps");
        }
        let within: Vec<u64> = case.facts.iter().map(|facts| facts.gap_host_ns).collect();
        let between = between_steps(case);
        let natural = case.baseline.as_deref().map(|baseline| {
            let within: Vec<u64> = baseline.facts.iter().map(|facts| facts.gap_host_ns).collect();
            (percentile_of(&within, 50), percentile_of(&between_steps(baseline), 50))
        });
        let removal = Removal {
            run_ns: within
                .iter()
                .map(|ns| ns.saturating_sub(natural.map_or(0, |natural| natural.0)))
                .collect(),
            lag_ns: between
                .iter()
                .enumerate()
                .map(|(step, ns)| {
                    let allowed = (case.facts[step].kernel_ns as f64 * BETWEEN_NATURAL) as u64;
                    ns.saturating_sub(natural.map_or(allowed, |natural| natural.1))
                })
                .collect(),
            ..Removal::default()
        };
        let idle = total(&removal.run_ns) + total(&removal.lag_ns);
        let of_steps = ratio(idle, step_time(case) + total(&between));
        let share = p95_share(case, &removal);
        let bar = if natural.is_some() { IDLE_MIN_COMPARED } else { IDLE_MIN };
        if of_steps < bar || share < SHARE_MIN {
            return Detection::Clear(format!(
                "the device waited for the host {} of the time of steps",
                percent(of_steps)
            ));
        }
        let both: Vec<u64> =
            removal.run_ns.iter().zip(&removal.lag_ns).map(|(a, b)| a + b).collect();
        let mut evidence = largest_steps(&both);
        let gaps = case.analysis.idle.iter().flat_map(|idle| &idle.longest);
        evidence.extend(gaps.take(4).map(|gap| Evidence {
            table: match gap.next.kind {
                underspan_engine::WorkKind::Kernel => TableKind::Kernel,
                underspan_engine::WorkKind::Memcpy => TableKind::Memcpy,
                underspan_engine::WorkKind::Memset => TableKind::Memset,
            },
            row: gap.next.row,
        }));
        let eager = case.settings.truth("engine.enforce_eager");
        Detection::Found(Box::new(Finding {
            id: "D6",
            summary: format!(
                "the device waited for the host {} of the time of steps: {} within them, {} between \
                 them; half of the steps {} and more",
                percent(of_steps),
                time(total(&removal.run_ns)),
                time(total(&removal.lag_ns)),
                time(percentile_of(&both, 50))
            ),
            requests: requests_in(case, &both),
            removal,
            grade: Grade::Measured,
            evidence,
            counter_evidence: vec![
                "The profiler's own cost of each launch is in these gaps.".to_owned(),
            ],
            remedy: "Launch whole steps as CUDA graphs, take Python out of the loop, schedule the \
                     next step while this one runs."
                .to_owned(),
            setting: (eager == Some(true)).then(|| Setting {
                key: "enforce_eager".to_owned(),
                current: Some("true".to_owned()),
                suggested: "false".to_owned(),
            }),
            confirm: "A sampling profiler on the launching thread shows what runs in the gaps."
                .to_owned(),
        }))
    }
}

/// Idle time before each step that is the host's own.
fn between_steps(case: &Case<'_>) -> Vec<u64> {
    case.facts.iter().map(|facts| facts.lag.host_ns).collect()
}
