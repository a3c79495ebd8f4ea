//! What the server did: request spans with their attributes, events and links, engine steps, who
//! was in them and by which names, sampled counters.

use super::codes::AttributeKind;
use super::define::*;
use crate::{NONE_U32, NONE_U64, StringId};

define_table! {
    /// One request span, in OpenTelemetry's sense.
    Span in SpanTable: Span, time: span;
    /// Start.
    start_ns: i64,
    /// Length.
    duration_ns: u64,
    /// High 64 bits of the trace id.
    trace_id_high: u64,
    /// Low 64 bits of the trace id.
    trace_id_low: u64,
    /// The span's id.
    span_id: u64,
    /// The parent's id; zero for a root.
    parent_span_id: u64,
    /// Span name.
    name: u32 = NONE_U32 => String,
    /// `service.name` of the resource.
    service: u32 = NONE_U32 => String,
    /// The engine's request id; where the engine gives none, the importer's stand-in for it. None
    /// when the span is not known to belong to one request.
    request: u32 = NONE_U32 => String,
    /// Role, a [`SpanKind`](super::SpanKind).
    kind: u8,
    /// Outcome, a [`SpanStatus`](super::SpanStatus).
    status: u8,
    /// File it came from.
    source: u32 = NONE_U32 => Source,
    /// Number of the span in this capture, which rows of [`SpanAttribute`], [`SpanEvent`],
    /// [`SpanLink`] and [`StepMember`] point at; none when no row does.
    id: u32 = NONE_U32 => Span,
    /// Instrumentation scope (library) that made it.
    scope: u32 = NONE_U32 => String,
    /// Process that made it; none when the source does not say.
    process: u32 = NONE_U32 => Process,
}

define_table! {
    /// One attribute of a span or of one of its events. Only keys that hold no content of
    /// requests and name no person or machine are stored. Keys that begin with `underspan.` are
    /// facts in one vocabulary for all engines, see [`span_facts`](crate::span_facts).
    SpanAttribute in SpanAttributeTable: SpanAttribute, time: none;
    /// The span, see [`Span::id`].
    span: u32 = NONE_U32 => Span,
    /// The event it describes, see [`SpanEvent::ordinal`]; [`NONE_U32`] for the span itself.
    event: u32 = NONE_U32,
    /// Name of the attribute.
    key: u32 = NONE_U32 => String,
    /// Type of the value, an [`AttributeKind`](super::AttributeKind): it says which of the value
    /// columns counts.
    kind: u8,
    /// The value of a text.
    text: u32 = NONE_U32 => String,
    /// The value of a whole number; zero or one for a truth value.
    whole: i64,
    /// The value of a real number.
    real: f64,
}

define_table! {
    /// One point in time that a span records. It may lie outside the span.
    SpanEvent in SpanEventTable: SpanEvent, time: instant;
    /// When.
    time_ns: i64,
    /// The span, see [`Span::id`].
    span: u32 = NONE_U32 => Span,
    /// Place of the event in its span's list, from zero.
    ordinal: u32,
    /// What happened.
    name: u32 = NONE_U32 => String,
}

define_table! {
    /// One link from a span to a span that is not its parent.
    SpanLink in SpanLinkTable: SpanLink, time: none;
    /// The span that names the other, see [`Span::id`].
    span: u32 = NONE_U32 => Span,
    /// High 64 bits of the other span's trace id.
    trace_id_high: u64,
    /// Low 64 bits of the other span's trace id.
    trace_id_low: u64,
    /// The other span's id.
    span_id: u64,
}

define_table! {
    /// One engine iteration.
    Step in StepTable: Step, time: span;
    /// Start on the host.
    start_ns: i64,
    /// Length on the host.
    duration_ns: u64,
    /// Number of the step in its process: unique with [`Step::process`].
    step_id: u64 = NONE_U64,
    /// Process that ran it.
    process: u32 = NONE_U32 => Process,
    /// Thread that ran it.
    thread: u32 = NONE_U32 => Thread,
    /// Label it was read from; none when it was recorded by the hook.
    name: u32 = NONE_U32 => String,
    /// What it did, a [`StepKind`](super::StepKind).
    kind: u8,
    /// How well its members are known, a [`Rung`](super::Rung).
    rung: u8,
    /// Requests in prefill; [`NONE_U32`] when the source does not say.
    context_requests: u32 = NONE_U32,
    /// Tokens of those requests; [`NONE_U64`] when the source does not say.
    context_tokens: u64 = NONE_U64,
    /// Requests in decode; [`NONE_U32`] when the source does not say.
    generation_requests: u32 = NONE_U32,
    /// Tokens of those requests; [`NONE_U64`] when the source does not say.
    generation_tokens: u64 = NONE_U64,
}

