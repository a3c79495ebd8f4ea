//! D9: small kernels one after the other, each leaving most of the GPU idle.

use hashbrown::HashMap;
use underspan_classifier::Role;
use underspan_engine::{DeviceWork, KernelClasses, WorkKind};
use underspan_model::ShapeId;
use underspan_model::tables::TableKind;

use super::{Growth, is_other_model};
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    beyond_natural, evidence_of_steps, of_steps, out_of_runs, p95_share, percent, ratio,
    requests_in, total,
};
use crate::statistics::median;
use crate::{Case, StepFacts};

/// Least share of the kernel time in kernels that fill less than half the multiprocessors.
const KERNEL_SHARE_MIN: f64 = 0.30;
/// How much longer than a baseline's the device must be at work for a step.
const GROWTH_MIN: f64 = 1.1;
/// How many times more kernels must have run at a time in the baseline.
const OVERLAP_LOST_MIN: f64 = 1.1;
/// Most of the share of such kernels that a baseline may have had already.
const UNDERFILLED_BEFORE: f64 = 0.5;
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
         they ran in a row, not that they had to: a claim needs a baseline that ran them side by \
         side, or a model card with fewer layers than a step runs, since what is run several times \
         over does not depend on itself. Where the same model's kernels filled the GPU in the \
         baseline, kernels of 50 µs and more that do not fill it now count too: they have work \
         enough to be split. Without a baseline they are what libraries choose for small batches, \
         whose layers follow from each other; only those on less than a sixteenth of the \
         multiprocessors count."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
        if kernels == 0 {
            return Detection::MissingInput("kernels within steps");
        }
        let share_small = small_share(case);
        let n_towers = if case.baseline.is_none() { n_towers(case) } else { None };
        // What ran side by side in the baseline took less time than its kernels, and more now.
        let lost = case.baseline.as_deref().map(|then| at_once(then) / at_once(case).max(1.0));
        let is_lost = lost.is_some_and(|lost| lost >= OVERLAP_LOST_MIN);
        // Long kernels on a part of the multiprocessors, where the same model had others before.
        let is_underfilled = match case.baseline.as_deref() {
            Some(baseline) => {
                long_share(case) >= KERNEL_SHARE_MIN
                    && small_share(baseline) < UNDERFILLED_BEFORE * share_small
                    && !is_other_model(case, baseline)
            }
            None => {
                let few_blocks = of_steps(case, |facts| facts.long_few_blocks_ns);
                ratio(total(&few_blocks), kernels) >= KERNEL_SHARE_MIN
            }
        };
        let excess: Vec<u64> = match case.baseline.as_deref() {
            Some(baseline) => {
                if Growth::in_time(case, baseline, kernels_run_ns).typical < GROWTH_MIN {
                    return Detection::Clear("steps are as long as in the baseline".to_owned());
                }
                if !is_lost && !is_underfilled {
                    let (now, then) = (at_once(case), at_once(baseline));
                    return Detection::Clear(format!(
                        "{then:.1} kernels ran at a time in the baseline, {now:.1} now"
                    ));
                }
                let longer =
                    beyond_natural(case, |facts| kernels_run_ns(facts) + facts.gap_queue_ns);
                let most = of_steps(case, |facts| facts.small_grid_ns + facts.gap_queue_ns);
                longer.iter().zip(&most).map(|(more, most)| *more.min(most)).collect()
            }
            // Side by side, as far as there is room.
            None => case
                .facts
                .iter()
                .map(|facts| {
                    let side_by_side = if is_underfilled { 2 } else { 1 };
                    let n_towers = u64::from(n_towers.unwrap_or(side_by_side).max(1));
                    let at_once = facts.small_grid_ns / n_towers;
                    // The time between their kernels is gone with them.
                    let between = facts.gap_queue_ns - facts.gap_queue_ns / n_towers;
                    facts.small_grid_ns.saturating_sub(at_once.max(facts.small_filled_ns)) + between
                })
                .collect(),
        };
        let evidence =
            evidence_of_steps(case, &excess, TableKind::Kernel, |facts| facts.longest_kernel);
        let removal = out_of_runs(excess);
        let share = p95_share(case, &removal);
        if case.baseline.is_none() && n_towers.is_none() && !is_underfilled {
            return Detection::Clear(format!(
                "{} of the kernel time is in kernels that fill less than half of the GPU; nothing \
                 shows that they could run side by side",
                percent(share_small)
            ));
        }
        if share_small < KERNEL_SHARE_MIN && !is_lost || share < SHARE_MIN {
            return Detection::Clear(format!(
                "{} of the kernel time is in kernels that fill less than half of the GPU",
                percent(share_small)
            ));
        }
        Detection::Found(Box::new(Finding {
            id: "D9",
            summary: format!(
                "{} of the kernel time is in kernels that fill less than half of the GPU, one after \
                 the other{}",
                percent(share_small),
                n_towers.map_or(String::new(), |n| format!(
                    "; a step runs {n} times the layers of the declared model"
                ))
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

/// Share of the kernel time in kernels that fill less than half of the multiprocessors.
fn small_share(case: &Case<'_>) -> f64 {
    let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
    ratio(total(&of_steps(case, |facts| facts.small_grid_ns)), kernels)
}

/// Share of the kernel time in long kernels that fill less than half of the multiprocessors.
fn long_share(case: &Case<'_>) -> f64 {
    let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
    ratio(total(&of_steps(case, |facts| facts.long_small_grid_ns)), kernels)
}

/// Time in which any kernel of a step ran: copies that nothing covers are another cause's.
fn kernels_run_ns(facts: &StepFacts) -> u64 {
    facts.busy_ns.saturating_sub(facts.copy_ns)
}

/// How many kernels run at a time while any does.
fn at_once(case: &Case<'_>) -> f64 {
    let busy = total(&of_steps(case, kernels_run_ns));
    ratio(total(&of_steps(case, |facts| facts.kernel_ns)), busy)
}

/// How many times over a step runs the layers that the model is declared to have: attention occurs
/// once a layer. `None` when the card or the trace does not tell, and when it runs them once.
fn n_towers(case: &Case<'_>) -> Option<u32> {
    let layers = case.settings.number("model.num_hidden_layers").filter(|n| *n >= 1.0)?;
    let classes = KernelClasses::of(case.timeline);
    let mut counts: HashMap<(usize, u32), u32> = HashMap::new();
    DeviceWork::of(case.timeline).for_each(|item| {
        if item.kind != WorkKind::Kernel {
            return;
        }
        let Some(step) = case.requests.step_of(&item) else { return };
        let shape = ShapeId::from_raw(case.timeline.kernels.shape[item.row as usize]);
        let is_attention = matches!(
            classes.of_shape(shape).role.value,
            Role::Attention | Role::AttentionPrefill | Role::AttentionDecode
        );
        if let Some(row) = case.timeline.shapes.as_slice().get(shape.index())
            && is_attention
        {
            *counts.entry((step, row.name.raw())).or_default() += 1;
        }
    });
    // Attention may be split into a kernel and one that combines: the most frequent one counts.
    let mut most = vec![0; case.facts.len()];
    for ((step, _), n) in counts {
        most[step] = n.max(most[step]);
    }
    let typical = median(most.into_iter().filter(|n| *n > 0).map(f64::from))?;
    let times = (typical / layers).round();
    let is_whole = (typical - times * layers).abs() < 0.1 * layers;
    (times >= 2.0 && is_whole).then_some(times as u32)
}
