//! Opening what the user named, and nothing but a regular file.

use std::fs::{File, FileType, Metadata};
use std::io;
use std::path::Path;

use crate::ImportError;

/// Opens a regular file for reading, through symlinks. The kind is checked before opening, since
/// opening a pipe blocks and opening a device may act, and again after.
///
/// # Errors
/// When there is nothing at the path, it is no regular file, or it may not be read.
pub(crate) fn open_regular(path: &Path) -> Result<(File, Metadata), ImportError> {
    let seen = std::fs::metadata(path).map_err(|source| ImportError::io(path, source))?;
    check(path, seen.file_type())?;
    let file = File::open(path).map_err(|source| ImportError::io(path, source))?;
    let opened = file.metadata().map_err(|source| ImportError::io(path, source))?;
    check(path, opened.file_type())?;
    Ok((file, opened))
}

fn check(path: &Path, kind: FileType) -> Result<(), ImportError> {
    if kind.is_file() {
        return Ok(());
    }
    Err(ImportError::NotAFile { path: path.to_owned(), found: name_of(kind) })
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    "something else"
}

/// Reads up to `limit` bytes from the beginning of `file`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read_head(file: &mut File, limit: usize) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut head = Vec::with_capacity(limit.min(64 << 10));
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(limit as u64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head)
}
