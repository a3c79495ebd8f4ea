//! A position in JSON text, and the steps a parser takes from it.
//!
//! The text may be a window into a longer document: running into its end is
//! [`Fault::Incomplete`], and the caller decides whether more can come.
//!
//! Tolerant where real traces are wrong: bare words such as `NaN` or `N/A` are tokens, control
//! characters may stand in strings, commas may trail. Never recursive: nesting is a counter with
//! a limit.

use memchr::memchr2;

/// Deepest nesting that is read.
pub(super) const DEPTH_LIMIT: u32 = 512;

/// Why a step could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text ends inside a value.
    Incomplete,
    /// Something else stands where `expected` must.
    Unexpected { at: usize, expected: &'static str },
    /// Nesting deeper than [`DEPTH_LIMIT`].
    TooDeep { at: usize },
}

pub(super) type Step<T> = Result<T, Fault>;

/// The text between two quotes, not yet unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RawText<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether it holds a backslash.
    pub(super) is_escaped: bool,
}

/// A value, as far as its first byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(RawText<'a>),
    /// A number, `true`, `false`, `null`, or a bare word JSON does not have.
    Token(&'a [u8]),
    /// An array or object; the cursor stands on its bracket.
    Nested(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    #[inline]
    fn byte(&self) -> Step<u8> {
        self.text.get(self.at).copied().ok_or(Fault::Incomplete)
    }

    pub(super) fn unexpected<T>(&self, expected: &'static str) -> Step<T> {
        Err(Fault::Unexpected { at: self.at, expected })
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Step<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, wanted: u8, expected: &'static str) -> Step<()> {
        if self.peek()? != wanted {
            return self.unexpected(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// A string; the cursor stands on its opening quote.
    #[inline]
    pub(super) fn text(&mut self) -> Step<RawText<'a>> {
        let start = self.at + 1;
        let mut at = start;
        let mut is_escaped = false;
        loop {
            let rest = self.text.get(at..).ok_or(Fault::Incomplete)?;
            let hit = at + memchr2(b'"', b'\\', rest).ok_or(Fault::Incomplete)?;
            if self.text[hit] == b'"' {
                self.at = hit + 1;
                return Ok(RawText { bytes: &self.text[start..hit], is_escaped });
            }
            is_escaped = true;
            at = hit + 2;
        }
    }

    /// A run of bytes up to a delimiter. At the end of the text it is incomplete: the next byte
    /// could belong to it.
    fn token(&mut self) -> Step<&'a [u8]> {
        let start = self.at;
        let length = self.text[start..].iter().position(|byte| is_delimiter(*byte));
        let length = length.ok_or(Fault::Incomplete)?;
        if length == 0 {
            return self.unexpected("a value");
        }
        self.at = start + length;
        Ok(&self.text[start..self.at])
    }

    /// The value that stands next. Of nested values only the bracket is looked at.
    pub(super) fn value(&mut self) -> Step<Value<'a>> {
        Ok(match self.peek()? {
            b'"' => Value::Text(self.text()?),
            bracket @ (b'{' | b'[') => Value::Nested(bracket),
            _ => Value::Token(self.token()?),
        })
    }

    /// Passes over the value that stands next, whatever it is, and returns its text.
    pub(super) fn skip_value(&mut self) -> Step<&'a [u8]> {
        match self.peek()? {
            b'"' => {
                let start = self.at;
                self.text()?;
                Ok(&self.text[start..self.at])
            }
            b'{' | b'[' => self.skip_nested(),
            _ => self.token(),
        }
    }

    /// Passes over an array or object; the cursor stands on its bracket. Checks that brackets
    /// match and strings close, not what stands between them.
    pub(super) fn skip_nested(&mut self) -> Step<&'a [u8]> {
        let start = self.at;
        let mut nesting = Nesting::default();
        loop {
            match self.byte()? {
                b'"' => {
                    self.text()?;
                    continue;
                }
                open @ (b'{' | b'[') if !nesting.open(open) => {
                    return Err(Fault::TooDeep { at: self.at });
                }
                close @ (b'}' | b']') => match nesting.close(close) {
                    Closed::Mismatched => return self.unexpected("a matching bracket"),
                    Closed::Outermost => {
                        self.at += 1;
                        return Ok(&self.text[start..self.at]);
                    }
                    Closed::Inner => {}
                },
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Steps to the next key of an object, whose bracket was passed, and over its colon. `None`
    /// at the closing bracket, which is passed too. `is_first` is cleared.
    pub(super) fn key(&mut self, is_first: &mut bool) -> Step<Option<RawText<'a>>> {
        if !self.next_item(is_first, b'}', "',' or '}'")? {
            return Ok(None);
        }
        if self.peek()? != b'"' {
            return self.unexpected("a key in quotes");
        }
        let key = self.text()?;
        self.expect(b':', "':'")?;
        Ok(Some(key))
    }

    /// Steps to the next item of an array, whose bracket was passed. `false` at the closing
    /// bracket, which is passed too. `is_first` is cleared.
    pub(super) fn item(&mut self, is_first: &mut bool) -> Step<bool> {
        self.next_item(is_first, b']', "',' or ']'")
    }

    fn next_item(&mut self, is_first: &mut bool, close: u8, expected: &'static str) -> Step<bool> {
        let mut byte = self.peek()?;
        if !std::mem::replace(is_first, false) && byte != close {
            if byte != b',' {
                return self.unexpected(expected);
            }
            self.at += 1;
            byte = self.peek()?;
        }
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }
}

/// What a closing bracket closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// A nested value.
    Inner,
    /// The value itself.
    Outermost,
    /// Nothing: the bracket that is open is of the other kind, or none is.
    Mismatched,
}

