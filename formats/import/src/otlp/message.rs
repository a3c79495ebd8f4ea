//! What the JSON and the protobuf reader share.

use underspan_model::{ProblemKind, TimestampNs};

use crate::spans::{AttributeValue, SpanSink};

/// A time of OTLP; `None` for zero, which means unknown, and for times past the year 2262.
pub(super) fn time_from_ns(ns: u64) -> Option<TimestampNs> {
    let ns = i64::try_from(ns).ok().filter(|ns| *ns != 0)?;
    Some(TimestampNs::from_ns(ns))
}

/// Keeps OpenTelemetry's own member of the trace state, which tells how much was sampled:
/// `ot=th:8;rv:…`. Members of others are not stored.
pub(super) fn trace_state(sink: &mut SpanSink, state: &str) {
    let own = state.split(',').find_map(|member| member.trim().strip_prefix("ot="));
    if let Some(own) = own {
        sink.attribute("tracestate.ot", &AttributeValue::Text(own.into()));
    }
}

/// Counts what the exporter says it left out.
pub(super) fn dropped_by_exporter(sink: &mut SpanSink, count: u64) {
    sink.problem(ProblemKind::MissingEvidence, count, || {
        "attributes, events or links that the exporter dropped".to_owned()
    });
}
