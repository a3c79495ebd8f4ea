//! The server's metrics as OpenMetrics text with timestamps.

use std::fmt::Write;

use crate::served::Run;

/// Every sample of every metric.
pub(crate) fn text(run: &Run, base_ns: u64) -> String {
    let mut out = String::new();
    for (at, metric) in run.metrics.iter().enumerate() {
        let is_vllm = metric.name.starts_with("vllm:");
        let kind = if metric.is_counter { "counter" } else { "gauge" };
        if is_vllm {
            let words = metric.name.trim_start_matches("vllm:").replace('_', " ");
            let _ = writeln!(out, "# HELP {} {words}", metric.name);
        }
        let _ = writeln!(out, "# TYPE {} {kind}", metric.name);
        let name = if is_vllm && metric.is_counter {
            format!("{}_total", metric.name)
        } else {
            metric.name.to_owned()
        };
        let labels = if metric.name == "vllm:request_success" {
            run.labels.replacen(',', ",finished_reason=\"length\",", 1)
        } else {
            run.labels.clone()
        };
        for sample in &run.samples {
            let Some(value) = sample.values.get(at) else { continue };
            let ms = (base_ns + sample.at_ns) / 1_000_000;
            let _ = writeln!(out, "{name}{{{labels}}} {value} {}.{:03}", ms / 1_000, ms % 1_000);
        }
    }
    if !out.is_empty() {
        out.push_str("# EOF\n");
    }
    out
}
