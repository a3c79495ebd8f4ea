//! D17: the model itself is what takes the time.

use std::collections::BTreeMap;

use underspan_engine::PartKind;
use underspan_model::tables::TableKind;

use super::d01_capacity_queue::BUSY_MIN;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{
    evidence_of_steps, of_steps, out_of_runs, p95_share, percent, ratio, requests_in, step_time,
    total,
};
use crate::replay::Removal;
use crate::statistics::median;
use crate::{Case, ServerKind, StepFacts};

/// Least share of the slow requests' time in which their own kernels ran.
const KERNEL_SHARE_MIN: f64 = 0.60;
/// Least growth of kernel time against a baseline.
const GROWTH_MIN: f64 = 0.10;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D17.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ModelBound;

impl Detector for ModelBound {
    fn id(&self) -> &'static str {
        "D17"
    }

    fn title(&self) -> &'static str {
        "model-bound"
    }

    fn layer(&self) -> Layer {
        Layer::Model
    }

    fn explanation(&self) -> &'static str {
        "The slow requests spent their time in kernels of their own steps, in the declared type, at \
         full clocks, without company that slowed them: the model is as large as it is. Against a \
         baseline, kernels of a step grew and none of the other causes explains it. Only this \
         finding speaks for another model, and only when nothing else takes a tenth."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.facts.iter().all(|facts| facts.n_kernels == 0) {
            return Detection::MissingInput("kernels within steps");
        }
        match case.baseline.as_deref() {
            Some(baseline) => grown(case, baseline),
            None => bound(case),
        }
    }
}

/// Kernels of steps against those of a baseline.
fn grown(case: &Case<'_>, baseline: &Case<'_>) -> Detection {
    let growth = Growth::of(case, baseline);
    let removal = growth.removal(case);
    let share = p95_share(case, &removal);
    if growth.typical < 1.0 + GROWTH_MIN || share < SHARE_MIN {
        return Detection::Clear(format!(
            "kernels of a step take {} of the baseline's time",
            percent(growth.typical)
        ));
    }
    if is_same_model(case, baseline) {
        return Detection::Clear(format!(
            "kernels of a step take {:.2} times the baseline's time, but the declared model is the \
             same",
            growth.typical
        ));
    }
    found(
        case,
        removal,
        format!("kernels of a step take {:.2} times as long as in the baseline", growth.typical),
        Grade::Derived,
    )
}

/// Whether both runs declare a model, and the same one.
pub(crate) fn is_same_model(case: &Case<'_>, baseline: &Case<'_>) -> bool {
    compare_models(case, baseline) == Some(true)
}

/// Whether both runs declare a model, and not the same one.
pub(crate) fn is_other_model(case: &Case<'_>, baseline: &Case<'_>) -> bool {
    compare_models(case, baseline) == Some(false)
}

/// Whether the sizes that both runs declare of their models are the same; `None` when either
/// declares none.
fn compare_models(case: &Case<'_>, baseline: &Case<'_>) -> Option<bool> {
    let of = |case: &Case<'_>| -> Vec<(String, String)> {
        let below = case.settings.below("model.");
        below.map(|(path, value)| (path.to_owned(), value.to_owned())).collect()
    };
    let (now, then) = (of(case), of(baseline));
    let says_size = |model: &[(String, String)]| {
        let is_size = |path: &str| {
            ["parameters", "hidden_size", "num_hidden_layers"].iter().any(|key| path.ends_with(key))
        };
        model.iter().any(|(path, _)| is_size(path))
    };
    (says_size(&now) && says_size(&then)).then(|| now == then)
}

/// How much longer the kernels of steps take than those of a baseline's steps of the same size.
pub(crate) struct Growth {
    /// The median over the steps.
    pub(crate) typical: f64,
    by_step: Vec<Option<f64>>,
}

impl Growth {
    pub(crate) fn of(case: &Case<'_>, baseline: &Case<'_>) -> Self {
        Self::in_time(case, baseline, base_ns)
    }

    /// The same of any time of a step, such as that in which its kernels run.
    pub(crate) fn in_time(
        case: &Case<'_>,
        baseline: &Case<'_>,
        time_ns: fn(&StepFacts) -> u64,
    ) -> Self {
        let [now, then] = [case, baseline].map(|case| times_by_size(case, time_ns));
        let ratio_of = |size: &(u64, u64)| {
            let (now, then) = (now.get(size)?, then.get(size)?);
            let enough = now.len() >= 3 && then.len() >= 3;
            let ratio = median(now.iter().copied())? / median(then.iter().copied())?.max(1.0);
            enough.then_some(ratio)
        };
        let known: Vec<Option<f64>> =
            (0..case.facts.len()).map(|step| ratio_of(&size_of(case, step))).collect();
        let typical = median(known.iter().copied().flatten()).unwrap_or(1.0);
        Self { typical, by_step: known }
    }

    /// Of one step; `None` when the baseline has none of its size.
    pub(crate) fn of_step(&self, step: usize) -> Option<f64> {
        self.by_step.get(step).copied().flatten()
    }

