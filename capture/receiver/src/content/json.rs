//! Checks exports in JSON: one document of the right outline.
//!
//! How the things inside spans, metrics and log records are written is left to who reads them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Fault;
use super::schema::{Kind, Message};
use crate::signal::Signal;

/// Deepest nesting of lists and objects. A value in an attribute of a span takes ten; readers that
/// call themselves for each have a limit too.
const DEPTH_LIMIT: usize = 64;

/// Checks an export and counts its items.
pub(super) fn check(body: &[u8], signal: Signal) -> Result<u64, Fault> {
    if depth(body) > DEPTH_LIMIT {
        let fault: serde_json::Error =
            serde::de::Error::custom("lists and objects are nested too deeply");
        return Err(fault.into());
    }
    let mut n_items = 0;
    let mut json = serde_json::Deserializer::from_slice(body);
    let request =
        Outline { shape: Message::request(signal), is_list: false, n_items: &mut n_items };
    request.deserialize(&mut json)?;
    json.end()?;
    Ok(n_items)
}

/// The deepest nesting in a document. Of what is no JSON it may be anything.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A message, or a list of messages, down to the items.
struct Outline<'a> {
    shape: &'static Message,
    is_list: bool,
    n_items: &'a mut u64,
}

impl<'de> DeserializeSeed<'de> for Outline<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outline<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_list { "a list" } else { "an object" })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        // `null` is an absent list.
        if self.is_list { Ok(()) } else { Err(E::invalid_type(serde::de::Unexpected::Unit, &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if !self.is_list {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let shape = self.shape;
        while items
            .next_element_seed(Outline { shape, is_list: false, n_items: &mut *self.n_items })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if self.is_list {
            return Err(serde::de::Error::invalid_type(serde::de::Unexpected::Map, &self));
        }
        *self.n_items += u64::from(self.shape.is_item);
        while let Some(key) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            let list = self.shape.field_named(&key).and_then(|field| match field.kind {
                Kind::Message(shape) if field.is_repeated && !self.shape.is_item => Some(shape),
                _ => None,
            });
            match list {
                Some(shape) => members.next_value_seed(Outline {
                    shape,
                    is_list: true,
                    n_items: &mut *self.n_items,
                })?,
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(text: &str) -> Result<u64, String> {
        check(text.as_bytes(), Signal::Traces).map_err(|fault| fault.to_string())
    }

    #[test]
    fn spans_are_counted_in_either_spelling() {
        let spans_of = [
            (r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{},{"name":"a"}]}]}]}"#, 2),
            (r#"{"resource_spans":[{"scope_spans":[{"spans":[{}]},{"spans":null}]}]}"#, 1),
            (r#"{"resourceSpans":[{"instrumentationLibrarySpans":[{"spans":[{}]}]}]}"#, 1),
            (r#"{"resourceSpans":[{"resource":{"spans":[1]},"scopeSpans":[]}]}"#, 0),
            ("{}", 0),
        ];
        for (text, n) in spans_of {
            assert_eq!(spans(text), Ok(n), "{text}");
        }
        let logs = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{}}]}]}]}"#;
        assert_eq!(check(logs, Signal::Logs).ok(), Some(1));
    }

    #[test]
    fn what_is_no_export_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "7",
            "{",
            "{} {}",
            r#"{"resourceSpans":{}}"#,
            r#"{"resourceSpans":[[]]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[7]}]}]}"#,
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a}]}]}]}"#,
        ] {
            assert!(spans(text).is_err(), "{text}");
        }
        let nested = |n: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
        assert_eq!(spans(&nested(DEPTH_LIMIT - 1)), Ok(0));
        assert!(spans(&nested(DEPTH_LIMIT)).is_err());
        assert_eq!(spans(&format!(r#"{{"x":"\"{}"}}"#, "[".repeat(1000))), Ok(0), "text");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = check(&bytes, Signal::Traces);
        }
    }
}
