//! A JSON document of any size, or several after each other, as a stream of values.
//!
//! The caller walks through the outer lists and objects and takes inner values whole. Memory
//! holds the value that is being taken and a block of the file, whatever the document's size.

use std::borrow::Cow;
use std::path::Path;

use crate::input::{Blocks, Ending, InputFile};
use crate::{ImportError, ImportOptions, Progress};

const BLOCK_BYTES: usize = 512 << 10;
/// Longest text of a value that is taken whole.
const VALUE_LIMIT_BYTES: usize = 64 << 20;
/// Deepest nesting of a value that is passed over.
const DEPTH_LIMIT: u32 = 512;

/// Why a document cannot be read on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ends inside a value.
    Truncated {
        /// Where it ends, counted in the decompressed content.
        offset: u64,
    },
    /// Anything else.
    Failed(ImportError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Self::Failed(error)
    }
}

/// Where the bytes of a document come from.
pub(crate) trait Content {
    /// Fills `block` from its beginning and returns how much of it was filled: all of it unless
    /// the content ended.
    ///
    /// # Errors
    /// When the content cannot be read.
    fn fill(&mut self, block: &mut [u8]) -> Result<usize, ImportError>;

    /// Whether the content ended before its time.
    fn is_cut_off(&self) -> bool;

    /// Bytes of the file, as it lies on disk, that were read.
    fn file_bytes_read(&self) -> u64;
}

impl Content for Blocks {
    fn fill(&mut self, block: &mut [u8]) -> Result<usize, ImportError> {
        Blocks::fill(self, block)
    }

    fn is_cut_off(&self) -> bool {
        self.ending() == Some(Ending::Truncated)
    }

    fn file_bytes_read(&self) -> u64 {
        Blocks::file_bytes_read(self)
    }
}

/// A position in a JSON document.
pub(crate) struct JsonStream<'a> {
    path: &'a Path,
    file_bytes: u64,
    progress: &'a dyn Progress,
    content: Box<dyn Content>,
    /// What was read and not yet passed, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Offset of the buffer's first byte in the content.
    base: u64,
}

impl<'a> JsonStream<'a> {
    /// # Errors
    /// When the file cannot be opened again.
    pub(crate) fn open(
        input: &'a InputFile,
        options: &ImportOptions,
        progress: &'a dyn Progress,
    ) -> Result<Self, ImportError> {
        Self::over(Box::new(input.blocks(options)?), input, progress)
    }

