//! Finding a request by an id a person has at hand.

use underspan_model::tables::Span;
use underspan_model::{StringId, Timeline};

use crate::timeline::TimeRange;

/// From the start of the first to the end of the last span of the request: of those that carry the
/// engine's request id, or else those of the trace, or else the one span. Ids of traces and spans
/// are hexadecimal.
pub(crate) fn request_range(timeline: &Timeline, id: &str) -> Option<TimeRange> {
    let by_request = timeline.strings.find(id).map(StringId::raw);
    let by_trace = (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok()).flatten();
    let by_span = (id.len() == 16).then(|| u64::from_str_radix(id, 16).ok()).flatten();
    let trace = |span: &Span| u128::from(span.trace_id_high) << 64 | u128::from(span.trace_id_low);
    union(timeline, |span| by_request.is_some_and(|request| span.request == request))
        .or_else(|| union(timeline, |span| by_trace.is_some_and(|id| trace(span) == id)))
        .or_else(|| union(timeline, |span| by_span.is_some_and(|id| span.span_id == id)))
}

fn union(timeline: &Timeline, is_wanted: impl Fn(&Span) -> bool) -> Option<TimeRange> {
    let ranges = timeline.spans.iter().filter(is_wanted).map(|span| {
        let end = span.start_ns.saturating_add_unsigned(span.duration_ns);
        TimeRange::from_ns(span.start_ns, end)
    });
    ranges.reduce(TimeRange::union)
}
