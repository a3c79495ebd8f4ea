//! A window that slides over a file's content, and the reader that fills the next one meanwhile.

use crate::input::{Blocks, Ending, InputFile};
use crate::{ImportError, ImportOptions};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 16 << 20;
/// Room in front of a block for what is left of the window before it: a part of an event.
const ROOM_BYTES: usize = 1 << 20;
/// Longest value, such as one event, that is read.
const VALUE_LIMIT_BYTES: usize = 64 << 20;

/// What of the content is in memory.
pub(super) struct Content {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the content `start` lies.
    offset: u64,
    feed: Feed,
}

/// The block after the window.
pub(super) struct Feed {
    blocks: Blocks,
    block: Vec<u8>,
    filled: Option<Result<usize, ImportError>>,
}

impl Content {
    pub(super) fn open(input: &InputFile, options: &ImportOptions) -> Result<Self, ImportError> {
        let feed = Feed { blocks: input.blocks(options)?, block: Vec::new(), filled: None };
        Ok(Self { buffer: Vec::new(), start: 0, end: 0, offset: 0, feed })
    }

    /// The bytes of the window that are not done with.
    pub(super) fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The window, and the reader of the block after it, to use at the same time.
    pub(super) fn window_and_feed(&mut self) -> (&[u8], &mut Feed) {
        (&self.buffer[self.start..self.end], &mut self.feed)
    }

    /// Where in the content the window begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Is done with the first `length` bytes of the window.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    /// How the content ended, once it did.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.feed.blocks.ending()
    }

    /// Bytes of the file that were read.
    pub(super) fn file_bytes_read(&self) -> u64 {
        self.feed.blocks.file_bytes_read()
    }

    /// Adds the next block to the window. `false` when the content has ended.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, or what is left of the window is longer than
    /// any value may be.
    pub(super) fn grow(&mut self, path: &std::path::Path) -> Result<bool, ImportError> {
        let rest = self.end - self.start;
        if rest > VALUE_LIMIT_BYTES {
            return Err(ImportError::TooLarge {
                path: path.to_owned(),
                offset: self.offset,
                what: "the length of one value",
                limit: VALUE_LIMIT_BYTES as u64,
            });
        }
        self.feed.fill();
        let filled = self.feed.filled.take().unwrap_or(Ok(0))?;
        if filled == 0 {
            return Ok(false);
        }
        let block = &mut self.feed.block;
        if rest <= ROOM_BYTES {
            let start = ROOM_BYTES - rest;
            block[start..ROOM_BYTES].copy_from_slice(&self.buffer[self.start..self.end]);
            std::mem::swap(&mut self.buffer, block);
            (self.start, self.end) = (start, ROOM_BYTES + filled);
        } else {
            self.buffer.truncate(self.end);
            self.buffer.drain(..self.start);
            self.buffer.extend_from_slice(&block[ROOM_BYTES..ROOM_BYTES + filled]);
            (self.start, self.end) = (0, self.buffer.len());
        }
        Ok(true)
    }
}

impl Feed {
    /// Reads the block after the window, unless it was read already. An error is kept until the
    /// window needs that block.
    pub(super) fn fill(&mut self) {
        if self.filled.is_some() {
            return;
        }
        // A block that grew with a long value, or the first window's nothing, is made anew.
        if self.block.len() != ROOM_BYTES + BLOCK_BYTES {
            self.block = vec![0; ROOM_BYTES + BLOCK_BYTES];
        }
        self.filled = Some(self.blocks.fill(&mut self.block[ROOM_BYTES..]));
    }
}
