//! D4: multiplies run in a wider type than the model was declared to.

use underspan_classifier::Dtype;
use underspan_engine::PrecisionVerdict;
use underspan_model::tables::TableKind;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::gpu::Gpu;
use crate::measure::{
    evidence_of_steps, of_steps, out_of_runs, p95_share, percent, requests_in, total,
};

/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D4.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PrecisionFallback;

impl Detector for PrecisionFallback {
    fn id(&self) -> &'static str {
        "D4"
    }

    fn title(&self) -> &'static str {
        "precision fallback"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Matrix multiplies run in a wider type than the model is declared to compute in: fp32 on \
         CUDA cores where bf16 on tensor cores was meant, fp16 where int8 was built. It happens \
         when an engine is rebuilt without its calibration, a weight is loaded in the wrong type, \
         or a library finds no kernel for a shape. Heads and routers that models keep in fp32 by \
         design do not count. A claim needs a declared type, or a run from before with the same \
         multiplies in a narrower one."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let census = &case.analysis.precision;
        let Some(declared) = &census.declared else {
            return Detection::MissingInput("the type the model is declared to compute in");
        };
        let share_wide = census.share_of_matmul(census.wider_than_declared);
        if census.verdict != PrecisionVerdict::Fallback {
            return Detection::Clear(format!(
                "{} of the multiplies' time ran wider than {}",
                percent(share_wide),
                declared.dtype.as_str()
            ));
        }
        let gpu = Gpu::of(case);
        let wide = census.wide.iter().filter(|wide| wide.reason.is_fallback());
        let widest = wide.clone().max_by_key(|wide| wide.total);
        let from = widest.map_or(Dtype::Fp32, |wide| wide.dtype);
        let wide_ns = of_steps(case, |facts| facts.wide_ns);
        let excess: Vec<u64> = wide_ns
            .iter()
            .enumerate()
            .map(|(step, ns)| {
                let tokens = case.prefill_tokens(step) + case.decode_requests(step);
                let faster = gpu.speed_up(from, declared.dtype, tokens);
                (*ns as f64 * (1.0 - 1.0 / faster)) as u64
            })
            .collect();
        let measured = measured_excess(case, &wide_ns);
        let grade = if measured.is_some() { Grade::Derived } else { Grade::Estimated };
        let excess = measured.unwrap_or(excess);
        let evidence =
            evidence_of_steps(case, &excess, TableKind::Kernel, |facts| facts.longest_kernel);
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        if share < SHARE_MIN {
            return Detection::Clear(format!(
                "{} of the multiplies' time ran wider than {}, {} of p95",
                percent(share_wide),
                declared.dtype.as_str(),
                percent(share)
            ));
        }
        let name = widest.map_or("", |wide| case.timeline.strings.resolve_or_empty(wide.name));
        Detection::Found(Box::new(Finding {
            id: "D4",
            summary: format!(
                "{} of the multiplies' time ran in {} where {} is declared ({}): mostly {}",
                percent(share_wide),
                from.as_str(),
                declared.dtype.as_str(),
                declared.origin,
                shortened(name)
            ),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade,
            evidence,
            counter_evidence: vec![format!(
                "{} of the multiplies' time is of unknown type.",
                percent(census.share_of_matmul(census.matmul_unknown))
            )],
            remedy: "Load the weights in the declared type, or build the engine again with it; \
                     look for a quantisation that was dropped."
                .to_owned(),
            setting: Some(Setting {
                key: "dtype".to_owned(),
                current: Some(from.as_str().to_owned()),
                suggested: declared.dtype.as_str().to_owned(),
            }),
            confirm: "`underspan diff` of the two builds names every multiply that changed type."
                .to_owned(),
        }))
    }
}

/// What the wide multiplies took more than the multiplies of the baseline's steps, when there is a
/// baseline that did not fall back.
fn measured_excess(case: &Case<'_>, wide_ns: &[u64]) -> Option<Vec<u64>> {
    let baseline = case.baseline.as_deref()?;
    if baseline.analysis.precision.verdict == PrecisionVerdict::Fallback {
        return None;
    }
    let now = mean_multiply(case)?;
    let then = mean_multiply(baseline)?;
    let wide = total(wide_ns) as f64 / case.facts.len().max(1) as f64;
    let share = ((now - then) / wide.max(1.0)).clamp(0.0, 1.0);
    Some(wide_ns.iter().map(|ns| (*ns as f64 * share) as u64).collect())
}

fn mean_multiply(case: &Case<'_>) -> Option<f64> {
    let steps = case.facts.iter().filter(|facts| facts.multiply_ns > 0).count();
    let sum = total(&of_steps(case, |facts| facts.multiply_ns));
    (steps > 0).then(|| sum as f64 / steps as f64)
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 60 {
        return name.to_owned();
    }
    name.chars().take(57).chain("…".chars()).collect()
}
