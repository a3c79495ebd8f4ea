//! D10: prompts are computed again that were computed before.

use underspan_engine::Request;

use crate::continuous::{computed_tokens, prompt_scale};
use crate::detector::{Detection, Detector, Finding, Grade, Layer, Setting};
use crate::measure::{largest_steps, p95_share, percent, ratio, requests_in};
use crate::pace::rank_test;
use crate::replay::Removal;
use crate::step_model::StepModel;
use crate::telemetry::{KV_USE, Series};
use crate::{Case, ServerKind};

/// Least share of computed prompt tokens that are computed again.
const TOKENS_MIN: f64 = 0.20;
/// Least preemptions per request that reach its slowest twentieth.
const PREEMPTIONS_MIN: f64 = 0.05;
/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.05;
/// Least fall of the cache's hit ratio.
const FALL_MIN: f64 = 0.15;
/// Standard deviations of a rank test from which on a fall that requests tell is no chance: the
/// place of the fall is picked from many.
const CERTAIN_Z: f64 = 4.0;
/// Fewest requests whose hits are taken together, and most such groups of a run.
const GROUP: usize = 6;
const GROUPS_MAX: usize = 60;

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

/// A fall of the prefix cache's hit ratio.
pub(super) struct HitFall {
    before: f64,
    after: f64,
    since_ns: i64,
    until_ns: i64,
    /// Share of the computed tokens that the better ratio would have saved.
    share: f64,
}

impl HitFall {
    /// `None` when it held, or nothing tells.
    pub(super) fn of(case: &Case<'_>) -> Option<Self> {
        Self::of_counters(case).or_else(|| Self::of_requests(case))
    }

    /// By what requests say of their own prompts, where the fall is no chance.
    fn of_requests(case: &Case<'_>) -> Option<Self> {
        let requests = RequestHits::of(case)?;
        let ratios = requests.grouped();
        let own = best_cut(&ratios).map(|cut| {
            let since_ns = ratios.time_ns[cut - 1];
            let at = requests.hits.partition_point(|hit| hit.at_ns <= since_ns);
            // The earlier half of the time before may be a warm-up.
            (at, requests.hits[at / 2..at].to_vec())
        });
        let (from, then) = match case.baseline.as_deref().and_then(RequestHits::of) {
            _ if own.is_some() => own?,
            Some(then) => (0, then.hits),
            None => return None,
        };
        let now = &requests.hits[from..];
        let shares = |hits: &[Hit]| hits.iter().map(Hit::share).collect::<Vec<f64>>();
        let (before, after) = (share_of(&then), share_of(now));
        if rank_test(&shares(now), &shares(&then)) < CERTAIN_Z || before - after < FALL_MIN {
            return None;
        }
        Some(Self {
            before,
            after,
            since_ns: now.first()?.at_ns,
            until_ns: now.last()?.at_ns,
            share: ((before - after) / (1.0 - after).max(1e-9)).clamp(0.0, 1.0),
        })
    }

    fn of_counters(case: &Case<'_>) -> Option<Self> {
        let ratios = hit_ratios(case)?;
        let usual = case
            .baseline
            .as_deref()
            .and_then(hit_ratios)
            .and_then(|then| crate::statistics::median(then.value));
        // Without a baseline: the better half of this run, when it lies in one piece before.
        let (before, worst) = match usual {
            Some(usual) => (usual, 0),
            None => {
                let cut = best_cut(&ratios)?;
                let before = crate::statistics::median(ratios.value[..cut].iter().copied())?;
                (before, cut)
            }
        };
        let low: Vec<usize> = (worst..ratios.value.len())
            .filter(|at| ratios.value[*at] < before - FALL_MIN)
            .collect();
        if low.len() < 2 && low.len() * 2 < ratios.value.len() - worst {
            return None;
        }
        let after = crate::statistics::median(low.iter().map(|at| ratios.value[*at]))?;
        let (first, last) = (*low.first()?, *low.last()?);
        let period = ratios.period_ns().unwrap_or(0);
        Some(Self {
            before,
            after,
            since_ns: ratios.time_ns[first].saturating_sub(period),
            until_ns: ratios.time_ns[last],
            share: ((before - after) / (1.0 - after).max(1e-9)).clamp(0.0, 1.0),
        })
    }

