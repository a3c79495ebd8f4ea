//! The walk through OTLP in JSON. Keys may stand in any order and in either spelling
//! (`scopeSpans`, `scope_spans`).

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, ProblemKind, Timeline, TimestampNs};

use super::frames::{Framing, Unframed, framing_of};
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, parse};
use crate::spans::{AttributeValue, SpanRecord, SpanSink, span_id_from_text, trace_id_from_text};
use crate::{ImportError, ImportOptions, Progress};

pub(super) const FORMAT: &str = "otlp_json";

/// Deepest nesting of values in an attribute: deeper ones are not stored anyhow.
const WRAPPER_LIMIT: u32 = 4;

pub(super) fn read(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Timeline, ImportError> {
    let stream = match framing_of(input.head()) {
        Some(Framing { prefix, is_json: true }) => {
            let content = Unframed::new(input.path(), input.blocks(options)?, prefix);
            JsonStream::over(Box::new(content), input, progress)?
        }
        _ => JsonStream::open(input, options, progress)?,
    };
    let mut reader = Reader { stream, sink: SpanSink::new(input, FORMAT) };
    let outcome = reader.documents();
    let is_cut_off = reader.stream.is_cut_off();
    let offset = match outcome {
        Ok(()) if !is_cut_off => return Ok(reader.sink.finish()),
        Ok(()) => reader.stream.offset(),
        Err(Stop::Truncated { offset }) => offset,
        Err(Stop::Failed(error)) => return Err(error),
    };
    if !options.accept_truncated || reader.sink.n_spans() == 0 {
        return Err(ImportError::Malformed {
            path: input.path().to_owned(),
            offset,
            expected: "the rest of the spans".to_owned(),
            found: "the end of the file".to_owned(),
        });
    }
    let example = || format!("cut at byte {offset}");
    reader.sink.problem(ProblemKind::TruncatedInput, 1, example);
    Ok(reader.sink.finish())
}

struct Reader<'a> {
    stream: JsonStream<'a>,
    sink: SpanSink,
}

/// What walks through the object whose bracket was passed.
type Walk<'a> = fn(&mut Reader<'a>, &mut Place) -> Result<(), Stop>;

/// The resource and scope that spans belong to.
struct Place {
    resource: u32,
    scope: u32,
}

impl<'a> Reader<'a> {
    fn documents(&mut self) -> Result<(), Stop> {
        loop {
            match self.stream.peek()? {
                None => return Ok(()),
                Some(b'{') => self.request()?,
                Some(b'[') => self.list(Reader::request_item, &mut Place::none())?,
                Some(_) => return self.stream.unexpected("an export request (an object)"),
            }
        }
    }

    /// Walks through each object of a list.
    fn list(&mut self, walk: Walk<'a>, place: &mut Place) -> Result<(), Stop> {
        if self.is_null()? {
            return Ok(());
        }
        self.stream.open_bracket(b'[')?;
        let mut is_first = true;
        while self.stream.next_item(&mut is_first)? {
            walk(self, place)?;
        }
        Ok(())
    }

    fn is_null(&mut self) -> Result<bool, Stop> {
        if self.stream.peek()? != Some(b'n') {
            return Ok(false);
        }
        let offset = self.stream.offset();
        let word = self.stream.value()?.into_owned();
        if word == "null" {
            return Ok(true);
        }
        self.stream.malformed(offset, "a list", word)
    }

    fn request_item(&mut self, _: &mut Place) -> Result<(), Stop> {
        self.request()
    }

