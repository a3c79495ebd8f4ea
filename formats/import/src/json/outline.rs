//! The first keys of a JSON document, to know its format by.

use super::text::unescape;

/// Most keys that are looked at.
const KEY_LIMIT: usize = 64;
/// Most brackets in front of the first object.
const LIST_LIMIT: u32 = 2;

/// The beginning of the first object of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline<'a> {
    /// How many lists the object lies in: `[[{` is two.
    pub(crate) n_lists: u32,
    /// Its keys, with the text of their values. The last value may be cut off.
    pub(crate) members: Vec<(String, &'a [u8])>,
}

impl<'a> Outline<'a> {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The text of a key's value; it may be cut off.
    pub(crate) fn value(&self, key: &str) -> Option<&'a [u8]> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }
}

/// The first keys of the document that starts with `head`. `None` when its first value is not an
/// object, or a list whose first item is one.
pub(crate) fn outline(head: &[u8]) -> Option<Outline<'_>> {
    let mut rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let mut n_lists = 0;
    while let Some(inner) = rest.strip_prefix(b"[") {
        n_lists += 1;
        if n_lists > LIST_LIMIT {
            return None;
        }
        rest = inner.trim_ascii_start();
    }
    rest = rest.strip_prefix(b"{")?;
    let mut members = Vec::new();
    while members.len() < KEY_LIMIT {
        let Some((key, tail)) = key(rest) else { break };
        let (value, tail) = value(tail.trim_ascii_start());
        members.push((key, value));
        let Some(tail) = tail.trim_ascii_start().strip_prefix(b",") else { break };
        rest = tail;
    }
    Some(Outline { n_lists, members })
}

/// A key and what follows its colon.
fn key(text: &[u8]) -> Option<(String, &[u8])> {
    let (raw, rest) = quoted(text.trim_ascii_start())?;
    let raw = std::str::from_utf8(raw).ok()?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    Some((unescape(raw).into_owned(), rest))
}

/// What stands between quotes, and what follows.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        at += 2;
    }
}

/// The text of a value, and what follows it; to the end when it is cut off.
fn value(text: &[u8]) -> (&[u8], &[u8]) {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => match quoted(&text[at..]) {
                Some((raw, _)) => at += raw.len() + 1,
                None => break,
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return text.split_at(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    (text, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Option<(u32, Vec<String>)> {
        let outline = outline(text.as_bytes())?;
        Some((outline.n_lists, outline.members.into_iter().map(|(key, _)| key).collect()))
    }

    #[test]
    fn the_first_object_is_found_and_its_own_keys_only() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let text = r#" {"a": {"x": [1, "}"]}, "b": "\"", "c": 3} {"d": 4}"#;
        assert_eq!(keys(text), Some((0, names(&["a", "b", "c"]))));
        assert_eq!(keys("[\n [ {\"a\":[{\"b\""), Some((2, names(&["a"]))));
        assert_eq!(keys("\u{feff}[{\"a\": 1, \"b"), Some((1, names(&["a"]))));
        assert_eq!(keys("[]"), None);
        assert_eq!(keys("[[[{"), None);
        assert_eq!(keys("7"), None);
        assert_eq!(keys("{}"), Some((0, Vec::new())));
    }

    #[test]
    fn values_are_told_by_their_text() {
        let outline = outline(br#"{"a": [1, {"b": 2}], "c": "cut"#).expect("an object");
        assert_eq!(outline.value("a"), Some(&br#"[1, {"b": 2}]"#[..]));
        assert_eq!(outline.value("c"), Some(&br#""cut"#[..]));
    }
}
