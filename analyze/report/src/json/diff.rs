//! The object of `underspan diff --format json`.
//!
//! Pairs are `[before, after]`, times nanoseconds; `cost_ns` is the change of time per unit of work
//! (step, or capture where a side has no steps).

use serde_json::{Value, json};
use underspan_engine::{CaptureDiff, GroupChange, KernelGroup};

use super::to_text;

/// Version of the contract; rises when keys are added.
const SCHEMA_VERSION: u32 = 1;

/// `diff` as one JSON object; `failures` are the thresholds of a gate that were passed.
pub fn diff_json(diff: &CaptureDiff, names: [&str; 2], failures: &[String]) -> String {
    let precision = diff.precision_changes().map(|change| {
        let mut object = matched(change);
        object["fell_back"] = json!(change.fell_back());
        object["share_of_multiplies"] =
            json!(change.after.total.as_ns() as f64 / diff.matmul_time[1].as_ns().max(1) as f64);
        object
    });
    let roles = diff.roles.iter().map(|row| {
        json!({
            "role": row.role.as_str(),
            "total_ns": row.total.map(|total| total.as_ns()),
            "count": row.count,
        })
    });
    let latencies = diff.latencies.iter().map(|row| {
        let quantiles = row.quantiles.iter().map(|quantile| {
            json!({
                "percent": quantile.percent,
                "value_ns": quantile.sides.map(|side| side.value.as_ns()),
                "interval_ns": quantile.sides.map(|side| side.interval.map(|end| end.as_ns())),
                "ratio": quantile.ratio(),
                "is_significant": !row.is_sparse && quantile.is_significant(),
            })
        });
        json!({
            "kind": row.kind,
            "count": row.count,
            "is_sparse": row.is_sparse,
            "quantiles": quantiles.collect::<Value>(),
        })
    });
    to_text(&json!({
        "schema_version": SCHEMA_VERSION,
        "captures": names,
        "units": diff.units,
        "kernel_time_ns": diff.kernel_time.map(|time| time.as_ns()),
        "kernel_time_ratio": diff.kernel_time_ratio(),
        "matmul_time_ns": diff.matmul_time.map(|time| time.as_ns()),
        "fallback_share": diff.fallback_share(),
        "requests_per_step": diff.batch,
        "latencies": latencies.collect::<Value>(),
        "precision_changes": precision.collect::<Value>(),
        "roles": roles.collect::<Value>(),
        "matched": diff.matched.iter().map(matched).collect::<Value>(),
        "appeared": diff.appeared.iter().map(group).collect::<Value>(),
        "vanished": diff.vanished.iter().map(group).collect::<Value>(),
        "gate_failures": failures,
    }))
}

fn matched(change: &GroupChange) -> Value {
    json!({
        "cost_ns": change.cost_ns,
        "precision_changed": change.precision_changed(),
        "launch_changed": change.launch_changed(),
        "before": group(&change.before),
        "after": group(&change.after),
    })
}

fn group(group: &KernelGroup) -> Value {
    json!({
        "name": group.name,
        "role": group.class.role.value.as_str(),
        "operation": group.class.operation.value,
        "compute_dtype": group.dtype().as_str(),
        "tensor_core": group.tensor_core().as_str(),
        "library": group.class.library.value,
        "count": group.count,
        "merged_names": group.n_merged,
        "total_ns": group.total.as_ns(),
        "grid": group.grid,
        "block": group.block,
    })
}
