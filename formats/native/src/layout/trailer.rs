//! The last 32 bytes of a finished file, which say where its index is.
//!
//! ```text
//!  0  8  magic 55 53 50 41 4E 45 4E 44  (U S P A N E N D)
//!  8  8  offset of the index chunk's header
//! 16  8  length of the file, this trailer included
//! 24  4  zeros
//! 28  4  CRC32C of bytes 0..28
//! ```

use super::cursor::Cursor;

const TRAILER_MAGIC: [u8; 8] = *b"USPANEND";
/// Length of the trailer.
pub(crate) const TRAILER_LEN: usize = 32;

/// The last 32 bytes of a finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) index_offset: u64,
    pub(crate) file_len: u64,
}

impl Trailer {
    pub(crate) fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..8].copy_from_slice(&TRAILER_MAGIC);
        bytes[8..16].copy_from_slice(&self.index_offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.file_len.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The trailer of a whole file; `None` when it has none or an invalid one.
    pub(crate) fn of_file(file: &[u8]) -> Option<Self> {
        let bytes = file.get(file.len().checked_sub(TRAILER_LEN)?..)?;
        let mut cursor = Cursor::new(bytes);
        let magic: [u8; 8] = cursor.array("trailer").ok()?;
        let trailer = Self {
            index_offset: cursor.u64("trailer").ok()?,
            file_len: cursor.u64("trailer").ok()?,
        };
        cursor.u32("trailer").ok()?;
        let crc = cursor.u32("trailer").ok()?;
        let is_valid = magic == TRAILER_MAGIC
            && crc == crc32c::crc32c(&bytes[..28])
            && trailer.file_len == file.len() as u64
            && trailer.index_offset < trailer.file_len;
        is_valid.then_some(trailer)
    }
}
