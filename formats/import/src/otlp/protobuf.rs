//! The walk through OTLP in protobuf. Field numbers: `opentelemetry/proto/trace/v1/trace.proto`,
//! `common/v1/common.proto` and `resource/v1/resource.proto` of opentelemetry-proto 1.x.

use std::borrow::Cow;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{ProblemKind, Timeline, TimestampNs};
use underspan_wire::{Field, Fields, WireFault, varint};

use super::frames::{Prefix, Unframed, framing_of};
use super::message::{dropped_by_exporter, time_from_ns, trace_state};
use crate::input::InputFile;
use crate::json::Content;
use crate::spans::{AttributeValue, SpanRecord, SpanSink, TraceId, span_id_from_bytes};
use crate::{ImportError, ImportOptions, Progress};

pub(super) const FORMAT: &str = "otlp_protobuf";

const BLOCK_BYTES: usize = 1 << 20;
/// Longest `ResourceSpans` message. Exporters send some hundred spans in one.
const MESSAGE_LIMIT_BYTES: u64 = 1 << 30;
/// Deepest nesting of values in an attribute: deeper ones are not stored anyhow.
const VALUE_DEPTH_LIMIT: u32 = 4;

type Decoded = Result<(), WireFault>;

pub(super) fn read(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Timeline, ImportError> {
    let prefix = framing_of(input.head()).map_or(Prefix::None, |framing| framing.prefix);
    let mut content = Unframed::new(input.path(), input.blocks(options)?, prefix);
    let mut sink = SpanSink::new(input, FORMAT);
    let mut buffer = Vec::new();
    let mut offset = 0_u64;
    loop {
        let field = loop {
            match top_field(&buffer) {
                Top::Whole { number, start, end } => break Some((number, start, end)),
                Top::Fault(fault) => return Err(malformed(input, offset, fault)),
                Top::Open { needed } if needed > MESSAGE_LIMIT_BYTES => {
                    let (path, what) = (input.path().to_owned(), "one message of spans");
                    let limit = MESSAGE_LIMIT_BYTES;
                    return Err(ImportError::TooLarge { path, offset, what, limit });
                }
                Top::Open { .. } => {}
            }
            if progress.is_cancelled() {
                return Err(ImportError::Cancelled { path: input.path().to_owned() });
            }
            let held = buffer.len();
            buffer.resize(held + BLOCK_BYTES, 0);
            let n = content.fill(&mut buffer[held..])?;
            buffer.truncate(held + n);
            progress.advance(content.file_bytes_read(), input.file_bytes());
            if n == 0 {
                break None;
            }
        };
        let Some((number, start, end)) = field else { break };
        if number == 1 {
            let message = &buffer[start..end];
            resource_spans(&mut sink, message)
                .map_err(|fault| malformed(input, offset + start as u64, fault))?;
        }
        buffer.drain(..end);
        offset += end as u64;
    }
    if buffer.is_empty() && !content.is_cut_off() {
        return Ok(sink.finish());
    }
    let offset = offset + buffer.len() as u64;
    if !options.accept_truncated || sink.n_spans() == 0 {
        let fault = WireFault { at: 0, expected: "the rest of the message" };
        return Err(ImportError::Malformed {
            path: input.path().to_owned(),
            offset,
            expected: fault.expected.to_owned(),
            found: "the end of the file".to_owned(),
        });
    }
    sink.problem(ProblemKind::TruncatedInput, 1, || format!("cut at byte {offset}"));
    Ok(sink.finish())
}

/// The field at the beginning of a content of which only a part is there.
enum Top {
    Whole {
        number: u32,
        start: usize,
        end: usize,
    },
    /// More bytes are needed, so many from the beginning as far as is known.
    Open {
        needed: u64,
    },
    Fault(WireFault),
}

fn top_field(buffer: &[u8]) -> Top {
    /// Longest tag and length.
    const HEAD_BYTES: usize = 20;
    let open = Top::Open { needed: 0 };
    if let Some((tag, n)) = varint(buffer)
        && tag & 7 == 2
    {
        let Some((length, m)) = buffer.get(n..).and_then(varint) else {
            return if buffer.len() < HEAD_BYTES { open } else { fault("the length of a field") };
        };
        let start = n + m;
        let Some(end) = usize::try_from(length).ok().and_then(|length| start.checked_add(length))
        else {
            return Top::Open { needed: u64::MAX };
        };
        if end > buffer.len() {
            return Top::Open { needed: end as u64 };
        }
        return match u32::try_from(tag >> 3) {
            Ok(number) if number > 0 => Top::Whole { number, start, end },
            _ => fault("a field number"),
        };
    }
    let mut fields = Fields::of(buffer);
    match fields.next() {
        Some(Ok((number, _))) => Top::Whole { number, start: 0, end: fields.position() },
        Some(Err(found)) if buffer.len() >= HEAD_BYTES => Top::Fault(found),
        Some(Err(_)) | None => open,
    }
}

fn fault(expected: &'static str) -> Top {
    Top::Fault(WireFault { at: 0, expected })
}

fn malformed(input: &InputFile, offset: u64, fault: WireFault) -> ImportError {
    ImportError::Malformed {
        path: input.path().to_owned(),
        offset: offset + fault.at as u64,
        expected: fault.expected.to_owned(),
        found: "bytes that are none".to_owned(),
    }
}

fn resource_spans(sink: &mut SpanSink, message: &[u8]) -> Decoded {
    let resource = sink.new_resource();
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(body)) => within(message, body, |body| {
                each_attribute(body, 1, |key, value| {
                    sink.resource_attribute(resource, key, &value);
                })
            })?,
            // 1000: `instrumentation_library_spans` before OTLP 0.15.
            (2 | 1000, Field::Bytes(body)) => {
                within(message, body, |body| scope_spans(sink, body, resource))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn scope_spans(sink: &mut SpanSink, message: &[u8], resource: u32) -> Decoded {
    let scope = sink.new_scope();
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(body)) => within(message, body, |body| {
                for field in Fields::of(body) {
                    if let (1, Field::Bytes(name)) = field? {
                        sink.name_scope(scope, &text(name));
                    }
                }
                Ok(())
            })?,
            (2, Field::Bytes(body)) => {
                within(message, body, |body| span(sink, body, resource, scope))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn span(sink: &mut SpanSink, message: &[u8], resource: u32, scope: u32) -> Decoded {
    let mut record = SpanRecord { resource, scope, ..SpanRecord::default() };
    let mut name = Cow::Borrowed("");
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(id)) => record.trace_id = TraceId::from_bytes(id),
            (2, Field::Bytes(id)) => record.span_id = span_id_from_bytes(id),
            (4, Field::Bytes(id)) => record.parent_span_id = span_id_from_bytes(id).unwrap_or(0),
            (5, Field::Bytes(bytes)) => name = text(bytes),
            (6, Field::Varint(kind)) => {
                record.kind = u8::try_from(kind).map_or(SpanKind::Unknown, SpanKind::from_code);
            }
            (7, Field::Fixed64(ns)) => record.start = time_from_ns(ns),
            (8, Field::Fixed64(ns)) => record.end = time_from_ns(ns),
            (15, Field::Bytes(body)) => record.status = within(message, body, status)?,
            _ => {}
        }
    }
    if matches!(name, Cow::Owned(_)) {
        sink.problem(ProblemKind::InvalidUtf8, 1, || format!("span {name:?}"));
    }
    record.name = &name;
    sink.span(record);
    each_attribute(message, 9, |key, value| sink.attribute(key, &value))?;
    let mut dropped = 0_u64;
    for field in Fields::of(message) {
        match field? {
            (3, Field::Bytes(state)) => trace_state(sink, &text(state)),
            (10 | 12 | 14, Field::Varint(count)) => dropped = dropped.saturating_add(count),
            (11, Field::Bytes(body)) => within(message, body, |body| event(sink, body))?,
            (13, Field::Bytes(body)) => within(message, body, |body| link(sink, body))?,
            _ => {}
        }
    }
    dropped_by_exporter(sink, dropped);
    Ok(())
}

