//! Request records: the names one request is known by.
//!
//! `u8 version = 1 · u8 source · i64 realtime_ns · i64 monotonic_ns`, then fields
//! `u8 key · varint length · bytes` up to the end. Unknown keys are passed over.

use std::borrow::Cow;

use crate::MembershipError;
use crate::cursor::Cursor;

const VERSION: u8 = 1;
const KEY_MEMBER: u8 = 1;
const KEY_EXTERNAL: u8 = 2;
const KEY_TRACEPARENT: u8 = 3;
const KEY_X_REQUEST_ID: u8 = 4;
const KEY_RECEIVED: u8 = 5;
const KEY_ENDED: u8 = 6;

/// Which part of the hook made a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordSource {
    /// vLLM's API server.
    Vllm,
    /// SGLang's API server.
    SgLang,
    /// Hugging Face transformers.
    Transformers,
    /// The ASGI middleware: no engine has named the request.
    Asgi,
    /// A source of a later version.
    Other(u8),
}

/// The names one request is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord<'a> {
    /// Who says so.
    pub source: RecordSource,
    /// `CLOCK_REALTIME` when the engine took the request.
    pub realtime_ns: i64,
    /// `CLOCK_MONOTONIC` at the same moment.
    pub monotonic_ns: i64,
    /// The id that steps name as a member.
    pub member: Option<Cow<'a, str>>,
    /// The id that spans and responses carry.
    pub external: Option<Cow<'a, str>>,
    /// W3C `traceparent` of the caller.
    pub traceparent: Option<Cow<'a, str>>,
    /// `X-Request-Id` of the HTTP request.
    pub x_request_id: Option<Cow<'a, str>>,
    /// `CLOCK_MONOTONIC` when the HTTP request came.
    pub received_ns: Option<i64>,
    /// `CLOCK_MONOTONIC` when its response had been sent.
    pub ended_ns: Option<i64>,
}

/// When a request came and how long it took. The clocks of a record are never mixed: lengths come
/// from the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTimes {
    /// `CLOCK_REALTIME` when the engine took it, or when it came where no engine did.
    pub realtime_ns: i64,
    /// From its coming until the engine took it.
    pub frontend_ns: Option<u64>,
    /// From its coming until its response had been sent.
    pub duration_ns: Option<u64>,
}

impl<'a> RequestRecord<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// When the version is unknown, the record ends early, or a time is not eight bytes long.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MembershipError> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.u8("a version")?;
        if version != VERSION {
            return Err(MembershipError::Version {
                what: "request record",
                found: version.into(),
                known: VERSION.into(),
            });
        }
        let source = match cursor.u8("a source")? {
            1 => RecordSource::Vllm,
            2 => RecordSource::SgLang,
            3 => RecordSource::Transformers,
            4 => RecordSource::Asgi,
            other => RecordSource::Other(other),
        };
        let mut record = Self {
            source,
            realtime_ns: i64::from_le_bytes(cursor.array("a time")?),
            monotonic_ns: i64::from_le_bytes(cursor.array("a time")?),
            member: None,
            external: None,
            traceparent: None,
            x_request_id: None,
            received_ns: None,
            ended_ns: None,
        };
        while !cursor.is_at_end() {
            let key = cursor.u8("a key")?;
            let length = cursor.count("a length")?;
            let mut value = cursor.part(length, "a value")?;
            match key {
                KEY_MEMBER => record.member = Some(text(value)),
                KEY_EXTERNAL => record.external = Some(text(value)),
                KEY_TRACEPARENT => record.traceparent = Some(text(value)),
                KEY_X_REQUEST_ID => record.x_request_id = Some(text(value)),
                KEY_RECEIVED => {
                    record.received_ns = Some(i64::from_le_bytes(value.array("a time")?));
                }
                KEY_ENDED => record.ended_ns = Some(i64::from_le_bytes(value.array("a time")?)),
                _ => {}
            }
        }
        Ok(record)
    }

    /// When the request came and how long it took, as far as the record tells.
    pub fn times(&self) -> RequestTimes {
        // The record was made when the engine took the request, or at the end where none did.
        let is_unnamed = self.source == RecordSource::Asgi;
        let since_received = self.received_ns.and_then(|at| span_ns(at, self.monotonic_ns));
        RequestTimes {
            realtime_ns: match since_received {
                Some(since) if is_unnamed => self.realtime_ns.saturating_sub_unsigned(since),
                _ => self.realtime_ns,
            },
            frontend_ns: since_received.filter(|_| !is_unnamed),
            duration_ns: self
                .received_ns
                .zip(self.ended_ns)
                .and_then(|(received, ended)| span_ns(received, ended)),
        }
    }

    /// Trace id (high, low), parent span id and sampled flag of the traceparent; `None` when there
    /// is none of the W3C form `00-32 hex-16 hex-2 hex`, or one of its ids is zero.
    pub fn trace_context(&self) -> Option<(u64, u64, u64, bool)> {
        let text = self.traceparent.as_deref()?;
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if (version.len(), trace.len(), parent.len(), flags.len()) != (2, 32, 16, 2) {
            return None;
        }
        let hex = |digits: &str| {
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        hex(version)?;
        let (high, low) = (hex(trace.get(..16)?)?, hex(trace.get(16..)?)?);
        let (parent, flags) = (hex(parent)?, hex(flags)?);
        ((high, low) != (0, 0) && parent != 0).then_some((high, low, parent, flags & 1 == 1))
    }
}

