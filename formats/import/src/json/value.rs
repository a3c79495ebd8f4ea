//! A JSON value in memory, borrowed from its text.
//!
//! Numbers keep their text, so that no digit of a time or id is lost on the way through floating
//! point. Tolerant where exporters are wrong: bare words such as `NaN` are numbers that convert
//! to nothing, of a key that stands twice the last value counts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::text::unescape;

/// Deepest nesting that is read.
const DEPTH_LIMIT: u32 = 64;
/// Objects of more members are searched for double keys with a set.
const FEW_MEMBERS: usize = 16;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Truth(bool),
    /// A number, as it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// A value and what was odd about its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parsed<'a> {
    pub(crate) value: Json<'a>,
    /// Keys that stand twice in their object.
    pub(crate) n_duplicate_keys: u64,
}

/// Where and why a text is no JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonFault {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

impl<'a> Json<'a> {
    /// The value of a key. `None` when there is none, and when it is `null`.
    pub(crate) fn get(&self, key: &str) -> Option<&Json<'a>> {
        let Self::Object(members) = self else { return None };
        let found = members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
        found.filter(|value| **value != Self::Null)
    }

    /// The value of the first of several keys that is there.
    pub(crate) fn get_any(&self, keys: &[&str]) -> Option<&Json<'a>> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Json<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text, or the text of a number.
    pub(crate) fn as_token(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, written as number or text.
    pub(crate) fn as_whole<N: std::str::FromStr>(&self) -> Option<N> {
        let text = self.as_token()?;
        // `7.0` and `7e0` are rare; nothing that a float cannot hold is written so.
        text.parse().ok().or_else(|| whole_of_real(text)?.to_string().parse().ok())
    }

    /// A finite real number, written as number or text.
    pub(crate) fn as_real(&self) -> Option<f64> {
        self.as_token()?.parse::<f64>().ok().filter(|value| value.is_finite())
    }

    pub(crate) fn as_truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            Self::Text(text) if text == "true" => Some(true),
            Self::Text(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    /// The items of a list; nothing of anything else.
    pub(crate) fn items(&self) -> &[Json<'a>] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The members of an object; nothing of anything else.
    pub(crate) fn members(&self) -> &[(Cow<'a, str>, Json<'a>)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// What kind of value it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Truth(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

fn whole_of_real(text: &str) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let value = text.parse::<f64>().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// Reads the one value that `text` holds.
///
/// # Errors
/// When `text` is no JSON value, or more than one.
pub(crate) fn parse(text: &str) -> Result<Parsed<'_>, JsonFault> {
    let mut parser = Parser { text, at: 0, n_duplicate_keys: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return parser.fault("the end of the value");
    }
    Ok(Parsed { value, n_duplicate_keys: parser.n_duplicate_keys })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    n_duplicate_keys: u64,
}

impl<'a> Parser<'a> {
    fn fault<T>(&self, expected: &'static str) -> Result<T, JsonFault> {
        Err(JsonFault { at: self.at, expected })
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: u32) -> Result<Json<'a>, JsonFault> {
        if depth > DEPTH_LIMIT {
            return self.fault("less nesting");
        }
        self.skip_space();
        match self.byte() {
            Some(b'"') => Ok(Json::Text(self.quoted()?)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            _ => self.token(),
        }
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, JsonFault> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let Some(hit) = memchr::memchr2(b'"', b'\\', rest) else {
                return self.fault("a closing quote");
            };
            if rest[hit] == b'"' {
                self.at = at + hit + 1;
                return Ok(unescape(&self.text[start..at + hit]));
            }
            at += hit + 2;
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json<'a>, JsonFault> {
        let mut members = Vec::new();
        self.at += 1;
        while self.more(b'}', members.is_empty())? {
            if self.byte() != Some(b'"') {
                return self.fault("a key in quotes");
            }
            let key = self.quoted()?;
            self.skip_space();
            if self.byte() != Some(b':') {
                return self.fault("':'");
            }
            self.at += 1;
            members.push((key, self.value(depth + 1)?));
        }
        self.n_duplicate_keys += duplicate_keys(&members);
        Ok(Json::Object(members))
    }

    fn list(&mut self, depth: u32) -> Result<Json<'a>, JsonFault> {
        let mut items = Vec::new();
        self.at += 1;
        while self.more(b']', items.is_empty())? {
            items.push(self.value(depth + 1)?);
        }
        Ok(Json::List(items))
    }

    /// Steps to the next member or item, over its comma; `false` past the closing bracket.
    fn more(&mut self, close: u8, is_first: bool) -> Result<bool, JsonFault> {
        self.skip_space();
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !is_first => self.at += 1,
            _ if !is_first => return self.fault("',' or a closing bracket"),
            _ => {}
        }
        self.skip_space();
        Ok(true)
    }

    fn token(&mut self) -> Result<Json<'a>, JsonFault> {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        let token = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if token.is_empty() {
            return self.fault("a value");
        }
        self.at += token.len();
        Ok(match token {
            "null" => Json::Null,
            "true" => Json::Truth(true),
            "false" => Json::Truth(false),
            number => Json::Number(number),
        })
    }
}

