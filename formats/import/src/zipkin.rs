//! Zipkin spans, version 2, as `/api/v2/trace…` answers and exporters post them.
//!
//! # The bytes
//!
//! ```json
//! [{"traceId": "…", "id": "…", "parentId": "…", "kind": "SERVER", "name": "…",
//!   "timestamp": 1517214533883000, "duration": 456, "localEndpoint": {"serviceName": "…"},
//!   "annotations": [{"timestamp": 1517214533883100, "value": "…"}], "tags": {"k": "v"}}]
//! ```
//!
//! A list of spans, a list of such lists (one a trace), or one span on each line. Times are
//! microseconds of the wall clock; all tags are texts. Both sides of a call may share one span id.
//! <https://zipkin.io/zipkin-api/>

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, Timeline, TimestampNs};

use crate::input::InputFile;
use crate::jaeger::{micros_ns, span_kind};
use crate::json::{Json, outline};
use crate::spans::{
    AttributeValue, SpanRecord, SpanSink, read_documents, span_id_from_text, trace_id_from_text,
};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "zipkin_json";

/// Reads Zipkin spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZipkinImporter;

impl Importer for ZipkinImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "Zipkin spans in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let has = |key: &str| outline.has(key);
        // Some writers leave out what they do not know, but a span has both ids.
        let is_span = has("traceId") && has("id") && !has("spanId");
        let is_own = has("localEndpoint") || has("timestamp") || has("duration") || has("kind");
        if is_span && is_own { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let mut services = std::collections::HashMap::new();
        read_documents(input, options, progress, FORMAT, &[], |sink, value| {
            let service = value.at(&["localEndpoint", "serviceName"]).and_then(Json::as_text);
            let resource = match service {
                Some(service) => *services.entry(service.to_owned()).or_insert_with(|| {
                    let resource = sink.new_resource();
                    let name = AttributeValue::Text(service.into());
                    sink.resource_attribute(resource, "service.name", &name);
                    resource
                }),
                None => NONE_U32,
            };
            span(sink, value, resource);
        })
    }
}

fn span(sink: &mut SpanSink, value: &Json<'_>, resource: u32) {
    let text = |key: &str| value.get(key).and_then(Json::as_text);
    let micros = |key: &str| value.get(key).and_then(Json::as_token).and_then(micros_ns);
    let start = micros("timestamp").filter(|ns| *ns > 0);
    let end = start.zip(micros("duration")).and_then(|(start, length)| start.checked_add(length));
    let tag = |key: &str| value.at(&["tags", key]).and_then(Json::as_text);
    let status = match (tag("otel.status_code"), tag("error")) {
        (Some("OK"), _) => SpanStatus::Ok,
        (Some("ERROR"), _) => SpanStatus::Error,
        (_, Some(error)) if error != "false" => SpanStatus::Error,
        _ => SpanStatus::Unknown,
    };
    sink.span(SpanRecord {
        trace_id: text("traceId").and_then(trace_id_from_text),
        span_id: text("id").and_then(span_id_from_text),
        parent_span_id: text("parentId").and_then(span_id_from_text).unwrap_or(0),
        name: text("name").unwrap_or_default(),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        // A span without a kind is work inside its service.
        kind: text("kind").map_or(SpanKind::Internal, span_kind),
        status,
        resource,
        scope: NONE_U32,
    });
    for (key, value) in value.get("tags").map_or(&[][..], Json::members) {
        sink.attribute(key, &AttributeValue::of_json(value));
    }
    for annotation in value.get("annotations").map_or(&[][..], Json::items) {
        let time = annotation.get("timestamp").and_then(Json::as_token).and_then(micros_ns);
        let name = annotation.get("value").and_then(Json::as_text).unwrap_or_default();
        // OpenTelemetry's exporter writes an event's attributes behind its name.
        let name = name.split_once(": {").map_or(name, |(name, _)| name).trim_matches('"');
        sink.event(time.map(TimestampNs::from_ns), name);
    }
}
