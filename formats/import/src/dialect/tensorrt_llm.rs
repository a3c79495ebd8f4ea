//! TensorRT-LLM: one `llm_request` span a request. It states time to first token, end to end and
//! queue time, and the time for moving KV cache when prefill and decode run apart; no split of
//! model time. (`tensorrt_llm/llmapi/tracing.py`)

use underspan_model::span_facts::{self as fact, engine, role};

use super::findings::Findings;
use super::gen_ai::Said;
use super::view::View;

const TRANSFER_START: &str = "kv_cache_transfer_start";
const TRANSFER_END: &str = "kv_cache_transfer_end";

pub(super) fn read(view: &View<'_>, row: usize, findings: &mut Findings) {
    let span = view.span(row);
    let mut said = Said::by(view, row);
    said.kv_transfer_ns = said.kv_transfer_ns.or_else(|| {
        let start = view.event_ns(row, TRANSFER_START)?;
        view.event_ns(row, TRANSFER_END)?.checked_sub(start)
    });
    findings.text(span.id, fact::ENGINE, Some(engine::TENSORRT_LLM));
    findings.text(span.id, fact::ROLE, Some(role::REQUEST));
    said.write(span.id, findings);
}