    /// Of prompt tokens computed at a time, those that the better ratio would have left.
    pub(super) fn left_of(&self, tokens: u64, at_ns: i64) -> u64 {
        if self.applies(at_ns) { (tokens as f64 * (1.0 - self.share)) as u64 } else { tokens }
    }

    fn applies(&self, at_ns: i64) -> bool {
        (self.since_ns..=self.until_ns).contains(&at_ns)
    }
}

/// What a request found in the prefix cache.
#[derive(Debug, Clone, Copy)]
struct Hit {
    /// When its prompt was begun.
    at_ns: i64,
    prompt: u64,
    cached: u64,
}

impl Hit {
    fn share(&self) -> f64 {
        ratio(self.cached.min(self.prompt), self.prompt)
    }
}

/// What requests found in the prefix cache, in the order in which their prompts were begun.
struct RequestHits {
    hits: Vec<Hit>,
}

impl RequestHits {
    /// `None` where too few requests say it.
    fn of(case: &Case<'_>) -> Option<Self> {
        let hit = |(at, request): (usize, &Request)| {
            let first = case.schedule.requests[at].first_run as usize;
            let at_ns = case.schedule.runs.get(first)?.start_ns;
            let prompt = request.tokens.prompt.filter(|tokens| *tokens > 0)?;
            Some(Hit { at_ns, prompt, cached: request.tokens.cached? })
        };
        let mut hits: Vec<Hit> =
            case.requests.requests.iter().enumerate().filter_map(hit).collect();
        hits.sort_by_key(|hit| hit.at_ns);
        let is_told = hits.len() * 2 > case.latencies.len() && hits.len() >= 3 * GROUP;
        is_told.then_some(Self { hits })
    }

    /// The hit ratio of each group of requests that follow each other, at its last one.
    fn grouped(&self) -> Series {
        let size = GROUP.max(self.hits.len() / GROUPS_MAX);
        let mut ratios = Series::default();
        for group in self.hits.chunks(size) {
            let Some(last) = group.last().filter(|_| group.len() == size) else { continue };
            ratios.time_ns.push(last.at_ns);
            ratios.value.push(share_of(group));
        }
        ratios
    }
}

/// Share of the prompt tokens of requests that were in the cache.
fn share_of(hits: &[Hit]) -> f64 {
    let cached = hits.iter().map(|hit| hit.cached.min(hit.prompt)).sum();
    ratio(cached, hits.iter().map(|hit| hit.prompt).sum())
}

/// The hit ratio of each sampling period, at its end.
fn hit_ratios(case: &Case<'_>) -> Option<Series> {
    let names = ["prefix_cache_queries_total", "prefix_cache_queries"];
    let Some(queries) = case.telemetry.gauge(&names) else {
        // SGLang tells the ratio itself.
        return case.telemetry.gauge(&["cache_hit_rate"]).filter(|of| of.value.len() >= 3);
    };
    let hits = case.telemetry.gauge(&["prefix_cache_hits_total", "prefix_cache_hits"])?;
    let mut ratios = Series::default();
    for at in 1..queries.value.len().min(hits.value.len()) {
        let asked = queries.value[at] - queries.value[at - 1];
        let hit = hits.value[at] - hits.value[at - 1];
        if asked > 0.0 && hit >= 0.0 {
            ratios.time_ns.push(queries.time_ns[at]);
            ratios.value.push((hit / asked).min(1.0));
        }
    }
    (ratios.value.len() >= 3).then_some(ratios)
}

/// Where the ratio falls most: the position that parts it best into a better time before and a
/// worse one after. A cache that fills up first has its worst ratios at the beginning, so they are
/// not looked at as a fall.
fn best_cut(ratios: &Series) -> Option<usize> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let n = ratios.value.len();
    let cuts = 1..n.saturating_sub(1);
    let fall = |cut: usize| {
        // Of the time before only its later half: the earlier may be a warm-up.
        mean(&ratios.value[cut / 2..cut]) - mean(&ratios.value[cut..])
    };
    let best = cuts.max_by(|a, b| fall(*a).total_cmp(&fall(*b)))?;
    (fall(best) > FALL_MIN).then_some(best)
}
