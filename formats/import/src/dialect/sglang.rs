//! SGLang: a span of the whole request, one for each thread that worked on it, and slices of
//! those (`python/sglang/srt/observability/req_time_stats.py`, `trace.py`).
//!
//! `gen_ai.latency.time_in_model_prefill` runs from the end of dispatching in the API server to
//! the first token: it holds the wait in the queue, unlike vLLM's. The wait is the slice
//! `prefill_waiting`.
//!
//! At trace level 3 (the default) the slices of steps carry an event `schedule` with a batch id
//! that is new for each step (`bid`), the size of the batch, and whether it was prefill or
//! decode: slices with one batch id in one process are one step. A size larger than the number of
//! slices tells how many members were not sampled.

use std::collections::HashMap;

use underspan_model::span_facts::{self as fact, engine, role};
use underspan_model::tables::{Phase, StepKind};

use super::findings::{Findings, FoundMember, FoundStep, StepProcess};
use super::gen_ai::Said;
use super::view::View;

const SCHEDULER: &str = "sglang scheduler";

/// Slices and what they are.
const SLICES: &[(&str, &str)] = &[
    ("tokenize", role::FRONTEND),
    ("api_server_dispatch", role::FRONTEND),
    ("dpc_dispatch", role::FRONTEND),
    ("request_process", role::FRONTEND),
    ("mm_encode", role::FRONTEND),
    ("prefill_waiting", role::QUEUE),
    ("prefill_prepare", role::QUEUE),
    ("prefill_bootstrap", role::QUEUE),
    ("decode_waiting", role::QUEUE),
    ("decode_prepare", role::QUEUE),
    ("decode_bootstrap", role::QUEUE),
    ("decode_transferred", role::QUEUE),
    ("prefill_forward", role::PREFILL),
    ("chunked_prefill", role::PREFILL),
    ("decode_forward", role::DECODE),
    ("decode_loop", role::STEP_PART),
    ("spec_draft", role::STEP_PART),
    ("spec_verify", role::STEP_PART),
    ("prefill_transfer_kv_cache", role::POST),
    ("quick_finish", role::POST),
    ("fake_output", role::POST),
];

/// Whether a span of this name is a slice of SGLang.
pub(super) fn is_part(name: &str) -> bool {
    role_of(name).is_some()
}

fn role_of(name: &str) -> Option<&'static str> {
    SLICES.iter().find(|(slice, _)| *slice == name).map(|(_, role)| *role)
}

/// What the slices of one request tell about it.
#[derive(Debug, Default, Clone, Copy)]
struct Slices {
    /// End of dispatching in the API server.
    dispatched_ns: Option<i64>,
    /// The first wait in the queue.
    queued: Option<(i64, i64)>,
}

/// A slice in a step.
struct Part {
    row: usize,
    at_ns: i64,
    batch_size: Option<i64>,
    is_prefill: bool,
}

pub(super) fn read(view: &View<'_>, rows: &[usize], findings: &mut Findings) {
    let mut slices: HashMap<usize, Slices> = HashMap::new();
    let mut roots = Vec::new();
    let mut steps: HashMap<(Option<i64>, String), Vec<Part>> = HashMap::new();
    let mut request_of: HashMap<usize, String> = HashMap::new();
    for &row in rows {
        if is_request(view, row) {
            roots.push(row);
            continue;
        }
        let root = view.upwards(row).find(|above| is_request(view, *above));
        let pid = pid_of(view, row);
        let name = view.name(row);
        let span = view.span(row);
        let role = role_of(name)
            .or_else(|| view.attribute(row, "thread_label").is_some().then_some(role::THREAD));
        findings.text(span.id, fact::ROLE, role);
        if let Some((pid, label)) = &pid {
            findings.process(row, *pid, label);
        }
        if let Some(root) = root {
            let request = request_of.entry(root).or_insert_with(|| request_id(view, root));
            findings.request(row, request);
            note_slice(view, row, name, slices.entry(root).or_default());
        }
        note_schedules(view, row, pid.map(|(pid, _)| pid), findings, &mut steps);
    }
    give_processes(&mut steps);
    for root in roots {
        read_request(view, root, slices.get(&root).copied().unwrap_or_default(), findings);
    }
    for ((pid, batch), parts) in steps {
        write_step(view, pid, batch, parts, &request_of, findings);
    }
}

fn is_request(view: &View<'_>, row: usize) -> bool {
    view.attribute(row, "rid").is_some()
}

fn request_id(view: &View<'_>, root: usize) -> String {
    view.attribute(root, "rid").map(|rid| rid.to_text()).unwrap_or_default()
}

/// Process of the thread that a slice belongs to, and the thread's label.
fn pid_of(view: &View<'_>, row: usize) -> Option<(i64, String)> {
    view.upwards(row).find_map(|above| {
        let pid = view.attribute(above, "pid")?.whole()?;
        let label = view.attribute(above, "thread_label").map(|a| a.to_text());
        Some((pid, format!("sglang {}", label.unwrap_or_default().to_lowercase())))
    })
}

