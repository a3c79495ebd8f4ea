//! Choices a writer leaves to its caller.

use crate::layout::limits;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Predict starts from the end of the previous row of the same stream and lengths from the
    /// last row of the same shape: a quarter smaller, a little slower to read. For files that are
    /// kept.
    pub predictors: bool,
    /// Rows in one chunk at most (1 to 2^20).
    pub rows_per_chunk: u32,
    /// zstd level of rows.
    pub zstd_level: i32,
    /// Store the level-of-detail pyramid, so that a viewer need not decode all rows first.
    pub level_of_detail: bool,
    /// Pack files that would be no longer than this many bytes otherwise: half the length and
    /// less, for ten to twenty microseconds per event when they are opened. Zero never does. Only
    /// [`crate::write_timeline`] packs.
    pub pack_up_to_bytes: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            predictors: false,
            rows_per_chunk: 1 << 16,
            zstd_level: 1,
            level_of_detail: true,
            pack_up_to_bytes: 0,
        }
    }
}

impl WriteOptions {
    /// Rows per chunk, within what the format allows.
    pub(crate) fn chunk_rows(&self) -> usize {
        self.rows_per_chunk.clamp(1, limits::MAX_CHUNK_ROWS) as usize
    }
}

/// What a finished writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteSummary {
    /// Length of the file.
    pub bytes: u64,
    /// Chunks in it.
    pub chunks: u64,
}
