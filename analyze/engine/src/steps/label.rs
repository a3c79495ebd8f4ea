//! Step labels: how engines write down what an iteration does.
//!
//! | engine | label | source |
//! |---|---|---|
//! | vLLM | `execute_context_2(154)_generation_6(6)` | `vllm/v1/worker/gpu_worker.py` |
//! | vLLM (a fork) | `execute_context_1(888_788544)_generation_0(0)`: tokens and sum of squares | seen in traces |
//! | vLLM, detailed | `execute_32_context_0(sq0sk0sqsq0sqsk0)_generation_32(sq32sk550sqsq32sqsk550)` | same |
//! | vLLM 0.10–0.11 | `execute_new_1_cached_31` | same |
//! | SGLang | `step[EXTEND bs=15 toks=15360]`, `step[DECODE bs=16 forward_id=7]` | `sglang/srt/managers/scheduler.py` |
//! | TensorRT-LLM | `[Executor] _forward_step 7: 1 ctx reqs, 888 ctx tokens, 31 gen reqs`; without the number or the tokens in older versions | `tensorrt_llm/_torch/pyexecutor/py_executor.py` |
//! | PyTorch | `ProfilerStep#7` | `torch/profiler/profiler.py` |

use underspan_model::tables::StepKind;

/// The way of writing a step label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StepDialect {
    /// vLLM's counts and tokens.
    Vllm,
    /// vLLM's counts, tokens and attention sizes.
    VllmDetailed,
    /// vLLM's new and cached requests.
    VllmNewCached,
    /// SGLang's batch.
    Sglang,
    /// TensorRT-LLM's executor.
    TensorrtLlm,
    /// PyTorch's profiler schedule.
    ProfilerStep,
    /// Recorded by the hook, not read from a label.
    Hook,
    /// A range that a program put around a request of its own.
    Annotation,
    /// Found from what the device did.
    DeviceWork,
}

impl StepDialect {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::VllmDetailed => "vllm_detailed",
            Self::VllmNewCached => "vllm_new_cached",
            Self::Sglang => "sglang",
            Self::TensorrtLlm => "tensorrt_llm",
            Self::ProfilerStep => "profiler_step",
            Self::Hook => "hook",
            Self::Annotation => "annotation",
            Self::DeviceWork => "device_work",
        }
    }
}

/// What a label says. `None` is "it does not say".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepLabel {
    /// How it was written.
    pub dialect: StepDialect,
    /// What the step did.
    pub kind: StepKind,
    /// Number of the iteration.
    pub iteration: Option<u64>,
    /// Requests in the step, of either phase.
    pub requests: Option<u64>,
    /// Requests in prefill.
    pub context_requests: Option<u64>,
    /// Tokens computed for them.
    pub context_tokens: Option<u64>,
    /// Requests in decode.
    pub generation_requests: Option<u64>,
    /// Tokens computed for them.
    pub generation_tokens: Option<u64>,
    /// Tokens that the prefill requests attend to.
    pub context_kv_tokens: Option<u64>,
    /// Tokens that the decode requests attend to.
    pub generation_kv_tokens: Option<u64>,
}

impl StepLabel {
    /// Reads a label; `None` when it is no step label of any dialect.
    pub fn parse(name: &str) -> Option<Self> {
        DIALECTS.iter().find_map(|parse| parse(&mut Cursor(name)))
    }

    /// A label that says nothing yet.
    pub(crate) const fn new(dialect: StepDialect, kind: StepKind) -> Self {
        Self {
            dialect,
            kind,
            iteration: None,
            requests: None,
            context_requests: None,
            context_tokens: None,
            generation_requests: None,
            generation_tokens: None,
            context_kv_tokens: None,
            generation_kv_tokens: None,
        }
    }

    /// Whether the step belongs to an inference engine and not to a profiler's schedule.
    pub fn is_serving(&self) -> bool {
        self.dialect != StepDialect::ProfilerStep
    }

    /// Takes from another label of the same step what this one does not say.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        if self.kind == StepKind::Unknown {
            self.kind = other.kind;
        }
        let mine = [
            &mut self.iteration,
            &mut self.requests,
            &mut self.context_requests,
            &mut self.context_tokens,
            &mut self.generation_requests,
            &mut self.generation_tokens,
            &mut self.context_kv_tokens,
            &mut self.generation_kv_tokens,
        ];
        let others = [
            other.iteration,
            other.requests,
            other.context_requests,
            other.context_tokens,
            other.generation_requests,
            other.generation_tokens,
            other.context_kv_tokens,
            other.generation_kv_tokens,
        ];
        for (mine, other) in mine.into_iter().zip(others) {
            *mine = mine.or(other);
        }
    }

    /// A step with requests counted by phase.
    fn of_counts(dialect: StepDialect, context: u64, generation: u64) -> Self {
        let kind = match (context, generation) {
            (0, 0) => StepKind::Empty,
            (_, 0) => StepKind::Prefill,
            (0, _) => StepKind::Decode,
            _ => StepKind::Mixed,
        };
        Self {
            requests: context.checked_add(generation),
            context_requests: Some(context),
            generation_requests: Some(generation),
            ..Self::new(dialect, kind)
        }
    }
}

