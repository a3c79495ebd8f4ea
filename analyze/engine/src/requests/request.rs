//! One request, from its caller to the device.

use underspan_model::tables::{Phase, Rung, StepKind};
use underspan_model::{DeviceId, DurationNs, Interval, ProcessId, StringId, ThreadId};

use super::part::{Part, PartKind};
use crate::StepLabel;

/// How a request is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestOrigin {
    /// By a span of the serving engine.
    EngineSpan,
    /// By the span of a server that is no engine known by name.
    ServerSpan,
    /// By the hook's note of its names and times; its caller asked for no spans.
    Identity,
    /// Only by the steps it was in.
    Steps,
}

impl RequestOrigin {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EngineSpan => "engine_span",
            Self::ServerSpan => "server_span",
            Self::Identity => "identity",
            Self::Steps => "steps",
        }
    }
}

/// What a stretch of a request's span was, in the large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageKind {
    /// See [`PartKind::Outside`].
    Outside,
    /// See [`PartKind::Frontend`].
    Frontend,
    /// Waiting to be scheduled for the first time.
    Queue,
    /// From first being scheduled to the first token; for a server without phases, the execution.
    Prefill,
    /// From the first token to the last.
    Decode,
    /// See [`PartKind::Preempted`].
    Preempted,
    /// See [`PartKind::Post`].
    Post,
    /// See [`PartKind::Unexplained`].
    Unexplained,
}

impl StageKind {
    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Frontend => "frontend",
            Self::Queue => "queue",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Preempted => "preempted",
            Self::Post => "post",
            Self::Unexplained => "unexplained",
        }
    }

    /// Whether the request was in the batch then.
    pub const fn is_scheduled(self) -> bool {
        matches!(self, Self::Prefill | Self::Decode)
    }
}

/// One stretch of a request's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// What it was.
    pub kind: StageKind,
    /// When. Stages follow each other without gap or overlap.
    pub interval: Interval,
}

/// One request in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Position of the step in [`Requests::steps`](super::Requests::steps).
    pub step: u32,
    /// Tokens of the request computed in the step; `None` when not known.
    pub own_tokens: Option<u32>,
    /// Tokens of the request computed before the step; `None` when not known.
    pub computed_tokens: Option<u32>,
    /// What the request was doing in it: prefill or decode, unknown for servers without phases.
    pub phase: Phase,
    /// Place in the engine's batch, from zero; `None` where the source gives no order.
    pub position: Option<u32>,
    /// How well it is known that it was in the step.
    pub rung: Rung,
}

/// Tokens of a request. `None` where nothing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestTokens {
    /// Tokens of the prompt.
    pub prompt: Option<u64>,
    /// Tokens of the prompt that were found in a cache.
    pub cached: Option<u64>,
    /// Tokens of the answer.
    pub output: Option<u64>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The trace it belongs to; `None` for a request without a caller's trace.
    pub trace_id: Option<u128>,
    /// Id of the serving span; `None` without one.
    pub span_id: Option<u64>,
    /// The engine's id of the request; for a request without one, what stands for it.
    pub request_id: String,
    /// How the request is known.
    pub origin: RequestOrigin,
    /// Rows of the span table from the outermost span that holds this request alone down to the
    /// serving span. Empty for a request without a span.
    pub chain: Vec<u32>,
    /// The span that is accounted for: that of the outermost of [`Request::chain`].
    pub interval: Interval,
    /// The span of the serving engine within it.
    pub serving: Interval,
    /// The span in the large: stages in order of time, which sum to it.
    pub stages: Vec<Stage>,
    /// The span by kind, in order of [`PartKind::index`]; the parts sum to it.
    pub parts: Vec<Part>,
    /// Steps it was in, in order of time.
    pub steps: Vec<Membership>,
    /// How well its steps are known: no claim about it is better than this.
    pub rung: Rung,
    /// From arrival at the server to the first token.
    pub ttft: Option<DurationNs>,
    /// Mean time per token after the first.
    pub tpot: Option<DurationNs>,
    /// Tokens.
    pub tokens: RequestTokens,
    /// Engine, one of [`span_facts::engine`](underspan_model::span_facts::engine); none when
    /// nothing says.
    pub engine: StringId,
    /// Model that answered; none when nothing says.
    pub model: StringId,
    /// Version of the model; none when nothing says.
    pub model_version: StringId,
    /// `service.name` of the serving span; none without.
    pub service: StringId,
    /// Process that ran its steps: the replica. None when it was in no known step.
    pub process: ProcessId,
    /// How often it was put out of the batch.
    pub n_preemptions: u32,
    /// Whether the request failed, by its serving span.
    pub is_error: bool,
    /// Time within the span in which the device worked for a step it was in: time it waited on
    /// the device, in company or not.
    pub gpu_wall: DurationNs,
    /// Its share of the device time of its steps. The shares of the members of a step sum to the
    /// step's device time.
    pub gpu_share: DurationNs,
}

