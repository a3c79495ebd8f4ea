//! From spans in any format to rows.
//!
//! Resources and scopes may be described before or after the spans that belong to them; they are
//! handles until [`SpanSink::finish`].

use std::collections::{BTreeSet, HashMap};

use underspan_model::tables::{
    Process, Property, Span, SpanAttribute, SpanEvent, SpanKind, SpanLink, SpanStatus,
};
use underspan_model::{
    ClockDomain, NONE_U32, ProblemKind, SourceId, StringId, Timeline, TimestampNs,
};

use super::allow_list::{Treatment, cut_name, is_short, is_word, treatment};
use super::{AttributeValue, TraceId, drop_duplicates};
use crate::dialect;
use crate::importer::timeline_of;
use crate::input::InputFile;
use crate::json::Json;

/// Most parts of a key that an export spreads over objects.
const KEY_DEPTH: u32 = 8;
/// Most distinct keys whose treatment is remembered.
const KEY_MEMORY: usize = 4096;
/// Most keys named as examples of those not stored.
const EXAMPLE_KEYS: usize = 20;
/// Most resources whose facts are stored.
const RESOURCE_FACTS: usize = 256;

/// Keys of request ids, the one that counts most first.
const REQUEST_KEYS: [&str; 5] =
    ["gen_ai.request.id", "rid", "triton.request_id", "request_id", "request.id"];
/// Keys of the instrumentation scope in formats that have no place for it.
const SCOPE_KEYS: [&str; 2] = ["otel.scope.name", "otel.library.name"];
/// Keys of the process id of a resource.
const PID_KEYS: [&str; 2] = ["process.pid", "vllm.process_id"];

/// A span without its attributes, events and links.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpanRecord<'a> {
    /// `None` when it is missing or no id.
    pub(crate) trace_id: Option<TraceId>,
    /// `None` when it is missing or no id.
    pub(crate) span_id: Option<u64>,
    /// Zero for a root.
    pub(crate) parent_span_id: u64,
    pub(crate) name: &'a str,
    /// `None` when it is missing.
    pub(crate) start: Option<TimestampNs>,
    /// `None` when it is missing.
    pub(crate) end: Option<TimestampNs>,
    pub(crate) kind: SpanKind,
    pub(crate) status: SpanStatus,
    /// From [`SpanSink::new_resource`].
    pub(crate) resource: u32,
    /// From [`SpanSink::new_scope`]; [`NONE_U32`] for none.
    pub(crate) scope: u32,
}

/// Facts about what made spans.
#[derive(Debug, Default)]
struct Resource {
    service: Option<StringId>,
    pid: Option<i64>,
    process_name: Option<StringId>,
    facts: Vec<(StringId, StringId)>,
}

/// What is done with a key, and its id where it is stored.
#[derive(Debug, Clone, Copy)]
struct Key {
    treatment: Treatment,
    id: StringId,
}

/// Turns spans into the rows of a timeline.
pub(crate) struct SpanSink {
    timeline: Timeline,
    source: SourceId,
    source_name: String,
    resources: Vec<Resource>,
    scopes: Vec<StringId>,
    /// Resource and scope of each span.
    handles: Vec<(u32, u32)>,
    keys: HashMap<String, Key>,
    places: HashMap<String, i64>,
    /// The span that attributes are for; [`NONE_U32`] when it was left out.
    span: u32,
    n_events: u32,
    request_rank: usize,
    n_withheld: u64,
    withheld_keys: BTreeSet<String>,
    stamp_tolerance_ns: u64,
}

impl SpanSink {
    pub(crate) fn new(input: &InputFile, format: &str) -> Self {
        let (mut timeline, source) = timeline_of(input, format);
        timeline.info.clock = ClockDomain::Realtime;
        Self {
            timeline,
            source,
            source_name: input.name().into_owned(),
            resources: Vec::new(),
            scopes: Vec::new(),
            handles: Vec::new(),
            keys: HashMap::new(),
            places: HashMap::new(),
            span: NONE_U32,
            n_events: 0,
            request_rank: REQUEST_KEYS.len(),
            n_withheld: 0,
            withheld_keys: BTreeSet::new(),
            stamp_tolerance_ns: dialect::CONVERTED_STAMPS_NS,
        }
    }

