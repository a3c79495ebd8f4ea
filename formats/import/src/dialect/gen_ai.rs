//! The words that engines share: the OpenTelemetry GenAI conventions and the `gen_ai.latency.*`
//! attributes that vLLM, SGLang and TensorRT-LLM write beside them. Times are in seconds.
//!
//! <https://github.com/open-telemetry/semantic-conventions-genai>

use underspan_model::span_facts::{self as fact, engine, role};
use underspan_model::tables::SpanKind;

use super::findings::Findings;
use super::view::View;

/// The latency attributes that are read or passed on.
pub(crate) const LATENCY_KEYS: &[&str] = &[
    "gen_ai.latency.time_to_first_token",
    "gen_ai.latency.e2e",
    "gen_ai.latency.time_in_queue",
    "gen_ai.latency.time_in_scheduler",
    "gen_ai.latency.time_in_model_forward",
    "gen_ai.latency.time_in_model_execute",
    "gen_ai.latency.time_in_model_prefill",
    "gen_ai.latency.time_in_model_decode",
    "gen_ai.latency.time_in_model_inference",
    "gen_ai.latency.kv_cache_transfer_time",
];

/// What a span says in the shared words, before an engine says how it means them.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) ttft_ns: Option<i64>,
    pub(super) e2e_ns: Option<i64>,
    pub(super) queue_ns: Option<i64>,
    pub(super) prefill_ns: Option<i64>,
    pub(super) decode_ns: Option<i64>,
    pub(super) inference_ns: Option<i64>,
    pub(super) kv_transfer_ns: Option<i64>,
    prompt_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    output_tokens: Option<i64>,
    max_tokens: Option<i64>,
    finish_reason: Option<String>,
    model: Option<String>,
    model_version: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Said {
    pub(super) fn by(view: &View<'_>, row: usize) -> Self {
        let mut said = Self::default();
        for attribute in view.attributes(row) {
            let seconds = || attribute.seconds_as_ns();
            match attribute.key {
                "gen_ai.latency.time_to_first_token" => said.ttft_ns = seconds(),
                "gen_ai.response.time_to_first_chunk" if said.ttft_ns.is_none() => {
                    said.ttft_ns = seconds();
                }
                "gen_ai.latency.e2e" => said.e2e_ns = seconds(),
                "gen_ai.latency.time_in_queue" => said.queue_ns = seconds(),
                "gen_ai.latency.time_in_model_prefill" => said.prefill_ns = seconds(),
                "gen_ai.latency.time_in_model_decode" => said.decode_ns = seconds(),
                "gen_ai.latency.time_in_model_inference" => said.inference_ns = seconds(),
                "gen_ai.latency.kv_cache_transfer_time" => said.kv_transfer_ns = seconds(),
                "gen_ai.usage.prompt_tokens"
                | "gen_ai.usage.input_tokens"
                | "llm.usage.prompt_tokens" => said.prompt_tokens = attribute.whole(),
                "gen_ai.usage.completion_tokens"
                | "gen_ai.usage.output_tokens"
                | "llm.usage.completion_tokens" => said.output_tokens = attribute.whole(),
                "gen_ai.usage.cached_tokens"
                | "gen_ai.usage.cache_read.input_tokens"
                | "gen_ai.usage.cache_read_input_tokens" => {
                    said.cached_tokens = attribute.whole();
                }
                "gen_ai.request.max_tokens" => said.max_tokens = attribute.whole(),
                "gen_ai.response.finish_reasons" => {
                    said.finish_reason = attribute.text().map(plain_list);
                }
                "gen_ai.response.model" | "ml.model.name" => {
                    said.model = Some(attribute.to_text());
                }
                "gen_ai.request.model" if said.model.is_none() => {
                    said.model = Some(attribute.to_text());
                }
                "ml.model.version" => said.model_version = Some(attribute.to_text()),
                "gen_ai.request.id" => said.request_id = Some(attribute.to_text()),
                _ => {}
            }
        }
        said
    }

    /// Writes everything under the meaning its name has in the vocabulary.
    pub(super) fn write(self, span: u32, findings: &mut Findings) {
        findings.time(span, fact::TTFT_NS, self.ttft_ns);
        findings.time(span, fact::E2E_NS, self.e2e_ns);
        findings.time(span, fact::QUEUE_NS, self.queue_ns);
        findings.time(span, fact::PREFILL_NS, self.prefill_ns);
        findings.time(span, fact::DECODE_NS, self.decode_ns);
        findings.time(span, fact::INFERENCE_NS, self.inference_ns);
        findings.time(span, fact::KV_TRANSFER_NS, self.kv_transfer_ns);
        findings.whole(span, fact::PROMPT_TOKENS, self.prompt_tokens);
        findings.whole(span, fact::CACHED_TOKENS, self.cached_tokens);
        findings.whole(span, fact::OUTPUT_TOKENS, self.output_tokens);
        findings.whole(span, fact::MAX_TOKENS, self.max_tokens);
        findings.text(span, fact::FINISH_REASON, self.finish_reason);
        findings.text(span, fact::MODEL, self.model);
        findings.text(span, fact::MODEL_VERSION, self.model_version);
        findings.text(span, fact::REQUEST_ID, self.request_id);
    }
}

/// `["length"]`, `[length]` and `length` are one finish reason.
fn plain_list(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '[' | ']' | '"' | '\'' | ' ')).collect()
}

/// A span of an unknown engine, or of a program that calls one: only what has one meaning
/// everywhere.
pub(super) fn read(view: &View<'_>, row: usize, findings: &mut Findings) {
    let span = view.span(row);
    let mut said = Said::by(view, row);
    (said.prefill_ns, said.decode_ns, said.inference_ns) = (None, None, None);
    said.ttft_ns = said.ttft_ns.or_else(|| {
        let first_token = view.event_ns(row, "first_token")?;
        first_token.checked_sub(span.start_ns)
    });
    if SpanKind::from_code(span.kind) != SpanKind::Client {
        findings.text(span.id, fact::ENGINE, Some(engine::GEN_AI));
        findings.text(span.id, fact::ROLE, Some(role::REQUEST));
    }
    said.write(span.id, findings);
}
