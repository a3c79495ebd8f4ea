//! What stages, parts and rungs mean, for people.

use underspan_engine::{PartKind, Request, RequestOrigin, Requests, StageKind};
use underspan_model::tables::Rung;

pub(super) fn stage_meaning(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Outside => "outside the server",
        StageKind::Frontend => "frontend",
        StageKind::Queue => "queue",
        StageKind::Prefill => "prefill",
        StageKind::Decode => "decode",
        StageKind::Preempted => "preempted",
        StageKind::Post => "after the last token",
        StageKind::Unexplained => "unexplained",
    }
}

pub(super) fn part_meaning(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Outside => "outside the server: callers, gateways, network",
        PartKind::Frontend => "in the server's frontend, before the engine's queue",
        PartKind::Queue => "queued, for a reason the capture does not show",
        PartKind::QueueCapacity => "queued while the engine was at work on others",
        PartKind::QueueDeferred => "queued because the engine put it off",
        PartKind::BatchFormation => "queued for a batch to fill while an instance was idle",
        PartKind::Interference => "the GPU worked for others: their prompts, their steps",
        PartKind::PrecisionExcess => "multiplies in a wider type than declared",
        PartKind::ClockExcess => "kernels slowed by lower clocks",
        PartKind::ExposedCopy => "copies that no kernel hid",
        PartKind::Sync => "GPU idle while the host waited or allocated",
        PartKind::LaunchGap => "GPU idle: the next work was not launched yet",
        PartKind::CollectiveWait => "communication with other GPUs",
        PartKind::Scheduled => "in a step of which no device work is in the capture",
        PartKind::Preempted => "put out of the batch",
        PartKind::Post => "after the last token, in the server",
        PartKind::Kernel(_) => "kernels of its own steps",
        _ => "not known",
    }
}

pub(super) fn rung_meaning(request: &Request, requests: &Requests) -> String {
    let n = request.steps.len();
    let steps = if n == 1 { "1 step".to_owned() } else { format!("{n} steps") };
    let how = match request.rung {
        Rung::ExactHook => "exact: the engine's hook wrote down who was in each",
        Rung::ExactBatch => "exact: by the server's own stamps and batch ids",
        Rung::Counts => "estimated: from the counts in step labels and the times of its span",
        Rung::Inferred => "estimated: from times alone",
        _ if requests.steps.is_empty() => return "no steps are in the capture".to_owned(),
        _ => return "not known to be in any step of the capture".to_owned(),
    };
    let origin = match request.origin {
        RequestOrigin::Identity => "; its caller asked for no spans",
        RequestOrigin::Steps => "; no span of it is in the capture",
        _ => "",
    };
    format!("in {steps} (rung {}, {how}){origin}", request.rung.code())
}
