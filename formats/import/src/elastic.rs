//! Elastic APM transactions and spans: documents out of Elasticsearch, and the intake protocol of
//! the APM server, both in JSON.
//!
//! # The bytes
//!
//! Out of Elasticsearch: the answer to a search, `{"hits": {"hits": [{"_source": {…}}]}}`, or one
//! such hit, or document, on each line:
//!
//! ```json
//! {"@timestamp": "2026-02-25T08:00:00.000Z", "timestamp": {"us": 1772006400000000},
//!  "processor": {"event": "transaction"}, "trace": {"id": "…"}, "parent": {"id": "…"},
//!  "transaction": {"id": "…", "name": "…", "duration": {"us": 456}}, "event": {"outcome": "success"},
//!  "service": {"name": "s"}, "labels": {"k": "v"}, "numeric_labels": {"gen_ai_latency_e2e": 0.3}}
//! ```
//!
//! Keys may be nested or written with dots. Attributes are labels, with `_` for every other sign.
//!
//! To the APM server (`/intake/v2/events`): an object on each line, `metadata` first, then
//! `{"transaction": {"id", "trace_id", "name", "timestamp": µs, "duration": ms, …}}` and
//! `{"span": {…}}`.
//!
//! <https://www.elastic.co/docs/reference/apm/observability/apm-es-fields>

use std::borrow::Cow;
use std::collections::HashMap;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, Timeline, TimestampNs};

use crate::civil_time::rfc3339_ns;
use crate::input::InputFile;
use crate::jaeger::{micros_ns, span_kind};
use crate::json::{Json, outline};
use crate::spans::{
    AttributeValue, SpanRecord, SpanSink, key_of_flattened, read_documents, span_id_from_text,
    trace_id_from_text,
};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "elastic_apm_json";

/// Reads Elastic APM transactions and spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct ElasticImporter;

impl Importer for ElasticImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "Elastic APM documents in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let has = |key: &str| outline.has(key);
        let holds = |key: &str, wanted: &str| {
            outline
                .value(key)
                .is_some_and(|value| memchr::memmem::find(value, wanted.as_bytes()).is_some())
        };
        let is_apm = |key: &str| {
            holds(key, "\"trace\"") || holds(key, "\"trace.id\"") || holds(key, "\"transaction")
        };
        let is_search = has("hits") && holds("hits", "\"_source\"") && is_apm("hits");
        let is_hit = has("_source") && is_apm("_source");
        let is_document = (has("trace") || has("trace.id"))
            && (has("transaction") || has("span") || has("transaction.id") || has("span.id"))
            && (has("@timestamp") || has("timestamp"));
        let is_intake = holds("metadata", "\"service\"") && outline.members.len() == 1
            || outline.members.len() == 1
                && (holds("transaction", "\"trace_id\"") || holds("span", "\"trace_id\""));
        if is_search || is_hit || is_document || is_intake { Probe::Yes } else { Probe::No }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let is_search = outline(input.head()).is_some_and(|outline| outline.has("hits"));
        let path: &[&str] = if is_search { &["hits", "hits"] } else { &[] };
        let mut services = Services::default();
        read_documents(input, options, progress, FORMAT, path, |sink, value| {
            if let Some(metadata) = value.get("metadata") {
                let name = field(metadata, "service.name").and_then(Json::as_text);
                services.of_stream = services.resource(sink, name.unwrap_or_default());
                return;
            }
            match intake_event(value) {
                Some((event, is_transaction)) => {
                    span_of_intake(sink, event, is_transaction, services.of_stream);
                }
                None => {
                    let document = value.get("_source").unwrap_or(value);
                    let name = field(document, "service.name").and_then(Json::as_text);
                    let resource = services.resource(sink, name.unwrap_or_default());
                    span_of_document(sink, document, resource);
                }
            }
        })
    }
}

/// Resources by name of the service.
struct Services {
    by_name: HashMap<String, u32>,
    /// The one that the stream's metadata names.
    of_stream: u32,
}

impl Default for Services {
    fn default() -> Self {
        Self { by_name: HashMap::new(), of_stream: NONE_U32 }
    }
}

impl Services {
    fn resource(&mut self, sink: &mut SpanSink, name: &str) -> u32 {
        if name.is_empty() {
            return NONE_U32;
        }
        *self.by_name.entry(name.to_owned()).or_insert_with(|| {
            let resource = sink.new_resource();
            sink.resource_attribute(resource, "service.name", &AttributeValue::Text(name.into()));
            resource
        })
    }
}