    fn request(&mut self) -> Result<(), Stop> {
        self.stream.open_bracket(b'{')?;
        let mut is_first = true;
        while let Some(key) = self.stream.next_key(&mut is_first)? {
            match key.as_str() {
                "resourceSpans" | "resource_spans" | "batches" => {
                    self.list(Reader::resource_spans, &mut Place::none())?;
                }
                "trace" | "result" if self.stream.peek()? == Some(b'{') => self.request()?,
                "resourceMetrics" | "resourceLogs" | "resource_metrics" | "resource_logs" => {
                    self.sink.problem(ProblemKind::UnimportedTable, 1, || key.clone());
                    self.stream.skip_value()?;
                }
                _ => self.stream.skip_value()?,
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, _: &mut Place) -> Result<(), Stop> {
        self.stream.open_bracket(b'{')?;
        let mut place = Place { resource: self.sink.new_resource(), scope: NONE_U32 };
        let mut is_first = true;
        while let Some(key) = self.stream.next_key(&mut is_first)? {
            match key.as_str() {
                "resource" => {
                    self.value(|sink, value| {
                        for (key, value) in attributes(value) {
                            sink.resource_attribute(place.resource, key, &value);
                        }
                    })?;
                }
                "scopeSpans"
                | "scope_spans"
                | "instrumentationLibrarySpans"
                | "instrumentation_library_spans" => {
                    self.list(Reader::scope_spans, &mut place)?;
                }
                _ => self.stream.skip_value()?,
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, place: &mut Place) -> Result<(), Stop> {
        self.stream.open_bracket(b'{')?;
        place.scope = self.sink.new_scope();
        let scope = place.scope;
        let mut is_first = true;
        while let Some(key) = self.stream.next_key(&mut is_first)? {
            match key.as_str() {
                "scope" | "instrumentationLibrary" | "instrumentation_library" => {
                    self.value(|sink, value| {
                        if let Some(name) = value.get("name").and_then(Json::as_text) {
                            sink.name_scope(scope, name);
                        }
                    })?;
                }
                "spans" => self.list(Reader::span, place)?,
                _ => self.stream.skip_value()?,
            }
        }
        Ok(())
    }

    fn span(&mut self, place: &mut Place) -> Result<(), Stop> {
        let (resource, scope) = (place.resource, place.scope);
        self.value(|sink, value| span(sink, value, resource, scope))
    }

    /// Takes the value that stands next whole.
    fn value(&mut self, take: impl FnOnce(&mut SpanSink, &Json<'_>)) -> Result<(), Stop> {
        self.stream.peek()?;
        let offset = self.stream.offset();
        let text = self.stream.value()?;
        if matches!(text, std::borrow::Cow::Owned(_)) {
            let example = || format!("a value at byte {offset}");
            self.sink.problem(ProblemKind::InvalidUtf8, 1, example);
        }
        match parse(&text) {
            Ok(parsed) => {
                let example = || format!("a value at byte {offset}");
                self.sink.problem(ProblemKind::DuplicateKey, parsed.n_duplicate_keys, example);
                take(&mut self.sink, &parsed.value);
                Ok(())
            }
            Err(fault) => {
                let found =
                    crate::foreign::describe(text.as_bytes().get(fault.at..).unwrap_or(b""));
                let offset = offset + fault.at as u64;
                drop(text);
                self.stream.malformed(offset, fault.expected, found)
            }
        }
    }
}

impl Place {
    fn none() -> Self {
        Self { resource: NONE_U32, scope: NONE_U32 }
    }
}

fn span(sink: &mut SpanSink, value: &Json<'_>, resource: u32, scope: u32) {
    if !matches!(value, Json::Object(_)) {
        let kind = value.kind();
        return sink.problem(ProblemKind::MalformedEvent, 1, || format!("a span that is {kind}"));
    }
    let id = |keys: &[&str]| value.get_any(keys).and_then(Json::as_text);
    let name = value.get("name").and_then(Json::as_text).unwrap_or_default();
    let record = SpanRecord {
        trace_id: id(&["traceId", "trace_id"]).and_then(trace_id_from_text),
        span_id: id(&["spanId", "span_id"]).and_then(span_id_from_text),
        parent_span_id: id(&["parentSpanId", "parent_span_id"])
            .and_then(span_id_from_text)
            .unwrap_or_default(),
        name,
        start: time(value.get_any(&["startTimeUnixNano", "start_time_unix_nano"])),
        end: time(value.get_any(&["endTimeUnixNano", "end_time_unix_nano"])),
        kind: value.get("kind").map_or(SpanKind::Unknown, kind),
        status: value.at(&["status", "code"]).map_or(SpanStatus::Unknown, status),
        resource,
        scope,
    };
    sink.span(record);
    for (key, attribute) in attributes(value) {
        sink.attribute(key, &attribute);
    }
    for event in value.get("events").map_or(&[][..], Json::items) {
        let name = event.get("name").and_then(Json::as_text).unwrap_or_default();
        sink.event(time(event.get_any(&["timeUnixNano", "time_unix_nano"])), name);
        for (key, attribute) in attributes(event) {
            sink.event_attribute(key, &attribute);
        }
    }
    for link in value.get("links").map_or(&[][..], Json::items) {
        let id = |keys: &[&str]| link.get_any(keys).and_then(Json::as_text);
        sink.link(
            id(&["traceId", "trace_id"]).and_then(trace_id_from_text),
            id(&["spanId", "span_id"]).and_then(span_id_from_text),
        );
    }
    if let Some(state) = value.get_any(&["traceState", "trace_state"]).and_then(Json::as_text) {
        super::message::trace_state(sink, state);
    }
    let lost = ["droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"]
        .iter()
        .filter_map(|key| value.get(key)?.as_whole::<u64>())
        .sum();
    super::message::dropped_by_exporter(sink, lost);
}

/// A time; `None` when it is missing, zero (OTLP's "unknown") or no time.
fn time(value: Option<&Json<'_>>) -> Option<TimestampNs> {
    super::message::time_from_ns(value?.as_whole()?)
}

fn kind(value: &Json<'_>) -> SpanKind {
    match value.as_token().unwrap_or_default().trim_start_matches("SPAN_KIND_") {
        "1" | "INTERNAL" => SpanKind::Internal,
        "2" | "SERVER" => SpanKind::Server,
        "3" | "CLIENT" => SpanKind::Client,
        "4" | "PRODUCER" => SpanKind::Producer,
        "5" | "CONSUMER" => SpanKind::Consumer,
        _ => SpanKind::Unknown,
    }
}

fn status(value: &Json<'_>) -> SpanStatus {
    match value.as_token().unwrap_or_default().trim_start_matches("STATUS_CODE_") {
        "1" | "OK" => SpanStatus::Ok,
        "2" | "ERROR" => SpanStatus::Error,
        _ => SpanStatus::Unknown,
    }
}

/// The attributes of a resource, span or event.
fn attributes<'a>(
    owner: &'a Json<'_>,
) -> impl Iterator<Item = (&'a str, AttributeValue<'a>)> + use<'a> {
    owner.get("attributes").map_or(&[][..], Json::items).iter().filter_map(|attribute| {
        let key = attribute.get("key")?.as_text()?;
        Some((key, attribute.get("value").map_or(AttributeValue::Nothing, |v| any_value(v, 0))))
    })
}

/// A value in its wrapper: `{"intValue": "7"}`.
fn any_value<'a>(wrapper: &'a Json<'_>, depth: u32) -> AttributeValue<'a> {
    let Some((kind, value)) = wrapper.members().last() else { return AttributeValue::Nothing };
    let found = match kind.as_ref() {
        "stringValue" | "string_value" => {
            value.as_text().map(|text| AttributeValue::Text(text.into()))
        }
        "intValue" | "int_value" => value.as_whole().map(AttributeValue::Whole),
        "doubleValue" | "double_value" => value.as_real().map(AttributeValue::Real),
        "boolValue" | "bool_value" => value.as_truth().map(AttributeValue::Truth),
        "arrayValue" | "array_value" if depth < WRAPPER_LIMIT => {
            let items = value.get("values").map_or(&[][..], Json::items).iter();
            Some(AttributeValue::of_list(items.map(|item| any_value(item, depth + 1))))
        }
        _ => None,
    };
    found.unwrap_or(AttributeValue::Nothing)
}
