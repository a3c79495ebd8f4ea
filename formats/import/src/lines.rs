//! Text line by line, whatever the file's size.

use std::path::Path;

use crate::input::{Blocks, Ending, InputFile};
use crate::{ImportError, ImportOptions, Progress};

const BLOCK_BYTES: usize = 256 << 10;
/// Longest line.
const LINE_LIMIT_BYTES: usize = 1 << 20;

/// The lines of a file.
pub(crate) struct Lines<'a> {
    path: &'a Path,
    file_bytes: u64,
    progress: &'a dyn Progress,
    blocks: Blocks,
    buffer: Vec<u8>,
    at: usize,
    base: u64,
}

/// One line, without its end.
pub(crate) struct Line<'a> {
    pub(crate) text: std::borrow::Cow<'a, str>,
    /// Where it begins, counted in the decompressed content.
    pub(crate) offset: u64,
    /// Whether it has an end of its own: the last line of a file that is being written has not.
    pub(crate) is_ended: bool,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// When the file cannot be opened again.
    pub(crate) fn open(
        input: &'a InputFile,
        options: &ImportOptions,
        progress: &'a dyn Progress,
    ) -> Result<Self, ImportError> {
        Ok(Self {
            path: input.path(),
            file_bytes: input.file_bytes(),
            progress,
            blocks: input.blocks(options)?,
            buffer: Vec::new(),
            at: 0,
            base: 0,
        })
    }

    /// Whether compressed content was cut off behind what was read.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.blocks.ending() == Some(Ending::Truncated)
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read or a line is too long.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line<'_>>, ImportError> {
        let mut searched = 0;
        let (length, is_ended) = loop {
            let rest = &self.buffer[self.at + searched..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                break (searched + end, true);
            }
            searched += rest.len();
            if searched > LINE_LIMIT_BYTES {
                let (what, limit) = ("one line", LINE_LIMIT_BYTES as u64);
                let (path, offset) = (self.path.to_owned(), self.base + self.at as u64);
                return Err(ImportError::TooLarge { path, offset, what, limit });
            }
            if !self.fill()? {
                if searched == 0 {
                    return Ok(None);
                }
                break (searched, false);
            }
        };
        let (start, offset) = (self.at, self.base + self.at as u64);
        self.at += length + usize::from(is_ended);
        let line = &self.buffer[start..start + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line =
            if offset == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        Ok(Some(Line { text: String::from_utf8_lossy(line), offset, is_ended }))
    }

    fn fill(&mut self) -> Result<bool, ImportError> {
        if self.progress.is_cancelled() {
            return Err(ImportError::Cancelled { path: self.path.to_owned() });
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + BLOCK_BYTES, 0);
        let n = self.blocks.fill(&mut self.buffer[kept..])?;
        self.buffer.truncate(kept + n);
        self.progress.advance(self.blocks.file_bytes_read(), self.file_bytes);
        Ok(n > 0)
    }
}

/// The complete lines at the beginning of a file.
pub(crate) fn head_lines(head: &[u8], is_whole: bool) -> impl Iterator<Item = &str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let end = if is_whole { head.len() } else { memchr::memrchr(b'\n', head).unwrap_or(0) };
    let lines = head[..end]
        .split(|byte| *byte == b'\n')
        .map_while(|line| std::str::from_utf8(line).ok().map(|line| line.trim_end_matches('\r')));
    lines.filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoProgress;

    #[test]
    fn lines_of_any_ending_and_length() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let long = "x".repeat(BLOCK_BYTES * 2);
        std::fs::write(file.path(), format!("\u{feff}a\r\n\n{long}\nlast")).expect("written");
        let input = InputFile::open(file.path()).expect("opens");
        let mut lines = Lines::open(&input, &ImportOptions::default(), &NoProgress).expect("opens");
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().expect("readable") {
            found.push((line.text.into_owned(), line.offset, line.is_ended));
        }
        let end = 7 + long.len() as u64 + 1;
        let expected =
            [("a", 0, true), ("", 6, true), (long.as_str(), 7, true), ("last", end, false)];
        assert_eq!(found, expected.map(|(text, at, ended)| (text.to_owned(), at, ended)));
        std::fs::write(file.path(), "y".repeat(3 << 20)).expect("written");
        let input = InputFile::open(file.path()).expect("opens");
        let mut lines = Lines::open(&input, &ImportOptions::default(), &NoProgress).expect("opens");
        assert!(matches!(lines.next_line(), Err(ImportError::TooLarge { .. })));
    }
}
