//! The messages of OTLP: numbers, JSON names and types of their fields.
//!
//! From `opentelemetry/proto/{collector,common,resource,trace,metrics,logs}` 1.x. A field that is
//! not listed is passed over, as protobuf asks.

use crate::signal::Signal;

/// A message type.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: &'static [FieldShape],
    /// Whether it is what is counted: a span, a metric, a log record.
    pub(super) is_item: bool,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct FieldShape {
    pub(super) number: u32,
    /// In JSON. Readers of JSON take `snake_case` too.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_repeated: bool,
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Message),
    Text,
    /// Base64 in JSON.
    Bytes,
    /// A trace or span id: hexadecimal in OTLP's JSON.
    Id,
    Bool,
    Int64,
    Uint64,
    Uint32,
    Sint32,
    /// Numbers or, in JSON, names.
    Enum(&'static [(&'static str, u64)]),
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
}

impl Message {
    /// What an export of a signal is.
    pub(super) fn request(signal: Signal) -> &'static Self {
        match signal {
            Signal::Traces => &TRACES,
            Signal::Metrics => &METRICS,
            Signal::Logs => &LOGS,
        }
    }

    pub(super) fn field(&self, number: u32) -> Option<&'static FieldShape> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The field of a JSON key, `camelCase` or `snake_case`.
    pub(super) fn field_named(&self, key: &str) -> Option<&'static FieldShape> {
        self.fields.iter().find(|field| field.name == key || is_snake_of(key, field.name))
    }
}

fn is_snake_of(snake: &str, camel: &str) -> bool {
    let mut written = snake.bytes();
    camel.bytes().all(|byte| {
        if byte.is_ascii_uppercase() {
            written.next() == Some(b'_') && written.next() == Some(byte.to_ascii_lowercase())
        } else {
            written.next() == Some(byte)
        }
    }) && written.next().is_none()
}

