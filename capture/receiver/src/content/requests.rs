//! How long the requests took that the spans of an export tell of.

use std::time::Duration;

use underspan_wire::{Field, Fields};

use super::{Encoding, json_to_protobuf};
use crate::signal::Signal;

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// What engines call the parts of a request, in seconds.
const TTFT: &[u8] = b"gen_ai.latency.time_to_first_token";
const DECODE: &[u8] = b"gen_ai.latency.time_in_model_decode";
const TOKENS: &[u8] = b"gen_ai.usage.completion_tokens";

/// One request that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedRequest {
    /// Its whole span.
    pub length: Duration,
    /// From its arrival to the first token, where the engine says so.
    pub ttft: Option<Duration>,
    /// Mean time per output token after the first, where the engine says so.
    pub itl: Option<Duration>,
    /// Whether it failed.
    pub is_error: bool,
}

/// The requests of an export that was checked: spans of a server, and spans that nobody called
/// for. What is broken in it is left out.
pub(crate) fn requests(body: &[u8], encoding: Encoding) -> Vec<FinishedRequest> {
    let transcoded;
    let body = match encoding {
        Encoding::Protobuf => body,
        Encoding::Json => {
            transcoded = json_to_protobuf(body, Signal::Traces).unwrap_or_default();
            &transcoded
        }
    };
    let resources = parts(body, &[1]);
    let scopes = resources.flat_map(|resource| parts(resource, &[2, 1000]));
    scopes.flat_map(|scope| parts(scope, &[2])).filter_map(request).collect()
}

/// The messages in fields of these numbers.
fn parts<'a>(message: &'a [u8], numbers: &'static [u32]) -> impl Iterator<Item = &'a [u8]> {
    Fields::of(message).map_while(Result::ok).filter_map(|(number, field)| match field {
        Field::Bytes(part) if numbers.contains(&number) => Some(part),
        _ => None,
    })
}

fn request(span: &[u8]) -> Option<FinishedRequest> {
    let (mut kind, mut start_ns, mut end_ns) = (0, 0, 0);
    let (mut has_parent, mut is_error) = (false, false);
    let (mut ttft, mut decode, mut n_tokens) = (None, None, None);
    for (number, field) in Fields::of(span).map_while(Result::ok) {
        match (number, field) {
            (4, Field::Bytes(parent)) => has_parent = parent.iter().any(|byte| *byte != 0),
            (6, Field::Varint(value)) => kind = value,
            (7, Field::Fixed64(value)) => start_ns = value,
            (8, Field::Fixed64(value)) => end_ns = value,
            (9, Field::Bytes(attribute)) => match attribute_of(attribute) {
                Some((TTFT, value)) => ttft = Some(value),
                Some((DECODE, value)) => decode = Some(value),
                Some((TOKENS, value)) => n_tokens = Some(value),
                _ => {}
            },
            (15, Field::Bytes(status)) => {
                let mut fields = Fields::of(status).map_while(Result::ok);
                is_error = fields.any(|field| field == (3, Field::Varint(ERROR)));
            }
            _ => {}
        }
    }
    let is_request = kind == SERVER || (!has_parent && kind != CLIENT);
    let length = end_ns.checked_sub(start_ns).filter(|_| is_request && start_ns > 0)?;
    let seconds = |value: f64| Duration::try_from_secs_f64(value).ok();
    let itl = decode.zip(n_tokens).filter(|(_, n)| *n > 1.0).map(|(decode, n)| decode / (n - 1.0));
    Some(FinishedRequest {
        length: Duration::from_nanos(length),
        ttft: ttft.and_then(seconds),
        itl: itl.and_then(seconds),
        is_error,
    })
}

/// The key of an attribute and its value, if that is a number.
fn attribute_of(attribute: &[u8]) -> Option<(&[u8], f64)> {
    let key = parts(attribute, &[1]).next()?;
    let value = parts(attribute, &[2]).next()?;
    let number = Fields::of(value).map_while(Result::ok).find_map(|field| match field {
        (3, Field::Varint(value)) => Some(value as i64 as f64),
        (4, Field::Fixed64(bits)) => Some(f64::from_bits(bits)),
        _ => None,
    })?;
    Some((key, number))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn export(spans: Vec<Span>) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn span(kind: i32, parent: &[u8], milliseconds: u64) -> Span {
        Span {
            kind,
            parent_span_id: parent.to_vec(),
            start_time_unix_nano: 1_000,
            end_time_unix_nano: 1_000 + 1_000_000 * milliseconds,
            ..Span::default()
        }
    }

    fn attribute(key: &[u8], value: Value) -> KeyValue {
        KeyValue {
            key: String::from_utf8(key.to_vec()).expect("text"),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    #[test]
    fn spans_of_servers_and_spans_without_a_caller_are_requests() {
        let called = [7; 8];
        let body = export(vec![
            span(2, &called, 10),
            span(1, &[], 20),
            span(1, &called, 30),
            span(3, &[], 40),
            span(2, &[0; 8], 50),
        ]);
        let found = requests(&body, Encoding::Protobuf);
        let milliseconds: Vec<_> = found.iter().map(|r| r.length.as_millis()).collect();
        assert_eq!(milliseconds, [10, 20, 50]);
        assert!(found.iter().all(|request| request.ttft.is_none() && !request.is_error));
    }

    #[test]
    fn what_the_engine_says_of_a_request_is_read() {
        let mut told = span(2, &[], 900);
        told.attributes = vec![
            attribute(TTFT, Value::DoubleValue(0.25)),
            attribute(DECODE, Value::DoubleValue(0.5)),
            attribute(TOKENS, Value::IntValue(11)),
            attribute(b"gen_ai.request.id", Value::StringValue("x".to_owned())),
        ];
        told.status = Some(Status { code: 2, ..Status::default() });
        let found = requests(&export(vec![told]), Encoding::Protobuf);
        let expected = FinishedRequest {
            length: Duration::from_millis(900),
            ttft: Some(Duration::from_millis(250)),
            itl: Some(Duration::from_millis(50)),
            is_error: true,
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn json_says_the_same() {
        let body = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"llm_request","kind":2,
            "startTimeUnixNano":"1000","endTimeUnixNano":"3001000","attributes":[{"key":
            "gen_ai.latency.time_to_first_token","value":{"doubleValue":0.001}}]}]}]}]}"#;
        let found = requests(body, Encoding::Json);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].length.as_millis(), found[0].ttft),
            (3, Some(Duration::from_millis(1)))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = requests(&bytes, Encoding::Protobuf);
            let _ = requests(&bytes, Encoding::Json);
        }
    }
}
