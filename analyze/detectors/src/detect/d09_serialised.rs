//! D9: small kernels one after the other, each leaving most of the GPU idle.

use underspan_model::tables::TableKind;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    beyond_natural, evidence_of_steps, of_steps, out_of_runs, p95_share, percent, ratio,
    requests_in, total,
};
use crate::statistics::percentile_of;

/// Least share of the kernel time in kernels that fill less than half the multiprocessors.
const KERNEL_SHARE_MIN: f64 = 0.30;
/// The same two without a baseline, where small kernels may be all that there is to do.
const KERNEL_SHARE_MIN_ALONE: f64 = 0.60;
const SHARE_MIN_ALONE: f64 = 0.20;
/// How much longer than a baseline's the device must be at work for a step.
const GROWTH_MIN: f64 = 1.1;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D9.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SerialisedLayers;

impl Detector for SerialisedLayers {
    fn id(&self) -> &'static str {
        "D9"
    }

    fn title(&self) -> &'static str {
        "serialised layers, low occupancy"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Kernels that have fewer blocks than half of the multiprocessors run one after the other, \
         so that most of the GPU is idle while it counts as busy. Where layers do not depend on \
         each other they could run side by side, on several streams or fused. A trace shows that \
         they ran in a row, not that they had to: without a baseline that ran them side by side \
         this is a candidate."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
        if kernels == 0 {
            return Detection::MissingInput("kernels within steps");
        }
        let small = of_steps(case, |facts| facts.small_grid_ns);
        let share_small = ratio(total(&small), kernels);
        // Side by side, two at a time: the least that concurrency would give.
        let excess: Vec<u64> = match case.baseline.as_deref() {
            Some(baseline) => {
                let busy = |case: &Case<'_>| percentile_of(&of_steps(case, |f| f.busy_ns), 50);
                if (busy(case) as f64) < GROWTH_MIN * busy(baseline) as f64 {
                    return Detection::Clear("steps are as long as in the baseline".to_owned());
                }
                let longer = beyond_natural(case, |facts| facts.busy_ns);
                longer.iter().zip(&small).map(|(more, small)| *more.min(small)).collect()
            }
            None => small.iter().map(|ns| ns / 2).collect(),
        };
        let evidence =
            evidence_of_steps(case, &excess, TableKind::Kernel, |facts| facts.longest_kernel);
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        let (kernel_share_min, share_min) = match case.baseline {
            Some(_) => (KERNEL_SHARE_MIN, SHARE_MIN),
            None => (KERNEL_SHARE_MIN_ALONE, SHARE_MIN_ALONE),
        };
        if share_small < kernel_share_min || share < share_min {
            return Detection::Clear(format!(
                "{} of the kernel time is in kernels that fill less than half of the GPU",
                percent(share_small)
            ));
        }
        Detection::Found(Box::new(Finding {
            id: "D9",
            summary: format!(
                "{} of the kernel time is in kernels that fill less than half of the GPU, one after \
                 the other",
                percent(share_small)
            ),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Estimated,
            evidence,
            counter_evidence: vec![
                "Layers may depend on each other: a trace does not show it.".to_owned(),
                "With few tokens a step there is too little work to fill the GPU.".to_owned(),
            ],
            remedy: "Run independent branches on streams of their own or fuse them, batch more \
                     requests, or use split-K and stream-K variants."
                .to_owned(),
            setting: None,
            confirm: "Kernels of different streams must overlap in the viewer.".to_owned(),
        }))
    }
}
