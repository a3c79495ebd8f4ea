//! D3: other requests' prompts make the steps of those that decode longer.

use underspan_engine::Request;

use super::cache_hits::HitFall;
use crate::continuous::{computes_prompts_apart, waiting_members};
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{largest_steps, out_of_runs, p95_share, percent, requests_in};
use crate::replay::Removal;
use crate::statistics::percentile_of;
use crate::step_model::StepModel;
use crate::{Case, ServerKind};

/// A step interferes when it takes this many times as long as one that only decodes.
const STRETCH_MIN: f64 = 2.0;
/// Prompts in a step are usual up to this many times their 75th percentile over the steps.
const USUAL_TIMES: u64 = 4;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.10;

/// D3.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PrefillInterference;

impl Detector for PrefillInterference {
    fn id(&self) -> &'static str {
        "D3"
    }

    fn title(&self) -> &'static str {
        "prefill interference"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "In continuous batching a step computes the prompts of new requests together with the next \
         tokens of running ones. A long prompt, or a large chunk of one, makes that step many times \
         longer, and every running request gets its token late. Only steps that hold both and take \
         at least twice as long as a step of the same batch that only decodes count, and of those \
         only what goes beyond it. The requests that decode are the victims, those whose prompts \
         are computed the culprits."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.kind != ServerKind::Continuous {
            return Detection::MissingInput("a server with continuous batching");
        }
        let Some(model) = StepModel::fit(case) else {
            return Detection::MissingInput("steps that only decode, to compare with");
        };
        // Prompts of the usual length are what the server is for: only longer ones count.
        let natural = usual_tokens(case.baseline.as_deref().unwrap_or(case));
        // Where prompts have steps of their own, all others wait for the whole step.
        let is_apart = computes_prompts_apart(case);
        let waiting = waiting_members(case);
        // Steps are no fuller than usual for what a cache that held would have spared them.
        let fall = HitFall::of(case);
        let excess: Vec<u64> = (0..case.facts.len())
            .map(|step| {
                let tokens = case.prefill_tokens(step);
                let start_ns = case.schedule.runs[step].start_ns;
                let new = fall.as_ref().map_or(tokens, |fall| fall.left_of(tokens, start_ns));
                let beyond = new.saturating_sub(natural) as f64 / tokens.max(1) as f64;
                let excess = match is_apart {
                    true if waiting[step] > 0 => case.step_ns(step),
                    true => 0,
                    false => excess(case, &model, step),
                };
                (excess as f64 * beyond) as u64
            })
            .collect();
        let removal = Removal {
            prompt_tokens: tokens_beyond(case, natural, fall.as_ref()),
            ..out_of_runs(excess)
        };
        let share = p95_share(case, &removal);
        let n_steps = removal.run_ns.iter().filter(|ns| **ns > 0).count();
        if share < SHARE_MIN {
            return Detection::Clear(format!(
                "{n_steps} of {} steps were stretched by prompts; {} of p95",
                case.facts.len(),
                percent(share)
            ));
        }
        let stretched: Vec<usize> =
            (0..case.facts.len()).filter(|step| removal.run_ns[*step] > 0).collect();
        let tokens: Vec<u64> = stretched.iter().map(|step| case.prefill_tokens(*step)).collect();
        let largest = tokens.iter().copied().max().unwrap_or(0);
        let (key, budget) = match case.settings.token_budget() {
            Some((key, budget)) => (key, Some(budget)),
            None => (case.settings.spelled("max_num_batched_tokens"), None),
        };
        Detection::Found(Box::new(Finding {
            id: "D3",
            summary: format!(
                "{n_steps} of {} steps were stretched to twice a decode step and more by prompts of \
                 other requests, half of them by {} tokens and more, at most {largest}",
                case.facts.len(),
                percentile_of(&tokens, 50)
            ),
            evidence: largest_steps(&removal.run_ns),
            requests: requests_in(case, &removal.run_ns),
            removal,
            grade: Grade::Derived,
            counter_evidence: vec![
                "A request's own prompt is no interference: only steps with running requests count."
                    .to_owned(),
            ],
            remedy: "Compute prompts in smaller chunks, or keep long prompts on servers of their \
                     own."
                .to_owned(),
            setting: Some(Setting {
                key: key.to_owned(),
                current: budget.map(|budget| format!("{budget:.0}")),
                suggested: format!(
                    "{}",
                    (budget.unwrap_or(largest as f64) / 4.0).clamp(256.0, 2048.0) as u64
                ),
            }),
            confirm: "Compare the 99th percentile of inter-token latency at the smaller budget."
                .to_owned(),
        }))
    }
}

/// What each prompt of unusual length has more than a usual one, in tokens.
fn tokens_beyond(case: &Case<'_>, natural: u64, fall: Option<&HitFall>) -> Vec<u64> {
    let new = |(at, request): (usize, &Request)| {
        let cached = request.tokens.cached.unwrap_or(0);
        let tokens = request.tokens.prompt.unwrap_or(0).saturating_sub(cached);
        let first = case.schedule.runs.get(case.schedule.requests[at].first_run as usize);
        fall.zip(first).map_or(tokens, |(fall, run)| fall.left_of(tokens, run.start_ns))
    };
    let prompts: Vec<u64> = case.requests.requests.iter().enumerate().map(new).collect();
    let usual = percentile_of(&prompts, 50);
    prompts
        .into_iter()
        .map(|tokens| if tokens > natural { tokens.saturating_sub(usual) } else { 0 })
        .collect()
}

/// Most prompt tokens that steps usually hold.
fn usual_tokens(case: &Case<'_>) -> u64 {
    let tokens: Vec<u64> = (0..case.facts.len())
        .map(|step| case.prefill_tokens(step))
        .filter(|tokens| *tokens > 0)
        .collect();
    percentile_of(&tokens, 75).saturating_mul(USUAL_TIMES)
}

/// How much longer a step took than one that only decodes, when prompts stretched it.
fn excess(case: &Case<'_>, model: &StepModel, step: usize) -> u64 {
    let n = case.decode_requests(step);
    if n == 0 || case.prefill_tokens(step) == 0 {
        return 0;
    }
    let (length, alone) = (case.step_ns(step) as f64, model.decode(n));
    if length < STRETCH_MIN * alone { 0 } else { (length - alone) as u64 }
}
