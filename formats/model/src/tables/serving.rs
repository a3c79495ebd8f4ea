//! What the server did: request spans, engine steps, who was in them, sampled counters.

use super::define::*;
use crate::{NONE_U32, NONE_U64};

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
    /// The engine's request id; none when the span carries none.
    request: u32 = NONE_U32 => String,
    /// Role, a [`SpanKind`](super::SpanKind).
    kind: u8,
    /// Outcome, a [`SpanStatus`](super::SpanStatus).
    status: u8,
    /// File it came from.
    source: u32 = NONE_U32 => Source,
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
