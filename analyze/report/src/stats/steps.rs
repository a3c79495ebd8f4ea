//! Engine steps by kind: how many requests and tokens, how long on host and device.

use std::collections::BTreeMap;

use underspan_engine::{Analysis, Step, nearest_rank};
use underspan_model::{DurationNs, Timeline};

use super::table::{Cell, StatsTable};

pub(super) fn table(_timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut groups: BTreeMap<(&str, &str), Vec<&Step>> = BTreeMap::new();
    for step in analysis.steps.serving.iter().chain(&analysis.steps.profiler) {
        let key = (step.label.dialect.as_str(), step.label.kind.as_str());
        groups.entry(key).or_default().push(step);
    }
    let mut table = StatsTable::new(&[
        ("dialect", "label"),
        ("kind", "kind"),
        ("count", "steps"),
        ("requests_p50", "reqs"),
        ("requests_max", "max"),
        ("context_tokens_p50", "ctx tok"),
        ("generation_tokens_p50", "gen tok"),
        ("host_p50_ns", "host p50"),
        ("host_p95_ns", "host p95"),
        ("gpu_busy_p50_ns", "busy p50"),
        ("gpu_busy_p95_ns", "busy p95"),
        ("gpu_span_p50_ns", "span p50"),
        ("kernels_p50", "kernels"),
    ]);
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, steps)| (std::cmp::Reverse(steps.len()), *key));
    for ((dialect, kind), steps) in groups {
        let count = |percent, of: fn(&Step) -> Option<u64>| match ranked(&steps, percent, of) {
            Some(value) => Cell::Count(value),
            None => Cell::Missing,
        };
        let time = |percent, of: fn(&Step) -> Option<u64>| match ranked(&steps, percent, of) {
            Some(ns) => Cell::Time(DurationNs::from_ns(ns)),
            None => Cell::Missing,
        };
        let host = |step: &Step| Some(step.interval.duration().as_ns());
        let busy = |step: &Step| (step.n_items > 0).then(|| step.busy.as_ns());
        let span = |step: &Step| step.device_interval.map(|at| at.duration().as_ns());
        table.row([
            Cell::Text(dialect.to_owned()),
            Cell::Text(kind.to_owned()),
            Cell::Count(steps.len() as u64),
            count(50, |step| step.label.requests),
            count(100, |step| step.label.requests),
            count(50, |step| step.label.context_tokens),
            count(50, |step| step.label.generation_tokens),
            time(50, host),
            time(95, host),
            time(50, busy),
            time(95, busy),
            time(50, span),
            count(50, |step| (step.n_items > 0).then_some(step.n_kernels)),
        ]);
    }
    table
}

/// A percentile over the steps that have a value.
fn ranked(steps: &[&Step], percent: u32, of: fn(&Step) -> Option<u64>) -> Option<u64> {
    let mut values: Vec<u64> = steps.iter().filter_map(|step| of(step)).collect();
    values.sort_unstable();
    nearest_rank(percent, values.len()).and_then(|rank| values.get(rank).copied())
}
