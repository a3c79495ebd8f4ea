//! How soon tokens came.

use underspan_engine::{LatencySummary, TokenLatencies};

use crate::document::{Document, ReportTable};

/// Adds the percentiles of time to first token, inter-token latency and time per output token.
/// Nothing for requests that are answered at once.
pub(crate) fn tokens(document: &mut Document, latencies: &TokenLatencies) {
    let all = [
        ("time to first token", "requests", latencies.ttft),
        ("inter-token latency", "tokens", latencies.itl),
        ("mean time per token", "requests", latencies.tpot),
    ];
    if latencies.itl.is_none() && latencies.tpot.is_none() {
        return;
    }
    document.heading("TOKENS");
    let mut table = ReportTable::new(&["latency<", "p50", "p95", "p99", "longest", "of", "what<"]);
    for (name, what, summary) in all {
        if let Some(summary) = summary {
            table.row(row(name, what, &summary));
        }
    }
    document.table(table);
}

fn row(name: &str, what: &str, summary: &LatencySummary) -> [String; 7] {
    let p99 = summary.p99.map_or("n below 100".to_owned(), |p99| p99.to_string());
    [
        name.to_owned(),
        summary.p50.to_string(),
        summary.p95.to_string(),
        p99,
        summary.max.to_string(),
        summary.n.to_string(),
        what.to_owned(),
    ]
}
