//! vLLM: one `llm_request` span a request, spans of loading and warming up.
//!
//! The span starts at arrival in the API server, before the engine; `time_in_queue` starts in the
//! engine, so what lies between is in neither it nor the prefill time. Prefill time runs from
//! first being scheduled to the first token, without the queue; a wait after preemption hides in
//! prefill or decode time. (`vllm/v1/engine/output_processor.py`, `vllm/v1/metrics/stats.py`)

use underspan_model::span_facts::{self as fact, engine, role};

use super::findings::Findings;
use super::gen_ai::Said;
use super::view::View;

/// Name of the span of a request.
pub(super) const REQUEST_NAME: &str = "llm_request";

pub(super) fn read(view: &View<'_>, row: usize, findings: &mut Findings) {
    let span = view.span(row);
    let is_request = view.name(row) == REQUEST_NAME;
    let role = if is_request { role::REQUEST } else { role::STARTUP };
    findings.text(span.id, fact::ENGINE, Some(engine::VLLM));
    findings.text(span.id, fact::ROLE, Some(role));
    Said::by(view, row).write(span.id, findings);
}
