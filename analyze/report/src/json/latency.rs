//! Latencies of tokens: `{n, p50_ns, p95_ns, p99_ns, max_ns}`, percentiles by nearest rank; `p99_ns`
//! is null of fewer than 100 values. Null where nothing tells.

use serde_json::{Value, json};
use underspan_engine::{LatencySummary, TokenLatencies};

/// One summary.
pub(super) fn summary_value(summary: &LatencySummary) -> Value {
    json!({
        "n": summary.n,
        "p50_ns": summary.p50.as_ns(),
        "p95_ns": summary.p95.as_ns(),
        "p99_ns": summary.p99.map(|p99| p99.as_ns()),
        "max_ns": summary.max.as_ns(),
    })
}

/// The key `tokens` of `underspan analyze --format json`: `{ttft, itl, tpot}` over all requests.
pub(super) fn tokens_value(latencies: &TokenLatencies) -> Value {
    let value = |summary: Option<&LatencySummary>| summary.map_or(Value::Null, summary_value);
    json!({
        "ttft": value(latencies.ttft.as_ref()),
        "itl": value(latencies.itl.as_ref()),
        "tpot": value(latencies.tpot.as_ref()),
    })
}
