//! D15: steps that miss their CUDA graph, are padded, or wait for code to be made.

use std::collections::BTreeMap;

use underspan_classifier::Dtype;
use underspan_model::tables::TableKind;

use super::{by_size as by_size_of, size_of};
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::gpu::Gpu;
use crate::measure::{
    beyond_natural, evidence_of_steps, p95_share, percent, ratio, requests_in, step_time, total,
};
use crate::replay::Removal;
use crate::statistics::median;
use crate::{Case, ServerKind};

/// Least share of the 95th percentile, and of the time of steps.
const SHARE_MIN: f64 = 0.05;
/// How many times the baseline's rows are more padding than it had.
const PADDED_MORE_MIN: f64 = 1.3;
/// Largest number of rows that engines capture graphs for when nobody tells them (vLLM's
/// `cudagraph_capture_sizes`).
const USUALLY_CAPTURED: f64 = 512.0;
/// Least share of a batch that is padding.
const PADDING_MIN: f64 = 0.30;

/// D15.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GraphMiss;

impl Detector for GraphMiss {
    fn id(&self) -> &'static str {
        "D15"
    }

    fn title(&self) -> &'static str {
        "graph miss, padding, just-in-time compilation"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Steps that decode are launched kernel by kernel although the engine has CUDA graphs, since \
         no graph was captured for their batch size; or they run in a graph for a much larger batch \
         and compute padding; or the device waits while code is loaded or compiled in the middle of \
         serving. Steps that hold prompts run without graphs by design and are not counted as \
         missing one, unless they are small and the engine was told to capture fewer sizes than \
         engines do by themselves."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.facts.iter().all(|facts| facts.n_kernels == 0) {
            return Detection::MissingInput("device work within steps");
        }
        let loads = beyond_natural(case, |facts| facts.gap_load_ns);
        let missed = missed_graphs(case);
        let padded = padding(case);
        let sums: Vec<u64> =
            (0..loads.len()).map(|step| loads[step] + missed[step].max(padded[step])).collect();
        let removal = Removal {
            run_ns: sums,
            lag_ns: beyond_natural(case, |facts| facts.lag.load_ns),
            ..Removal::default()
        };
        let of_steps = ratio(total(&removal.run_ns) + total(&removal.lag_ns), step_time(case));
        let share = p95_share(case, &removal);
        let what = format!(
            "loading code {}, steps without their graph {}, padding {} of the time of steps",
            percent(ratio(total(&loads), step_time(case))),
            percent(ratio(total(&missed), step_time(case))),
            percent(ratio(total(&padded), step_time(case)))
        );
        if share < SHARE_MIN || of_steps < SHARE_MIN.min(0.02) {
            return Detection::Clear(what);
        }
        let n_missed = missed.iter().filter(|ns| **ns > 0).count();
        let sizes: Vec<u32> =
            (0..missed.len()).filter(|s| missed[*s] > 0).map(|s| case.members(s)).collect();
        let largest = sizes.iter().copied().max();
        Detection::Found(Box::new(Finding {
            id: "D15",
            summary: format!("{what} ({n_missed} steps missed a graph)"),
            evidence: evidence_of_steps(case, &removal.run_ns, TableKind::ApiCall, |facts| {
                facts.first_stop
            }),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Derived,
            counter_evidence: vec![
                "Loading code ends with warm-up: it counts here because requests waited for it."
                    .to_owned(),
            ],
            remedy:
                "Capture graphs for the batch sizes that occur, warm up every path before taking \
                     traffic, and load code eagerly (CUDA_MODULE_LOADING=EAGER)."
                    .to_owned(),
            setting: largest.map(|largest| Setting {
                key: case.settings.spelled("cudagraph_capture_sizes").to_owned(),
                current: case
                    .settings
                    .text("engine.cudagraph_capture_sizes_max")
                    .map(|most| format!("up to {most}")),
                suggested: format!("with {largest}"),
            }),
            confirm: "Decode steps must show one cudaGraphLaunch each.".to_owned(),
        }))
    }
}

