//! D4: multiplies run in a wider type than the model was declared to.

use underspan_classifier::Dtype;
use underspan_engine::{KernelClasses, PrecisionVerdict};
use underspan_model::ShapeId;
use underspan_model::tables::TableKind;

use super::{size_of, times_by_size};
use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::gpu::Gpu;
use crate::measure::{evidence_of_steps, of_steps, out_of_runs, p95_share, percent, requests_in};
use crate::statistics::{median, percentile_of};

/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// Rows of the tiles of multiplies on CUDA cores.
const SIMT_TILE_ROWS: u64 = 32;

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
        let rows = rows_of_multiplies(case);
        let excess: Vec<u64> = wide_ns
            .iter()
            .enumerate()
            .map(|(step, ns)| {
                let tokens = case.prefill_tokens(step) + case.decode_requests(step);
                let rows = if tokens > 0 { tokens } else { rows.unwrap_or(1) };
                // Multiplies off the tensor cores compute whole tiles, however few rows there are.
                let computed = if from == Dtype::Fp32 { rows.max(SIMT_TILE_ROWS) } else { rows };
                let wide = gpu.time_per_weight(from, computed);
                let faster = (wide / gpu.time_per_weight(declared.dtype, rows)).max(1.0);
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

/// What multiplies took more than those of the baseline's steps of the same size, when there is a
/// baseline that did not fall back.
fn measured_excess(case: &Case<'_>, wide_ns: &[u64]) -> Option<Vec<u64>> {
    let baseline = case.baseline.as_deref()?;
    if baseline.analysis.precision.verdict == PrecisionVerdict::Fallback {
        return None;
    }
    let [then, now] = [baseline, case].map(|case| times_by_size(case, |facts| facts.multiply_ns));
    let usual = |size: &(u64, u64)| median(then.get(size).filter(|all| all.len() >= 3)?.clone());
    let of_size = |size: &(u64, u64)| Some(usual(size)? / median(now.get(size)?.clone())?.max(1.0));
    let typical = median(now.keys().filter_map(of_size))?;
    let excess = wide_ns.iter().enumerate().map(|(step, wide)| {
        let left = of_size(&size_of(case, step)).unwrap_or(typical).min(1.0);
        let more = case.facts[step].multiply_ns as f64 * (1.0 - left);
        (more as u64).min(*wide)
    });
    Some(excess.collect())
}

/// Rows that multiplies compute where no step says how many tokens it holds: the blocks of each
/// shape, times the tile that its name tells, over the width of the declared model. Multiplies into
/// more than that width overstate it, so that a low quartile counts.
fn rows_of_multiplies(case: &Case<'_>) -> Option<u64> {
    let hidden = case.settings.number("model.hidden_size").filter(|width| *width >= 1.0)?;
    let classes = KernelClasses::of(case.timeline);
    let shapes = case.timeline.shapes.as_slice().iter().enumerate();
    let rows: Vec<u64> = shapes
        .filter(|(at, _)| classes.of_shape(ShapeId::from_raw(*at as u32)).role.value.is_matmul())
        .filter_map(|(_, shape)| {
            let tile = tile_of(case.timeline.strings.resolve_or_empty(shape.name))?;
            let blocks: u64 = shape.grid.iter().map(|side| u64::from(*side)).product();
            (blocks > 0).then_some((blocks as f64 * tile as f64 / hidden) as u64)
        })
        .collect();
    (!rows.is_empty()).then(|| percentile_of(&rows, 25))
}

/// Elements of the result that one block of a multiply computes, by its name: `128x64`.
fn tile_of(name: &str) -> Option<u64> {
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.find_map(|part| {
        let part = part.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let mut sides = part.split('x').map(|side| side.parse::<u64>().ok());
        let (rows, columns) = (sides.next()??, sides.next()??);
        (rows >= 16 && columns >= 8).then_some(rows * columns)
    })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 60 {
        return name.to_owned();
    }
    name.chars().take(57).chain("…".chars()).collect()
}
