//! A file's bytes in memory: mapped when that is possible and asked for, read otherwise.
//!
//! This is the only module of the crate with `unsafe`; with it comes advice on memory
//! (`huge_pages`). A mapping has two hazards:
//!
//! - *The bytes change while they are read.* Checksums are computed over the same mapping that is
//!   then decoded, so a change in between can make a decoder see other bytes than were checked.
//!   Every decoder is written for hostile bytes (bounded, no `unsafe`), so the worst outcome is a
//!   wrong value or an error, never undefined behaviour in this crate's own code. `.uspan` files
//!   are append-only: no writer of ours changes bytes that were written.
//! - *The file is truncated while it is mapped.* Touching a page that is gone raises SIGBUS, which
//!   ends the process. No signal handler is installed: a library must not own the process's
//!   signals. Instead [`FileBytes::is_intact`] asks the system for the file's length before a
//!   chunk is touched, so that a truncated file is reported as an error; what remains is a
//!   truncation within the microseconds between the question and the access. Who cannot have even
//!   that reads the file into memory ([`FileAccess::Read`]), as is always done for small files and
//!   for whatever cannot be mapped (pipes, some network file systems).
#![expect(unsafe_code, reason = "mapping a file is unsafe; see the module's text")]

mod huge_pages;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memmap2::Mmap;

pub(crate) use self::huge_pages::prefer_huge_pages;

use crate::error::{Error, Result};
use crate::layout::{FILE_HEADER_LEN, FILE_MAGIC};

/// Files up to this size are read: a mapping costs more than it saves.
const SMALL_FILE: u64 = 256 << 10;

/// How a file's bytes are brought into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileAccess {
    /// Map large files; read small ones and whatever cannot be mapped.
    #[default]
    Map,
    /// Read everything at once: safe against a file that is cut while it is read.
    Read,
}

/// A file's bytes.
#[derive(Debug)]
pub(crate) struct FileBytes {
    file: File,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl FileBytes {
    pub(crate) fn open(path: &Path, access: FileAccess) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io(path, "open"))?;
        let metadata = file.metadata().map_err(Error::io(path, "examine"))?;
        if metadata.is_file() && metadata.len() > SMALL_FILE && access == FileAccess::Map {
            // SAFETY: `Mmap::map` demands that the file is not changed or cut while it is mapped.
            // No process can be kept from that; the module's text says what happens then and what
            // is done about it. The slice is only ever read as plain bytes.
            if let Ok(mapped) = unsafe { Mmap::map(&file) } {
                return Ok(Self { file, content: Content::Mapped(mapped) });
            }
        }
        let mut bytes = Vec::new();
        let head = file.by_ref().take(FILE_HEADER_LEN as u64).read_to_end(&mut bytes);
        head.map_err(Error::io(path, "read"))?;
        // Other files, endless devices among them, need not be read to be refused.
        if bytes.starts_with(&FILE_MAGIC) {
            file.read_to_end(&mut bytes).map_err(Error::io(path, "read"))?;
        }
        Ok(Self { file, content: Content::Read(bytes) })
    }

    /// Has these bytes stand for the file's from here on.
    pub(crate) fn replace(&mut self, bytes: Vec<u8>) {
        self.content = Content::Read(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Mapped(mapped) => mapped,
            Content::Read(bytes) => bytes,
        }
    }

    /// Whether all bytes can still be touched: the file is at least as long as when it was opened.
    pub(crate) fn is_intact(&self) -> bool {
        match &self.content {
            Content::Read(_) => true,
            Content::Mapped(mapped) => {
                self.file.metadata().is_ok_and(|metadata| metadata.len() >= mapped.len() as u64)
            }
        }
    }
}
