//! Exports in JSON as protobuf, for endpoints that speak gRPC only.
//!
//! OTLP's JSON is protobuf's, but for ids, which are hexadecimal. Members that OTLP does not know
//! are left out; what a field cannot hold is a fault.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use underspan_wire::{put_bytes, put_tag, put_varint};

use super::Fault;
use super::schema::{FieldShape, Kind, Message};
use crate::signal::Signal;

/// Writes an export in JSON as the protobuf message it stands for.
pub(crate) fn json_to_protobuf(body: &[u8], signal: Signal) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(body.len() / 2);
    let mut json = serde_json::Deserializer::from_slice(body);
    Body { shape: Message::request(signal), out: &mut out }.deserialize(&mut json)?;
    json.end()?;
    Ok(out)
}

/// The members of an object, as fields of a message.
struct Body<'a> {
    shape: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        put_members(members, self.shape, self.out)
    }
}

fn put_members<'de, A: MapAccess<'de>>(
    mut members: A,
    shape: &'static Message,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    while let Some(key) = members.next_key::<Cow<'_, str>>()? {
        match shape.field_named(&key) {
            Some(field) => {
                members.next_value_seed(Value { field, is_item: false, out: &mut *out })?;
            }
            None => drop(members.next_value::<IgnoredAny>()?),
        }
    }
    Ok(())
}

/// The value of a field, or one item of a repeated one.
struct Value<'a> {
    field: &'static FieldShape,
    is_item: bool,
    out: &'a mut Vec<u8>,
}

impl Value<'_> {
    fn varint(self, value: u64) {
        put_tag(self.out, self.field.number, 0);
        put_varint(self.out, value);
    }

    fn fixed64(self, bits: u64) {
        put_tag(self.out, self.field.number, 1);
        self.out.extend_from_slice(&bits.to_le_bytes());
    }

    /// A whole number.
    fn whole<E: Error>(self, value: i128) -> Result<(), E> {
        let wrong = || E::custom(format_args!("{value} does not fit into {}", self.field.name));
        match self.field.kind {
            Kind::Int64 => self.varint(i64::try_from(value).map_err(|_| wrong())? as u64),
            // Negative numbers of enumerations take ten bytes, as int64 does.
            Kind::Enum(_) => {
                self.varint(i64::from(i32::try_from(value).map_err(|_| wrong())?) as u64);
            }
            Kind::Uint64 => self.varint(u64::try_from(value).map_err(|_| wrong())?),
            Kind::Uint32 => self.varint(u32::try_from(value).map_err(|_| wrong())?.into()),
            Kind::Sint32 => {
                let value = i32::try_from(value).map_err(|_| wrong())?;
                self.varint(u64::from((value << 1 ^ value >> 31) as u32));
            }
            Kind::Fixed64 => self.fixed64(u64::try_from(value).map_err(|_| wrong())?),
            Kind::Sfixed64 => self.fixed64(i64::try_from(value).map_err(|_| wrong())? as u64),
            Kind::Double => self.fixed64((value as f64).to_bits()),
            Kind::Fixed32 => {
                let value = u32::try_from(value).map_err(|_| wrong())?;
                put_tag(self.out, self.field.number, 5);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn text<E: Error>(self, text: &str) -> Result<(), E> {
        let wrong = || E::custom(format_args!("{text:?} does not fit into {}", self.field.name));
        match self.field.kind {
            Kind::Text => put_bytes(self.out, self.field.number, text.as_bytes()),
            Kind::Bytes => {
                put_bytes(self.out, self.field.number, &base64(text).ok_or_else(wrong)?);
            }
            Kind::Id => put_bytes(self.out, self.field.number, &id(text).ok_or_else(wrong)?),
            Kind::Double => {
                let value = match text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => text.parse().map_err(|_| wrong())?,
                };
                self.fixed64(value.to_bits());
            }
            Kind::Enum(names) => {
                let named = names.iter().find(|(name, _)| *name == text);
                match named {
                    Some((_, code)) => self.varint(*code),
                    None => return self.whole(text.parse().map_err(|_| wrong())?),
                }
            }
            Kind::Message(_) | Kind::Bool => return Err(wrong()),
            _ => return self.whole(text.parse().map_err(|_| wrong())?),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a value of {}", self.field.name)
    }

    /// `null` is an absent field.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if !self.field.is_repeated || self.is_item {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let field = self.field;
        while items
            .next_element_seed(Value { field, is_item: true, out: &mut *self.out })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let Kind::Message(shape) = self.field.kind else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        if self.field.is_repeated && !self.is_item {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        }
        let mut inner = Vec::new();
        put_members(members, shape, &mut inner)?;
        put_bytes(self.out, self.field.number, &inner);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.whole(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        if let Kind::Double = self.field.kind {
            self.fixed64(value.to_bits());
            return Ok(());
        }
        // Some writers put an exponent into whole numbers.
        if value.fract() == 0.0 && value.abs() < 1e18 {
            return self.whole(value as i128);
        }
        Err(E::invalid_type(serde::de::Unexpected::Float(value), &self))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool => {
                self.varint(value.into());
                Ok(())
            }
            _ => Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self)),
        }
    }
}

/// A trace or span id: hexadecimal, or base64 as plain protobuf JSON writes it.
fn id(text: &str) -> Option<Vec<u8>> {
    if !matches!(text.len(), 0 | 16 | 32) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return base64(text);
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Base64 of either alphabet, with padding or without.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) {
        &base64::alphabet::URL_SAFE
    } else {
        &base64::alphabet::STANDARD
    };
    GeneralPurpose::new(alphabet, LENIENT).decode(text).ok()
}