impl Request {
    /// How long the span is.
    pub fn duration(&self) -> DurationNs {
        self.interval.duration()
    }

    /// How much of the span a kind took.
    pub fn of_kind(&self, kind: PartKind) -> DurationNs {
        let part = self.parts.iter().find(|part| part.kind == kind);
        part.map_or(DurationNs::ZERO, Part::duration)
    }

    /// How much of the span all kinds that `is_wanted` took.
    pub fn of_kinds(&self, is_wanted: impl Fn(PartKind) -> bool) -> DurationNs {
        self.parts.iter().filter(|part| is_wanted(part.kind)).map(Part::duration).sum()
    }

    /// How much of the span the stages of a kind took.
    pub fn of_stage(&self, kind: StageKind) -> DurationNs {
        let stages = self.stages.iter().filter(|stage| stage.kind == kind);
        stages.map(|stage| stage.interval.duration()).sum()
    }
}

/// One step with the requests in it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestStep {
    /// Position in [`Steps::serving`](crate::Steps::serving); `None` for a step that was found
    /// from what the device did.
    pub analysis_step: Option<u32>,
    /// Number of the step in its process where the source numbers them, otherwise its position
    /// among the process's steps.
    pub number: u64,
    /// When it ran on the host.
    pub host: Interval,
    /// When it took up its engine: from its start, or the end of the step before where they
    /// overlap, to the end of its last work on host and device.
    pub window: Interval,
    /// From the first start to the last end of its device work; `None` without work.
    pub device_interval: Option<Interval>,
    /// Process that ran it: of several ranks the first.
    pub process: ProcessId,
    /// Thread that launched its device work; none when not known.
    pub thread: ThreadId,
    /// Device that most of its work ran on; none without work.
    pub device: DeviceId,
    /// What it did.
    pub kind: StepKind,
    /// Model that it ran, where the spans that tell of the step name it; none otherwise.
    pub model: StringId,
    /// What its label or the hook says: counts and tokens.
    pub label: StepLabel,
    /// How well its members are known.
    pub rung: Rung,
    /// The requests in it.
    pub members: Vec<StepMember>,
    /// How many requests were in it, those that the capture does not name included; `None` when
    /// nothing says.
    pub n_members: Option<u32>,
    /// What its window was spent on, by [`PartKind::index`]; the parts sum to the window.
    pub profile: Vec<(PartKind, u64)>,
    /// Time in which any of its device work ran.
    pub busy: DurationNs,
}

/// A request of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepMember {
    /// Position in [`Requests::requests`](super::Requests::requests).
    pub request: u32,
    /// See [`Membership::own_tokens`].
    pub own_tokens: Option<u32>,
    /// See [`Membership::phase`].
    pub phase: Phase,
    /// Its share of the device time of the step.
    pub gpu_share: DurationNs,
}

impl RequestStep {
    /// How much of the window a kind took.
    pub fn of_kind(&self, kind: PartKind) -> DurationNs {
        let part = self.profile.iter().find(|(of, _)| *of == kind);
        part.map_or(DurationNs::ZERO, |(_, ns)| DurationNs::from_ns(*ns))
    }
}
