//! A file to import: opened, known to be regular, its beginning decompressed.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::ImportError;
use crate::regular_file::{open_regular, read_head};

const HEAD_BYTES: usize = 64 << 10;

/// A file to import: opened, known to be regular, its beginning decompressed.
#[derive(Debug)]
pub struct InputFile {
    path: PathBuf,
    file_bytes: u64,
    head: Vec<u8>,
}

impl InputFile {
    /// Opens a file and reads its beginning.
    ///
    /// # Errors
    /// When the path is no regular file or cannot be read.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let (mut file, metadata) = open_regular(path)?;
        let head = read_head(&mut file, HEAD_BYTES).map_err(|e| ImportError::io(path, e))?;
        Ok(Self { path: path.to_owned(), file_bytes: metadata.len(), head })
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

    /// The first bytes of the content, decompressed.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether [`InputFile::head`] is the whole content.
    pub fn head_is_whole(&self) -> bool {
        self.head.len() as u64 == self.file_bytes
    }
}