/// Every dialect. To add one: write its function, add its line.
const DIALECTS: [fn(&mut Cursor<'_>) -> Option<StepLabel>; 5] =
    [vllm, vllm_new_cached, sglang, tensorrt_llm, profiler_step];

/// `execute_[T_]context_N(…)_generation_M(…)`.
fn vllm(text: &mut Cursor<'_>) -> Option<StepLabel> {
    text.literal("execute_")?;
    if text.literal("context_").is_none() {
        text.number()?;
        text.literal("_context_")?;
    }
    let context_requests = text.number()?;
    let context = text.vllm_phase()?;
    text.literal("_generation_")?;
    let generation_requests = text.number()?;
    let generation = text.vllm_phase()?;
    let is_detailed = context.kv_tokens.is_some() || generation.kv_tokens.is_some();
    let dialect = if is_detailed { StepDialect::VllmDetailed } else { StepDialect::Vllm };
    Some(StepLabel {
        context_tokens: Some(context.tokens),
        generation_tokens: Some(generation.tokens),
        context_kv_tokens: context.kv_tokens,
        generation_kv_tokens: generation.kv_tokens,
        ..StepLabel::of_counts(dialect, context_requests, generation_requests)
    })
}

/// `execute_new_N_cached_M`: newly scheduled requests are in prefill. A cached one is counted as
/// decoding, which chunked prefill makes wrong at times.
fn vllm_new_cached(text: &mut Cursor<'_>) -> Option<StepLabel> {
    text.literal("execute_new_")?;
    let new = text.number()?;
    text.literal("_cached_")?;
    let cached = text.number()?;
    Some(StepLabel::of_counts(StepDialect::VllmNewCached, new, cached))
}

/// `step[MODE key=value …]`; modes are SGLang's `ForwardMode`.
fn sglang(text: &mut Cursor<'_>) -> Option<StepLabel> {
    text.literal("step[")?;
    let (inside, _) = text.0.split_once(']')?;
    let mut words = inside.split_ascii_whitespace();
    let mode = words.next()?;
    let is_mode = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if !mode.starts_with(|c: char| c.is_ascii_uppercase()) || !mode.bytes().all(is_mode) {
        return None;
    }
    let kind = match mode {
        "EXTEND" | "SPLIT_PREFILL" | "DLLM_EXTEND" => StepKind::Prefill,
        "DECODE" => StepKind::Decode,
        "MIXED" => StepKind::Mixed,
        "IDLE" | "PREBUILT" | "DUMMY_FIRST" => StepKind::Empty,
        "TARGET_VERIFY" | "DRAFT_EXTEND" | "DRAFT_EXTEND_V2" => StepKind::Speculative,
        _ => StepKind::Unknown,
    };
    let mut label = StepLabel::new(StepDialect::Sglang, kind);
    let mut tokens = None;
    for word in words {
        let Some((key, value)) = word.split_once('=') else { continue };
        let Ok(value) = value.trim_end_matches(',').parse::<u64>() else { continue };
        match key {
            "bs" => label.requests = Some(value),
            "toks" => tokens = Some(value),
            "forward_id" => label.iteration = Some(value),
            _ => {}
        }
    }
    match kind {
        StepKind::Prefill => {
            label.context_requests = label.requests;
            label.context_tokens = tokens;
            label.generation_requests = Some(0);
            label.generation_tokens = Some(0);
        }
        StepKind::Decode => {
            label.context_requests = Some(0);
            label.context_tokens = Some(0);
            label.generation_requests = label.requests;
            // One token a request, where the label does not say otherwise.
            label.generation_tokens = tokens.or(label.requests);
        }
        _ => {}
    }
    Some(label)
}

/// `[Executor] _forward_step[ I]: N ctx reqs, [T ctx tokens, ]M gen reqs`.
fn tensorrt_llm(text: &mut Cursor<'_>) -> Option<StepLabel> {
    text.literal("[Executor] _forward_step")?;
    text.spaces();
    let iteration = text.number();
    text.literal(":")?;
    text.spaces();
    let context_requests = text.number()?;
    text.literal(" ctx reqs,")?;
    text.spaces();
    let mut second = text.number()?;
    let mut context_tokens = (context_requests == 0).then_some(0);
    if text.literal(" ctx tokens,").is_some() {
        context_tokens = Some(second);
        text.spaces();
        second = text.number()?;
    }
    text.literal(" gen reqs")?;
    Some(StepLabel {
        iteration,
        context_tokens,
        ..StepLabel::of_counts(StepDialect::TensorrtLlm, context_requests, second)
    })
}

/// `ProfilerStep#N`; `ProfilerStep*` in the schedule's own summary is none.
fn profiler_step(text: &mut Cursor<'_>) -> Option<StepLabel> {
    text.literal("ProfilerStep#")?;
    let iteration = text.number()?;
    Some(StepLabel {
        iteration: Some(iteration),
        ..StepLabel::new(StepDialect::ProfilerStep, StepKind::Profiler)
    })
}

/// The rest of a label.
struct Cursor<'a>(&'a str);

/// What vLLM writes in parentheses behind a number of requests.
struct VllmPhase {
    tokens: u64,
    kv_tokens: Option<u64>,
}

impl Cursor<'_> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.0.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let value = self.0[..end].parse().ok()?;
        self.0 = &self.0[end..];
        Some(value)
    }

    /// `(T)`, `(T_S)` or `(sqAskBsqsqCsqskD)`: query tokens, keys, and sums of their products.
    fn vllm_phase(&mut self) -> Option<VllmPhase> {
        self.literal("(")?;
        let phase = if self.literal("sq").is_some() {
            let tokens = self.number()?;
            self.literal("sk")?;
            VllmPhase { tokens, kv_tokens: Some(self.number()?) }
        } else {
            VllmPhase { tokens: self.number()?, kv_tokens: None }
        };
        let (_, rest) = self.0.split_once(')')?;
        self.0 = rest;
        Some(phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Dialect, kind, iteration, then requests and tokens of prefill and of decode.
    fn read(name: &str) -> Option<String> {
        let label = StepLabel::parse(name)?;
        let show = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let counts = [
            label.iteration,
            label.requests,
            label.context_requests,
            label.context_tokens,
            label.generation_requests,
            label.generation_tokens,
            label.generation_kv_tokens,
        ];
        let counts = counts.map(show).join(" ");
        Some(format!("{} {} {counts}", label.dialect.as_str(), label.kind.as_str()))
    }

    #[test]
    fn labels_of_every_dialect_are_read() {
        for (name, expected) in [
            ("execute_context_2(154)_generation_6(6)", "vllm mixed - 8 2 154 6 6 -"),
            ("execute_context_0(0)_generation_7(7)", "vllm decode - 7 0 0 7 7 -"),
            ("execute_context_0(0)_generation_0(0)", "vllm empty - 0 0 0 0 0 -"),
            ("execute_context_1(888_788544)_generation_0(0)", "vllm prefill - 1 1 888 0 0 -"),
            (
                "execute_8192_context_9(sq8155sk9000sqsq1sqsk2)_generation_37(sq37sk5506sqsq3sqsk4)",
                "vllm_detailed mixed - 46 9 8155 37 37 5506",
            ),
            ("execute_new_1_cached_31", "vllm_new_cached mixed - 32 1 - 31 - -"),
            ("step[DECODE bs=16]", "sglang decode - 16 0 0 16 16 -"),
            ("step[EXTEND bs=15 toks=15360]", "sglang prefill - 15 15 15360 0 0 -"),
            ("step[DECODE bs=16 forward_id=7]", "sglang decode 7 16 0 0 16 16 -"),
            ("step[MIXED bs=3 toks=900]", "sglang mixed - 3 - - - - -"),
            ("step[TARGET_VERIFY bs=4]", "sglang speculative - 4 - - - - -"),
            ("step[IDLE bs=0]", "sglang empty - 0 - - - - -"),
            ("step[SOMETHING_NEW bs=1]", "sglang unknown - 1 - - - - -"),
            (
                "[Executor] _forward_step 7: 1 ctx reqs, 888 ctx tokens, 31 gen reqs",
                "tensorrt_llm mixed 7 32 1 888 31 - -",
            ),
            (
                "[Executor] _forward_step 9: 0 ctx reqs, 31 gen reqs",
                "tensorrt_llm decode 9 31 0 0 31 - -",
            ),
            (
                "[Executor] _forward_step: 2 ctx reqs, 0 gen reqs",
                "tensorrt_llm prefill - 2 2 - 0 - -",
            ),
            ("ProfilerStep#6", "profiler_step profiler 6 - - - - - -"),
        ] {
            assert_eq!(read(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_step_label_is_not_read() {
        for name in [
            "",
            "execute_model",
            "execute_context_2",
            "execute_context_2(154)_generation_",
            "execute_context_99999999999999999999(1)_generation_0(0)",
            "step[]",
            "step[0]",
            "step[decode bs=1",
            "[Executor] _forward_step 7",
            "[Executor] _forward_step: x ctx reqs, 1 gen reqs",
            "ProfilerStep*",
            "ProfilerStep#",
            "nccl:all_reduce",
        ] {
            assert_eq!(read(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(name in "(execute_|step\\[|\\[Executor\\] |ProfilerStep#)?[ -~µ]{0,40}") {
            let _ = StepLabel::parse(&name);
        }
    }
}
