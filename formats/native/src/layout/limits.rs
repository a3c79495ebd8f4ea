//! Bounds that hold for every file. A reader checks them before it allocates; the writer keeps
//! within them.

/// Rows in one chunk at most.
pub(crate) const MAX_CHUNK_ROWS: u32 = 1 << 20;
/// Bytes of one chunk's payload at most.
pub(crate) const MAX_PAYLOAD_LEN: u32 = 256 << 20;
/// Bytes one chunk decodes to at most.
pub(crate) const MAX_DECODED_LEN: u32 = 256 << 20;
/// Columns in one chunk at most.
pub(crate) const MAX_COLUMNS: usize = 256;
/// Bytes of one string at most.
pub(crate) const MAX_STRING_LEN: usize = 64 << 20;
/// Values and bytes of text in all packs of a file together at most: each takes a while to unpack.
#[cfg(feature = "reader")]
pub(crate) const MAX_UNPACKED_SYMBOLS: usize = 2 << 20;
/// Entries of a list other than the event tables at most.
pub(crate) const MAX_DIMENSION_ROWS: u64 = 1 << 31;
