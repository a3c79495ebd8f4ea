//! `cost` and `slo` of `underspan analyze --format json`.

use serde_json::{Value, json};
use underspan_detectors::{Attainment, Cost, ItlBasis, Measure};

/// `cost`: amounts in the currency of the price; shares sum to `total`.
pub(super) fn cost_value(cost: &Cost) -> Value {
    json!({
        "price_per_hour": cost.price_per_hour,
        "gpus": cost.n_gpus,
        "held_ns": cost.held_ns,
        "total": cost.total,
        "requests": cost.requests,
        "unattributed": cost.unattributed,
        "idle": cost.idle,
        "per_request_p50": cost.per_request.map(|(p50, _)| p50.value as f64 / 1e9),
        "per_request_p95": cost.per_request.map(|(_, p95)| p95.value as f64 / 1e9),
        "per_served_request": cost.per_served,
        "per_1k_tokens": cost.per_1k_tokens,
    })
}

/// `slo`.
pub(super) fn slo_value(attainment: &Attainment) -> Value {
    let limits: Vec<Value> = attainment
        .objective
        .limits
        .iter()
        .zip(&attainment.by_measure)
        .map(|((measure, limit), (_, share))| {
            let mut value = json!({"measure": measure.as_str(), "limit_ns": limit, "kept": share});
            if let (Measure::Itl, Some(itl)) = (measure, &attainment.itl) {
                value["judged_by"] = basis_value(itl);
            }
            value
        })
        .collect();
    json!({
        "target": attainment.objective.target,
        "limits": limits,
        "n": attainment.n,
        "missed": attainment.n_missed,
        "attainment": attainment.share,
        "goodput_per_s": attainment.goodput_per_s,
        "apdex": attainment.apdex,
        "burn_rate": attainment.burn_rate,
        "budget_lasts_hours": attainment.budget_lasts_hours,
    })
}

/// `judged_by` of a limit on inter-token latency.
fn basis_value(itl: &ItlBasis) -> Value {
    json!({
        "itl": itl.n_by_gaps,
        "tpot": itl.n_by_mean,
        "gaps": itl.n_gaps,
        "gaps_kept": itl.n_gaps_kept,
    })
}
