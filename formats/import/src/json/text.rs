//! The text between two quotes.

use std::borrow::Cow;

/// The text that stands for `raw`, which holds what is written between two quotes. Escapes JSON
/// does not have are kept as they stand, half a surrogate pair becomes U+FFFD.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut text = String::with_capacity(raw.len());
    text.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(tail) = rest.strip_prefix('\\') {
        rest = escape(tail, &mut text);
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        text.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(text)
}

/// Writes what the escape stands for whose backslash was passed; returns what follows it.
fn escape<'a>(tail: &'a str, text: &mut String) -> &'a str {
    let mut chars = tail.chars();
    let plain = match chars.next() {
        Some(c @ ('"' | '\\' | '/')) => c,
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => return unicode(chars.as_str(), text),
        Some(other) => {
            text.push('\\');
            other
        }
        None => '\\',
    };
    text.push(plain);
    chars.as_str()
}

fn unicode<'a>(digits: &'a str, text: &mut String) -> &'a str {
    let Some((high, rest)) = code_unit(digits) else {
        text.push_str("\\u");
        return digits;
    };
    if (0xd800..0xdc00).contains(&high)
        && let Some((low, rest)) = rest.strip_prefix("\\u").and_then(code_unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return rest;
    }
    text.push(char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn code_unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, &text[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_wrong_ones_kept() {
        for (raw, text) in [
            ("plain", "plain"),
            (r#"a\"b\\c\/d\n\t\r\b\f"#, "a\"b\\c/d\n\t\r\u{8}\u{c}"),
            (r"\u00b5s \ud83d\ude00", "µs 😀"),
            (r"\ud83d half", "\u{fffd} half"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\q \u12g4 \u1", "\\q \\u12g4 \\u1"),
        ] {
            assert_eq!(unescape(raw), text, "{raw}");
        }
    }
}
