//! Messages with their length in front, one after the other, as one content.
//!
//! Protobuf messages of one kind that follow each other read as one, and so do JSON documents:
//! without the lengths, a file of framed messages is a file like any other.

use std::io::Read;
use std::path::{Path, PathBuf};

use underspan_wire::{Field, Fields, varint};

use crate::ImportError;
use crate::input::{Blocks, Ending};
use crate::json::{Content, outline};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Longest message that is compressed on its own, compressed and inflated.
const COMPRESSED_LIMIT_BYTES: u64 = 64 << 20;
const INFLATED_LIMIT_BYTES: u64 = 512 << 20;
/// How much of a compressed message is looked at to know it.
const LOOK_BYTES: u64 = 64 << 10;

/// What stands in front of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// Nothing: messages follow each other bare.
    None,
    /// Four bytes, the highest first.
    FourBytes,
    /// A varint.
    Varint,
}

/// How messages lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) prefix: Prefix,
    pub(super) is_json: bool,
}

/// The framing of a file that begins with `head`; `None` when it holds no spans, and for bare
/// JSON, which needs no look at its bytes.
pub(super) fn framing_of(head: &[u8]) -> Option<Framing> {
    if holds_span(head) {
        return Some(Framing { prefix: Prefix::None, is_json: false });
    }
    if let Some((length, body)) = head.split_first_chunk::<4>() {
        let body = cut_to(body, u64::from(u32::from_be_bytes(*length)));
        let plain = if body.starts_with(&ZSTD_MAGIC) { inflated_head(body) } else { body.to_vec() };
        let is_json = outline(&plain).is_some_and(|outline| outline.has("resourceSpans"));
        if is_json || holds_span(&plain) {
            return Some(Framing { prefix: Prefix::FourBytes, is_json });
        }
    }
    let (length, n) = varint(head)?;
    let body = cut_to(&head[n..], length);
    holds_span(body).then_some(Framing { prefix: Prefix::Varint, is_json: false })
}

fn cut_to(body: &[u8], length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    &body[..body.len().min(length)]
}

fn inflated_head(compressed: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(decoder) = zstd::stream::read::Decoder::with_buffer(compressed) {
        // A head that is cut off is as good.
        let _ = decoder.take(LOOK_BYTES).read_to_end(&mut head);
    }
    head
}

/// Whether an `ExportTraceServiceRequest` that begins with `head` holds a span. The same message
/// of metrics or logs has other fields where a span has its ids.
fn holds_span(head: &[u8]) -> bool {
    let lists = |message, number| {
        open_fields(message).filter_map(move |(n, field)| (n == number).then_some(field))
    };
    if !matches!(open_fields(head).next(), Some((1, _))) {
        return false;
    }
    lists(head, 1)
        .flat_map(|resource_spans| lists(resource_spans, 2))
        .flat_map(|scope_spans| lists(scope_spans, 2))
        .next()
        .is_some_and(|span| {
            let length = |number| lists(span, number).next().map(<[u8]>::len);
            length(1) == Some(16) && length(2) == Some(8)
        })
}

/// The fields of a message that may be cut off: of the last, what is there.
fn open_fields(message: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = message.get(at..).filter(|rest| !rest.is_empty())?;
            if let Some((tag, n)) = varint(rest)
                && tag & 7 == 2
            {
                let (length, m) = varint(rest.get(n..)?)?;
                let body = cut_to(&rest[n + m..], length);
                at += n + m + body.len();
                return Some((u32::try_from(tag >> 3).ok()?, body));
            }
            let mut fields = Fields::of(rest);
            let (_, field) = fields.next()?.ok()?;
            debug_assert!(!matches!(field, Field::Bytes(_)));
            at += fields.position();
        }
    })
}

/// The content of a file without the lengths in front of its messages.
pub(super) struct Unframed {
    path: PathBuf,
    blocks: Blocks,
    prefix: Prefix,
    /// Bytes left of the message that is being handed out.
    left: u64,
    /// Inflated message, and how much of it was handed out.
    inflated: (Vec<u8>, usize),
    /// Bytes read ahead that belong to the message.
    ahead: Vec<u8>,
    offset: u64,
    is_cut_off: bool,
}

impl Unframed {
    pub(super) fn new(path: &Path, blocks: Blocks, prefix: Prefix) -> Self {
        Self {
            path: path.to_owned(),
            blocks,
            prefix,
            left: 0,
            inflated: (Vec::new(), 0),
            ahead: Vec::new(),
            offset: 0,
            is_cut_off: false,
        }
    }

