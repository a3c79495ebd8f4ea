//! The objects of `underspan explain --format json` and `underspan export --what members`.
//!
//! One request is one object:
//! `{request, trace_id, span: {start_ns, end_ns}, parts: [{kind, ns, evidence}],
//! steps: [{step, start_ns, end_ns, own_tokens, members}], rung, clock_uncertainty_ns}`.
//! Parts sum to the span. `evidence` lists rows as `{table, row}`; rows of `step` are positions in
//! the list of all steps in order of start. `members` are the ids of the requests in the step, this
//! one included. `own_tokens`, `trace_id` and `clock_uncertainty_ns` are null where nothing says.

use serde_json::{Value, json};
use underspan_engine::{Evidence, Requests};
use underspan_model::tables::Phase;

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
    }))
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
                "phase": match member.phase {
                    Phase::Unknown => Value::Null,
                    phase => Value::from(phase.as_str()),
                },
                "rung": rung,
            }));
        }
    }
    to_text(&json!({ "members": members }))
}
