//! The objects of `underspan explain --format json` and `underspan export --what members`.
//!
//! One request is one object:
//! `{request, trace_id, span: {start_ns, end_ns}, parts: [{kind, ns, evidence}],
//! steps: [{step, start_ns, end_ns, own_tokens, members}], rung, clock_uncertainty_ns}`.
//! Parts sum to the span. Besides these keys each has `phases: [{phase, start_ns, end_ns}]`, which
//! follow each other over the span, `tokens: {prompt, cached, output}`, `ttft_ns`, `tpot_ns`,
//! `itl: {n, p50_ns, p95_ns, p99_ns, max_ns, series_ns}` (null when fewer than two tokens are known to
//! come from known steps; `p99_ns` null of fewer than 100), and each of its steps `phase`,
//! `computed_tokens`, `batch_size` and `position`, the place in the engine's batch from zero.
//! `clock_offset_ns` is what was added to the times of spans to put them on the clock of the steps,
//! told by `clock_offset_by` (null and zero where clocks agree as they are); clocks that are apart by
//! an offset that is not well known have `clock_is_refused`: nothing is joined by time.
//!
//! `evidence` lists rows as `{table, row}`; rows of `step` are positions in
//! the list of all steps in order of start. `members` are the ids of the requests in the step, this
//! one included. `own_tokens`, `trace_id` and `clock_uncertainty_ns` are null where nothing says.

use serde_json::{Value, json};
use underspan_engine::{Evidence, LatencySummary, Requests, TokenGap};
use underspan_model::tables::Phase;

use super::latency::summary_value;
use super::to_text;

/// The requests at `chosen` (positions in [`Requests::requests`]): one object when `is_single`,
/// otherwise a list of them.
pub fn explain_json(requests: &Requests, chosen: &[usize], is_single: bool) -> String {
    let mut objects: Vec<Value> =
        chosen.iter().filter_map(|at| request_value(requests, *at)).collect();
    match (is_single, objects.len()) {
        (true, 1) => to_text(&objects.swap_remove(0)),
        _ => to_text(&Value::Array(objects)),
    }
}

fn request_value(requests: &Requests, at: usize) -> Option<Value> {
    let request = requests.requests.get(at)?;
    let parts: Value = request
        .parts
        .iter()
        .map(|part| {
            json!({
                "kind": part.kind.name(),
                "ns": part.ns,
                "evidence": part.evidence.iter().map(evidence).collect::<Value>(),
            })
        })
        .collect();
    let phases = request.stages.iter().map(|stage| {
        json!({
            "phase": stage.kind.as_str(),
            "start_ns": stage.interval.start().as_ns(),
            "end_ns": stage.interval.end().as_ns(),
        })
    });
    let gaps = requests.token_gaps(request);
    let correction = requests.clock.correction;
    let steps: Value = request
        .steps
        .iter()
        .filter_map(|membership| {
            let step = requests.steps.get(membership.step as usize)?;
            let members = step.members.iter();
            let id = |at: u32| requests.requests.get(at as usize).map(|r| r.request_id.as_str());
            Some(json!({
                "step": step.number,
                "start_ns": step.window.start().as_ns(),
                "end_ns": step.window.end().as_ns(),
                "own_tokens": membership.own_tokens,
                "members": members.filter_map(|m| id(m.request)).collect::<Vec<_>>(),
                "phase": phase_value(membership.phase),
                "computed_tokens": membership.computed_tokens,
                "batch_size": step.n_members,
                "position": membership.position,
            }))
        })
        .collect();
    Some(json!({
        "request": request.request_id,
        "trace_id": request.trace_id.map(|id| format!("{id:032x}")),
        "span": {
            "start_ns": request.interval.start().as_ns(),
            "end_ns": request.interval.end().as_ns(),
        },
        "parts": parts,
        "steps": steps,
        "rung": request.rung.code(),
        "clock_uncertainty_ns": requests.clock.uncertainty_ns,
        "clock_is_refused": requests.clock.is_refused,
        "clock_offset_ns": correction.map_or(0, |correction| correction.offset_ns),
        "clock_offset_by": correction.map(|correction| correction.evidence.as_str()),
        "phases": phases.collect::<Value>(),
        "tokens": {
            "prompt": request.tokens.prompt,
            "cached": request.tokens.cached,
            "output": request.tokens.output,
        },
        "ttft_ns": request.ttft.map(|ttft| ttft.as_ns()),
        "tpot_ns": request.tpot.map(|tpot| tpot.as_ns()),
        "itl": itl_value(&gaps),
    }))
}

fn itl_value(gaps: &[TokenGap]) -> Value {
    let Some(summary) = LatencySummary::of(gaps.iter().map(|gap| gap.gap)) else {
        return Value::Null;
    };
    let mut value = summary_value(&summary);
    value["series_ns"] = gaps.iter().map(|gap| gap.gap.as_ns()).collect();
    value
}

fn phase_value(phase: Phase) -> Value {
    match phase {
        Phase::Unknown => Value::Null,
        phase => Value::from(phase.as_str()),
    }
}

fn evidence(row: &Evidence) -> Value {
    json!({"table": row.table.name(), "row": row.row})
}

/// Every request in every step, in order of steps:
/// `{"members": [{request, trace_id, step, process, start_ns, end_ns, own_tokens, phase, rung}]}`.
pub fn members_json(
    requests: &Requests,
    pid_of: impl Fn(underspan_model::ProcessId) -> Option<i64>,
) -> String {
    let mut members = Vec::new();
    for (at, step) in requests.steps.iter().enumerate() {
        for member in &step.members {
            let Some(request) = requests.requests.get(member.request as usize) else { continue };
            let rung = request.steps.iter().find(|m| m.step as usize == at).map(|m| m.rung.code());
            members.push(json!({
                "request": request.request_id,
                "trace_id": request.trace_id.map(|id| format!("{id:032x}")),
                "step": step.number,
                "process": pid_of(step.process),
                "start_ns": step.host.start().as_ns(),
                "end_ns": step.host.end().as_ns(),
                "own_tokens": member.own_tokens,
                "phase": phase_value(member.phase),
                "rung": rung,
            }));
        }
    }
    to_text(&json!({ "members": members }))
}
