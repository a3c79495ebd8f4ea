//! SigNoz spans, as its trace and query APIs answer.
//!
//! # The bytes
//!
//! A trace (`/api/v1/traces/{id}`): column names and a list of values for each span, times in
//! milliseconds:
//!
//! ```json
//! [{"columns": ["__time", "SpanId", "TraceId", "ServiceName", "Name", "Kind", "DurationNano",
//!   "TagsKeys", "TagsValues", "References", …], "events": [[1772006400125, "…", …]]}]
//! ```
//!
//! A trace (`/api/v2/traces/waterfall/{id}`): objects with their children, or not, in them:
//!
//! ```json
//! {"status": "success", "data": {"spans": [{"timestamp": 1772006400125, "durationNano": 456,
//!   "spanId": "…", "traceId": "…", "parentSpanId": "…", "name": "…", "kind": 2, "serviceName": "…",
//!   "tagMap": {"k": "v"}, "hasError": false, "references": [{"spanId": "…", "refType": "CHILD_OF"}],
//!   "children": []}]}}
//! ```
//!
//! (`SigNoz/signoz` `pkg/query-service/model/response.go`, `trace.go`)

use std::collections::HashMap;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, Timeline, TimestampNs};

use crate::civil_time::{epoch_ns, rfc3339_ns};
use crate::input::InputFile;
use crate::jaeger::span_kind;
use crate::json::{Json, outline};
use crate::spans::{
    AttributeValue, SpanRecord, SpanSink, read_documents, span_id_from_text, trace_id_from_text,
};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "signoz_json";
/// Most generations of spans that lie in each other.
const DEPTH_LIMIT: u32 = 48;

/// Reads SigNoz spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignozImporter;

impl Importer for SignozImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "SigNoz spans in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let holds = |key: &str, wanted: &str| {
            outline
                .value(key)
                .is_some_and(|value| memchr::memmem::find(value, wanted.as_bytes()).is_some())
        };
        let is_table = outline.has("events") && holds("columns", "\"DurationNano\"");
        let is_waterfall = holds("data", "\"spans\"") && holds("data", "\"durationNano\"");
        let is_span = outline.has("durationNano") && outline.has("traceId");
        if is_table || is_waterfall || is_span { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let is_answer = outline(input.head()).is_some_and(|outline| outline.has("data"));
        let path: &[&str] = if is_answer { &["data", "spans"] } else { &[] };
        let mut services = HashMap::new();
        read_documents(input, options, progress, FORMAT, path, |sink, value| {
            match value.get("columns") {
                Some(columns) => table(sink, columns, value, &mut services),
                None => tree(sink, value, &mut services, 0),
            }
        })
    }
}

type Services = HashMap<String, u32>;

/// Spans as rows under named columns.
fn table(sink: &mut SpanSink, columns: &Json<'_>, value: &Json<'_>, services: &mut Services) {
    let names: Vec<&str> =
        columns.items().iter().map(|name| name.as_text().unwrap_or_default()).collect();
    for row in value.get("events").map_or(&[][..], Json::items) {
        let cell = |name: &str| {
            let at = names.iter().position(|column| *column == name)?;
            row.items().get(at)
        };
        let references = cell("References").map_or(&[][..], Json::items);
        let parent = references.iter().find_map(|reference| parent_in_text(reference.as_text()?));
        let resource = service(sink, cell("ServiceName"), services);
        span(sink, resource, parent, cell, &names);
        let values = cell("TagsValues").map_or(&[][..], Json::items);
        let keys = cell("TagsKeys").map_or(&[][..], Json::items);
        for (key, value) in keys.iter().zip(values) {
            if let Some(key) = key.as_text() {
                sink.attribute(key, &AttributeValue::of_json(value));
            }
        }
    }
}

/// `{TraceId=…, SpanId=…, RefType=CHILD_OF}`.
fn parent_in_text(reference: &str) -> Option<u64> {
    if !reference.contains("RefType=CHILD_OF") {
        return None;
    }
    let (_, rest) = reference.split_once("SpanId=")?;
    span_id_from_text(rest.split([',', '}']).next()?.trim())
}

/// A span with its children in it.
fn tree(sink: &mut SpanSink, value: &Json<'_>, services: &mut Services, depth: u32) {
    let references = value.get("references").map_or(&[][..], Json::items);
    let is_parent = |reference: &&Json<'_>| {
        reference.get("refType").and_then(Json::as_text) != Some("FOLLOWS_FROM")
    };
    let parent = value
        .get_any(&["parentSpanId", "parentSpanID"])
        .or_else(|| references.iter().find(is_parent)?.get_any(&["spanId", "spanID"]))
        .and_then(Json::as_text)
        .and_then(span_id_from_text);
    let resource = service(sink, value.get("serviceName"), services);
    let cell = |name: &str| match name {
        "__time" => value.get("timestamp"),
        "SpanId" => value.get_any(&["spanId", "spanID"]),
        "TraceId" => value.get_any(&["traceId", "traceID"]),
        "Name" => value.get("name"),
        "Kind" => value.get_any(&["spanKind", "kind"]),
        "DurationNano" => value.get("durationNano"),
        "HasError" => value.get("hasError"),
        _ => None,
    };
    span(sink, resource, parent, cell, &["HasError"]);
    for key in ["tagMap", "attributes"] {
        if let Some(tags) = value.get(key) {
            sink.attributes_of(tags);
        }
    }
    for child in value.get("children").map_or(&[][..], Json::items) {
        if depth < DEPTH_LIMIT {
            tree(sink, child, services, depth + 1);
        }
    }
}

fn service(sink: &mut SpanSink, name: Option<&Json<'_>>, services: &mut Services) -> u32 {
    let Some(name) = name.and_then(Json::as_text).filter(|name| !name.is_empty()) else {
        return NONE_U32;
    };
    *services.entry(name.to_owned()).or_insert_with(|| {
        let resource = sink.new_resource();
        sink.resource_attribute(resource, "service.name", &AttributeValue::Text(name.into()));
        resource
    })
}

fn span<'a, 't: 'a>(
    sink: &mut SpanSink,
    resource: u32,
    parent: Option<u64>,
    cell: impl Fn(&str) -> Option<&'a Json<'t>>,
    columns: &[&str],
) {
    let token = |name: &str| cell(name).and_then(Json::as_token);
    let time = |text: &str| epoch_ns(text).or_else(|| rfc3339_ns(text));
    let start = token("__time").and_then(time);
    let length = cell("DurationNano").and_then(Json::as_whole::<i64>);
    let end = start.zip(length).and_then(|(start, length)| start.checked_add(length));
    let kind = match token("Kind") {
        Some("1") => SpanKind::Internal,
        Some("2") => SpanKind::Server,
        Some("3") => SpanKind::Client,
        Some("4") => SpanKind::Producer,
        Some("5") => SpanKind::Consumer,
        Some(word) => span_kind(word),
        None => SpanKind::Unknown,
    };
    let has_error =
        columns.contains(&"HasError") && cell("HasError").and_then(Json::as_truth).unwrap_or(false);
    sink.span(SpanRecord {
        trace_id: token("TraceId").and_then(trace_id_from_text),
        span_id: token("SpanId").and_then(span_id_from_text),
        parent_span_id: parent.unwrap_or(0),
        name: token("Name").unwrap_or_default(),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind,
        status: if has_error { SpanStatus::Error } else { SpanStatus::Unknown },
        resource,
        scope: NONE_U32,
    });
}