    /// Reads exactly as much as `bytes` holds; `false` at the end of the file.
    fn take(&mut self, bytes: &mut [u8]) -> Result<bool, ImportError> {
        let n = self.blocks.fill(bytes)?;
        self.offset += n as u64;
        if n < bytes.len() {
            self.is_cut_off |= n > 0;
            return Ok(false);
        }
        Ok(true)
    }

    /// Goes to the next message; `false` at the end.
    fn next_message(&mut self) -> Result<bool, ImportError> {
        let Some(length) = self.length()? else { return Ok(false) };
        self.left = length;
        if length < ZSTD_MAGIC.len() as u64 || self.prefix != Prefix::FourBytes {
            return Ok(true);
        }
        let mut start = [0; ZSTD_MAGIC.len()];
        if !self.take(&mut start)? {
            self.is_cut_off = true;
            return Ok(false);
        }
        self.left -= start.len() as u64;
        if start == ZSTD_MAGIC {
            return self.inflate(length);
        }
        self.ahead = start.to_vec();
        Ok(true)
    }

    fn length(&mut self) -> Result<Option<u64>, ImportError> {
        if self.prefix == Prefix::FourBytes {
            let mut length = [0; 4];
            return Ok(self.take(&mut length)?.then(|| u64::from(u32::from_be_bytes(length))));
        }
        let start = self.offset;
        let mut digits = Vec::with_capacity(10);
        loop {
            let mut byte = [0];
            if !self.take(&mut byte)? {
                self.is_cut_off |= !digits.is_empty();
                return Ok(None);
            }
            digits.push(byte[0]);
            if let Some((length, _)) = varint(&digits) {
                return Ok(Some(length));
            }
            if digits.len() == 10 {
                return Err(self.malformed(start, "the length of a message", "a longer varint"));
            }
        }
    }

    fn inflate(&mut self, length: u64) -> Result<bool, ImportError> {
        let start = self.offset;
        if length > COMPRESSED_LIMIT_BYTES {
            return Err(self.too_large("one compressed message", COMPRESSED_LIMIT_BYTES));
        }
        let mut compressed = vec![0; length as usize];
        compressed[..ZSTD_MAGIC.len()].copy_from_slice(&ZSTD_MAGIC);
        if !self.take(&mut compressed[ZSTD_MAGIC.len()..])? {
            self.is_cut_off = true;
            return Ok(false);
        }
        self.left = 0;
        let mut inflated = Vec::new();
        let outcome = zstd::stream::read::Decoder::with_buffer(compressed.as_slice())
            .and_then(|decoder| decoder.take(INFLATED_LIMIT_BYTES + 1).read_to_end(&mut inflated));
        if let Err(error) = outcome {
            return Err(self.malformed(start, "zstd data", format!("damage ({error})")));
        }
        if inflated.len() as u64 > INFLATED_LIMIT_BYTES {
            return Err(self.too_large("one inflated message", INFLATED_LIMIT_BYTES));
        }
        self.inflated = (inflated, 0);
        Ok(true)
    }

    fn malformed(&self, offset: u64, expected: &str, found: impl Into<String>) -> ImportError {
        let (expected, found) = (expected.to_owned(), found.into());
        ImportError::Malformed { path: self.path.clone(), offset, expected, found }
    }

    fn too_large(&self, what: &'static str, limit: u64) -> ImportError {
        ImportError::TooLarge { path: self.path.clone(), offset: self.offset, what, limit }
    }
}

impl Content for Unframed {
    fn fill(&mut self, block: &mut [u8]) -> Result<usize, ImportError> {
        if self.prefix == Prefix::None {
            return self.blocks.fill(block);
        }
        let mut filled = 0;
        while filled < block.len() {
            let room = &mut block[filled..];
            let (inflated, done) = &mut self.inflated;
            let ready = inflated.get(*done..).unwrap_or_default();
            let n = if !ready.is_empty() {
                let n = ready.len().min(room.len());
                room[..n].copy_from_slice(&ready[..n]);
                *done += n;
                n
            } else if !self.ahead.is_empty() {
                let n = self.ahead.len().min(room.len());
                room[..n].copy_from_slice(&self.ahead[..n]);
                self.ahead.drain(..n);
                n
            } else if self.left > 0 {
                let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
                let read = self.blocks.fill(&mut room[..n])?;
                self.offset += read as u64;
                self.left -= read as u64;
                if read < n {
                    self.is_cut_off = true;
                    return Ok(filled + read);
                }
                n
            } else if self.next_message()? {
                continue;
            } else {
                break;
            };
            filled += n;
        }
        Ok(filled)
    }

    fn is_cut_off(&self) -> bool {
        self.is_cut_off || self.blocks.ending() == Some(Ending::Truncated)
    }

    fn file_bytes_read(&self) -> u64 {
        self.blocks.file_bytes_read()
    }
}