    /// The growth that is left when kernels of the same name and launch shape take `slower` times
    /// as long: that is a slower device, not more work.
    pub(crate) fn beyond(mut self, slower: f64) -> Self {
        let slower = slower.max(1.0);
        self.typical /= slower;
        self.by_step.iter_mut().flatten().for_each(|growth| *growth /= slower);
        self
    }

    pub(crate) fn removal(&self, case: &Case<'_>) -> Removal {
        let excess = case.facts.iter().zip(&self.by_step).map(|(facts, growth)| {
            let growth = growth.unwrap_or(self.typical).max(1.0);
            (base_ns(facts) as f64 * (1.0 - 1.0 / growth)) as u64
        });
        out_of_runs(excess.collect())
    }
}

/// The kernel time of steps, by their size.
pub(crate) fn by_size(case: &Case<'_>) -> BTreeMap<(u64, u64), Vec<f64>> {
    times_by_size(case, base_ns)
}

/// Some time of the steps that have kernels, by their size.
pub(crate) fn times_by_size(
    case: &Case<'_>,
    time_ns: fn(&StepFacts) -> u64,
) -> BTreeMap<(u64, u64), Vec<f64>> {
    let mut by_size: BTreeMap<(u64, u64), Vec<f64>> = BTreeMap::new();
    for (step, facts) in case.facts.iter().enumerate().filter(|(_, facts)| facts.kernel_ns > 0) {
        by_size.entry(size_of(case, step)).or_default().push(time_ns(facts) as f64);
    }
    by_size
}

/// Tokens of prompts and requests of a step, in buckets of a half of a power of two. Where one
/// request at a time is served and nothing tells its tokens, the blocks of kernels that grow with
/// them stand for these.
pub(crate) fn size_of(case: &Case<'_>, step: usize) -> (u64, u64) {
    let bucket = |n: u64| if n < 2 { n } else { ((n as f64).log2() * 2.0).round() as u64 + 2 };
    let (tokens, facts) = (case.prefill_tokens(step), &case.facts[step]);
    let tokens = match (case.kind, tokens + case.decode_requests(step)) {
        (ServerKind::Single, 0) if facts.norm_blocks > 0 => facts.norm_blocks,
        (ServerKind::Single, 0) => facts.pointwise_blocks,
        _ => tokens,
    };
    (bucket(tokens), bucket(u64::from(case.members(step))))
}

fn base_ns(facts: &StepFacts) -> u64 {
    facts.kernel_ns.saturating_sub(facts.convert_ns + facts.collective_ns)
}

/// The slow requests' own kernels against their span.
fn bound(case: &Case<'_>) -> Detection {
    let share = own_kernel_share(case);
    let waste = of_steps(case, |facts| facts.wide_ns + facts.convert_ns);
    let kernels = total(&of_steps(case, |facts| facts.kernel_ns));
    if share < KERNEL_SHARE_MIN || ratio(total(&waste), kernels) > 0.2 {
        return Detection::Clear(format!(
            "the slow requests' own kernels ran in {} of their time",
            percent(share)
        ));
    }
    found(
        case,
        Removal::default(),
        format!("the slow requests' own kernels ran in {} of their time", percent(share)),
        Grade::Estimated,
    )
}

/// Share of the slow requests' spans in which the device computed for them: kernels of their own
/// steps, their neighbours' part of them, and, on a server with room to spare, the runs that they
/// queued behind.
pub(crate) fn own_kernel_share(case: &Case<'_>) -> f64 {
    let window = case.served_window_ns().saturating_mul(case.n_lanes().max(1) as u64);
    let has_room = ratio(step_time(case), window) < BUSY_MIN;
    let is_computing = |kind: PartKind| match kind {
        PartKind::Kernel(_) | PartKind::Interference => true,
        PartKind::QueueCapacity => has_room,
        _ => false,
    };
    let (mut kernels, mut spans) = (0, 0);
    for at in case.slow() {
        let request = &case.requests.requests[at];
        kernels += request.of_kinds(is_computing).as_ns();
        spans += request.duration().as_ns();
    }
    ratio(kernels, spans)
}

fn found(case: &Case<'_>, removal: Removal, summary: String, grade: Grade) -> Detection {
    let kernels = of_steps(case, |facts| facts.kernel_ns);
    Detection::Found(Box::new(Finding {
        id: "D17",
        summary,
        evidence: evidence_of_steps(case, &kernels, TableKind::Kernel, |f| f.longest_kernel),
        requests: requests_in(case, &kernels),
        removal,
        grade,
        counter_evidence: vec![
            if case.settings.number("model.parameters").is_some() {
                "Other kernels, or a narrower type, may run the same model faster."
            } else {
                "Without the model's card the least possible time of its multiplies is not known."
            }
            .to_owned(),
        ],
        remedy: match grade {
            // What is as large as it was declared to be needs no remedy.
            Grade::Estimated => String::new(),
            _ => "Nothing in serving is at fault: a smaller or narrower model, or a faster GPU, \
                  would be the only ways back."
                .to_owned(),
        },
        setting: None,
        confirm: "The multiplies' rate against the GPU's peak, from the model's card.".to_owned(),
    }))
}
