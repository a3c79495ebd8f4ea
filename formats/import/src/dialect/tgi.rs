//! Hugging Face Text Generation Inference: the only engine whose spans link a request to its
//! steps.
//!
//! A request is a span `generate` (or one of its kin) that holds its times as Rust prints
//! durations (`"12.3ms"`). For each step there is a span `batch`, in a trace of its own, around a
//! `prefill` or `decode`, and for each request in it a span `infer` under the request; `batch`
//! and `infer` name each other in links. (`backends/v3/src/queue.rs`, `backend.rs`,
//! `router/src/server.rs`)

use std::collections::BTreeMap;

use underspan_model::span_facts::{self as fact, engine, role};
use underspan_model::tables::{Phase, StepKind};

use super::findings::{Findings, FoundMember, FoundStep, StepProcess};
use super::gen_ai::Said;
use super::view::View;

/// Name of the span of a step.
pub(super) const STEP_NAME: &str = "batch";

const ROUTER: &str = "text-generation-inference";

/// Spans below a request or step, and what they are.
const PARTS: &[(&str, &str)] = &[
    ("validate", role::FRONTEND),
    ("tokenize", role::FRONTEND),
    ("queued", role::QUEUE),
    ("waiting", role::QUEUE),
    ("infer", role::STEP_PART),
    (STEP_NAME, role::STEP),
    ("prefill", role::PREFILL),
    ("decode", role::DECODE),
    ("send_generation", role::POST),
];

/// Whether a span of this name is a part of a request or step of TGI.
pub(super) fn is_part(name: &str) -> bool {
    PARTS.iter().any(|(part, _)| *part == name)
}

pub(super) fn read(view: &View<'_>, rows: &[usize], findings: &mut Findings) {
    // Step → its members' spans, from links in either direction.
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut work: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &row in rows {
        let name = view.name(row);
        let is_step = name == STEP_NAME;
        let is_member = name == "infer";
        if is_step {
            members.entry(row).or_default();
        }
        for other in view.links(row).filter_map(|link| view.linked(link)) {
            if is_step && view.name(other) == "infer" {
                members.entry(row).or_default().push(other);
            } else if is_member && view.name(other) == STEP_NAME {
                members.entry(other).or_default().push(row);
            }
        }
        if matches!(name, "prefill" | "decode")
            && let Some(step) = view.parent(row).filter(|parent| view.name(*parent) == STEP_NAME)
        {
            work.entry(step).or_default().push(row);
        }
        let role = PARTS.iter().find(|(part, _)| *part == name).map(|(_, role)| *role);
        findings.text(view.span(row).id, fact::ROLE, role);
        if let Some(request) = request_row(view, row) {
            findings.request(row, &request_id(view, request));
        }
        if is_request(view, row) {
            read_request(view, row, findings);
        }
    }
    for (step, mut members) in members {
        members.sort_unstable();
        members.dedup();
        if !members.is_empty() {
            write_step(view, step, &members, work.get(&step).map_or(&[], Vec::as_slice), findings);
        }
    }
}

fn is_request(view: &View<'_>, row: usize) -> bool {
    view.attribute(row, "inference_time").is_some()
}

/// The span of the request that a part belongs to.
fn request_row(view: &View<'_>, row: usize) -> Option<usize> {
    view.upwards(row).find(|above| is_request(view, *above))
}

/// TGI numbers requests inside only: the trace id stands in.
fn request_id(view: &View<'_>, row: usize) -> String {
    let stated = view.attribute(row, "gen_ai.request.id").map(|id| id.to_text());
    let (high, low) = view.trace(row);
    stated.unwrap_or_else(|| format!("{high:016x}{low:016x}"))
}

fn read_request(view: &View<'_>, row: usize, findings: &mut Findings) {
    let span = view.span(row);
    let time = |key| view.attribute(row, key).and_then(|a| debug_duration_ns(a.text()?));
    let mut said = Said::by(view, row);
    said.e2e_ns = said.e2e_ns.or(time("total_time"));
    said.queue_ns = said.queue_ns.or(time("queue_time"));
    said.inference_ns = said.inference_ns.or(time("inference_time"));
    findings.time(span.id, fact::VALIDATION_NS, time("validation_time"));
    findings.time(span.id, fact::TPOT_NS, time("time_per_token"));
    findings.text(span.id, fact::ENGINE, Some(engine::TGI));
    findings.text(span.id, fact::ROLE, Some(role::REQUEST));
    said.write(span.id, findings);
}

fn write_step(
    view: &View<'_>,
    row: usize,
    members: &[usize],
    work: &[usize],
    findings: &mut Findings,
) {
    let has = |name| work.iter().any(|row| view.name(*row) == name);
    let (kind, phase) = match (has("prefill"), has("decode")) {
        (true, false) => (StepKind::Prefill, Phase::Prefill),
        (false, true) => (StepKind::Decode, Phase::Decode),
        (true, true) => (StepKind::Mixed, Phase::Unknown),
        (false, false) => (StepKind::Unknown, Phase::Unknown),
    };
    // The work itself where it is known: the span around it is opened before.
    let around = [row];
    let timed = if work.is_empty() { &around[..] } else { work };
    let start_ns = timed.iter().map(|row| view.span(*row).start_ns).min().unwrap_or_default();
    let end_ns = timed.iter().map(|row| view.end_ns(*row)).max().unwrap_or_default();
    let stated = view.attribute(row, "batch_size").and_then(|size| size.whole());
    let size = stated.and_then(|size| u32::try_from(size).ok()).unwrap_or(members.len() as u32);
    let member = |row: &usize| FoundMember {
        span: view.span(*row).id,
        request: request_row(view, *row).map(|row| request_id(view, row)).unwrap_or_default(),
        phase,
    };
    for member in members {
        findings.whole(view.span(*member).id, fact::BATCH_SIZE, Some(i64::from(size)));
    }
    findings.step(FoundStep {
        start_ns,
        end_ns,
        process: StepProcess::Named(ROUTER),
        name: STEP_NAME.to_owned(),
        kind,
        context_requests: (kind == StepKind::Prefill).then_some(size),
        generation_requests: (kind == StepKind::Decode).then_some(size),
        members: members.iter().map(member).collect(),
    });
}

/// A duration as Rust's `{:?}` prints it: `1.5s`, `12.3ms`, `4µs`, `7ns`.
fn debug_duration_ns(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let digits = match unit.trim() {
        "s" => 9,
        "ms" => 6,
        "µs" | "μs" | "us" => 3,
        "ns" => 0,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_i64.pow(digits);
    let whole = whole.parse::<i64>().ok()?.checked_mul(scale)?;
    let kept = &fraction[..fraction.len().min(digits as usize)];
    let part = if kept.is_empty() {
        0
    } else {
        kept.parse::<i64>().ok()? * 10_i64.pow(digits - kept.len() as u32)
    };
    whole.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_rust_prints_them() {
        for (text, ns) in [
            ("1.5s", Some(1_500_000_000)),
            ("12.345678ms", Some(12_345_678)),
            ("4µs", Some(4_000)),
            ("750ns", Some(750)),
            ("0ns", Some(0)),
            ("12.3456789ms", Some(12_345_678)),
            ("1.5", None),
            ("fast", None),
            ("", None),
            ("99999999999999999s", None),
        ] {
            assert_eq!(debug_duration_ns(text), ns, "{text}");
        }
        let printed = format!("{:?}", std::time::Duration::from_nanos(3_000_250_001));
        assert_eq!(debug_duration_ns(&printed), Some(3_000_250_001));
    }
}
