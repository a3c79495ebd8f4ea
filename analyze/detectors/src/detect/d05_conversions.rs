//! D5: conversions between types and layouts take a notable part of the device time.

use underspan_model::tables::TableKind;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    beyond_natural, evidence_of_steps, of_steps, out_of_runs, p95_share, percent, ratio,
    requests_in, total,
};

/// Least share of the kernel time.
const KERNEL_SHARE_MIN: f64 = 0.10;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D5.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conversions;

impl Detector for Conversions {
    fn id(&self) -> &'static str {
        "D5"
    }

    fn title(&self) -> &'static str {
        "quantise, dequantise, cast, reformat"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Kernels that only convert between types or layouts take a tenth of the kernel time and \
         more: weights that are dequantised in front of every multiply instead of inside it, \
         activations quantised by kernels of their own, layouts changed between layers. Some of it \
         is the price of a small format; what counts here is all of it, an upper bound, less what \
         a baseline had."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
        if kernels == 0 {
            return Detection::MissingInput("kernels within steps");
        }
        let converting = total(&of_steps(case, |facts| facts.convert_ns));
        let excess = beyond_natural(case, |facts| facts.convert_ns);
        let of_kernels = ratio(total(&excess), kernels);
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        if of_kernels < KERNEL_SHARE_MIN || share < SHARE_MIN {
            return Detection::Clear(format!(
                "conversions take {} of the kernel time",
                percent(ratio(converting, kernels))
            ));
        }
        Detection::Found(Box::new(Finding {
            id: "D5",
            summary: format!(
                "kernels that only convert types or layouts take {} of the kernel time",
                percent(ratio(converting, kernels))
            ),
            evidence: evidence_of_steps(case, &removal.run_ns, TableKind::Kernel, |facts| {
                facts.longest_kernel
            }),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Derived,
            counter_evidence: vec![
                "A narrow format needs some conversion: it may still save more than it costs."
                    .to_owned(),
            ],
            remedy:
                "Use kernels that convert inside the multiply (Marlin, Machete, fused epilogues), \
                     or a format that the GPU multiplies directly."
                    .to_owned(),
            setting: None,
            confirm: "`underspan stats --report roles` before and after.".to_owned(),
        }))
    }
}