/// Time from `from` to `to`; `None` when it is negative.
fn span_ns(from: i64, to: i64) -> Option<u64> {
    (to >= from).then(|| to.abs_diff(from))
}

fn text(mut value: Cursor<'_>) -> Cow<'_, str> {
    String::from_utf8_lossy(value.rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(key: u8, value: &[u8]) -> Vec<u8> {
        [&[key, value.len() as u8], value].concat()
    }

    fn record(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![VERSION, 1];
        bytes.extend(7i64.to_le_bytes());
        bytes.extend((-3i64).to_le_bytes());
        bytes.extend(fields.concat());
        bytes
    }

    #[test]
    fn fields_in_any_order_and_later_ones_are_read() {
        let bytes = record(&[
            field(KEY_RECEIVED, &9i64.to_le_bytes()),
            field(99, b"of a later version"),
            field(KEY_MEMBER, "cmpl-ä-0-abcdef01".as_bytes()),
            field(KEY_TRACEPARENT, b"00-0000000000000001000000000000000a-00000000000000ff-01"),
        ]);
        let read = RequestRecord::parse(&bytes).expect("a record");
        assert_eq!((read.realtime_ns, read.monotonic_ns, read.received_ns), (7, -3, Some(9)));
        assert_eq!(read.member.as_deref(), Some("cmpl-ä-0-abcdef01"));
        assert_eq!((read.external.as_deref(), read.source), (None, RecordSource::Vllm));
        assert_eq!(read.trace_context(), Some((1, 10, 255, true)));
    }

    #[test]
    fn lengths_come_from_one_clock() {
        let (received, ended) = ((-10i64).to_le_bytes(), 20i64.to_le_bytes());
        let mut bytes = record(&[field(KEY_RECEIVED, &received), field(KEY_ENDED, &ended)]);
        let engine = RequestRecord::parse(&bytes).expect("a record").times();
        let (realtime_ns, duration_ns) = (7, Some(30));
        assert_eq!(engine, RequestTimes { realtime_ns, frontend_ns: Some(7), duration_ns });
        bytes[1] = 4;
        let server = RequestRecord::parse(&bytes).expect("a record").times();
        assert_eq!(server, RequestTimes { realtime_ns: 0, frontend_ns: None, duration_ns });
    }

    #[test]
    fn a_record_cut_anywhere_is_refused_or_has_fewer_fields() {
        let bytes = record(&[field(KEY_MEMBER, b"id"), field(KEY_ENDED, &1i64.to_le_bytes())]);
        for cut in 0..bytes.len() {
            match RequestRecord::parse(&bytes[..cut]) {
                Ok(read) => assert!(read.ended_ns.is_none(), "cut at {cut}"),
                Err(error) => assert!(error.to_string().contains("expected"), "cut at {cut}"),
            }
        }
        assert!(RequestRecord::parse(&bytes).is_ok());
    }

    #[test]
    fn only_a_traceparent_of_the_right_form_has_a_context() {
        for (text, is_context) in [
            ("00-000000000000000000000000000000ab-00000000000000cd-00", true),
            ("00-00000000000000000000000000000000-00000000000000cd-01", false),
            ("00-000000000000000000000000000000ab-0000000000000000-01", false),
            ("00-+00000000000000000000000000000ab-00000000000000cd-01", false),
            ("00-ab-cd-01", false),
            ("ääääääääää", false),
            ("", false),
        ] {
            let bytes = record(&[field(KEY_TRACEPARENT, text.as_bytes())]);
            let read = RequestRecord::parse(&bytes).expect("a record");
            assert_eq!(read.trace_context().is_some(), is_context, "{text}");
        }
    }
}
