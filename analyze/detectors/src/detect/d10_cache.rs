//! D10: prompts are computed again that were computed before.

use super::cache_hits::HitFall;
use crate::continuous::{computed_tokens, prompt_scale};
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{largest_steps, p95_share, percent, ratio, requests_in};
use crate::replay::Removal;
use crate::step_model::StepModel;
use crate::telemetry::KV_USE;
use crate::{Case, ServerKind};

/// Least share of computed prompt tokens that are computed again.
const TOKENS_MIN: f64 = 0.20;
/// Least preemptions per request that reach its slowest twentieth.
const PREEMPTIONS_MIN: f64 = 0.05;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;

/// D10.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CacheEviction;

impl Detector for CacheEviction {
    fn id(&self) -> &'static str {
        "D10"
    }

    fn title(&self) -> &'static str {
        "cache eviction, preemption, recomputation"
    }

    fn layer(&self) -> Layer {
        Layer::Runtime
    }

    fn explanation(&self) -> &'static str {
        "Prompt tokens are computed that the server had in its KV cache before: it evicted them, was \
         flushed or restarted, or put running requests out of the batch for lack of room and later \
         computes them from the start. Seen by preemption counters and members that come back, and \
         by a prefix-cache hit ratio that falls below what the same run or the baseline had. New \
         prompts that were never cached are legitimate work, so a low ratio alone is no finding."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        if case.kind != ServerKind::Continuous {
            return Detection::MissingInput("a server with a KV cache");
        }
        let Some(model) = StepModel::fit(case) else {
            return Detection::MissingInput("steps that only decode, to compare with");
        };
        let preemptions = preemptions(case);
        let fall = HitFall::of(case);
        if preemptions == 0.0 && fall.is_none() {
            return Detection::Clear(
                "no preemption, and the hit ratio of the cache held".to_owned(),
            );
        }
        let again = fall.as_ref().map_or_else(|| recomputed(case), |fall| fall.share);
        let preempted: Vec<u64> = case
            .requests
            .requests
            .iter()
            .map(|request| request.of_kind(underspan_engine::PartKind::Preempted).as_ns())
            .collect();
        let run_ns: Vec<u64> = (0..case.facts.len())
            .map(|step| {
                let at = case.schedule.runs[step].start_ns;
                let applies = fall.as_ref().is_none_or(|fall| fall.applies(at));
                let tokens = case.prefill_tokens(step) as f64 * again;
                let ns = tokens * model.prompt_token_ns;
                if applies { (ns as u64).min(case.step_ns(step)) } else { 0 }
            })
            .collect();
        let evidence = largest_steps(&run_ns);
        let requests = requests_in(case, &run_ns);
        let scale = prompt_scale(case);
        let tokens = |at: usize| {
            let request = &case.requests.requests[at];
            let first = case.schedule.runs.get(case.schedule.requests[at].first_run as usize);
            let applies = first
                .is_some_and(|run| fall.as_ref().is_none_or(|fall| fall.applies(run.start_ns)));
            if applies { (computed_tokens(request, scale) * again) as u64 } else { 0 }
        };
        let prompt_tokens = (0..case.latencies.len()).map(tokens).collect();
        let removal = Removal {
            run_ns,
            wait_ns: preempted,
            prompt_tokens,
            is_unpreempted: preemptions > 0.0,
            ..Removal::default()
        };
        let share = p95_share(case, &removal);
        // Engines leave the wait of a request that was put out inside their times for prompt and
        // answer: where the counter says that many were, running again tells what it cost.
        let is_known = removal.wait_ns.iter().any(|ns| *ns > 0)
            || preemptions >= PREEMPTIONS_MIN * case.latencies.len() as f64;
        if share < SHARE_MIN || again < TOKENS_MIN && !is_known {
            return Detection::Clear(format!(
                "{preemptions:.0} preemptions; {} of the prompt tokens were computed again",
                percent(again)
            ));
        }
        let memory = case.settings.spelled("gpu_memory_utilization");
        let kv = case.telemetry.gauge(KV_USE);
        let is_full = kv.is_some_and(|kv| kv.value.iter().any(|used| *used > 0.9));
        Detection::Found(Box::new(Finding {
            id: "D10",
            summary: match &fall {
                Some(fall) => format!(
                    "the prefix cache's hit ratio fell from {} to {}: {} of the prompt tokens since \
                     then were computed again{}",
                    percent(fall.before),
                    percent(fall.after),
                    percent(again),
                    if preemptions > 0.0 {
                        format!("; {preemptions:.0} preemptions")
                    } else {
                        String::new()
                    }
                ),
                None => format!(
                    "{preemptions:.0} preemptions: requests were put out of the batch for lack of \
                     room; {} of the prompt tokens were computed again",
                    percent(again)
                ),
            },
            removal,
            grade: Grade::Derived,
            evidence,
            requests,
            counter_evidence: vec![
                "Prompts that were never seen before must be computed: their share is taken from \
                 the time before."
                    .to_owned(),
            ],
            remedy: if is_full || preemptions > 0.0 {
                "Give the KV cache more room, admit fewer requests at once, or shorten contexts."
                    .to_owned()
            } else {
                "Find what flushed the cache (a restart, a reset, another prompt template), and \
                 route requests with a common prefix to one replica."
                    .to_owned()
            },
            setting: (preemptions > 0.0).then(|| Setting {
                key: memory.to_owned(),
                current: case.settings.text(&format!("engine.{memory}")).map(str::to_owned),
                suggested: format!("0.95, or a smaller {}", case.settings.spelled("max_num_seqs")),
            }),
            confirm: "Watch prefix_cache_hits against prefix_cache_queries, and num_preemptions."
                .to_owned(),
        }))
    }
}

/// Preemptions, by the counter or by the requests themselves.
fn preemptions(case: &Case<'_>) -> f64 {
    let names = ["num_preemptions_total", "num_preemptions", "num_retracted_reqs"];
    let counted = case.telemetry.gauge(&names);
    let of_requests: u32 = case.requests.requests.iter().map(|r| r.n_preemptions).sum();
    counted.map_or(0.0, |counted| counted.rise()).max(f64::from(of_requests))
}

/// Share of computed prompt tokens beyond those that the prompts have.
fn recomputed(case: &Case<'_>) -> f64 {
    let computed: u64 = (0..case.facts.len()).map(|step| case.prefill_tokens(step)).sum();
    let needed: u64 = case
        .requests
        .requests
        .iter()
        .filter(|request| !request.steps.is_empty())
        .map(|r| r.tokens.prompt.unwrap_or(0).saturating_sub(r.tokens.cached.unwrap_or(0)))
        .sum();
    ratio(computed.saturating_sub(needed), computed)
}