fn duplicate_keys(members: &[(Cow<'_, str>, Json<'_>)]) -> u64 {
    let n_distinct = if members.len() <= FEW_MEMBERS {
        let is_first = |at: usize| members[..at].iter().all(|(key, _)| *key != members[at].0);
        (0..members.len()).filter(|at| is_first(*at)).count()
    } else {
        members.iter().map(|(key, _)| key.as_ref()).collect::<HashSet<&str>>().len()
    };
    (members.len() - n_distinct) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Json<'_> {
        parse(text).expect("a value").value
    }

    #[test]
    fn numbers_keep_every_digit() {
        let big = value("[1795363050197945793, \"1795363050197945793\", 7.0, 7e2, -3]");
        let whole: Vec<Option<i64>> = big.items().iter().map(Json::as_whole).collect();
        let ns = Some(1_795_363_050_197_945_793);
        assert_eq!(whole, [ns, ns, Some(7), Some(700), Some(-3)]);
        assert_eq!(value("18446744073709551615").as_whole(), Some(u64::MAX));
        assert_eq!(value("18446744073709551616").as_whole::<u64>(), None);
        assert_eq!(value("NaN").as_real(), None);
        assert_eq!(value("1e400").as_real(), None);
        assert_eq!(value("0.25").as_real(), Some(0.25));
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_and_is_counted() {
        let parsed = parse(r#"{"a": 1, "b": {"c": null, "c": 2}, "a": 3}"#).expect("a value");
        assert_eq!(parsed.n_duplicate_keys, 2);
        assert_eq!(parsed.value.get("a").and_then(Json::as_whole), Some(3));
        assert_eq!(parsed.value.at(&["b", "c"]).and_then(Json::as_whole), Some(2));
        assert_eq!(parsed.value.get("missing"), None);
    }

    #[test]
    fn faults_say_where() {
        for (text, at) in [
            ("", 0),
            ("{\"a\" 1}", 5),
            ("[1 2]", 3),
            ("[1,, 2]", 3),
            ("\"open", 0),
            ("{1: 2}", 1),
            ("[] x", 3),
        ] {
            assert_eq!(parse(text).expect_err(text).at, at, "{text}");
        }
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert_eq!(parse(&deep).expect_err("deep").expected, "less nesting");
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_value_or_a_fault(text in "\\PC{0,64}|[\\[\\]{}\":,0-9a\\\\]{0,64}") {
            if let Ok(parsed) = parse(&text) {
                prop_assert!(!text.trim().is_empty(), "{:?}", parsed);
            }
        }

        #[test]
        fn what_serde_json_writes_reads_equal(number in any::<i64>(), text in ".{0,24}") {
            let written = serde_json::json!({"n": number, "t": text, "l": [null, true]}).to_string();
            let read = parse(&written).expect("valid").value;
            prop_assert_eq!(read.get("n").and_then(Json::as_whole), Some(number));
            prop_assert_eq!(read.get("t").and_then(Json::as_text), Some(text.as_str()));
            prop_assert_eq!(read.get("l").map(|l| l.items().len()), Some(2));
        }
    }
}
