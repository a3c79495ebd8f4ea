//! What the analysis fills rows of the timeline with.

use underspan_engine::{Analysis, Requests, Step};
use underspan_model::tables::StepKind;

use super::RequestItem;
use super::from_requests::range;
use crate::document::{BarMeaning, Derived, DerivedBar, DerivedRows, cohorts};

/// The rows of a capture with these requests; steps only where no table of the capture has them.
pub(super) fn rows(
    analysis: &Analysis,
    requests: &Requests,
    items: &[RequestItem],
    has_step_table: bool,
) -> DerivedRows {
    let mut rows = DerivedRows::default();
    let lengths: Vec<u64> = items.iter().map(|item| item.range.len_ns()).collect();
    let [slow, typical] = cohorts(&lengths);
    for (row, of_row) in [(Derived::SlowRequests, slow), (Derived::TypicalRequests, typical)] {
        let bars = of_row.into_iter().filter_map(|at| {
            let item = items.get(at)?;
            let (label, meaning) = (item.id.clone(), BarMeaning::Request(at as u32));
            Some(DerivedBar { range: item.range, label, meaning })
        });
        rows.fill(row, bars.collect());
    }
    if !has_step_table {
        rows.fill(Derived::Steps, steps(analysis, requests));
    }
    rows
}

/// The steps that the requests were joined to; without any, those that labels tell of.
fn steps(analysis: &Analysis, requests: &Requests) -> Vec<DerivedBar> {
    if !requests.steps.is_empty() {
        let steps = requests.steps.iter();
        let bars = steps.map(|step| DerivedBar {
            range: range(step.window),
            label: label(step.kind, step.n_members.map(u64::from)),
            meaning: BarMeaning::Step(step.kind),
        });
        return bars.collect();
    }
    let n_requests = |step: &Step| {
        let of = &step.label;
        let apart = [of.context_requests, of.generation_requests].into_iter().flatten();
        of.requests.or_else(|| apart.reduce(|a, b| a.saturating_add(b)))
    };
    let steps = analysis.steps.serving.iter();
    let bars = steps.map(|step| DerivedBar {
        range: step
            .device_interval
            .map_or(range(step.interval), |device| range(step.interval).union(range(device))),
        label: label(step.label.kind, n_requests(step)),
        meaning: BarMeaning::Step(step.label.kind),
    });
    bars.collect()
}

fn label(kind: StepKind, n_requests: Option<u64>) -> String {
    match n_requests {
        Some(n) => format!("{} of {n}", kind.as_str()),
        None => kind.as_str().to_owned(),
    }
}
