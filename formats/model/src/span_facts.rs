//! One vocabulary for what engines say about requests.
//!
//! Engines name the same thing differently and different things alike: a "prefill time" holds the
//! wait in the queue in one and not in the other. Importers therefore add attributes of these
//! keys to spans, in these units and with this one meaning, beside the attributes in the
//! engine's own words. A fact an engine does not state, or states in a way that cannot be
//! converted, is absent.
//!
//! Times are whole nanoseconds, counts are whole numbers.

/// Engine that made the span: one of [`engine`], text.
pub const ENGINE: &str = "underspan.engine";

/// What the span is in its engine: one of [`role`], text.
pub const ROLE: &str = "underspan.role";

/// Time between the engine taking the request in and first scheduling it.
pub const QUEUE_NS: &str = "underspan.queue_ns";

/// Time from first being scheduled to the first token, without any wait before.
pub const PREFILL_NS: &str = "underspan.prefill_ns";

/// Time from the first token to the last.
pub const DECODE_NS: &str = "underspan.decode_ns";

/// Time from first being scheduled to the last token.
pub const INFERENCE_NS: &str = "underspan.inference_ns";

/// Time from arrival at the server to the first token.
pub const TTFT_NS: &str = "underspan.ttft_ns";

/// Time from arrival at the server to the end of the answer, as the engine measured it: a span
/// may end later, when it is exported.
pub const E2E_NS: &str = "underspan.e2e_ns";

/// Mean time per output token after the first.
pub const TPOT_NS: &str = "underspan.tpot_ns";

/// Time spent checking and tokenizing the request before it was queued.
pub const VALIDATION_NS: &str = "underspan.validation_ns";

/// Time spent moving KV cache between machines.
pub const KV_TRANSFER_NS: &str = "underspan.kv_transfer_ns";

/// Time the execution took to gather its inputs.
pub const COMPUTE_INPUT_NS: &str = "underspan.compute_input_ns";

/// Time the execution took to compute.
pub const COMPUTE_INFER_NS: &str = "underspan.compute_infer_ns";

/// Time the execution took to hand out its outputs.
pub const COMPUTE_OUTPUT_NS: &str = "underspan.compute_output_ns";

/// Tokens of the prompt.
pub const PROMPT_TOKENS: &str = "underspan.prompt_tokens";

/// Tokens of the prompt that were found in a cache.
pub const CACHED_TOKENS: &str = "underspan.cached_tokens";

/// Tokens of the answer.
pub const OUTPUT_TOKENS: &str = "underspan.output_tokens";

/// Most tokens the request asked for.
pub const MAX_TOKENS: &str = "underspan.max_tokens";

/// Why the answer ended, text.
pub const FINISH_REASON: &str = "underspan.finish_reason";

/// Model that answered, text.
pub const MODEL: &str = "underspan.model";

/// Version of the model, text.
pub const MODEL_VERSION: &str = "underspan.model_version";

/// The engine's request id, text.
pub const REQUEST_ID: &str = "underspan.request_id";

/// The engine's name of the batch the span ran in, text.
pub const BATCH_ID: &str = "underspan.batch_id";

/// Requests in that batch, those without a span included.
pub const BATCH_SIZE: &str = "underspan.batch_size";

/// Values of [`ENGINE`].
pub mod engine {
    /// vLLM.
    pub const VLLM: &str = "vllm";
    /// SGLang.
    pub const SGLANG: &str = "sglang";
    /// Hugging Face Text Generation Inference.
    pub const TGI: &str = "tgi";
    /// TensorRT-LLM.
    pub const TENSORRT_LLM: &str = "tensorrt_llm";
    /// Triton Inference Server.
    pub const TRITON: &str = "triton";
    /// Any other that follows the OpenTelemetry GenAI conventions.
    pub const GEN_AI: &str = "gen_ai";
}

/// Values of [`ROLE`].
pub mod role {
    /// The engine's span of a whole request.
    pub const REQUEST: &str = "request";
    /// One model's part of a request.
    pub const MODEL: &str = "model";
    /// Work before the request was queued.
    pub const FRONTEND: &str = "frontend";
    /// Waiting to be scheduled.
    pub const QUEUE: &str = "queue";
    /// Processing the prompt, or one chunk of it.
    pub const PREFILL: &str = "prefill";
    /// Producing tokens.
    pub const DECODE: &str = "decode";
    /// Taking part in one step.
    pub const STEP_PART: &str = "step_part";
    /// One step of the engine, with all its requests.
    pub const STEP: &str = "step";
    /// One execution of a model.
    pub const COMPUTE: &str = "compute";
    /// What one process or thread did for a request.
    pub const THREAD: &str = "thread";
    /// Work after the last token.
    pub const POST: &str = "post";
    /// Loading and warming up.
    pub const STARTUP: &str = "startup";
}