/// The brackets that are open, one bit each.
#[derive(Debug, Clone, Default)]
pub(super) struct Nesting {
    depth: u32,
    is_object: [u64; (DEPTH_LIMIT / 64) as usize],
}

impl Nesting {
    /// Opens a bracket. `false` when that would be too deep.
    pub(super) fn open(&mut self, bracket: u8) -> bool {
        if self.depth == DEPTH_LIMIT {
            return false;
        }
        let (word, bit) = ((self.depth / 64) as usize, 1 << (self.depth % 64));
        if bracket == b'{' {
            self.is_object[word] |= bit;
        } else {
            self.is_object[word] &= !bit;
        }
        self.depth += 1;
        true
    }

    pub(super) fn close(&mut self, bracket: u8) -> Closed {
        let Some(depth) = self.depth.checked_sub(1) else { return Closed::Mismatched };
        self.depth = depth;
        let is_object = self.is_object[(depth / 64) as usize] & (1 << (depth % 64)) != 0;
        if is_object != (bracket == b'}') {
            return Closed::Mismatched;
        }
        if depth == 0 { Closed::Outermost } else { Closed::Inner }
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }
}

/// Whether a byte ends a token.
#[inline]
pub(super) fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"' | b'{' | b'[')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(text: &str) -> Step<usize> {
        let mut cursor = Cursor::new(text.as_bytes(), 0);
        cursor.skip_value().map(|_| cursor.at)
    }

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(skip(r#" "a\"b\\" ,"#), Ok(9));
        assert_eq!(skip(r#"{"a": ["]", {}], "b": NaN} x"#), Ok(26));
        assert_eq!(skip("-1.5e3,"), Ok(6));
        assert_eq!(skip("N/A]"), Ok(3));
    }

    #[test]
    fn an_early_end_is_told_from_a_wrong_byte() {
        for text in ["", " ", "12", "\"ab", "\"ab\\", "\"ab\\\"", "[1, {", "tru"] {
            assert_eq!(skip(text), Err(Fault::Incomplete), "{text}");
        }
        assert_eq!(skip(", "), Err(Fault::Unexpected { at: 0, expected: "a value" }));
        assert_eq!(skip("[1}"), Err(Fault::Unexpected { at: 2, expected: "a matching bracket" }));
    }

    #[test]
    fn nesting_is_bounded() {
        let limit = DEPTH_LIMIT as usize;
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(skip(&deep(limit)), Ok(2 * limit));
        assert_eq!(skip(&deep(limit + 1)), Err(Fault::TooDeep { at: limit }));
    }
}
