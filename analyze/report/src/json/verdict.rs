//! The keys of `underspan analyze --format json` that answer "model, runtime, hardware or
//! outside?".
//!
//! Times are milliseconds as real numbers; percentiles are by nearest rank, of the outermost spans
//! and, under `serving_`, of the spans of the serving engine. They are null without requests.

use serde_json::{Map, Value, json};
use underspan_detectors::{Cause, Cohort, Detection, Latency, Percentile, Verdict, detector};
use underspan_engine::Evidence;

/// The keys, in order.
pub(super) fn verdict_members(verdict: &Verdict) -> Map<String, Value> {
    let counterfactual = verdict.counterfactual_p95;
    let mut members = Map::new();
    let mut add = |key: &str, value: Value| {
        members.insert(key.to_owned(), value);
    };
    add("verdict", json!(verdict.kind.as_str()));
    add("top_cause", json!(verdict.top_cause));
    add("causes", verdict.causes.iter().map(cause).collect());
    for (prefix, latency) in [("", &verdict.latency), ("serving_", &verdict.serving)] {
        add(&format!("{prefix}p50_ms"), value_ms(latency.p50));
        add(&format!("{prefix}p95_ms"), value_ms(latency.p95));
        add(&format!("{prefix}p99_ms"), value_ms(latency.p99));
    }
    add("counterfactual_p95_ms", json!(counterfactual.map(|(p95, _)| ms(p95 as f64))));
    add(
        "counterfactual_p95_interval_ms",
        json!(counterfactual.and_then(|(_, interval)| {
            interval.map(|(low, high)| [ms(low as f64), ms(high as f64)])
        })),
    );
    add("reasons", json!(verdict.reasons));
    add("caveats", json!(verdict.caveats));
    add("requests", json!(verdict.latency.n));
    add("latency", latency(&verdict.latency));
    add("serving_latency", latency(&verdict.serving));
    add("baseline_latency", verdict.baseline.as_ref().map_or(Value::Null, latency));
    add("replay_misfit", json!(verdict.misfit.latency));
    add("replay_step_error", json!(verdict.misfit.steps));
    add("kernel_share_of_slow", json!(verdict.kernel_share));
    add("detectors", verdict.detections.iter().map(|(id, said)| detection(id, said)).collect());
    members
}

/// One row of `cohorts`.
pub(super) fn cohort(cohort: &Cohort) -> Value {
    json!({
        "by": cohort.by,
        "value": cohort.value,
        "requests": cohort.latency.n,
        "p50_ms": value_ms(cohort.latency.p50),
        "p95_ms": value_ms(cohort.latency.p95),
        "latency": latency(&cohort.latency),
        "slow_requests": cohort.n_slow,
        "differs": cohort.is_different,
    })
}

fn ms(ns: f64) -> f64 {
    ns / 1e6
}

fn value_ms(percentile: Option<Percentile>) -> Value {
    json!(percentile.map(|percentile| ms(percentile.value as f64)))
}

/// Each percentile with its 95 % confidence interval.
fn latency(latency: &Latency) -> Value {
    let all = [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)];
    let mut members = Map::new();
    members.insert("n".to_owned(), json!(latency.n));
    for (name, percentile) in all {
        let value = percentile.map(|p| {
            json!({
                "ms": ms(p.value as f64),
                "low_ms": ms(p.low as f64),
                "high_ms": ms(p.high as f64),
            })
        });
        members.insert(name.to_owned(), value.unwrap_or(Value::Null));
    }
    Value::Object(members)
}

fn cause(cause: &Cause) -> Value {
    let finding = &cause.finding;
    json!({
        "id": finding.id,
        "title": detector(finding.id).map(|detector| detector.title()),
        "layer": cause.layer.as_str(),
        "ms_p95": ms(cause.p95_ns),
        "ms_p95_interval": cause.interval_ns.map(|(low, high)| [ms(low as f64), ms(high as f64)]),
        "share": cause.share,
        "confidence": cause.confidence,
        "grade": finding.grade.as_str(),
        "summary": finding.summary,
        "evidence": evidence(&finding.evidence),
        "affected_requests": finding.requests.len(),
        "counter_evidence": finding.counter_evidence,
        "remedy": (!finding.remedy.is_empty()).then_some(&finding.remedy),
        "setting": finding.setting.as_ref().map(|setting| json!({
            "key": setting.key,
            "current": setting.current,
            "suggested": setting.suggested,
        })),
        "confirm": finding.confirm,
    })
}

fn evidence(evidence: &[Evidence]) -> Value {
    evidence.iter().map(|e| json!({"table": e.table.name(), "row": e.row})).collect()
}

fn detection(id: &str, said: &Detection) -> Value {
    let (state, text) = match said {
        Detection::MissingInput(what) => ("missing_input", (*what).to_owned()),
        Detection::Clear(numbers) => ("clear", numbers.clone()),
        Detection::Found(finding) => ("found", finding.summary.clone()),
    };
    let title = detector(id).map(|detector| detector.title());
    json!({"id": id, "title": title, "state": state, "text": text})
}
