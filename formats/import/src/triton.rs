//! Triton Inference Server's own trace files (`--trace-config triton,file=…`).
//!
//! # The bytes
//!
//! One JSON list of objects in no order, several for each trace id:
//!
//! ```json
//! [{"id": 6, "timestamps": [{"name": "HTTP_RECV_START", "ns": 4700823399193}]},
//!  {"id": 6, "model_name": "m", "model_version": 1, "request_id": "r-4", "parent_id": 5}, …]
//! ```
//!
//! `ns` is the server's steady clock. Records with an `activity` or `tensor` hold tensors, which
//! are content of requests: they are counted and never read.
//!
//! Each id becomes a span of its model from `REQUEST_START` to `REQUEST_END` that has all stamps
//! as events. Ids with stamps of HTTP or gRPC get a span `InferRequest` above it, from the arrival
//! of the request to the end of sending. A gRPC request arrives at `GRPC_WAITREAD_END`: before
//! that its slot waited idle. The span names and the meaning of stamps are those of Triton's
//! OpenTelemetry mode.

use std::borrow::Cow;
use std::collections::HashMap;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{NONE_U32, ProblemKind, Timeline, TimestampNs};

use crate::dialect::{is_stamp, own_stamp, stamp};
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, outline, parse};
use crate::spans::{AttributeValue, SpanRecord, SpanSink, TraceId};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

pub(crate) const FORMAT: &str = "triton_json";
/// Most generations an ensemble's request goes through.
const DEPTH_LIMIT: usize = 64;
/// Most stamps that are kept of one id. Decoupled models stamp each response.
const STAMP_LIMIT: usize = 1 << 16;

/// Reads Triton's trace files.
#[derive(Debug, Clone, Copy, Default)]
pub struct TritonImporter;

impl Importer for TritonImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "a Triton server trace in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head) else { return Probe::No };
        let has_stamps = outline
            .value("timestamps")
            .is_some_and(|value| memchr::memmem::find(value, b"\"ns\"").is_some());
        let is_record = outline.has("model_name") && outline.has("model_version");
        let is_tensor = outline.has("activity") && outline.has("tensor");
        if outline.has("id") && (has_stamps || is_record || is_tensor) {
            Probe::Yes
        } else {
            Probe::No
        }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let mut sink = SpanSink::new(input, FORMAT);
        sink.set_monotonic();
        let mut stream = JsonStream::open(input, options, progress)?;
        let mut traces = Traces::default();
        match traces.read(&mut stream, &mut sink) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Truncated { offset }) => {
                if !options.accept_truncated || traces.by_id.is_empty() {
                    return Err(ImportError::Malformed {
                        path: input.path().to_owned(),
                        offset,
                        expected: "the rest of the list".to_owned(),
                        found: "the end of the file".to_owned(),
                    });
                }
                let example = || format!("cut at byte {offset}");
                sink.problem(ProblemKind::TruncatedInput, 1, example);
            }
        }
        traces.write(&input.name(), &mut sink);
        Ok(sink.finish())
    }
}

/// Everything the file says about one id.
#[derive(Debug, Default)]
struct Trace {
    model: Option<String>,
    version: Option<i64>,
    request_id: Option<String>,
    parent: Option<u64>,
    stamps: Vec<(Cow<'static, str>, i64)>,
}

#[derive(Debug, Default)]
struct Traces {
    by_id: HashMap<u64, Trace>,
}

impl Traces {
    /// Reads one list, or several after each other.
    fn read(&mut self, stream: &mut JsonStream<'_>, sink: &mut SpanSink) -> Result<(), Stop> {
        while let Some(byte) = stream.peek()? {
            if byte == b'{' {
                self.record(stream, sink)?;
                continue;
            }
            stream.open_bracket(b'[')?;
            let mut is_first = true;
            while stream.next_item(&mut is_first)? {
                self.record(stream, sink)?;
            }
        }
        if stream.is_cut_off() {
            return Err(Stop::Truncated { offset: stream.offset() });
        }
        Ok(())
    }