    /// Reads `content` that was taken from `input`.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub(crate) fn over(
        content: Box<dyn Content>,
        input: &'a InputFile,
        progress: &'a dyn Progress,
    ) -> Result<Self, ImportError> {
        let mut stream = Self {
            path: input.path(),
            file_bytes: input.file_bytes(),
            progress,
            content,
            buffer: Vec::new(),
            at: 0,
            base: 0,
        };
        stream.fill()?;
        if stream.buffer.starts_with(b"\xef\xbb\xbf") {
            stream.at = 3;
        }
        Ok(stream)
    }

    /// Where the stream stands, counted in the decompressed content.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Whether compressed content was cut off behind what was read.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.content.is_cut_off()
    }

    /// The next byte that is not white space; `None` at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, Stop> {
        loop {
            while let Some(&byte) = self.buffer.get(self.at) {
                if !byte.is_ascii_whitespace() {
                    return Ok(Some(byte));
                }
                self.at += 1;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Passes over an opening bracket.
    pub(crate) fn open_bracket(&mut self, bracket: u8) -> Result<(), Stop> {
        match self.peek()? {
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(())
            }
            _ if bracket == b'{' => self.unexpected("an object"),
            _ => self.unexpected("a list"),
        }
    }

    /// Steps to the next item of a list whose bracket was passed; `false` past its end.
    pub(crate) fn next_item(&mut self, is_first: &mut bool) -> Result<bool, Stop> {
        self.step(is_first, b']')
    }

    /// Steps to the value of the next key of an object whose bracket was passed; `None` past its
    /// end.
    pub(crate) fn next_key(&mut self, is_first: &mut bool) -> Result<Option<String>, Stop> {
        if !self.step(is_first, b'}')? {
            return Ok(None);
        }
        if self.peek()? != Some(b'"') {
            return self.unexpected("a key in quotes");
        }
        let key = match super::parse(&self.value()?) {
            Ok(parsed) => parsed.value.as_text().unwrap_or_default().to_owned(),
            Err(_) => return self.unexpected("a key in quotes"),
        };
        if self.peek()? != Some(b':') {
            return self.unexpected("':'");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// The text of the value that stands next, which is passed. Bytes that are not UTF-8 are
    /// replaced.
    pub(crate) fn value(&mut self) -> Result<Cow<'_, str>, Stop> {
        let length = self.pass_value(true)?;
        let text = &self.buffer[self.at - length..self.at];
        Ok(String::from_utf8_lossy(text))
    }

    /// Passes over the value that stands next.
    pub(crate) fn skip_value(&mut self) -> Result<(), Stop> {
        self.pass_value(false).map(drop)
    }

    /// An error about what stands next.
    pub(crate) fn unexpected<T>(&mut self, expected: &str) -> Result<T, Stop> {
        let Some(byte) = self.peek()? else {
            return Err(Stop::Truncated { offset: self.offset() });
        };
        let found = match byte {
            b' '..=b'~' => format!("{:?}", char::from(byte)),
            _ => format!("the byte 0x{byte:02x}"),
        };
        self.malformed(self.offset(), expected, found)
    }

    pub(crate) fn malformed<T>(
        &self,
        offset: u64,
        expected: &str,
        found: impl Into<String>,
    ) -> Result<T, Stop> {
        Err(Stop::Failed(ImportError::Malformed {
            path: self.path.to_owned(),
            offset,
            expected: expected.to_owned(),
            found: found.into(),
        }))
    }

    fn too_large<T>(&self, what: &'static str, limit: u64) -> Result<T, Stop> {
        let path = self.path.to_owned();
        Err(Stop::Failed(ImportError::TooLarge { path, offset: self.offset(), what, limit }))
    }

    fn step(&mut self, is_first: &mut bool, close: u8) -> Result<bool, Stop> {
        match self.peek()? {
            Some(byte) if byte == close => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*is_first => self.at += 1,
            _ if !*is_first => return self.unexpected("',' or a closing bracket"),
            None => return self.unexpected("a value"),
            Some(_) => {}
        }
        *is_first = false;
        if self.peek()? == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Passes over a value and returns the length of its text, which still lies in front of `at`
    /// when it is to be kept.
    fn pass_value(&mut self, is_kept: bool) -> Result<usize, Stop> {
        if self.peek()?.is_none() {
            return Err(Stop::Truncated { offset: self.offset() });
        }
        let start = self.offset();
        let mut length = 0;
        let mut depth = 0_u32;
        let mut is_text = false;
        loop {
            if self.at + length >= self.buffer.len() {
                if !is_kept {
                    let passed = length.min(self.buffer.len() - self.at);
                    self.at += passed;
                    length -= passed;
                }
                if !self.fill()? {
                    if depth > 0 || is_text {
                        let offset = self.base + self.buffer.len() as u64;
                        return Err(Stop::Truncated { offset });
                    }
                    self.at += length;
                    return Ok(length);
                }
                continue;
            }
            if length > VALUE_LIMIT_BYTES {
                return self.too_large("one JSON value", VALUE_LIMIT_BYTES as u64);
            }
            let rest = &self.buffer[self.at + length..];
            if is_text {
                match memchr::memchr2(b'"', b'\\', rest) {
                    None => length += rest.len(),
                    Some(hit) if rest[hit] == b'\\' => length += hit + 2,
                    Some(hit) => {
                        length += hit + 1;
                        is_text = false;
                        if depth == 0 {
                            self.at += length;
                            return Ok(length);
                        }
                    }
                }
                continue;
            }
            match rest[0] {
                b'"' => is_text = true,
                b'{' | b'[' if depth == DEPTH_LIMIT => {
                    return self.too_large("the nesting of JSON values", u64::from(DEPTH_LIMIT));
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => {
                    self.at += length + 1;
                    return Ok(length + 1);
                }
                b'}' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t' | b':' if depth == 0 => {
                    if self.offset() + length as u64 == start {
                        return self.unexpected("a value");
                    }
                    self.at += length;
                    return Ok(length);
                }
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            length += 1;
        }
    }

    /// Reads a block more, behind what was not yet passed. `false` at the end.
    fn fill(&mut self) -> Result<bool, ImportError> {
        if self.progress.is_cancelled() {
            return Err(ImportError::Cancelled { path: self.path.to_owned() });
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + BLOCK_BYTES, 0);
        let n = self.content.fill(&mut self.buffer[kept..])?;
        self.buffer.truncate(kept + n);
        self.progress.advance(self.content.file_bytes_read(), self.file_bytes);
        Ok(n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoProgress;

    fn with_stream<T>(text: &[u8], work: impl FnOnce(&mut JsonStream<'_>) -> T) -> T {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let input = InputFile::open(file.path()).expect("opens");
        let mut stream =
            JsonStream::open(&input, &ImportOptions::default(), &NoProgress).expect("opens");
        work(&mut stream)
    }

    #[test]
    fn a_list_longer_than_a_block_is_walked_through() {
        let item = format!(r#"{{"k": "{}\"", "n": [1, {{"x": 2}}]}}"#, "y".repeat(1000));
        let text = format!("[{}]  {{\"a\": 7}}", vec![item.as_str(); 2000].join(",\n"));
        with_stream(text.as_bytes(), |stream| {
            stream.open_bracket(b'[').expect("a list");
            let (mut n, mut is_first) = (0, true);
            while stream.next_item(&mut is_first).expect("an item or the end") {
                if n % 2 == 0 {
                    assert_eq!(stream.value().expect("a value"), item);
                } else {
                    stream.skip_value().expect("a value");
                }
                n += 1;
            }
            assert_eq!(n, 2000);
            stream.open_bracket(b'{').expect("an object");
            let mut is_first = true;
            assert_eq!(stream.next_key(&mut is_first).expect("a key").as_deref(), Some("a"));
            assert_eq!(stream.value().expect("a value"), "7");
            assert_eq!(stream.next_key(&mut is_first).expect("the end"), None);
            assert_eq!(stream.peek().expect("the end"), None);
            assert_eq!(stream.offset(), text.len() as u64);
        });
    }

    #[test]
    fn a_cut_is_told_from_a_fault() {
        for (text, offset) in [("[1, {\"a\": [\"b", 13), ("[1, {", 5), ("[1,", 3), ("[", 1)] {
            let stop = with_stream(text.as_bytes(), |stream| {
                stream.open_bracket(b'[')?;
                let mut is_first = true;
                while stream.next_item(&mut is_first)? {
                    stream.value()?;
                }
                Ok::<_, Stop>(())
            });
            assert!(matches!(stop, Err(Stop::Truncated { offset: o }) if o == offset), "{text}");
        }
        let stop = with_stream(b"[1 2]", |stream| {
            stream.open_bracket(b'[')?;
            let mut is_first = true;
            while stream.next_item(&mut is_first)? {
                stream.skip_value()?;
            }
            Ok::<_, Stop>(())
        });
        let Err(Stop::Failed(error)) = stop else { panic!("a fault") };
        assert!(
            error.to_string().ends_with("at byte 3: expected ',' or a closing bracket, found '2'")
        );
    }

    #[test]
    fn depth_is_bounded() {
        let stop = with_stream(&b"[".repeat(100_000), |stream| stream.skip_value());
        assert!(matches!(stop, Err(Stop::Failed(ImportError::TooLarge { .. }))));
    }
}
