//! How much of the prompts was found in the prefix cache, and since when it is less.

use underspan_engine::Request;

use crate::Case;
use crate::measure::ratio;
use crate::pace::rank_test;
use crate::telemetry::Series;

/// Least fall of the cache's hit ratio.
const FALL_MIN: f64 = 0.15;
/// Standard deviations of a rank test from which on a fall that requests tell is no chance: the
/// place of the fall is picked from many.
const CERTAIN_Z: f64 = 4.0;
/// Fewest requests whose hits are taken together, and most such groups of a run.
const GROUP: usize = 6;
const GROUPS_MAX: usize = 60;

/// A fall of the prefix cache's hit ratio.
pub(super) struct HitFall {
    /// The ratio before it.
    pub(super) before: f64,
    /// The ratio since.
    pub(super) after: f64,
    since_ns: i64,
    until_ns: i64,
    /// Share of the computed tokens that the better ratio would have saved.
    pub(super) share: f64,
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

    /// Whether the ratio was low at a time.
    pub(super) fn applies(&self, at_ns: i64) -> bool {
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
