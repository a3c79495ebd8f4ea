//! The hook's request records: by which names a request is known.
//!
//! ```text
//! 0   1  version, 1
//! 1   1  who tells: 1 vLLM, 2 SGLang, 3 transformers, 4 the HTTP server
//! 2   8  CLOCK_REALTIME
//! 10  8  CLOCK_MONOTONIC
//! 18  …  fields: 1 byte key, varint length, value
//! ```
//!
//! Keys: 1 the id that members of steps have, 2 an id from outside, 3 a `traceparent` header, 4 an
//! `x-request-id` header (texts); 5 when it was received, 6 when it ended (8 bytes, nanoseconds).

use underspan_model::tables::{Span, SpanAttribute, SpanKind};
use underspan_model::{ProblemKind, StringId};

use super::rows::Rows;

const HEAD_LEN: usize = 18;

#[derive(Default)]
struct Fields<'a> {
    member: &'a str,
    external: &'a str,
    traceparent: &'a str,
    x_request_id: &'a str,
    received_ns: Option<i64>,
    ended_ns: Option<i64>,
}

/// Stores a record as a span named `underspan.request`, which carries the request's ids and, when
/// there was a `traceparent`, hangs below the caller's span.
pub(super) fn add(rows: &mut Rows, record: &[u8]) {
    let Some((time_ns, fields)) = parse(record) else {
        rows.problem(ProblemKind::MalformedEvent, 1, || {
            format!("a request record of {} bytes", record.len())
        });
        return;
    };
    let start_ns = fields.received_ns.unwrap_or(time_ns);
    let end_ns = fields.ended_ns.unwrap_or(start_ns);
    let (trace_id, parent_span_id) = traceparent(fields.traceparent).unwrap_or_default();
    let id = rows.next_span_number();
    let name = rows.intern("underspan.request").raw();
    let request = match (fields.member, fields.external) {
        ("", "") => StringId::NONE,
        ("", external) => rows.intern(external),
        (member, _) => rows.intern(member),
    };
    let process = rows.process().raw();
    rows.timeline.spans.push(Span {
        start_ns,
        duration_ns: end_ns.saturating_sub(start_ns).max(0) as u64,
        trace_id_high: (trace_id >> 64) as u64,
        trace_id_low: trace_id as u64,
        parent_span_id,
        name,
        request: request.raw(),
        kind: SpanKind::Internal.code(),
        id,
        process,
        ..Span::default()
    });
    for (key, value) in [
        ("underspan.external_id", fields.external),
        ("underspan.x_request_id", fields.x_request_id),
    ] {
        if !value.is_empty() {
            let (key, value) = (rows.intern(key), rows.intern(value));
            rows.timeline.span_attributes.push(SpanAttribute::of_text(id, key, value));
        }
    }
}

fn parse(record: &[u8]) -> Option<(i64, Fields<'_>)> {
    if *record.first()? != 1 {
        return None;
    }
    let time_ns = i64::from_le_bytes(*record.get(2..)?.first_chunk()?);
    let mut fields = Fields::default();
    let mut rest = record.get(HEAD_LEN..)?;
    while let Some((&key, after)) = rest.split_first() {
        let (len, after) = varint(after)?;
        let (value, after) = after.split_at_checked(len)?;
        let text = || std::str::from_utf8(value).ok();
        let time = || Some(i64::from_le_bytes(*value.first_chunk()?));
        match key {
            1 => fields.member = text()?,
            2 => fields.external = text()?,
            3 => fields.traceparent = text()?,
            4 => fields.x_request_id = text()?,
            5 => fields.received_ns = time(),
            6 => fields.ended_ns = time(),
            _ => {}
        }
        rest = after;
    }
    Some((time_ns, fields))
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 127) << (7 * at);
        if *byte < 128 {
            return Some((usize::try_from(value).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

/// Trace id and span id of a W3C `traceparent`.
fn traceparent(text: &str) -> Option<(u128, u64)> {
    let mut parts = text.split('-');
    let (_version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    if trace.len() != 32 || span.len() != 16 {
        return None;
    }
    Some((u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?))
}