    /// Says that times are the engine's own stamps, on a clock that is not the wall clock.
    pub(crate) fn set_monotonic(&mut self) {
        self.timeline.info.clock = ClockDomain::Monotonic;
        self.stamp_tolerance_ns = 0;
    }

    /// Number of spans so far.
    pub(crate) fn n_spans(&self) -> usize {
        self.timeline.spans.len()
    }

    /// Counts something wrong. `example` is called for the first of its kind.
    pub(crate) fn problem(
        &mut self,
        kind: ProblemKind,
        count: u64,
        example: impl FnOnce() -> String,
    ) {
        self.timeline.problems.record(kind, &self.source_name, count, example);
    }

    /// A handle for a resource.
    pub(crate) fn new_resource(&mut self) -> u32 {
        self.resources.push(Resource::default());
        (self.resources.len() - 1) as u32
    }

    /// A fact about a resource.
    pub(crate) fn resource_attribute(
        &mut self,
        resource: u32,
        key: &str,
        value: &AttributeValue<'_>,
    ) {
        let Some(text) = value.to_text() else { return };
        let known = self.key(key);
        if known.treatment != Treatment::Keep || !is_short(&text) {
            self.withhold(key);
            return;
        }
        let text = self.timeline.strings.intern(&text);
        let Some(resource) = self.resources.get_mut(resource as usize) else { return };
        match key {
            "service.name" => resource.service = Some(text),
            "vllm.process_name" => resource.process_name = Some(text),
            _ if PID_KEYS.contains(&key) => resource.pid = value.to_whole(),
            _ => {}
        }
        if resource.facts.iter().all(|(stored, _)| *stored != known.id) {
            resource.facts.push((known.id, text));
        }
    }

    /// A handle for an instrumentation scope.
    pub(crate) fn new_scope(&mut self) -> u32 {
        self.scopes.push(StringId::NONE);
        (self.scopes.len() - 1) as u32
    }

    /// The name of a scope.
    pub(crate) fn name_scope(&mut self, scope: u32, name: &str) {
        let name = self.timeline.strings.intern(cut_name(name));
        if let Some(stored) = self.scopes.get_mut(scope as usize) {
            *stored = name;
        }
    }

    /// Adds a span; attributes, events and links that follow are its own. A span without times is
    /// counted and left out, with all that follows.
    pub(crate) fn span(&mut self, record: SpanRecord<'_>) {
        self.span = NONE_U32;
        self.n_events = 0;
        self.request_rank = REQUEST_KEYS.len();
        let name = cut_name(record.name);
        let Some(start) = record.start else {
            return self.problem(ProblemKind::MissingTimestamp, 1, || format!("span {name:?}"));
        };
        let Some(end) = record.end else {
            return self.problem(ProblemKind::MissingDuration, 1, || format!("span {name:?}"));
        };
        if end < start {
            self.problem(ProblemKind::NegativeDuration, 1, || format!("span {name:?}"));
        }
        let trace_id = record.trace_id.unwrap_or_default();
        let span_id = record.span_id.unwrap_or_default();
        if trace_id.is_none() || span_id == 0 {
            self.problem(ProblemKind::InvalidSpanId, 1, || format!("span {name:?}"));
        }
        self.span = self.timeline.spans.len() as u32;
        self.handles.push((record.resource, record.scope));
        self.timeline.spans.push(Span {
            start_ns: start.as_ns(),
            duration_ns: end.saturating_since(start).as_ns(),
            trace_id_high: trace_id.high,
            trace_id_low: trace_id.low,
            span_id,
            parent_span_id: record.parent_span_id,
            name: self.timeline.strings.intern(name).raw(),
            kind: record.kind.code(),
            status: record.status.code(),
            source: self.source.raw(),
            id: self.span,
            ..Span::default()
        });
    }

    /// An attribute of the span added last.
    pub(crate) fn attribute(&mut self, key: &str, value: &AttributeValue<'_>) {
        if self.span == NONE_U32 || *value == AttributeValue::Nothing {
            return;
        }
        if let Some(row) = self.row(key, value) {
            self.timeline.span_attributes.push(row);
            self.note_request(key, value);
        }
    }