define_table! {
    /// One request in one engine iteration.
    StepMember in StepMemberTable: StepMember, time: none;
    /// Process of the step.
    process: u32 = NONE_U32 => Process,
    /// The step's number, see [`Step::step_id`].
    step_id: u64 = NONE_U64,
    /// The request's id.
    request: u32 = NONE_U32 => String,
    /// Tokens of this request computed in this step.
    own_tokens: u32 = NONE_U32,
    /// Tokens of this request computed before it.
    computed_tokens: u32 = NONE_U32,
    /// What it was doing, a [`Phase`](super::Phase).
    phase: u8,
    /// The span of the request's part in this step, see [`Span::id`]; none when membership does
    /// not come from spans.
    span: u32 = NONE_U32 => Span,
}

define_table! {
    /// The names one request is known by, from a hook inside the server. It joins members of steps
    /// to spans where the two name a request differently, and tells of requests without a span.
    RequestIdentity in RequestIdentityTable: RequestIdentity, time: instant;
    /// When the engine took the request in; for a request that no engine named, when it came.
    time_ns: i64,
    /// The id that [`StepMember::request`] holds; none when no engine named the request.
    request: u32 = NONE_U32 => String,
    /// The id that spans and responses carry.
    external: u32 = NONE_U32 => String,
    /// `X-Request-Id` of the HTTP request.
    http_request: u32 = NONE_U32 => String,
    /// High 64 bits of the caller's trace id; zero with the low ones when there was no caller.
    trace_id_high: u64,
    /// Low 64 bits of the caller's trace id.
    trace_id_low: u64,
    /// The caller's span; zero when there was none.
    parent_span_id: u64,
    /// One when the caller asked for spans, zero when not or unknown.
    is_sampled: u8,
    /// Time the server had the request before the engine took it; none when unknown.
    frontend_ns: u64 = NONE_U64,
    /// Time from [`RequestIdentity::time_ns`] until the response had been sent; none when unknown.
    duration_ns: u64 = NONE_U64,
    /// Process that says so.
    process: u32 = NONE_U32 => Process,
}

define_table! {
    /// One sample of a counter.
    Counter in CounterTable: Counter, time: instant;
    /// When it was read.
    time_ns: i64,
    /// Track it belongs to.
    track: u32 = NONE_U32 => CounterTrack,
    /// Value in the track's unit.
    value: f64,
}

rows_with_interval!(Span, Step);

impl SpanAttribute {
    /// A text.
    pub fn of_text(span: u32, key: StringId, text: StringId) -> Self {
        let kind = AttributeKind::Text.code();
        Self { span, key: key.raw(), kind, text: text.raw(), ..Self::default() }
    }

    /// A whole number.
    pub fn of_whole(span: u32, key: StringId, whole: i64) -> Self {
        let kind = AttributeKind::Whole.code();
        Self { span, key: key.raw(), kind, whole, ..Self::default() }
    }

    /// A real number.
    pub fn of_real(span: u32, key: StringId, real: f64) -> Self {
        let kind = AttributeKind::Real.code();
        Self { span, key: key.raw(), kind, real, ..Self::default() }
    }

    /// A truth value.
    pub fn of_truth(span: u32, key: StringId, truth: bool) -> Self {
        let kind = AttributeKind::Truth.code();
        Self { span, key: key.raw(), kind, whole: i64::from(truth), ..Self::default() }
    }

    /// Which of the value columns counts.
    pub const fn attribute_kind(&self) -> AttributeKind {
        AttributeKind::from_code(self.kind)
    }
}