fn status(message: &[u8]) -> Result<SpanStatus, WireFault> {
    let mut status = SpanStatus::Unknown;
    for field in Fields::of(message) {
        if let (3, Field::Varint(code)) = field? {
            status = u8::try_from(code).map_or(SpanStatus::Unknown, SpanStatus::from_code);
        }
    }
    Ok(status)
}

fn event(sink: &mut SpanSink, message: &[u8]) -> Decoded {
    let mut time: Option<TimestampNs> = None;
    let mut name = Cow::Borrowed("");
    for field in Fields::of(message) {
        match field? {
            (1, Field::Fixed64(ns)) => time = time_from_ns(ns),
            (2, Field::Bytes(bytes)) => name = text(bytes),
            _ => {}
        }
    }
    sink.event(time, &name);
    each_attribute(message, 3, |key, value| sink.event_attribute(key, &value))
}

fn link(sink: &mut SpanSink, message: &[u8]) -> Decoded {
    let (mut trace_id, mut span_id) = (None, None);
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(id)) => trace_id = TraceId::from_bytes(id),
            (2, Field::Bytes(id)) => span_id = span_id_from_bytes(id),
            _ => {}
        }
    }
    sink.link(trace_id, span_id);
    Ok(())
}

/// Calls `take` for each `KeyValue` in the field `number` of a message.
fn each_attribute(
    message: &[u8],
    number: u32,
    mut take: impl FnMut(&str, AttributeValue<'_>),
) -> Decoded {
    for field in Fields::of(message) {
        let (found, Field::Bytes(body)) = field? else { continue };
        if found != number {
            continue;
        }
        within(message, body, |body| {
            let (mut key, mut value) = (Cow::Borrowed(""), AttributeValue::Nothing);
            for field in Fields::of(body) {
                match field? {
                    (1, Field::Bytes(bytes)) => key = text(bytes),
                    (2, Field::Bytes(bytes)) => {
                        value = within(body, bytes, |bytes| any_value(bytes, 0))?;
                    }
                    _ => {}
                }
            }
            take(&key, value);
            Ok(())
        })?;
    }
    Ok(())
}

fn any_value(message: &[u8], depth: u32) -> Result<AttributeValue<'_>, WireFault> {
    let mut value = AttributeValue::Nothing;
    for field in Fields::of(message) {
        value = match field? {
            (1, Field::Bytes(bytes)) => AttributeValue::Text(text(bytes)),
            (2, Field::Varint(truth)) => AttributeValue::Truth(truth != 0),
            (3, Field::Varint(whole)) => AttributeValue::Whole(whole as i64),
            (4, Field::Fixed64(bits)) => {
                let real = f64::from_bits(bits);
                if real.is_finite() { AttributeValue::Real(real) } else { AttributeValue::Nothing }
            }
            (5, Field::Bytes(list)) if depth < VALUE_DEPTH_LIMIT => {
                let mut items = Vec::new();
                for field in Fields::of(list) {
                    if let (1, Field::Bytes(item)) = field? {
                        items.push(any_value(item, depth + 1)?);
                    }
                }
                AttributeValue::of_list(items.into_iter())
            }
            _ => value,
        };
    }
    Ok(value)
}

/// Decodes a part of a message; a fault in it is then told by its place in the message.
fn within<'a, T>(
    message: &'a [u8],
    part: &'a [u8],
    decode: impl FnOnce(&'a [u8]) -> Result<T, WireFault>,
) -> Result<T, WireFault> {
    decode(part).map_err(|fault| {
        let start = part.as_ptr() as usize - message.as_ptr() as usize;
        WireFault { at: start + fault.at, ..fault }
    })
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