const fn one(number: u32, name: &'static str, kind: Kind) -> FieldShape {
    FieldShape { number, name, kind, is_repeated: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> FieldShape {
    FieldShape { number, name, kind, is_repeated: true }
}

macro_rules! messages {
    ($($name:ident $(($item:ident))? = [$($field:expr),* $(,)?];)*) => {$(
        static $name: Message = Message {
            fields: &[$($field),*],
            is_item: messages!(@item $($item)?),
        };
    )*};
    (@item item) => { true };
    (@item) => { false };
}

use Kind::{
    Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Int64, Message as M, Sfixed64, Sint32, Text,
    Uint32, Uint64,
};

messages! {
    ANY_VALUE = [
        one(1, "stringValue", Text), one(2, "boolValue", Bool), one(3, "intValue", Int64),
        one(4, "doubleValue", Double), one(5, "arrayValue", M(&ARRAY_VALUE)),
        one(6, "kvlistValue", M(&KEY_VALUE_LIST)), one(7, "bytesValue", Bytes),
    ];
    ARRAY_VALUE = [many(1, "values", M(&ANY_VALUE))];
    KEY_VALUE_LIST = [many(1, "values", M(&KEY_VALUE))];
    KEY_VALUE = [one(1, "key", Text), one(2, "value", M(&ANY_VALUE))];
    SCOPE = [
        one(1, "name", Text), one(2, "version", Text), many(3, "attributes", M(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ];
    ENTITY_REF = [
        one(1, "schemaUrl", Text), one(2, "type", Text), many(3, "idKeys", Text),
        many(4, "descriptionKeys", Text),
    ];
    RESOURCE = [
        many(1, "attributes", M(&KEY_VALUE)), one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", M(&ENTITY_REF)),
    ];

    TRACES = [many(1, "resourceSpans", M(&RESOURCE_SPANS))];
    RESOURCE_SPANS = [
        one(1, "resource", M(&RESOURCE)), many(2, "scopeSpans", M(&SCOPE_SPANS)),
        one(3, "schemaUrl", Text),
        // Before OTLP 0.15, and laid out alike.
        many(1000, "instrumentationLibrarySpans", M(&LIBRARY_SPANS)),
    ];
    SCOPE_SPANS = [
        one(1, "scope", M(&SCOPE)), many(2, "spans", M(&SPAN)), one(3, "schemaUrl", Text),
    ];
    LIBRARY_SPANS = [
        one(1, "instrumentationLibrary", M(&SCOPE)), many(2, "spans", M(&SPAN)),
        one(3, "schemaUrl", Text),
    ];
    SPAN(item) = [
        one(1, "traceId", Id), one(2, "spanId", Id), one(3, "traceState", Text),
        one(4, "parentSpanId", Id), one(16, "flags", Fixed32), one(5, "name", Text),
        one(6, "kind", Enum(SPAN_KINDS)), one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64), many(9, "attributes", M(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Uint32), many(11, "events", M(&EVENT)),
        one(12, "droppedEventsCount", Uint32), many(13, "links", M(&LINK)),
        one(14, "droppedLinksCount", Uint32), one(15, "status", M(&STATUS)),
    ];
    EVENT = [
        one(1, "timeUnixNano", Fixed64), one(2, "name", Text),
        many(3, "attributes", M(&KEY_VALUE)), one(4, "droppedAttributesCount", Uint32),
    ];
    LINK = [
        one(1, "traceId", Id), one(2, "spanId", Id), one(3, "traceState", Text),
        many(4, "attributes", M(&KEY_VALUE)), one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ];
    STATUS = [one(2, "message", Text), one(3, "code", Enum(STATUS_CODES))];

    METRICS = [many(1, "resourceMetrics", M(&RESOURCE_METRICS))];
    RESOURCE_METRICS = [
        one(1, "resource", M(&RESOURCE)), many(2, "scopeMetrics", M(&SCOPE_METRICS)),
        one(3, "schemaUrl", Text),
    ];
    SCOPE_METRICS = [
        one(1, "scope", M(&SCOPE)), many(2, "metrics", M(&METRIC)), one(3, "schemaUrl", Text),
    ];
    METRIC(item) = [
        one(1, "name", Text), one(2, "description", Text), one(3, "unit", Text),
        one(5, "gauge", M(&GAUGE)), one(7, "sum", M(&SUM)), one(9, "histogram", M(&HISTOGRAM)),
        one(10, "exponentialHistogram", M(&EXPONENTIAL)), one(11, "summary", M(&SUMMARY)),
        many(12, "metadata", M(&KEY_VALUE)),
    ];
    GAUGE = [many(1, "dataPoints", M(&NUMBER_POINT))];
    SUM = [
        many(1, "dataPoints", M(&NUMBER_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITIES)), one(3, "isMonotonic", Bool),
    ];
    HISTOGRAM = [
        many(1, "dataPoints", M(&HISTOGRAM_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITIES)),
    ];
    EXPONENTIAL = [
        many(1, "dataPoints", M(&EXPONENTIAL_POINT)),
        one(2, "aggregationTemporality", Enum(TEMPORALITIES)),
    ];
    SUMMARY = [many(1, "dataPoints", M(&SUMMARY_POINT))];
    NUMBER_POINT = [
        many(7, "attributes", M(&KEY_VALUE)), one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64), one(4, "asDouble", Double), one(6, "asInt", Sfixed64),
        many(5, "exemplars", M(&EXEMPLAR)), one(8, "flags", Uint32),
    ];
    HISTOGRAM_POINT = [
        many(9, "attributes", M(&KEY_VALUE)), one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64), one(4, "count", Fixed64), one(5, "sum", Double),
        many(6, "bucketCounts", Fixed64), many(7, "explicitBounds", Double),
        many(8, "exemplars", M(&EXEMPLAR)), one(10, "flags", Uint32), one(11, "min", Double),
        one(12, "max", Double),
    ];
    EXPONENTIAL_POINT = [
        many(1, "attributes", M(&KEY_VALUE)), one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64), one(4, "count", Fixed64), one(5, "sum", Double),
        one(6, "scale", Sint32), one(7, "zeroCount", Fixed64), one(8, "positive", M(&BUCKETS)),
        one(9, "negative", M(&BUCKETS)), one(10, "flags", Uint32),
        many(11, "exemplars", M(&EXEMPLAR)), one(12, "min", Double), one(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ];
    BUCKETS = [one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)];
    SUMMARY_POINT = [
        many(7, "attributes", M(&KEY_VALUE)), one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64), one(4, "count", Fixed64), one(5, "sum", Double),
        many(6, "quantileValues", M(&QUANTILE)), one(8, "flags", Uint32),
    ];
    QUANTILE = [one(1, "quantile", Double), one(2, "value", Double)];
    EXEMPLAR = [
        many(7, "filteredAttributes", M(&KEY_VALUE)), one(2, "timeUnixNano", Fixed64),
        one(3, "asDouble", Double), one(6, "asInt", Sfixed64), one(4, "spanId", Id),
        one(5, "traceId", Id),
    ];

    LOGS = [many(1, "resourceLogs", M(&RESOURCE_LOGS))];
    RESOURCE_LOGS = [
        one(1, "resource", M(&RESOURCE)), many(2, "scopeLogs", M(&SCOPE_LOGS)),
        one(3, "schemaUrl", Text),
    ];
    SCOPE_LOGS = [
        one(1, "scope", M(&SCOPE)), many(2, "logRecords", M(&LOG_RECORD)),
        one(3, "schemaUrl", Text),
    ];
    LOG_RECORD(item) = [
        one(1, "timeUnixNano", Fixed64), one(11, "observedTimeUnixNano", Fixed64),
        // Names of severities are not numbered in a row; OTLP's JSON asks for numbers.
        one(2, "severityNumber", Enum(&[])), one(3, "severityText", Text),
        one(5, "body", M(&ANY_VALUE)), many(6, "attributes", M(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Uint32), one(8, "flags", Fixed32), one(9, "traceId", Id),
        one(10, "spanId", Id), one(12, "eventName", Text),
    ];
}

const SPAN_KINDS: &[(&str, u64)] = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
const STATUS_CODES: &[(&str, u64)] =
    &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];
const TEMPORALITIES: &[(&str, u64)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];
