//! What requests cost and whether they met their objectives.

use underspan_detectors::{Attainment, Cost, ItlBasis, Measure};
use underspan_model::DurationNs;

use super::percent;
use crate::document::Document;

/// Adds the cost.
pub(crate) fn cost(document: &mut Document, cost: &Cost) {
    document.heading("COST");
    let share = |part: f64| percent(part / cost.total.max(f64::MIN_POSITIVE));
    let mut items = vec![format!(
        "{} GPU(s) held for {} in all, at {:.2} an hour: {:.6}. Requests {}, work of no known \
         request {}, idle {}.",
        cost.n_gpus,
        DurationNs::from_ns(cost.held_ns),
        cost.price_per_hour,
        cost.total,
        share(cost.requests),
        share(cost.unattributed),
        share(cost.idle),
    )];
    if let Some((p50, p95)) = cost.per_request {
        items.push(format!(
            "A request's own share: p50 {:.9}, p95 {:.9}.",
            p50.value as f64 / 1e9,
            p95.value as f64 / 1e9
        ));
    }
    if let Some(per_served) = cost.per_served {
        let tokens = cost
            .per_1k_tokens
            .map_or(String::new(), |cost| format!(", {cost:.6} per 1,000 tokens"));
        items.push(format!("All that was paid: {per_served:.9} per served request{tokens}."));
    }
    document.list(items);
}

/// Adds how requests stand against their objectives.
pub(crate) fn slo(document: &mut Document, attainment: &Attainment) {
    document.heading("OBJECTIVES");
    let limits: Vec<String> = attainment
        .objective
        .limits
        .iter()
        .zip(&attainment.by_measure)
        .map(|((measure, limit), (_, kept))| {
            let limit = DurationNs::from_ns(*limit);
            match kept {
                Some(kept) => {
                    let kept = percent(*kept);
                    let basis = attainment.itl.as_ref().filter(|_| *measure == Measure::Itl);
                    let basis = basis.map_or(String::new(), |itl| format!(" {}", judged_by(itl)));
                    format!("{} within {limit}: {kept} of the requests.{basis}", measure.as_str())
                }
                None => {
                    format!(
                        "{} within {limit}: no request says how long it took.",
                        measure.as_str()
                    )
                }
            }
        })
        .collect();
    document.list(limits);
    let Some((share, burn_rate)) = attainment.share.zip(attainment.burn_rate) else { return };
    let target = attainment.objective.target;
    let apdex = attainment.apdex.map_or(String::new(), |apdex| format!(" Apdex {apdex:.2}."));
    let burn = match attainment.budget_lasts_hours {
        Some(hours) if burn_rate > 1.0 => format!(
            " The error budget burns {burn_rate:.1} times as fast as allowed: that of 30 days is gone in {hours:.0} h."
        ),
        _ => " The error budget holds.".to_owned(),
    };
    document.paragraph(format!(
        "All limits: {} of {} requests ({} wanted), {:.2} requests a second.{apdex}{burn}",
        percent(share),
        attainment.n,
        percent(target),
        attainment.goodput_per_s
    ));
}

/// What a limit on inter-token latency was judged by.
fn judged_by(itl: &ItlBasis) -> String {
    let means = match itl.n_by_mean {
        0 => String::new(),
        n => format!(
            "Of {n} requests only the mean time per output token (tpot) was judged: it is not known \
             when each of their tokens came, and one that came late may not show."
        ),
    };
    let n_gaps = itl.n_gaps;
    let kept = percent(itl.n_gaps_kept as f64 / n_gaps.max(1) as f64);
    match (itl.n_by_gaps, itl.n_by_mean) {
        (0, _) => means,
        (_, 0) => format!(
            "Judged by each of the {n_gaps} times between their tokens, of which {kept} kept it."
        ),
        (n, _) => format!(
            "{n} were judged by each of the {n_gaps} times between their tokens, of which {kept} kept \
             it. {means}"
        ),
    }
}