    fn record(&mut self, stream: &mut JsonStream<'_>, sink: &mut SpanSink) -> Result<(), Stop> {
        stream.peek()?;
        let offset = stream.offset();
        let text = stream.value()?;
        let record = match parse(&text) {
            Ok(parsed) => parsed.value,
            Err(fault) => {
                let found =
                    crate::foreign::describe(text.as_bytes().get(fault.at..).unwrap_or(b""));
                drop(text);
                return stream.malformed(offset + fault.at as u64, fault.expected, found);
            }
        };
        let Some(id) = record.get("id").and_then(Json::as_whole::<u64>) else {
            let example = || format!("a record without an id at byte {offset}");
            sink.problem(ProblemKind::MalformedEvent, 1, example);
            return Ok(());
        };
        if record.get("activity").is_some() || record.get("tensor").is_some() {
            let example = || "records of tensors hold content of requests".to_owned();
            sink.problem(ProblemKind::WithheldAttribute, 1, example);
            return Ok(());
        }
        let trace = self.by_id.entry(id).or_default();
        if let Some(model) = record.get("model_name").and_then(Json::as_text) {
            trace.model = Some(model.to_owned());
        }
        let whole = |key: &str| record.get(key).and_then(Json::as_whole::<i64>);
        trace.version = whole("model_version").or(trace.version);
        // Zero is Triton's word for "no parent".
        let parent = record.get("parent_id").and_then(Json::as_whole::<u64>);
        trace.parent = parent.filter(|parent| *parent != 0).or(trace.parent);
        if let Some(request) = record.get("request_id").and_then(Json::as_token) {
            trace.request_id = Some(request.to_owned());
        }
        for stamp in record.get("timestamps").map_or(&[][..], Json::items) {
            let name = stamp.get("name").and_then(Json::as_text);
            let ns = stamp.get("ns").and_then(Json::as_whole::<i64>);
            match (name, ns) {
                (Some(_), Some(_)) if trace.stamps.len() >= STAMP_LIMIT => {
                    let example = || format!("stamps of id {id}");
                    sink.problem(ProblemKind::NumberOutOfRange, 1, example);
                }
                (Some(name), Some(ns)) => {
                    let own = own_stamp(name).map(Cow::Borrowed);
                    trace.stamps.push((own.unwrap_or_else(|| name.to_owned().into()), ns));
                }
                _ => {
                    let example = || format!("a stamp of id {id} at byte {offset}");
                    sink.problem(ProblemKind::MalformedEvent, 1, example);
                }
            }
        }
        Ok(())
    }

    /// Hands every id to the sink as a span, two where it came over the network.
    fn write(mut self, file_name: &str, sink: &mut SpanSink) {
        let file = file_name.bytes().fold(0x7261_6365, |hash, byte| mix(hash ^ u64::from(byte)));
        let ancestors: HashMap<u64, u64> =
            self.by_id.keys().map(|id| (*id, self.first_ancestor(*id))).collect();
        let server = sink.new_resource();
        let service = AttributeValue::Text("triton".into());
        sink.resource_attribute(server, "service.name", &service);
        let mut traces: Vec<_> = std::mem::take(&mut self.by_id).into_iter().collect();
        traces.sort_unstable_by_key(|(id, _)| *id);
        for (id, trace) in traces {
            let first = ancestors.get(&id).copied().unwrap_or(id);
            let ids = Ids { file, first, id };
            write_trace(&trace, &ids, server, sink);
        }
    }

    /// The request at the top of an ensemble. Circles end somewhere.
    fn first_ancestor(&self, id: u64) -> u64 {
        let parent = |id: &u64| self.by_id.get(id)?.parent;
        std::iter::successors(Some(id), parent).take(DEPTH_LIMIT).last().unwrap_or(id)
    }
}

/// Trace and span ids made from Triton's numbers, the same whenever the file is read.
struct Ids {
    file: u64,
    first: u64,
    id: u64,
}

impl Ids {
    fn trace(&self) -> TraceId {
        TraceId { high: 0, low: mix(self.file ^ mix(self.first)) }
    }

