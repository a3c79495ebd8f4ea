//! Triton Inference Server: `InferRequest` → model → `compute`, with stamps as events.
//!
//! The four stamps of an execution are taken once by the backend and reported for every request
//! in the batch (`core/src/infer_request.cc`, `tritonbackend.h`): requests of one model and
//! version with the same four are one execution. Requests of an ensemble have children; the
//! ensemble itself executes nothing.
//!
//! The OpenTelemetry mode puts the stamps on the wall clock by an offset that each request measures
//! for itself, by reading both clocks one after the other. A thread that is interrupted between the
//! two readings is milliseconds off, with all of its stamps alike: the times between them stay.

use std::collections::{HashMap, VecDeque};

use underspan_model::span_facts::{self as fact, engine, role};
use underspan_model::tables::{Phase, StepKind};

use super::findings::{Findings, FoundMember, FoundStep, StepProcess};
use super::stamps::{is_stamp, stamp};
use super::view::View;

const SERVER: &str = "tritonserver";
/// Executions of one model that can begin within the tolerance: it has no more instances.
const OPEN_LIMIT: usize = 64;
/// How far a request's offset between clocks may be off: some slices of a busy machine's scheduler.
const OFFSET_LIMIT_NS: u64 = 20_000_000;
/// Times that are whole multiples of this may be rounded, and then those of two executions agree.
const ROUNDED_NS: i64 = 1_000;

/// One request's part in an execution.
struct Part {
    /// Row of the model's span.
    model_row: usize,
    /// Model and version.
    model: (String, String),
    stamps: [i64; 4],
}

impl Part {
    fn is_of(&self, other: &Self, tolerance_ns: u64) -> bool {
        let mut pairs = self.stamps.iter().zip(other.stamps);
        pairs.all(|(a, b)| a.abs_diff(b) <= tolerance_ns)
    }

    /// The times between the stamps, where they can tell executions apart.
    fn between(&self) -> Option<[i64; 3]> {
        let [start, input_end, output_start, end] = self.stamps;
        let times = [
            input_end.checked_sub(start)?,
            output_start.checked_sub(start)?,
            end.checked_sub(start)?,
        ];
        times.iter().any(|time| time % ROUNDED_NS != 0).then_some(times)
    }
}

/// When executions of a model with the same times between their stamps began, first and last.
type Begun<'a> = HashMap<(&'a (String, String), [i64; 3]), (i64, i64)>;

pub(super) fn read(view: &View<'_>, rows: &[usize], tolerance_ns: u64, findings: &mut Findings) {
    let mut parts = Vec::new();
    let mut request_of: HashMap<usize, String> = HashMap::new();
    for &row in rows {
        let Some(model) = view.attribute(row, "triton.model_name") else { continue };
        let request = request_of_model(view, row);
        read_model(view, row, &model.to_text(), findings);
        // The request span above learns its id from the model it called first.
        for above in view.upwards(row) {
            request_of.entry(above).or_insert_with(|| request.clone());
        }
    }
    for &row in rows {
        let span = view.span(row);
        if let Some(stamps) = execution(view, row) {
            let model_row = view.upwards(row).find(|above| is_model(view, *above)).unwrap_or(row);
            read_execution(view, row, model_row, stamps, findings);
            if let Some(request) = request_of.get(&model_row) {
                findings.request(row, request);
            }
            let text =
                |key| view.attribute(model_row, key).map(|a| a.to_text()).unwrap_or_default();
            let model = (text("triton.model_name"), text("triton.model_version"));
            parts.push(Part { model_row, model, stamps });
        } else if !is_model(view, row) && view.events(row).any(|event| is_stamp(event.name)) {
            findings.text(span.id, fact::ENGINE, Some(engine::TRITON));
            findings.text(span.id, fact::ROLE, Some(role::REQUEST));
        }
        if let Some(request) = request_of.get(&row) {
            findings.request(row, request);
        }
    }
    for members in executions(&parts, tolerance_ns) {
        write_step(view, &parts, &members, &request_of, findings);
    }
}

fn is_model(view: &View<'_>, row: usize) -> bool {
    view.attribute(row, "triton.model_name").is_some()
}

/// The request's id, or a stand-in made of Triton's own number for it.
fn request_of_model(view: &View<'_>, row: usize) -> String {
    if let Some(id) = view.attribute(row, "triton.request_id").map(|a| a.to_text())
        && !id.is_empty()
    {
        return id;
    }
    let above = view.upwards(row).skip(1).filter(|above| is_model(view, *above)).last();
    let number = view.attribute(above.unwrap_or(row), "triton.trace_id");
    number.map(|number| format!("triton-{}", number.to_text())).unwrap_or_default()
}

