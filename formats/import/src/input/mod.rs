//! A file to import: opened, known to be regular, its compression found by content, its beginning
//! decompressed. [`InputFile::blocks`] reads the content in blocks, decompressed on the way.

mod blocks;
mod compression;
mod gzip;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::regular_file::{open_regular, read_head};
use crate::{ImportError, ImportOptions};

pub(crate) use blocks::{Blocks, Ending};
pub use compression::Compression;

const HEAD_BYTES: usize = 64 << 10;

/// A file to import: opened, known to be regular, its beginning decompressed.
#[derive(Debug)]
pub struct InputFile {
    path: PathBuf,
    file_bytes: u64,
    compression: Compression,
    head: Vec<u8>,
    head_is_whole: bool,
}

impl InputFile {
    /// Opens a file and reads its beginning.
    ///
    /// # Errors
    /// When the path is no regular file or cannot be read. Damage in compressed content is no
    /// error here; reading the content finds it again.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let (mut file, metadata) = open_regular(path)?;
        let raw = read_head(&mut file, HEAD_BYTES).map_err(|e| ImportError::io(path, e))?;
        let file_bytes = metadata.len();
        let compression = Compression::of(&raw);
        let (head, head_is_whole) = match compression {
            Compression::None => {
                let is_whole = raw.len() as u64 == file_bytes;
                (raw, is_whole)
            }
            _ => compression.head_of(file, HEAD_BYTES),
        };
        Ok(Self { path: path.to_owned(), file_bytes, compression, head, head_is_whole })
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its folder.
    pub fn name(&self) -> Cow<'_, str> {
        self.path.file_name().map_or(Cow::Borrowed(""), |name| name.to_string_lossy())
    }

    /// Size on disk.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// How the content is compressed, judged by its first bytes.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The first bytes of the content, decompressed.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether [`InputFile::head`] is the whole content.
    pub fn head_is_whole(&self) -> bool {
        self.head_is_whole
    }

    /// The content from its beginning, in blocks, decompressed.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub(crate) fn blocks(&self, options: &ImportOptions) -> Result<Blocks, ImportError> {
        Blocks::open(&self.path, self.compression, options.inflated_limit_bytes)
    }
}