fn note_slice(view: &View<'_>, row: usize, name: &str, slices: &mut Slices) {
    let (start, end) = (view.span(row).start_ns, view.end_ns(row));
    match name {
        "api_server_dispatch" => {
            slices.dispatched_ns = Some(slices.dispatched_ns.map_or(end, |known| known.max(end)));
        }
        // The first of them: later ones are waits after a retraction.
        "prefill_waiting" if slices.queued.is_none_or(|(first, _)| start < first) => {
            slices.queued = Some((start, end));
        }
        _ => {}
    }
}

fn read_request(view: &View<'_>, row: usize, slices: Slices, findings: &mut Findings) {
    let span = view.span(row);
    let mut said = Said::by(view, row);
    if let Some((from, to)) = slices.queued {
        said.queue_ns = said.queue_ns.or(to.checked_sub(from));
    }
    // Without what lies in front of it, the stated prefill time means nothing by itself.
    said.prefill_ns = match (said.prefill_ns, slices.dispatched_ns, slices.queued) {
        (Some(stated), Some(dispatched), Some((_, scheduled))) => {
            scheduled.checked_sub(dispatched).and_then(|before| stated.checked_sub(before))
        }
        _ => None,
    };
    said.inference_ns = said.prefill_ns.zip(said.decode_ns).map(|(a, b)| a.saturating_add(b));
    said.request_id = said.request_id.or_else(|| Some(request_id(view, row)));
    findings.request(row, &request_id(view, row));
    findings.text(span.id, fact::ENGINE, Some(engine::SGLANG));
    findings.text(span.id, fact::ROLE, Some(role::REQUEST));
    said.write(span.id, findings);
}

fn note_schedules(
    view: &View<'_>,
    row: usize,
    pid: Option<i64>,
    findings: &mut Findings,
    steps: &mut HashMap<(Option<i64>, String), Vec<Part>>,
) {
    for event in view.events(row).filter(|event| event.name == "schedule") {
        let (mut batch, mut batch_size, mut is_prefill) = (None, None, false);
        for attribute in view.event_attributes(row, event.ordinal) {
            match attribute.key {
                "bid" => batch = Some(attribute.to_text()),
                "batch_size" => batch_size = attribute.whole(),
                "forward_mode" => {
                    is_prefill =
                        attribute.text().is_some_and(|mode| !mode.eq_ignore_ascii_case("decode"));
                }
                _ => {}
            }
        }
        let Some(batch) = batch else { continue };
        let id = view.span(row).id;
        findings.text(id, fact::BATCH_ID, Some(batch.as_str()));
        findings.whole(id, fact::BATCH_SIZE, batch_size);
        let part = Part { row, at_ns: event.time_ns, batch_size, is_prefill };
        steps.entry((pid, batch)).or_default().push(part);
    }
}

/// Parts whose thread's span is not here belong to the process that ran the rest of their batch,
/// when that is one.
fn give_processes(steps: &mut HashMap<(Option<i64>, String), Vec<Part>>) {
    let mut pids: HashMap<String, Vec<i64>> = HashMap::new();
    for (pid, batch) in steps.keys() {
        if let Some(pid) = pid {
            pids.entry(batch.clone()).or_default().push(*pid);
        }
    }
    for (batch, pids) in pids {
        if let [pid] = pids[..]
            && let Some(parts) = steps.remove(&(None, batch.clone()))
        {
            steps.entry((Some(pid), batch)).or_default().extend(parts);
        }
    }
}

fn write_step(
    view: &View<'_>,
    pid: Option<i64>,
    batch: String,
    mut parts: Vec<Part>,
    request_of: &HashMap<usize, String>,
    findings: &mut Findings,
) {
    parts.sort_by_key(|part| (part.at_ns, part.row));
    let Some(first) = parts.first() else { return };
    let (start_ns, is_prefill) = (first.at_ns, first.is_prefill);
    let phase = if is_prefill { Phase::Prefill } else { Phase::Decode };
    let mut members: Vec<FoundMember> = Vec::new();
    for part in &parts {
        let root = view.upwards(part.row).find(|above| is_request(view, *above));
        let request = root.and_then(|root| request_of.get(&root)).cloned().unwrap_or_default();
        // A chunk and its request's prefill slice may both carry the event.
        if request.is_empty() || members.iter().all(|member| member.request != request) {
            members.push(FoundMember { span: view.span(part.row).id, request, phase });
        }
    }
    members.sort_by(|a, b| (&a.request, a.span).cmp(&(&b.request, b.span)));
    // Results are handed out after the step, one member after the other: the first is nearest.
    let end_ns =
        parts.iter().map(|part| view.end_ns(part.row)).filter(|end| *end >= start_ns).min();
    let stated = parts.iter().filter_map(|part| part.batch_size).max();
    let size = stated.and_then(|size| u32::try_from(size).ok()).unwrap_or(members.len() as u32);
    findings.step(FoundStep {
        start_ns,
        end_ns: end_ns.unwrap_or(start_ns),
        process: pid.map_or(StepProcess::Named(SCHEDULER), StepProcess::Pid),
        name: batch,
        kind: if is_prefill { StepKind::Prefill } else { StepKind::Decode },
        context_requests: Some(if is_prefill { size } else { 0 }),
        generation_requests: Some(if is_prefill { 0 } else { size }),
        members,
    });
}