    fn model_of(&self, id: u64) -> u64 {
        mix(self.file ^ mix(id.wrapping_mul(2).wrapping_add(1))) | 1
    }

    fn request(&self) -> u64 {
        mix(self.file ^ mix(self.id.wrapping_mul(2))) | 1
    }
}

/// The finalizer of SplitMix64: a permutation, so distinct numbers stay distinct.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn write_trace(trace: &Trace, ids: &Ids, server: u32, sink: &mut SpanSink) {
    let at = |names: &[&str]| {
        let first =
            |name: &&str| trace.stamps.iter().find(|(stamp, _)| stamp == name).map(|(_, ns)| *ns);
        names.iter().find_map(first)
    };
    let known = || trace.stamps.iter().filter(|(name, _)| name != stamp::GRPC_WAITREAD_START);
    let earliest = known().map(|(_, ns)| *ns).min();
    let latest = known().map(|(_, ns)| *ns).max();
    let start = at(&[stamp::REQUEST_START, stamp::QUEUE_START, stamp::COMPUTE_START]).or(earliest);
    let end = at(&[stamp::REQUEST_END, stamp::COMPUTE_END]).or(latest);
    let time = |ns: Option<i64>| ns.map(TimestampNs::from_ns);
    let mut parent_span_id = trace.parent.map_or(0, |parent| ids.model_of(parent));
    let arrival = at(&[stamp::HTTP_RECV_START, stamp::GRPC_WAITREAD_END]);
    if arrival.is_some() {
        let answered = at(&[stamp::HTTP_SEND_END, stamp::GRPC_SEND_END]).or(end);
        sink.span(SpanRecord {
            trace_id: Some(ids.trace()),
            span_id: Some(ids.request()),
            parent_span_id,
            name: "InferRequest",
            start: time(arrival),
            end: time(answered),
            kind: SpanKind::Server,
            status: SpanStatus::Unknown,
            resource: server,
            scope: NONE_U32,
        });
        events(trace, sink, is_transport);
        parent_span_id = ids.request();
    }
    sink.span(SpanRecord {
        trace_id: Some(ids.trace()),
        span_id: Some(ids.model_of(ids.id)),
        parent_span_id,
        name: trace.model.as_deref().unwrap_or("unknown model"),
        start: time(start),
        end: time(end),
        kind: SpanKind::Internal,
        status: SpanStatus::Unknown,
        resource: server,
        scope: NONE_U32,
    });
    let model = AttributeValue::Text(trace.model.as_deref().unwrap_or_default().into());
    sink.attribute("triton.model_name", &model);
    if let Some(version) = trace.version {
        sink.attribute("triton.model_version", &AttributeValue::Whole(version));
    }
    let whole =
        |value: u64| i64::try_from(value).map_or(AttributeValue::Nothing, AttributeValue::Whole);
    sink.attribute("triton.trace_id", &whole(ids.id));
    sink.attribute("triton.trace_parent_id", &whole(trace.parent.unwrap_or(0)));
    if let Some(request) = &trace.request_id {
        sink.attribute("triton.request_id", &AttributeValue::Text(request.as_str().into()));
    }
    let has_request_span = arrival.is_some();
    events(trace, sink, |name| !has_request_span || !is_transport(name));
}

/// Whether a stamp is about the network side of a request.
fn is_transport(name: &str) -> bool {
    is_stamp(name) && (name.starts_with("HTTP_") || name.starts_with("GRPC_"))
}

fn events(trace: &Trace, sink: &mut SpanSink, is_wanted: impl Fn(&str) -> bool) {
    for (name, ns) in trace.stamps.iter().filter(|(name, _)| is_wanted(name)) {
        sink.event(Some(TimestampNs::from_ns(*ns)), name);
    }
}
