//! Sums and comparisons that several detectors make.

use underspan_engine::Evidence;
use underspan_model::NONE_U32;
use underspan_model::tables::TableKind;

use crate::replay::Removal;
use crate::statistics::percentile_of;
use crate::{Case, StepFacts};

/// Most rows of evidence that a finding lists.
const EVIDENCE_LIMIT: usize = 12;

/// What a removal takes off the 95th percentile, in nanoseconds.
pub(crate) fn p95_effect(case: &Case<'_>, removal: &Removal) -> u64 {
    let without = case.without(&[removal]);
    case.percentile(95).saturating_sub(percentile_of(&without, 95))
}

/// What a removal takes off the 95th percentile, as a share of it.
pub(crate) fn p95_share(case: &Case<'_>, removal: &Removal) -> f64 {
    ratio(p95_effect(case, removal), case.percentile(95))
}

/// `part` of `whole`; zero of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Work of the device taken out of the runs.
pub(crate) fn out_of_runs(run_ns: Vec<u64>) -> Removal {
    Removal { run_ns, is_device: true, ..Removal::default() }
}

/// A quantity of every step.
pub(crate) fn of_steps(case: &Case<'_>, of: impl Fn(&StepFacts) -> u64) -> Vec<u64> {
    case.facts.iter().map(of).collect()
}

/// The sum of a quantity.
pub(crate) fn total(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.saturating_add(*value))
}

/// Length of all steps that took up a worker and that the trace of the device covers.
pub(crate) fn step_time(case: &Case<'_>) -> u64 {
    let covered = case.worker_steps().filter(|step| case.coverage.has_step(*step));
    covered.map(|step| case.step_ns(step)).sum()
}

/// What a quantity of a step naturally is: its median over the steps of the baseline of the same
/// kind (with prompts or without), or zero without a baseline.
pub(crate) struct Natural {
    with_prompts: u64,
    without: u64,
}

impl Natural {
    pub(crate) fn of(case: &Case<'_>, of: impl Fn(&StepFacts) -> u64) -> Self {
        let Some(baseline) = case.baseline.as_deref() else {
            return Self { with_prompts: 0, without: 0 };
        };
        let values = |has_prompts: bool| -> Vec<u64> {
            let covered =
                (0..baseline.facts.len()).filter(|step| baseline.coverage.has_step(*step));
            let steps = covered.filter(|step| (baseline.prefill_tokens(*step) > 0) == has_prompts);
            steps.map(|step| of(&baseline.facts[step])).collect()
        };
        let (mut with, mut without) = (values(true), values(false));
        if with.is_empty() {
            with.clone_from(&without);
        } else if without.is_empty() {
            without.clone_from(&with);
        }
        Self { with_prompts: percentile_of(&with, 50), without: percentile_of(&without, 50) }
    }

    pub(crate) fn at(&self, case: &Case<'_>, step: usize) -> u64 {
        if case.prefill_tokens(step) > 0 { self.with_prompts } else { self.without }
    }
}

/// A quantity of every step beyond what it naturally is.
pub(crate) fn beyond_natural(case: &Case<'_>, of: impl Fn(&StepFacts) -> u64 + Copy) -> Vec<u64> {
    let natural = Natural::of(case, of);
    case.facts
        .iter()
        .enumerate()
        .map(|(step, facts)| of(facts).saturating_sub(natural.at(case, step)))
        .collect()
}

/// The steps in which a quantity is largest, as evidence.
pub(crate) fn largest_steps(values: &[u64]) -> Vec<Evidence> {
    let mut order: Vec<u32> =
        (0..values.len() as u32).filter(|step| values[*step as usize] > 0).collect();
    order.sort_by_key(|step| (std::cmp::Reverse(values[*step as usize]), *step));
    order.truncate(EVIDENCE_LIMIT / 2);
    order.into_iter().map(|row| Evidence { table: TableKind::Step, row }).collect()
}

/// The steps in which a quantity is largest, and one row of each that shows it.
pub(crate) fn evidence_of_steps(
    case: &Case<'_>,
    values: &[u64],
    table: TableKind,
    row_of: impl Fn(&StepFacts) -> u32,
) -> Vec<Evidence> {
    let steps = largest_steps(values);
    let rows = steps.iter().filter_map(|step| {
        let row = row_of(&case.facts[step.row as usize]);
        (row != NONE_U32).then_some(Evidence { table, row })
    });
    let mut evidence: Vec<Evidence> = rows.collect();
    evidence.extend(steps);
    evidence.truncate(EVIDENCE_LIMIT);
    evidence
}

/// Requests that were in a step of which `values` says something, most first.
pub(crate) fn requests_in(case: &Case<'_>, values: &[u64]) -> Vec<u32> {
    let mut touched: Vec<(u64, u32)> = case
        .requests
        .requests
        .iter()
        .enumerate()
        .filter_map(|(at, request)| {
            let sum: u64 = request
                .steps
                .iter()
                .map(|member| values.get(member.step as usize).copied().unwrap_or(0))
                .sum();
            (sum > 0).then_some((sum, at as u32))
        })
        .collect();
    touched.sort_by_key(|(sum, at)| (std::cmp::Reverse(*sum), *at));
    touched.into_iter().map(|(_, at)| at).collect()
}

/// Requests whose value is not zero, largest first.
pub(crate) fn requests_of(values: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> =
        (0..values.len() as u32).filter(|at| values[*at as usize] > 0).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(values[*at as usize]), *at));
    order
}

/// The outermost spans of requests, as evidence.
pub(crate) fn spans_of(case: &Case<'_>, requests: &[u32]) -> Vec<Evidence> {
    requests
        .iter()
        .filter_map(|at| case.requests.requests.get(*at as usize)?.chain.first())
        .take(EVIDENCE_LIMIT)
        .map(|row| Evidence { table: TableKind::Span, row: *row })
        .collect()
}

/// A length of time for people.
pub(crate) fn time(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.1} µs", ns / 1e3),
        ..1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// A share for people.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