/// A field by its path, whether the document nests it or writes it with dots.
fn field<'a, 't>(document: &'a Json<'t>, path: &str) -> Option<&'a Json<'t>> {
    if let Some(found) = document.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| field(document.get(&path[..at])?, &path[at + 1..]))
}

fn intake_event<'a, 't>(value: &'a Json<'t>) -> Option<(&'a Json<'t>, bool)> {
    let event = |key: &str| {
        let event = value.get(key)?;
        event.get("trace_id").is_some().then_some(event)
    };
    event("transaction").map(|event| (event, true)).or(event("span").map(|event| (event, false)))
}

fn outcome(word: Option<&str>) -> SpanStatus {
    match word {
        Some("success") => SpanStatus::Ok,
        Some("failure") => SpanStatus::Error,
        _ => SpanStatus::Unknown,
    }
}

fn kind(stated: Option<&str>, is_transaction: bool, category: Option<&str>) -> SpanKind {
    match (stated.map(span_kind), is_transaction, category) {
        (Some(kind), ..) if kind != SpanKind::Unknown => kind,
        (_, true, _) => SpanKind::Server,
        (_, false, Some("external")) => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

fn span_of_document(sink: &mut SpanSink, document: &Json<'_>, resource: u32) {
    let at = |path: &str| field(document, path);
    let text = |path: &str| at(path).and_then(Json::as_text);
    // A span's document names the transaction it belongs to as well.
    let is_transaction = match text("processor.event") {
        Some(event) => event == "transaction",
        None => at("span.id").is_none(),
    };
    let own = if is_transaction { "transaction" } else { "span" };
    let micros = |path: &str| at(path).and_then(Json::as_token).and_then(micros_ns);
    let start = micros("timestamp.us").or_else(|| text("@timestamp").and_then(rfc3339_ns));
    let length = micros(&format!("{own}.duration.us"));
    let end = start.zip(length).and_then(|(start, length)| start.checked_add(length));
    let parent = text("parent.id").or_else(|| text("transaction.id").filter(|_| !is_transaction));
    sink.span(SpanRecord {
        trace_id: text("trace.id").and_then(trace_id_from_text),
        span_id: text(&format!("{own}.id")).and_then(span_id_from_text),
        parent_span_id: parent.and_then(span_id_from_text).unwrap_or(0),
        name: text(&format!("{own}.name")).unwrap_or_default(),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind: kind(text("span.kind"), is_transaction, text("span.type")),
        status: outcome(text("event.outcome")),
        resource,
        scope: NONE_U32,
    });
    for path in ["labels", "numeric_labels"] {
        if let Some(facts) = at(path) {
            labels(sink, facts);
        }
    }
    if let Some(code) = at("http.response.status_code") {
        sink.attribute("http.response.status_code", &AttributeValue::of_json(code));
    }
}

fn span_of_intake(sink: &mut SpanSink, event: &Json<'_>, is_transaction: bool, resource: u32) {
    let text = |key: &str| event.get(key).and_then(Json::as_text);
    let start = event.get("timestamp").and_then(Json::as_token).and_then(micros_ns);
    // Lengths are milliseconds with a fraction.
    let length = event.get("duration").and_then(Json::as_real);
    let length = length.map(|ms| (ms * 1e6).round()).filter(|ns| ns.abs() < 1e18);
    let end = start.zip(length).and_then(|(start, length)| start.checked_add(length as i64));
    let parent = text("parent_id").or_else(|| text("transaction_id"));
    sink.span(SpanRecord {
        trace_id: text("trace_id").and_then(trace_id_from_text),
        span_id: text("id").and_then(span_id_from_text),
        parent_span_id: parent.and_then(span_id_from_text).unwrap_or(0),
        name: text("name").unwrap_or_default(),
        start: start.map(TimestampNs::from_ns),
        end: end.map(TimestampNs::from_ns),
        kind: kind(
            event.at(&["otel", "span_kind"]).and_then(Json::as_text),
            is_transaction,
            text("type"),
        ),
        status: outcome(text("outcome")),
        resource,
        scope: NONE_U32,
    });
    if let Some(attributes) = event.at(&["otel", "attributes"]) {
        sink.attributes_of(attributes);
    }
    if let Some(tags) = event.at(&["context", "tags"]) {
        labels(sink, tags);
    }
}

/// Labels, under the keys they had before `_` replaced their dots.
fn labels(sink: &mut SpanSink, labels: &Json<'_>) {
    for (key, value) in labels.members() {
        let key = key_of_flattened(key).map_or(Cow::Borrowed(key.as_ref()), Cow::Borrowed);
        sink.attribute(&key, &AttributeValue::of_json(value));
    }
}