    /// Attributes of the span added last that an export holds as one object. Objects in it are
    /// parts of keys: `{"a": {"b": 1}}` is `a.b`.
    pub(crate) fn attributes_of(&mut self, value: &Json<'_>) {
        self.nested_attributes("", value, 0);
    }

    fn nested_attributes(&mut self, prefix: &str, value: &Json<'_>, depth: u32) {
        for (key, value) in value.members() {
            let key = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
            match value {
                Json::Object(_) if depth < KEY_DEPTH => {
                    self.nested_attributes(&key, value, depth + 1);
                }
                value => self.attribute(&key, &AttributeValue::of_json(value)),
            }
        }
    }

    /// An event of the span added last.
    pub(crate) fn event(&mut self, time: Option<TimestampNs>, name: &str) {
        if self.span == NONE_U32 {
            return;
        }
        let Some(time) = time else {
            return self.problem(ProblemKind::MissingTimestamp, 1, || "an event of a span".into());
        };
        let name = if is_word(name) {
            self.timeline.strings.intern(name)
        } else {
            self.withhold("the name of an event");
            self.timeline.strings.intern("(withheld)")
        };
        let ordinal = self.n_events;
        self.n_events += 1;
        let (time_ns, name) = (time.as_ns(), name.raw());
        self.timeline.span_events.push(SpanEvent { time_ns, span: self.span, ordinal, name });
    }

    /// An attribute of the event added last.
    pub(crate) fn event_attribute(&mut self, key: &str, value: &AttributeValue<'_>) {
        if self.span == NONE_U32 || self.n_events == 0 || *value == AttributeValue::Nothing {
            return;
        }
        if let Some(row) = self.row(key, value) {
            let event = self.n_events - 1;
            self.timeline.span_attributes.push(SpanAttribute { event, ..row });
        }
    }

    /// A link of the span added last.
    pub(crate) fn link(&mut self, trace_id: Option<TraceId>, span_id: Option<u64>) {
        if self.span == NONE_U32 {
            return;
        }
        let (Some(trace_id), Some(span_id)) = (trace_id, span_id) else {
            return self.problem(ProblemKind::InvalidSpanId, 1, || "a link of a span".into());
        };
        self.timeline.span_links.push(SpanLink {
            span: self.span,
            trace_id_high: trace_id.high,
            trace_id_low: trace_id.low,
            span_id,
        });
    }

    /// Everything as a sorted timeline, with the engines' dialects put into one vocabulary.
    pub(crate) fn finish(mut self) -> Timeline {
        self.settle_resources();
        let (count, keys) = (self.n_withheld, std::mem::take(&mut self.withheld_keys));
        self.problem(ProblemKind::WithheldAttribute, count, || {
            keys.into_iter().collect::<Vec<_>>().join(", ")
        });
        let mut timeline = self.timeline;
        drop_duplicates(&mut timeline);
        dialect::normalise(&mut timeline, self.stamp_tolerance_ns);
        timeline.sort();
        timeline
    }

    fn key(&mut self, key: &str) -> Key {
        if let Some(known) = self.keys.get(key) {
            return *known;
        }
        let treatment = treatment(key);
        let id = match treatment {
            Treatment::Withhold => StringId::NONE,
            _ => self.timeline.strings.intern(key),
        };
        let known = Key { treatment, id };
        if self.keys.len() < KEY_MEMORY {
            self.keys.insert(key.to_owned(), known);
        }
        known
    }

    fn withhold(&mut self, key: &str) {
        self.n_withheld += 1;
        if self.withheld_keys.len() < EXAMPLE_KEYS && is_short(key) {
            self.withheld_keys.insert(key.to_owned());
        }
    }

