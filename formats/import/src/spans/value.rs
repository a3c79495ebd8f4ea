//! The value of an attribute, in whatever format it came.

use std::borrow::Cow;

use crate::json::Json;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AttributeValue<'a> {
    Text(Cow<'a, str>),
    Whole(i64),
    Real(f64),
    Truth(bool),
    /// Nothing, or something that is not stored: bytes, nested values.
    Nothing,
}

impl<'a> AttributeValue<'a> {
    /// A plain JSON value, as exports other than OTLP write it.
    pub(crate) fn of_json(value: &'a Json<'_>) -> Self {
        match value {
            Json::Text(text) => Self::Text(Cow::Borrowed(text)),
            Json::Truth(truth) => Self::Truth(*truth),
            Json::Number(text) => Self::of_number(text),
            Json::List(items) => Self::of_list(items.iter().map(Self::of_json)),
            Json::Null | Json::Object(_) => Self::Nothing,
        }
    }

    /// A number as it is written: whole when it is written so.
    pub(crate) fn of_number(text: &str) -> AttributeValue<'static> {
        if let Ok(whole) = text.parse() {
            return AttributeValue::Whole(whole);
        }
        let real = text.parse().ok().filter(|real: &f64| real.is_finite());
        real.map_or(AttributeValue::Nothing, AttributeValue::Real)
    }

    /// A list of plain values, as one text with commas.
    pub(crate) fn of_list(items: impl Iterator<Item = Self>) -> Self {
        let texts: Vec<_> = items.filter_map(|item| item.to_text().map(Cow::into_owned)).collect();
        if texts.is_empty() { Self::Nothing } else { Self::Text(Cow::Owned(texts.join(","))) }
    }

    /// The value written as text; `None` for nothing.
    pub(crate) fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Text(text) => Cow::Borrowed(text.as_ref()),
            Self::Whole(whole) => Cow::Owned(whole.to_string()),
            Self::Real(real) => Cow::Owned(real.to_string()),
            Self::Truth(truth) => Cow::Owned(truth.to_string()),
            Self::Nothing => return None,
        })
    }

    /// A whole number, also one that came as text.
    pub(crate) fn to_whole(&self) -> Option<i64> {
        match self {
            Self::Whole(whole) => Some(*whole),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}
