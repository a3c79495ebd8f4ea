//! The engine's requests as the panels show them.

use std::collections::HashMap;
use std::sync::Arc;

use underspan_engine::{Evidence, Part, PartKind, Request, Requests};
use underspan_model::tables::TableKind;
use underspan_model::{Interval, StringId, Timeline, give_up_if_cancelled};

use super::{Analyses, Membership, PartItem, RequestItem, Shown, StepItem};
use crate::timeline::TimeRange;

impl Analyses {
    pub(super) fn of_requests(timeline: &Timeline, requests: &Requests) -> Self {
        let mut notes = requests.notes.clone();
        if requests.clock.is_refused {
            notes.push(
                "Spans and device work are kept apart: their clocks do not agree well enough."
                    .to_owned(),
            );
        }
        let mut models = Models::default();
        let has_steps = requests.requests.iter().any(|request| !request.steps.is_empty());
        Self {
            requests: requests
                .requests
                .iter()
                .map(|request| {
                    give_up_if_cancelled();
                    item(timeline, requests, request, &mut models)
                })
                .collect(),
            rung: has_steps.then_some(requests.rung.as_str()),
            notes,
            membership: Membership::of(requests),
            ..Self::default()
        }
    }
}

/// The names of models, which very many requests share.
#[derive(Default)]
struct Models(HashMap<StringId, Arc<str>>);

impl Models {
    fn name(&mut self, timeline: &Timeline, id: StringId) -> Arc<str> {
        let name = self.0.entry(id);
        name.or_insert_with(|| timeline.strings.resolve_or_empty(id).into()).clone()
    }
}

fn item(
    timeline: &Timeline,
    requests: &Requests,
    request: &Request,
    models: &mut Models,
) -> RequestItem {
    let queue = request.of_kinds(PartKind::is_queue).as_ns();
    let has_queue = request.parts.iter().any(|part| part.kind.is_queue());
    let steps = request.steps.iter().filter_map(|of| {
        let step = requests.steps.get(of.step as usize)?;
        Some(StepItem {
            range: range(step.host),
            process: step.process.raw(),
            device: step.device_interval.map(range),
            phase: of.phase.as_str(),
            own_tokens: of.own_tokens,
            n_members: step.n_members,
        })
    });
    let steps: Vec<StepItem> = steps.collect();
    RequestItem {
        id: request.request_id.clone(),
        trace_id: request.trace_id,
        span_id: request.span_id,
        range: range(request.interval),
        ttft_ns: request.ttft.map(|of| of.as_ns()),
        tpot_ns: request.tpot.map(|of| of.as_ns()),
        queue_ns: has_queue.then_some(queue),
        gpu_ns: (!steps.is_empty()).then_some(request.gpu_wall.as_ns()),
        model: models.name(timeline, request.model),
        is_error: request.is_error,
        bar: request
            .chain
            .last()
            .and_then(|row| Some((*timeline.spans.service.get(*row as usize)?, u64::from(*row)))),
        parts: request.parts.iter().map(|part| part_item(requests, part)).collect(),
        steps,
    }
}

pub(super) fn range(interval: Interval) -> TimeRange {
    TimeRange::from_ns(interval.start().as_ns(), interval.end().as_ns())
}

fn part_item(requests: &Requests, part: &Part) -> PartItem {
    PartItem {
        kind: part.kind,
        ns: part.ns,
        evidence: part.evidence.iter().filter_map(|of| shown(requests, of)).collect(),
    }
}

/// Rows of steps are positions in the list of steps: what ran in them is shown.
pub(super) fn shown(requests: &Requests, evidence: &Evidence) -> Option<Shown> {
    if evidence.table == TableKind::Step {
        let step = requests.steps.get(evidence.row as usize)?;
        return Some(Shown::Range(range(step.device_interval.unwrap_or(step.host))));
    }
    Some(Shown::Row(evidence.table, u64::from(evidence.row)))
}
