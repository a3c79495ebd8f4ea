//! The object of `underspan info --format json`.
//!
//! Times are nanoseconds, sizes bytes. The same object comes out for a trace and for the `.uspan`
//! file made from it.

use serde_json::{Value, json};
use underspan_engine::{
    CaptureSummary, CorrelationSummary, DeviceSummary, NamedTotal, SignedStats,
};
use underspan_model::Timeline;

use super::{object, problems, to_text};

/// Version of the contract; rises when keys are added.
const SCHEMA_VERSION: u32 = 1;

/// `summary` as one JSON object.
pub fn info_json(timeline: &Timeline, summary: &CaptureSummary) -> String {
    to_text(&info_value(timeline, summary))
}

pub(super) fn info_value(timeline: &Timeline, summary: &CaptureSummary) -> Value {
    let names = |rows: &[NamedTotal]| rows.iter().map(named_total).collect::<Value>();
    json!({
        "schema_version": SCHEMA_VERSION,
        "format": summary.format,
        "clock": timeline.info.clock.as_str(),
        "event_count": summary.event_count,
        "kernel_count": summary.kernel_count,
        "kernel_time_ns": summary.kernel_time.as_ns(),
        "distinct_kernel_names": summary.distinct_kernel_names,
        "devices": object(summary.devices.iter().map(|d| (d.id.clone(), device(d)))),
        "memcpy": object(summary.memcpy.iter().map(|(kind, copies)| {
            (kind.as_str(), json!({
                "count": copies.count,
                "bytes": copies.bytes.as_u64(),
                "bytes_missing": copies.bytes_missing,
                "time_ns": copies.time.as_ns(),
            }))
        })),
        "api_call_count": summary.api_call_count,
        "sync": { "count": summary.sync_count, "total_ns": summary.sync_time.as_ns() },
        "correlation": correlation(&summary.correlation),
        "graphs": {
            "graph_launch_calls": summary.graphs.graph_launch_calls,
            "kernels_under_graph_launch": summary.graphs.kernels_under_graph_launch,
            "kernels_with_graph_node_id": summary.graphs.kernels_with_graph_node_id,
            "kernels_with_captured_node": summary.graphs.kernels_with_captured_node,
            "captured_nodes": summary.graphs.captured_nodes,
            "captured_nodes_with_call": summary.graphs.captured_nodes_with_call,
            "stream_capture_calls": summary.graphs.stream_capture_calls,
            "graph_trace_rows": summary.graphs.graph_trace_rows,
        },
        "annotations": object(summary.annotations.iter().map(|(k, rows)| (k.as_str(), names(rows)))),
        "distinct_annotations": object(
            summary.distinct_annotations.iter().map(|(k, n)| (k.as_str(), json!(n))),
        ),
        "top5_kernels": names(&summary.top_kernels),
        "data_problems": problems(&summary.problems),
        "trust": summary.trust.as_str(),
    })
}

fn named_total(row: &NamedTotal) -> Value {
    json!({ "name": row.name, "count": row.count, "total_ns": row.total.as_ns() })
}

fn device(device: &DeviceSummary) -> Value {
    json!({
        "name": device.name,
        "kernel_count": device.kernel_count,
        "kernel_time_ns": device.kernel_time.as_ns(),
        "kernel_busy_union_ns": device.kernel_busy_union.as_ns(),
        "gpu_busy_union_ns": device.gpu_busy_union.as_ns(),
        "window_ns": device.window.as_ns(),
        "idle_fraction": device.idle_fraction,
        "memcpy_count": device.memcpy_count,
        "memset_count": device.memset_count,
        "streams": device.streams,
        "same_stream_overlaps": device.same_stream_overlaps,
        "longest_same_stream_overlap_ns": device.longest_same_stream_overlap.as_ns(),
    })
}

fn correlation(correlation: &CorrelationSummary) -> Value {
    let unlaunched = correlation.unlaunched_kernels;
    json!({
        "gpu_ops": correlation.gpu_ops,
        "correlated_gpu_ops": correlation.correlated_gpu_ops,
        "correlated_kernels": correlation.correlated_kernels,
        "distinct_launches": correlation.distinct_launches,
        "max_kernels_per_launch": correlation.max_kernels_per_launch,
        "kernels_starting_before_launch": correlation.kernels_starting_before_launch,
        "kernels_with_correlation": correlation.kernels_with_correlation,
        "kernels_with_external_id": correlation.kernels_with_external_id,
        "kernels_external_id_equals_correlation":
            correlation.kernels_external_id_equals_correlation,
        "kernels_external_id_matches_cpu_op": correlation.kernels_external_id_matches_cpu_op,
        "launch_to_start_ns": correlation.launch_to_start.as_ref().map(signed_stats),
        "kernels_without_launch": {
            "before_capture": unlaunched.before_capture,
            "no_calls_of_process": unlaunched.no_calls_of_process,
            "no_correlation_id": unlaunched.no_correlation_id,
            "call_missing": unlaunched.call_missing,
        },
    })
}

fn signed_stats(stats: &SignedStats) -> Value {
    json!({
        "n": stats.n,
        "min": stats.min_ns,
        "p50": stats.p50_ns,
        "p95": stats.p95_ns,
        "p99": stats.p99_ns,
        "max": stats.max_ns,
        "sum": stats.sum_ns,
    })
}
