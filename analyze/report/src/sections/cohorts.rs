//! Latency by what requests have in common.

use underspan_detectors::Cohort;
use underspan_model::DurationNs;

use super::percent;
use crate::document::{Document, ReportTable};

/// Adds the cohorts by anything that tells fast requests from slow ones; nothing when no cohort
/// differs from the others.
pub(crate) fn cohorts(document: &mut Document, cohorts: &[Cohort]) {
    let differs = |by: &str| cohorts.iter().any(|cohort| cohort.by == by && cohort.is_different);
    let shown: Vec<&Cohort> = cohorts.iter().filter(|cohort| differs(cohort.by)).collect();
    if shown.is_empty() {
        return;
    }
    document.heading("COHORTS");
    document.paragraph(
        "Requests that differ by more than chance from the others (*). What they have in common \
         may be the reason, or go along with it."
            .to_owned(),
    );
    let mut table = ReportTable::new(&[
        "by<",
        "value<",
        "requests",
        "p50",
        "p95",
        "95 % interval",
        "of the slow",
        "differs<",
    ]);
    for cohort in &shown {
        let all: usize =
            shown.iter().filter(|other| other.by == cohort.by).map(|other| other.n_slow).sum();
        let time = |ns: u64| DurationNs::from_ns(ns).to_string();
        let (p50, p95) = (cohort.latency.p50, cohort.latency.p95);
        table.row([
            cohort.by.to_owned(),
            cohort.value.clone(),
            cohort.latency.n.to_string(),
            p50.map_or(String::new(), |p50| time(p50.value)),
            p95.map_or(String::new(), |p95| time(p95.value)),
            p95.map_or(String::new(), |p95| format!("{} to {}", time(p95.low), time(p95.high))),
            percent(cohort.n_slow as f64 / all.max(1) as f64),
            if cohort.is_different { "*" } else { "" }.to_owned(),
        ]);
    }
    document.table(table);
}
