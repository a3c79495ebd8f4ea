//! The engine's requests as the panels show them.

use underspan_classifier::Role;
use underspan_engine::{Evidence, Part, PartKind, Request, Requests};
use underspan_model::tables::TableKind;
use underspan_model::{Interval, StringId, Timeline, give_up_if_cancelled};

use super::{Analyses, Culprit, Membership, PartItem, RequestItem, Shown, StepItem, Tone};
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
        let has_steps = requests.requests.iter().any(|request| !request.steps.is_empty());
        Self {
            requests: requests
                .requests
                .iter()
                .map(|request| {
                    give_up_if_cancelled();
                    item(timeline, requests, request)
                })
                .collect(),
            rung: has_steps.then_some(requests.rung.as_str()),
            notes,
            membership: Membership::of(requests),
            ..Self::default()
        }
    }
}

fn item(timeline: &Timeline, requests: &Requests, request: &Request) -> RequestItem {
    let queue = request.of_kinds(PartKind::is_queue).as_ns();
    let has_queue = request.parts.iter().any(|part| part.kind.is_queue());
    let model: StringId = request.model;
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
        model: timeline.strings.resolve_or_empty(model).to_owned(),
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
    let (tone, remedy) = meaning(part.kind);
    PartItem {
        name: words(part.kind),
        ns: part.ns,
        evidence: part.evidence.iter().filter_map(|of| shown(requests, of)).collect(),
        culprit: culprit(part.kind),
        remedy,
        tone,
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

fn culprit(kind: PartKind) -> Culprit {
    match kind {
        PartKind::Kernel(role) => Culprit::Kernel(role),
        PartKind::PrecisionExcess => Culprit::Multiply,
        PartKind::CollectiveWait => Culprit::Kernel(Role::Collective),
        PartKind::Interference | PartKind::ClockExcess | PartKind::QueueCapacity => {
            Culprit::AnyKernel
        }
        PartKind::ExposedCopy => Culprit::Copy,
        PartKind::Sync | PartKind::LaunchGap => Culprit::Call,
        _ => Culprit::Nothing,
    }
}

fn words(kind: PartKind) -> String {
    match kind {
        PartKind::Kernel(role) => format!("own kernels: {}", role.as_str().replace('_', " ")),
        PartKind::QueueCapacity => "queue: no room in the batch".to_owned(),
        PartKind::QueueDeferred => "queue: put off by the engine".to_owned(),
        PartKind::Interference => "GPU at work for other requests".to_owned(),
        PartKind::PrecisionExcess => "multiplies in a wider type than declared".to_owned(),
        PartKind::ClockExcess => "kernels slowed by lower clocks".to_owned(),
        PartKind::ExposedCopy => "copies that no kernel hid".to_owned(),
        PartKind::Sync => "GPU idle: the host waited or allocated".to_owned(),
        PartKind::LaunchGap => "GPU idle: nothing was launched yet".to_owned(),
        PartKind::CollectiveWait => "communication with other GPUs".to_owned(),
        PartKind::Outside => "outside the server".to_owned(),
        PartKind::Scheduled => "in steps without device work in the capture".to_owned(),
        other => other.name().replace('_', " "),
    }
}

/// What a part means for the request, and what to do when there is much of it.
fn meaning(kind: PartKind) -> (Tone, &'static str) {
    match kind {
        PartKind::Outside => {
            (Tone::Outside, "Look at the callers and the network in front of the server.")
        }
        PartKind::Frontend => (
            Tone::Waiting,
            "Look at tokenizing and the API process: more workers, shorter prompts.",
        ),
        PartKind::Queue | PartKind::QueueCapacity => {
            (Tone::Waiting, "Raise the batch limit or add a replica; look at who filled the batch.")
        }
        PartKind::QueueDeferred => {
            (Tone::Waiting, "Look at the engine's scheduling policy and KV cache size.")
        }
        PartKind::BatchFormation => (Tone::Waiting, "Lower the batcher's maximum queue delay."),
        PartKind::Preempted => {
            (Tone::Waiting, "Give the KV cache more memory or admit fewer requests.")
        }
        PartKind::Interference => (
            Tone::Excess,
            "Chunk long prompts (chunked prefill) or serve prefill apart from decode.",
        ),
        PartKind::PrecisionExcess => {
            (Tone::Excess, "Find out why the kernel fell back to a wider type.")
        }
        PartKind::ClockExcess => (Tone::Excess, "Look at power and thermal limits of the GPU."),
        PartKind::ExposedCopy => {
            (Tone::Excess, "Use pinned memory and a stream of its own for copies.")
        }
        PartKind::Sync => {
            (Tone::Excess, "Remove host waits (.item(), cudaMalloc, synchronize) from the step.")
        }
        PartKind::LaunchGap => (Tone::Excess, "Use CUDA graphs or less host work per step."),
        PartKind::CollectiveWait => (Tone::Excess, "Look for the rank that comes last."),
        PartKind::Kernel(_) => {
            (Tone::Work, "See whether the kernel took longer than usual, or ran more often.")
        }
        PartKind::Scheduled | PartKind::Post => (Tone::Work, ""),
        _ => (Tone::Unknown, ""),
    }
}
