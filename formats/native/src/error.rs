//! What can go wrong with a `.uspan` file.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with a `.uspan` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// File concerned.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{}: not a .uspan file: at offset 0 expected {expected}, found {found}", path.display())]
    NotUspan {
        /// File concerned.
        path: PathBuf,
        /// What such a file begins with.
        expected: String,
        /// What this one begins with.
        found: String,
    },
    /// The file was written by a later program in a way this one cannot read.
    #[error(
        "{}: at offset 10 expected a reader version of at most {supported}, found {found}: \
         this file needs a newer underspan",
        path.display()
    )]
    UnsupportedVersion {
        /// File concerned.
        path: PathBuf,
        /// Lowest reader version the file demands.
        found: u16,
        /// Version of this program.
        supported: u16,
    },
    /// Bytes that cannot be what the format says.
    #[error("{}: at offset {offset}: {what}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// File concerned.
        path: PathBuf,
        /// Byte offset in the file.
        offset: u64,
        /// The field or part.
        what: &'static str,
        /// What the format allows there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Reading all of it would take more memory than allowed.
    #[error(
        "{}: decoding takes {needed} bytes of memory, which is over the limit of {limit}",
        path.display()
    )]
    OverMemoryLimit {
        /// File concerned.
        path: PathBuf,
        /// Bytes the whole file decodes to.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A column that the table does not have.
    #[error("table {table} has no column {column:?}")]
    NoSuchColumn {
        /// The table.
        table: &'static str,
        /// The name asked for.
        column: String,
    },
    /// A value the format has no room for.
    #[error("{}: cannot store {what}: expected {expected}, found {found}", path.display())]
    Unstorable {
        /// File being written.
        path: PathBuf,
        /// The value.
        what: &'static str,
        /// What the format has room for.
        expected: String,
        /// What was given.
        found: String,
    },
}

/// The result of working on a `.uspan` file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io<'p>(
        path: &'p Path,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self + use<'p> {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}

/// A fault in a run of bytes, before it is known which file they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayoutError {
    /// Offset in the run of bytes.
    pub(crate) offset: usize,
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl LayoutError {
    pub(crate) fn new(
        offset: usize,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self { offset, what, expected: expected.to_string(), found: found.to_string() }
    }

    /// The same fault in the file `path`, where the run of bytes begins at `base`.
    pub(crate) fn in_file(self, path: &Path, base: u64) -> Error {
        Error::Malformed {
            path: path.to_owned(),
            offset: base + self.offset as u64,
            what: self.what,
            expected: self.expected,
            found: self.found,
        }
    }
}