/// How much longer steps took that decode without a graph than others of about their size with
/// one.
fn missed_graphs(case: &Case<'_>) -> Vec<u64> {
    let only_decodes = |step: usize| {
        let has_requests = case.decode_requests(step) > 0 || case.kind != ServerKind::Continuous;
        case.prefill_tokens(step) == 0 && has_requests && case.facts[step].n_kernels > 0
    };
    let mut with_graph: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for step in (0..case.facts.len()).filter(|step| only_decodes(*step)) {
        if case.facts[step].n_graph_launches > 0 {
            let size = case.members(step).max(1).ilog2();
            with_graph.entry(size).or_default().push(case.step_ns(step) as f64);
        }
    }
    let n_with: usize = with_graph.values().map(Vec::len).sum();
    let usual: BTreeMap<u32, f64> =
        with_graph.into_iter().filter_map(|(size, all)| Some((size, median(all)?))).collect();
    // Where every step misses, the gaps between its launches are what a graph would have saved.
    let captured = case.settings.number("engine.cudagraph_capture_sizes_max");
    // An engine that was told to launch kernel by kernel misses none.
    let is_eager = case.settings.truth("engine.enforce_eager") == Some(true);
    let then = !is_eager && case.baseline.as_deref().is_some_and(uses_graphs);
    (0..case.facts.len())
        .map(|step| {
            let facts = &case.facts[step];
            if facts.n_graph_launches > 0 || facts.n_launches <= 3 {
                return 0;
            }
            if !only_decodes(step) {
                let rows = (case.prefill_tokens(step) + case.decode_requests(step)) as f64;
                let is_missed = !is_eager && captured.is_some_and(|most| rows > most);
                return if is_missed && rows <= USUALLY_CAPTURED { facts.gap_host_ns } else { 0 };
            }
            let size = case.members(step).max(1).ilog2();
            let near = usual.iter().min_by_key(|(known, _)| known.abs_diff(size));
            match near.filter(|_| n_with >= 5) {
                Some((_, usual)) => (case.step_ns(step) as f64 - usual).max(0.0) as u64,
                None if then || captured.is_some_and(|c| f64::from(case.members(step)) > c) => {
                    facts.gap_host_ns
                }
                None => 0,
            }
        })
        .collect()
}

/// Whether most steps that decode run in graphs.
fn uses_graphs(case: &Case<'_>) -> bool {
    let decodes = (0..case.facts.len())
        .filter(|s| case.prefill_tokens(*s) == 0 && case.facts[*s].n_kernels > 0);
    let with = decodes.clone().filter(|step| case.facts[*step].n_graph_launches > 0).count();
    with * 2 > decodes.count()
}

/// The usual number of rows of steps, by their size.
fn rows_by_size(case: &Case<'_>) -> BTreeMap<(u64, u64), f64> {
    let mut by_size: BTreeMap<(u64, u64), Vec<f64>> = BTreeMap::new();
    for (step, facts) in case.facts.iter().enumerate().filter(|(_, facts)| facts.n_rows > 0) {
        by_size.entry(size_of(case, step)).or_default().push(f64::from(facts.n_rows));
    }
    by_size.into_iter().filter_map(|(size, all)| Some((size, median(all)?))).collect()
}

/// What steps took for padding: a batch of a captured size less what it held. The size is declared,
/// or the number of rows that the step's kernels computed.
fn padding(case: &Case<'_>) -> Vec<u64> {
    let mut sizes: Vec<u32> = case
        .settings
        .below("engine.cudagraph_capture_sizes.")
        .filter_map(|(_, value)| value.parse().ok())
        .collect();
    sizes.sort_unstable();
    let declared = |n: u32| sizes.iter().copied().find(|size| *size >= n);
    let padded_by = |step: usize| {
        let facts = &case.facts[step];
        let n = (case.decode_requests(step) + case.prefill_tokens(step)) as u32;
        let rows = Some(facts.n_rows).filter(|rows| *rows > 0).or_else(|| declared(n))?;
        (n > 0 && facts.n_graph_launches > 0 && rows >= n).then_some((n, rows))
    };
    let mut by_size: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for step in 0..case.facts.len() {
        if let Some((_, rows)) = padded_by(step) {
            by_size.entry(rows).or_default().push(case.step_ns(step) as f64);
        }
    }
    let times: Vec<(f64, f64)> = by_size
        .into_iter()
        .filter(|(_, all)| all.len() >= 3)
        .filter_map(|(size, all)| Some((f64::from(size), median(all)?)))
        .collect();
    let then = case.baseline.as_deref().map(by_size_of);
    let natural = case.baseline.as_deref().map(rows_by_size);
    let gpu = Gpu::of(case);
    (0..case.facts.len())
        .map(|step| {
            let Some((n, rows)) = padded_by(step) else { return 0 };
            if 1.0 - f64::from(n) / f64::from(rows) < PADDING_MIN {
                return 0;
            }
            let facts = &case.facts[step];
            let size = size_of(case, step);
            // What was padded as much before is no news.
            let before = natural.as_ref().and_then(|natural| natural.get(&size));
            if before.is_some_and(|before| f64::from(rows) < PADDED_MORE_MIN * before) {
                return 0;
            }
            let usual = then.as_ref().and_then(|then| median(then.get(&size)?.clone()));
            if let Some(usual) = usual {
                return facts.kernel_ns.saturating_sub(usual as u64);
            }
            // The time of a batch of its real size, on the line through the next smaller one.
            let below = times.iter().rev().find(|(size, _)| *size <= f64::from(n));
            let here = times.iter().find(|(size, _)| *size == f64::from(rows));
            if let Some((&(s0, t0), &(s1, t1))) = below.zip(here) {
                let needed = t0 + (t1 - t0) * (f64::from(n) - s0) / (s1 - s0).max(1.0);
                return (t1 - needed).max(0.0) as u64;
            }
            // Nothing smaller was seen: by what multiplies can at least take.
            let time = |rows: u32| gpu.time_per_weight(Dtype::Bf16, u64::from(rows));
            (facts.multiply_ns as f64 * (1.0 - time(n) / time(rows))) as u64
        })
        .collect()
}
