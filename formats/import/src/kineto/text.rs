//! JSON text to UTF-8: escapes undone, what cannot be undone kept or replaced, and said.

use std::borrow::Cow;

use super::cursor::RawText;

/// What was wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextFaults {
    /// Bytes that are not UTF-8, or half a surrogate pair; U+FFFD stands for them.
    pub(super) is_invalid_utf8: bool,
    /// An escape JSON does not have; it was kept as it stands.
    pub(super) is_invalid_escape: bool,
}

/// The text that `raw` stands for.
pub(super) fn decode(raw: RawText<'_>) -> (Cow<'_, str>, TextFaults) {
    let mut faults = TextFaults::default();
    if !raw.is_escaped {
        return (utf8(raw.bytes, &mut faults), faults);
    }
    let mut bytes = Vec::with_capacity(raw.bytes.len());
    let mut rest = raw.bytes;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        rest = unescape(&rest[at + 1..], &mut bytes, &mut faults);
    }
    bytes.extend_from_slice(rest);
    let text = utf8(&bytes, &mut faults).into_owned();
    (Cow::Owned(text), faults)
}

/// The bytes that `raw` stands for, for comparison with known words.
#[inline]
pub(super) fn plain(raw: RawText<'_>) -> Cow<'_, [u8]> {
    if raw.is_escaped {
        Cow::Owned(decode(raw).0.into_owned().into_bytes())
    } else {
        Cow::Borrowed(raw.bytes)
    }
}

/// Text without white space between its tokens: strings in it are kept as they are.
pub(super) fn compact(json: &[u8]) -> (String, TextFaults) {
    let mut bytes = Vec::with_capacity(json.len());
    let mut is_string = false;
    let mut is_escaped = false;
    for &byte in json {
        if is_string {
            is_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            continue;
        } else {
            is_string = byte == b'"';
        }
        bytes.push(byte);
    }
    let mut faults = TextFaults::default();
    (utf8(&bytes, &mut faults).into_owned(), faults)
}

fn utf8<'a>(bytes: &'a [u8], faults: &mut TextFaults) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(bytes);
    faults.is_invalid_utf8 |= matches!(text, Cow::Owned(_));
    text
}

/// Writes what the escape in front of `rest` (its backslash passed) stands for; returns what
/// follows it.
fn unescape<'a>(rest: &'a [u8], out: &mut Vec<u8>, faults: &mut TextFaults) -> &'a [u8] {
    let Some((&kind, tail)) = rest.split_first() else {
        out.push(b'\\');
        return rest;
    };
    let plain = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => return unescape_unicode(tail, out, faults),
        _ => {
            faults.is_invalid_escape = true;
            out.extend_from_slice(&[b'\\', kind]);
            return tail;
        }
    };
    out.push(plain);
    tail
}

fn unescape_unicode<'a>(tail: &'a [u8], out: &mut Vec<u8>, faults: &mut TextFaults) -> &'a [u8] {
    let Some((unit, mut tail)) = code_unit(tail) else {
        faults.is_invalid_escape = true;
        out.extend_from_slice(b"\\u");
        return tail;
    };
    let mut code = unit;
    if (0xd800..0xdc00).contains(&unit)
        && let Some((low, after)) = tail.strip_prefix(b"\\u").and_then(code_unit)
        && (0xdc00..0xe000).contains(&low)
    {
        code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        tail = after;
    }
    let character = char::from_u32(code).unwrap_or_else(|| {
        faults.is_invalid_utf8 = true;
        char::REPLACEMENT_CHARACTER
    });
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    tail
}

fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut unit = 0;
    for digit in digits {
        unit = unit * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> (String, TextFaults) {
        let raw = RawText { bytes: text, is_escaped: text.contains(&b'\\') };
        let (text, faults) = decode(raw);
        (text.into_owned(), faults)
    }

    #[test]
    fn escapes_are_undone() {
        let (text, faults) = decoded(br#"a\"\\\/\n\u00e9\ud83d\ude00\u0041"#);
        assert_eq!(text, "a\"\\/\né😀A");
        assert_eq!(faults, TextFaults::default());
    }

    #[test]
    fn what_cannot_be_undone_is_said() {
        let (text, faults) = decoded(br"C:\Users \ud800x \u12");
        assert_eq!(text, "C:\\Users \u{fffd}x \\u12");
        assert!(faults.is_invalid_utf8 && faults.is_invalid_escape);
        let (text, faults) = decoded(b"caf\xe9");
        assert_eq!(text, "caf\u{fffd}");
        assert!(faults.is_invalid_utf8 && !faults.is_invalid_escape);
    }

    #[test]
    fn compacting_leaves_strings_alone() {
        let (text, _) = compact(b"[ [1,\n 2], \"a \\\" b\" , [ ] ]");
        assert_eq!(text, r#"[[1,2],"a \" b",[]]"#);
    }
}