fn read_model(view: &View<'_>, row: usize, model: &str, findings: &mut Findings) {
    let span = view.span(row);
    findings.text(span.id, fact::ENGINE, Some(engine::TRITON));
    findings.text(span.id, fact::ROLE, Some(role::MODEL));
    findings.text(span.id, fact::MODEL, Some(model));
    let version = view.attribute(row, "triton.model_version").map(|a| a.to_text());
    findings.text(span.id, fact::MODEL_VERSION, version);
    let request = view.attribute(row, "triton.request_id").map(|a| a.to_text());
    findings.text(span.id, fact::REQUEST_ID, request.filter(|id| !id.is_empty()));
}

/// The four stamps of an execution, when the span has them all.
fn execution(view: &View<'_>, row: usize) -> Option<[i64; 4]> {
    let [start, input_end, output_start, end] =
        stamp::EXECUTION.map(|name| view.event_ns(row, name));
    Some([start?, input_end?, output_start?, end?])
}

fn read_execution(
    view: &View<'_>,
    row: usize,
    model_row: usize,
    [start, input_end, output_start, end]: [i64; 4],
    findings: &mut Findings,
) {
    let model = view.span(model_row).id;
    let queue = view.event_ns(model_row, stamp::QUEUE_START);
    findings.time(model, fact::QUEUE_NS, queue.and_then(|queued| start.checked_sub(queued)));
    findings.time(model, fact::COMPUTE_INPUT_NS, input_end.checked_sub(start));
    findings.time(model, fact::COMPUTE_INFER_NS, output_start.checked_sub(input_end));
    findings.time(model, fact::COMPUTE_OUTPUT_NS, end.checked_sub(output_start));
    if row != model_row {
        findings.text(view.span(row).id, fact::ROLE, Some(role::COMPUTE));
    }
}

/// Parts that are one execution, as positions in `parts`. Without a tolerance the stamps went
/// through no conversion.
fn executions(parts: &[Part], tolerance_ns: u64) -> Vec<Vec<usize>> {
    let offset_ns = if tolerance_ns == 0 { 0 } else { OFFSET_LIMIT_NS };
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| {
        let key = |at: usize| (&parts[at].model, parts[at].stamps);
        key(*a).cmp(&key(*b))
    });
    let mut begun: Begun<'_> = HashMap::new();
    for part in parts.iter().filter(|_| offset_ns > 0) {
        let Some(between) = part.between() else { continue };
        let start = part.stamps[0];
        let known = begun.entry((&part.model, between)).or_insert((start, start));
        *known = (known.0.min(start), known.1.max(start));
    }
    // Times that come back later in the run are those of several executions.
    let is_told = |part: &Part| {
        let key = part.between().map(|between| (&part.model, between));
        let known = key.and_then(|key| begun.get(&key));
        known.is_some_and(|(first, last)| first.abs_diff(*last) <= offset_ns)
    };
    let mut found: Vec<Vec<usize>> = Vec::new();
    // Executions of the same model that began so short a time ago that the part may be of them.
    let mut open: VecDeque<usize> = VecDeque::new();
    for at in order {
        let part = &parts[at];
        let first = |execution: usize| &parts[found[execution][0]];
        while let Some(&oldest) = open.front() {
            let begun = first(oldest);
            let is_open =
                begun.model == part.model && begun.stamps[0].abs_diff(part.stamps[0]) <= offset_ns;
            if is_open {
                break;
            }
            open.pop_front();
        }
        let latest = || open.iter().rev().take(OPEN_LIMIT);
        let same = latest().find(|execution| first(**execution).is_of(part, tolerance_ns));
        let shifted = || latest().find(|e| first(**e).between() == part.between());
        match same.or_else(|| is_told(part).then(shifted)?).copied() {
            Some(execution) => found[execution].push(at),
            None => {
                open.push_back(found.len());
                found.push(vec![at]);
            }
        }
    }
    found
}

fn write_step(
    view: &View<'_>,
    parts: &[Part],
    members: &[usize],
    request_of: &HashMap<usize, String>,
    findings: &mut Findings,
) {
    // Members are in the order of their stamps: one whose offset is off is first or last.
    let Some(&middle) = members.get(members.len() / 2) else { return };
    let size = members.len() as i64;
    let mut step = FoundStep {
        start_ns: parts[middle].stamps[0],
        end_ns: parts[middle].stamps[3],
        process: StepProcess::Named(SERVER),
        name: parts[middle].model.0.clone(),
        kind: StepKind::Batch,
        ..FoundStep::default()
    };
    for &member in members {
        let row = parts[member].model_row;
        let span = view.span(row).id;
        findings.whole(span, fact::BATCH_SIZE, Some(size));
        step.members.push(FoundMember {
            span,
            request: request_of.get(&row).cloned().unwrap_or_default(),
            phase: Phase::Unknown,
        });
    }
    step.members.sort_by(|a, b| (&a.request, a.span).cmp(&(&b.request, b.span)));
    findings.step(step);
}
