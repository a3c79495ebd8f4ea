//! The `precision` object of `underspan analyze --format json`.
//!
//! `verdict` is `fallback`, `as_declared` or `cannot_tell`; shares are of the multiplies' time;
//! `wide_multiplies` lists kernels with the reason why they count as a fallback or do not.

use serde_json::{Value, json};
use underspan_engine::{PrecisionCensus, PrecisionVerdict};
use underspan_model::Timeline;

pub(super) fn precision_value(timeline: &Timeline, census: &PrecisionCensus) -> Value {
    let wide: Value = census
        .wide
        .iter()
        .map(|row| {
            json!({
                "name": timeline.strings.resolve_or_empty(row.name),
                "role": row.role.as_str(),
                "compute_dtype": row.dtype.as_str(),
                "tensor_core": row.tensor_core.as_str(),
                "count": row.count,
                "total_ns": row.total.as_ns(),
                "reason": row.reason.as_str(),
                "is_fallback": row.reason.is_fallback(),
            })
        })
        .collect();
    let kernels: Value = census
        .kernels
        .iter()
        .map(|row| {
            json!({
                "name": timeline.strings.resolve_or_empty(row.name),
                "operation": row.class.operation.value,
                "role": row.class.role.value.as_str(),
                "compute_dtype": row.class.compute_dtype.value.as_str(),
                "storage_dtype": row.class.storage_dtype.value.as_str(),
                "tensor_core": row.class.tensor_core.value.as_str(),
                "library": row.class.library.value,
                "confidence": row.class.confidence().as_str(),
                "why": row.class.why(),
                "count": row.count,
                "total_ns": row.total.as_ns(),
            })
        })
        .collect();
    let share = |part| {
        let share = census.share_of_matmul(part);
        (share * 1e9).round() / 1e9
    };
    json!({
        "verdict": census.verdict.as_str(),
        "is_fallback": census.verdict == PrecisionVerdict::Fallback,
        "declared_dtype": census.declared.as_ref().map(|declared| declared.dtype.as_str()),
        "declared_by": census.declared.as_ref().map(|declared| declared.origin.as_str()),
        "kernel_time_ns": census.total.as_ns(),
        "matmul_time_ns": census.matmul.as_ns(),
        "wider_than_declared_ns": census.wider_than_declared.as_ns(),
        "wider_than_declared_share": share(census.wider_than_declared),
        "tf32_ns": census.tf32.as_ns(),
        "tf32_share": share(census.tf32),
        "fp32_simt_ns": census.fp32_simt.as_ns(),
        "fp32_simt_share": share(census.fp32_simt),
        "unknown_dtype_ns": census.matmul_unknown.as_ns(),
        "unknown_dtype_share": share(census.matmul_unknown),
        "wide_multiplies": wide,
        "kernels": kernels,
    })
}
