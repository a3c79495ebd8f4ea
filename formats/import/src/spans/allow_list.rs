//! Which attributes are stored. Keys that are not listed are counted, not kept: prompts, request
//! bodies, addresses, host and user names then never reach a capture, whatever their key.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Keys of spans, events and resources that hold numbers, ids or words from a small vocabulary.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    // OpenTelemetry GenAI conventions, and the names engines use beside them.
    "gen_ai.system", "gen_ai.provider.name", "gen_ai.operation.name", "gen_ai.output.type",
    "gen_ai.request.id", "gen_ai.request.model", "gen_ai.request.max_tokens",
    "gen_ai.request.top_p", "gen_ai.request.top_k", "gen_ai.request.temperature",
    "gen_ai.request.n", "gen_ai.request.best_of", "gen_ai.request.stream",
    "gen_ai.request.choice.count", "gen_ai.request.frequency_penalty",
    "gen_ai.request.presence_penalty",
    "gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens", "gen_ai.usage.total_tokens", "gen_ai.usage.cached_tokens",
    "gen_ai.usage.num_sequences", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "llm.usage.prompt_tokens", "llm.usage.completion_tokens", "llm.request.type",
    // Engines.
    "rid", "module", "bootstrap_room", "tp_rank", "pp_rank", "dp_rank", "pid", "thread_label",
    "decode_ct", "bid", "batch_size", "forward_mode",
    "triton.model_name", "triton.model_version", "triton.trace_id", "triton.trace_parent_id",
    "triton.request_id",
    "total_time", "validation_time", "queue_time", "inference_time", "time_per_token", "seed",
    "vllm.instrumenting_module_name", "vllm.process_id", "vllm.process_kind",
    "vllm.process_name",
    "ml.model.name", "ml.model.version", "request_id", "request.id", "x_request_id",
    "x-request-id", "http.request.header.x-request-id",
    // Calls.
    "http.request.method", "http.response.status_code", "http.route", "http.method",
    "http.status_code", "http.flavor", "http.scheme", "url.scheme", "server.port",
    "network.protocol.name", "network.protocol.version", "http.request.body.size",
    "http.response.body.size", "rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code",
    "error.type", "exception.type", "exception.escaped", "otel.status_code", "span.kind",
    "messaging.system", "messaging.operation", "db.system",
    // Code and runtime.
    "code.function", "code.namespace", "code.lineno", "code.function.name", "busy_ns", "idle_ns",
    "thread.id", "thread.name", "process.pid", "process.runtime.name", "process.runtime.version",
    // Deployment.
    "service.name", "service.version", "service.namespace", "service.instance.id",
    "deployment.environment", "deployment.environment.name", "cloud.provider", "cloud.region",
    "cloud.availability_zone", "telemetry.sdk.language", "telemetry.sdk.name",
    "telemetry.sdk.version", "otel.scope.name", "otel.scope.version", "otel.library.name",
    "otel.library.version", "sampling.priority", "sampler.type", "sampler.param", "env", "version",
    "tracestate.ot",
];

/// Beginnings of keys of which all are stored.
const PREFIXES: &[&str] = &["gen_ai.latency.", "underspan."];

/// Keys that name a machine: their values are replaced by a number that stands for it in this
/// file, so that a change of route can still be seen.
const PLACES: &[&str] = &["server.address", "net.peer.name", "peer.address", "host.name"];

/// Longest text that is stored: ids and words are shorter.
const TEXT_LIMIT_CHARS: usize = 256;
/// Longest name of a span.
const NAME_LIMIT_CHARS: usize = 512;

/// What is done with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Stored as it is.
    Keep,
    /// A number is stored in place of its value.
    Number,
    /// Counted only.
    Withhold,
}

pub(super) fn treatment(key: &str) -> Treatment {
    static LISTED: LazyLock<HashSet<&'static str>> =
        LazyLock::new(|| KEYS.iter().copied().collect());
    if LISTED.contains(key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        Treatment::Keep
    } else if PLACES.contains(&key) {
        Treatment::Number
    } else {
        Treatment::Withhold
    }
}

/// Whether a text is as short as ids and words are.
pub(super) fn is_short(text: &str) -> bool {
    text.len() <= TEXT_LIMIT_CHARS || text.chars().nth(TEXT_LIMIT_CHARS).is_none()
}

/// Whether the name of an event is a word of its program, not a message of a log.
pub(super) fn is_word(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-');
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_part)
}

/// A span's name, cut to a length no name of an operation has.
pub(super) fn cut_name(name: &str) -> &str {
    match name.char_indices().nth(NAME_LIMIT_CHARS) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// The stored keys in the spelling of stores that write `_` for every other sign, such as
/// `gen_ai_usage_prompt_tokens`.
pub(crate) fn key_of_flattened(flat: &str) -> Option<&'static str> {
    static FLAT: LazyLock<std::collections::HashMap<String, &'static str>> = LazyLock::new(|| {
        let latencies = crate::dialect::LATENCY_KEYS.iter();
        KEYS.iter().chain(latencies).map(|key| (key.replace(['.', '-'], "_"), *key)).collect()
    });
    FLAT.get(flat).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_people_are_withheld() {
        for key in [
            "gen_ai.prompt",
            "gen_ai.completion",
            "gen_ai.input.messages",
            "llm.prompts.0.content",
            "http.url",
            "url.full",
            "url.path",
            "url.query",
            "user.id",
            "enduser.id",
            "client.address",
            "user_agent.original",
            "exception.message",
            "exception.stacktrace",
            "db.statement",
            "http.request.header.authorization",
            "code.filepath",
            "k8s.pod.name",
            "inputs",
            "parameters",
            "process.command_line",
            "host_id",
        ] {
            assert_eq!(treatment(key), Treatment::Withhold, "{key}");
        }
        assert_eq!(treatment("server.address"), Treatment::Number);
        assert_eq!(treatment("gen_ai.latency.time_in_queue"), Treatment::Keep);
        assert_eq!(treatment("gen_ai.usage.prompt_tokens"), Treatment::Keep);
    }

    #[test]
    fn flattened_keys_are_found_again() {
        assert_eq!(
            key_of_flattened("gen_ai_usage_prompt_tokens"),
            Some("gen_ai.usage.prompt_tokens")
        );
        assert_eq!(key_of_flattened("gen_ai_latency_e2e"), Some("gen_ai.latency.e2e"));
        assert_eq!(key_of_flattened("gen_ai_prompt"), None);
    }
}