    fn row(&mut self, key: &str, value: &AttributeValue<'_>) -> Option<SpanAttribute> {
        let known = self.key(key);
        let (span, id) = (self.span, known.id);
        let number = number_of(key, value);
        let value = number.as_ref().unwrap_or(value);
        let row = match (known.treatment, value) {
            (Treatment::Withhold, _) => None,
            (Treatment::Number, value) => {
                let place = value.to_text()?.into_owned();
                let next = self.places.len() as i64 + 1;
                let number = *self.places.entry(place).or_insert(next);
                Some(SpanAttribute::of_whole(span, id, number))
            }
            (Treatment::Keep, AttributeValue::Text(text)) if is_short(text) => {
                Some(SpanAttribute::of_text(span, id, self.timeline.strings.intern(text)))
            }
            (Treatment::Keep, AttributeValue::Text(_)) => None,
            (Treatment::Keep, AttributeValue::Whole(whole)) => {
                Some(SpanAttribute::of_whole(span, id, *whole))
            }
            (Treatment::Keep, AttributeValue::Real(real)) => {
                Some(SpanAttribute::of_real(span, id, *real))
            }
            (Treatment::Keep, AttributeValue::Truth(truth)) => {
                Some(SpanAttribute::of_truth(span, id, *truth))
            }
            (Treatment::Keep, AttributeValue::Nothing) => return None,
        };
        if row.is_none() {
            self.withhold(key);
        }
        row
    }

    /// Keeps the request id and scope that attributes tell in the span's own columns.
    fn note_request(&mut self, key: &str, value: &AttributeValue<'_>) {
        let row = self.span as usize;
        if let Some(rank) = REQUEST_KEYS.iter().position(|wanted| *wanted == key)
            && rank < self.request_rank
            && let Some(text) = value.to_text().filter(|text| !text.is_empty())
        {
            self.request_rank = rank;
            self.timeline.spans.request[row] = self.timeline.strings.intern(&text).raw();
        }
        if SCOPE_KEYS.contains(&key)
            && let Some(text) = value.to_text()
        {
            self.timeline.spans.scope[row] = self.timeline.strings.intern(&text).raw();
        }
    }

    /// Writes service, process and scope into the spans, and each distinct resource's facts once.
    fn settle_resources(&mut self) {
        let resources = std::mem::take(&mut self.resources);
        let mut processes = Vec::with_capacity(resources.len());
        let mut seen: Vec<&[(StringId, StringId)]> = Vec::new();
        for resource in &resources {
            processes.push(self.process_of(resource));
            let facts = resource.facts.as_slice();
            if facts.is_empty() || seen.len() == RESOURCE_FACTS || seen.contains(&facts) {
                continue;
            }
            let number = seen.len();
            seen.push(facts);
            for (key, value) in facts {
                let key = self.timeline.strings.resolve_or_empty(*key);
                let key = format!("resource.{number}.{key}");
                let key = self.timeline.strings.intern(&key).raw();
                let property = Property { source: self.source.raw(), key, value: value.raw() };
                self.timeline.dimensions.properties.push(property);
            }
        }
        let spans = &mut self.timeline.spans;
        for (row, (resource, scope)) in self.handles.iter().enumerate() {
            if let Some(service) = resources.get(*resource as usize).and_then(|r| r.service) {
                spans.service[row] = service.raw();
            }
            if let Some(process) = processes.get(*resource as usize) {
                spans.process[row] = *process;
            }
            if let Some(name) = self.scopes.get(*scope as usize).filter(|name| !name.is_none()) {
                spans.scope[row] = name.raw();
            }
        }
    }

    fn process_of(&mut self, resource: &Resource) -> u32 {
        let Some(pid) = resource.pid else { return NONE_U32 };
        let dimensions = &mut self.timeline.dimensions;
        let process = dimensions.process_id(self.source, pid);
        if let Some(name) = resource.process_name.or(resource.service)
            && let Some(Process { name: NONE_U32, .. }) = dimensions.processes.get(process.index())
        {
            dimensions.processes.name[process.index()] = name.raw();
        }
        process.raw()
    }
}

/// The number that stands in a text, of attributes that are numbers: some formats hold texts only.
fn number_of<'a>(key: &str, value: &AttributeValue<'_>) -> Option<AttributeValue<'a>> {
    let AttributeValue::Text(text) = value else { return None };
    let is_number = ["gen_ai.latency.", "gen_ai.usage.", "triton.trace_"]
        .iter()
        .any(|prefix| key.starts_with(prefix));
    let number = AttributeValue::of_number(text);
    (is_number && number != AttributeValue::Nothing).then_some(number)
}
