//! Jaeger traces, as its user interface downloads them and `/api/traces` answers.
//!
//! # The bytes
//!
//! ```json
//! {"data": [{"traceID": "…", "spans": [{"traceID": "…", "spanID": "…", "operationName": "…",
//!   "references": [{"refType": "CHILD_OF", "traceID": "…", "spanID": "…"}],
//!   "startTime": 1517214533883000, "duration": 456, "processID": "p1",
//!   "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
//!   "logs": [{"timestamp": 1517214533883100, "fields": [{"key": "event", "value": "…"}]}]}],
//!   "processes": {"p1": {"serviceName": "…", "tags": []}}}]}
//! ```
//!
//! Or such traces in a list, or one alone. Times are microseconds of the wall clock.
//! (`jaegertracing/jaeger` `internal/uimodel/model.go`)

use std::collections::HashMap;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, ProblemKind, Timeline, TimestampNs};

use crate::input::InputFile;
use crate::json::{Json, outline};
use crate::spans::{
    AttributeValue, SpanRecord, SpanSink, read_documents, span_id_from_text, trace_id_from_text,
};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "jaeger_json";

/// Reads Jaeger traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct JaegerImporter;

impl Importer for JaegerImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "Jaeger traces in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let holds = |value: &[u8], key: &str| memchr::memmem::find(value, key.as_bytes()).is_some();
        let is_trace = outline.has("spans") && (outline.has("traceID") || outline.has("processes"));
        let has_traces = outline.value("data").is_some_and(|data| {
            holds(data, "\"processes\"")
                || holds(data, "\"spanID\"") && holds(data, "\"operationName\"")
        });
        if is_trace || has_traces { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let is_answer = outline(input.head()).is_some_and(|outline| outline.has("data"));
        let path: &[&str] = if is_answer { &["data"] } else { &[] };
        read_documents(input, options, progress, FORMAT, path, trace)
    }
}

fn trace(sink: &mut SpanSink, trace: &Json<'_>) {
    let mut resources: HashMap<&str, u32> = HashMap::new();
    for (id, process) in trace.get("processes").map_or(&[][..], Json::members) {
        resources.insert(id, resource(sink, process));
    }
    for value in trace.get("spans").map_or(&[][..], Json::items) {
        let shared = value.get("processID").and_then(Json::as_text);
        let resource = match (shared.and_then(|id| resources.get(id)), value.get("process")) {
            (Some(resource), _) => *resource,
            (None, Some(process)) => resource(sink, process),
            (None, None) => NONE_U32,
        };
        span(sink, value, resource);
    }
}

fn resource(sink: &mut SpanSink, process: &Json<'_>) -> u32 {
    let resource = sink.new_resource();
    if let Some(name) = process.get("serviceName") {
        sink.resource_attribute(resource, "service.name", &AttributeValue::of_json(name));
    }
    for (key, value) in tags(process, "tags") {
        sink.resource_attribute(resource, key, &value);
    }
    resource
}

fn span(sink: &mut SpanSink, value: &Json<'_>, resource: u32) {
    let text = |key: &str| value.get(key).and_then(Json::as_text);
    let Some(name) = text("operationName") else {
        return sink.problem(ProblemKind::MalformedEvent, 1, || "a span without a name".to_owned());
    };
    let tag = |wanted: &str| {
        tags(value, "tags").filter(|(key, _)| *key == wanted).last().map(|(_, value)| value)
    };
    let kind = tag("span.kind").and_then(|kind| Some(span_kind(&kind.to_text()?)));
    let code = tag("otel.status_code").and_then(|code| Some(code.to_text()?.to_uppercase()));
    let status = match (code.as_deref(), tag("error")) {
        (Some("OK"), _) => SpanStatus::Ok,
        (Some("ERROR"), _) | (_, Some(AttributeValue::Truth(true))) => SpanStatus::Error,
        _ => SpanStatus::Unknown,
    };
    let own_trace = text("traceID").and_then(trace_id_from_text);
    let references = value.get("references").map_or(&[][..], Json::items);
    let referred = |reference: &Json<'_>| {
        let id = |key: &str| reference.get(key).and_then(Json::as_text);
        let is_child = id("refType") == Some("CHILD_OF");
        (
            is_child,
            id("traceID").and_then(trace_id_from_text),
            id("spanID").and_then(span_id_from_text),
        )
    };
    let parent = references
        .iter()
        .map(referred)
        .find(|(is_child, trace, _)| *is_child && (trace.is_none() || *trace == own_trace))
        .and_then(|(_, _, id)| id)
        .or_else(|| text("parentSpanID").and_then(span_id_from_text));
    let micros = |key: &str| value.get(key).and_then(Json::as_token).and_then(micros_ns);
    let start = micros("startTime").filter(|ns| *ns > 0);
    let end = start.zip(micros("duration")).and_then(|(start, length)| start.checked_add(length));
    sink.span(SpanRecord {
        trace_id: own_trace,
        span_id: text("spanID").and_then(span_id_from_text),
        parent_span_id: parent.unwrap_or(0),
        name,
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind: kind.unwrap_or(SpanKind::Unknown),
        status,
        resource,
        scope: NONE_U32,
    });
    for (key, value) in tags(value, "tags") {
        // Whether it failed is in the status; a text would be a message.
        if key != "error" || !matches!(value, AttributeValue::Truth(_)) {
            sink.attribute(key, &value);
        }
    }
    for log in value.get("logs").map_or(&[][..], Json::items) {
        let fields = || tags(log, "fields");
        let name = fields().find(|(key, _)| matches!(*key, "event" | "name" | "message"));
        let name = name.and_then(|(_, value)| value.to_text().map(|text| text.into_owned()));
        let time = log.get("timestamp").and_then(Json::as_token).and_then(micros_ns);
        sink.event(time.map(TimestampNs::from_ns), name.as_deref().unwrap_or_default());
        for (key, value) in
            fields().filter(|(key, _)| !matches!(*key, "event" | "name" | "message"))
        {
            sink.event_attribute(key, &value);
        }
    }
    for reference in references {
        let (is_child, trace, id) = referred(reference);
        if !is_child || trace != own_trace {
            sink.link(trace, id);
        }
    }
}

/// Key and value of each tag in a list.
fn tags<'a>(
    owner: &'a Json<'_>,
    key: &str,
) -> impl Iterator<Item = (&'a str, AttributeValue<'a>)> + use<'a> {
    owner.get(key).map_or(&[][..], Json::items).iter().filter_map(|tag| {
        Some((tag.get("key")?.as_text()?, AttributeValue::of_json(tag.get("value")?)))
    })
}

/// The role that Jaeger, Zipkin and Datadog write as a word.
pub(crate) fn span_kind(word: &str) -> SpanKind {
    match word.to_ascii_lowercase().trim_start_matches("span_kind_") {
        "internal" => SpanKind::Internal,
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Unknown,
    }
}

/// A decimal number of microseconds as nanoseconds, every digit kept.
pub(crate) fn micros_ns(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let below = crate::civil_time::fraction_ns(fraction)? / 1_000_000;
    whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(below)
}
