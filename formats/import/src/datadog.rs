//! Datadog spans: what the agent is sent (`/v0.3/traces`, `/v0.4/traces`) and what the search API
//! answers (`/api/v2/spans/events`), both in JSON.
//!
//! # The bytes
//!
//! To the agent: a list of traces, each a list of spans with decimal ids and times in
//! nanoseconds; the upper half of a 128-bit trace id is in `meta`:
//!
//! ```json
//! [[{"trace_id": 1, "span_id": 2, "parent_id": 0, "name": "op", "resource": "GET /", "service": "s",
//!    "type": "web", "start": 1797580548576161846, "duration": 5966885, "error": 0,
//!    "meta": {"span.kind": "server", "_dd.p.tid": "640cfd8d00000000"}, "metrics": {"k": 1.5}}]]
//! ```
//!
//! From the API:
//!
//! ```json
//! {"data": [{"id": "…", "type": "spans", "attributes": {"trace_id": "…", "span_id": "…",
//!   "parent_id": "…", "start_timestamp": "2026-02-25T08:00:00.000Z", "end_timestamp": "…",
//!   "service": "s", "resource_name": "GET /", "operation_name": "op", "custom": {…}}}]}
//! ```
//!
//! <https://docs.datadoghq.com/tracing/guide/send_traces_to_agent_by_api/>,
//! <https://docs.datadoghq.com/api/latest/spans/>

use std::collections::HashMap;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, ProblemKind, Timeline, TimestampNs};

use crate::civil_time::{epoch_ns, rfc3339_ns};
use crate::input::InputFile;
use crate::jaeger::span_kind;
use crate::json::{Json, outline};
use crate::spans::{AttributeValue, SpanRecord, SpanSink, TraceId, read_documents};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "datadog_json";

/// Reads Datadog spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct DatadogImporter;

impl Importer for DatadogImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "Datadog spans in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let has = |key: &str| outline.has(key);
        let is_agents = has("trace_id") && has("span_id") && has("start") && has("duration");
        let is_answer = outline.value("data").is_some_and(|data| {
            let holds = |key: &[u8]| memchr::memmem::find(data, key).is_some();
            holds(b"\"start_timestamp\"") && holds(b"\"span_id\"")
        });
        let is_event = has("attributes")
            && has("type")
            && outline
                .value("attributes")
                .is_some_and(|value| memchr::memmem::find(value, b"\"start_timestamp\"").is_some());
        if is_agents || is_answer || is_event { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let is_answer = outline(input.head()).is_some_and(|outline| outline.has("data"));
        let path: &[&str] = if is_answer { &["data"] } else { &[] };
        let mut services: HashMap<String, u32> = HashMap::new();
        read_documents(input, options, progress, FORMAT, path, |sink, value| {
            let facts = value.get("attributes").unwrap_or(value);
            let service = facts.get("service").and_then(Json::as_text).unwrap_or_default();
            let resource = *services.entry(service.to_owned()).or_insert_with(|| {
                let resource = sink.new_resource();
                let name = AttributeValue::Text(service.into());
                sink.resource_attribute(resource, "service.name", &name);
                resource
            });
            if value.get("attributes").is_some() {
                span_of_answer(sink, facts, resource);
            } else {
                span_of_agent(sink, value, resource);
            }
        })
    }
}

fn span_of_agent(sink: &mut SpanSink, value: &Json<'_>, resource: u32) {
    let whole = |key: &str| value.get(key).and_then(Json::as_whole::<i64>);
    let id = |key: &str| value.get(key).and_then(Json::as_token).and_then(span_id);
    let high = value.at(&["meta", "_dd.p.tid"]).and_then(Json::as_text);
    let high = high.and_then(|high| u64::from_str_radix(high, 16).ok()).unwrap_or(0);
    let start = whole("start").filter(|ns| *ns > 0);
    let end = start.zip(whole("duration")).and_then(|(start, length)| start.checked_add(length));
    let status = match whole("error") {
        Some(0) | None => SpanStatus::Unknown,
        Some(_) => SpanStatus::Error,
    };
    let kind = value.at(&["meta", "span.kind"]).and_then(Json::as_text);
    sink.span(SpanRecord {
        trace_id: id("trace_id").map(|low| TraceId { high, low }),
        span_id: id("span_id"),
        parent_span_id: id("parent_id").unwrap_or(0),
        name: name(value, &["resource", "name"]),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind: kind.map_or(SpanKind::Unknown, span_kind),
        status,
        resource,
        scope: NONE_U32,
    });
    for key in ["meta", "metrics"] {
        if let Some(facts) = value.get(key) {
            sink.attributes_of(facts);
        }
    }
}

fn span_of_answer(sink: &mut SpanSink, facts: &Json<'_>, resource: u32) {
    let text = |key: &str| facts.get(key).and_then(Json::as_text);
    let id = |key: &str| facts.get(key).and_then(Json::as_token);
    let time = |key: &str| {
        let value = facts.get(key)?.as_token()?;
        rfc3339_ns(value).or_else(|| epoch_ns(value))
    };
    let start = time("start_timestamp");
    // Timestamps are cut to milliseconds, the length is not.
    let length = facts.at(&["custom", "duration"]).or(facts.at(&["attributes", "duration"]));
    let exact = start.zip(length.and_then(Json::as_whole::<i64>));
    let end = exact.and_then(|(start, length)| start.checked_add(length)).or(time("end_timestamp"));
    let kind = facts.at(&["custom", "span", "kind"]).or(facts.at(&["custom", "span.kind"]));
    let status = match text("status").or(facts.at(&["custom", "status"]).and_then(Json::as_text)) {
        Some("ok") => SpanStatus::Ok,
        Some("error") => SpanStatus::Error,
        _ => SpanStatus::Unknown,
    };
    if start.is_none() {
        let found = id("start_timestamp").unwrap_or("none").to_owned();
        return sink
            .problem(ProblemKind::MissingTimestamp, 1, || format!("start_timestamp {found}"));
    }
    sink.span(SpanRecord {
        trace_id: id("trace_id").and_then(trace_id),
        span_id: id("span_id").and_then(span_id),
        parent_span_id: id("parent_id").and_then(span_id).unwrap_or(0),
        name: name(facts, &["resource_name", "operation_name"]),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind: kind.and_then(Json::as_text).map_or(SpanKind::Unknown, span_kind),
        status,
        resource,
        scope: NONE_U32,
    });
    for key in ["attributes", "custom"] {
        if let Some(facts) = facts.get(key) {
            sink.attributes_of(facts);
        }
    }
}

/// The resource is what OpenTelemetry calls the name of a span.
fn name<'a>(value: &'a Json<'_>, keys: &[&str]) -> &'a str {
    value.get_any(keys).and_then(Json::as_text).unwrap_or_default()
}

/// A trace id: 32 hexadecimal digits, or a decimal number of 64 bits.
fn trace_id(text: &str) -> Option<TraceId> {
    if text.len() == 32 {
        return u128::from_str_radix(text, 16).ok().map(TraceId::from_u128);
    }
    span_id(text).map(|low| TraceId { high: 0, low })
}

/// A span id: a decimal number, or hexadecimal digits that are none.
fn span_id(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let is_hex = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).ok())?
}
