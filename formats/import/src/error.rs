//! What can stop an import. Every message names the file; where a place in it is known, that too.

use std::path::{Path, PathBuf};

/// Why a file could not be imported.
///
/// Damage that leaves something readable is not an error: it is counted in the
/// [`ProblemLedger`](underspan_model::ProblemLedger) of the timeline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file system refused.
    #[error("{path}: cannot be read", path = shown(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder, pipe, socket or device where a file must stand.
    #[error("{path}: expected a file, found {found}", path = shown(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What lies there.
        found: &'static str,
    },
    /// A file without a byte.
    #[error("{path}: the file is empty", path = shown(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Content that no importer knows.
    #[error("{path}: not a trace underspan can read: found {found}; expected {supported}", path = shown(path))]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// What its first bytes look like.
        found: String,
        /// The formats that can be imported.
        supported: String,
    },
    /// Content that is recognised, but is not something to import.
    #[error("{path}: this is {found}; {hint}", path = shown(path))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What the user can do.
        hint: &'static str,
    },
    /// Content that breaks its own format.
    #[error("{path}: at byte {offset}: expected {expected}, found {found}", path = shown(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, counted in the decompressed content.
        offset: u64,
        /// What must stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Content that is larger, deeper or more numerous than a limit.
    #[error("{path}: at byte {offset}: {what} exceeds the limit of {limit}", path = shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Where the limit was reached, counted in the decompressed content.
        offset: u64,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A folder with more in it than a person would mean.
    #[error("{path}: {what} exceeds the limit of {limit}; name the traces themselves", path = shown(path))]
    FolderTooLarge {
        /// The folder.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A database that is damaged, unfinished or refused by the database engine.
    #[error("{path}: {problem}", path = shown(path))]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong: where, what was expected, what was found, or the engine's own words.
        problem: String,
    },
    /// A capture file that its reader refuses.
    #[error("{refusal}")]
    Native {
        /// The file.
        path: PathBuf,
        /// What the reader said; it names the file and the place.
        refusal: underspan_native::Error,
    },
    /// A capture file made from other files that were read as well.
    #[error("{path}: holds what was read from {original}", path = shown(path))]
    AlreadyRead {
        /// The file.
        path: PathBuf,
        /// The file it was made from, or one of several.
        original: String,
    },
    /// The caller cancelled.
    #[error("{path}: cancelled", path = shown(path))]
    Cancelled {
        /// The file that was being read.
        path: PathBuf,
    },
    /// Not one of the files given holds anything that can be imported.
    #[error("{path}: no trace found in {looked_at} file(s); expected {supported}", path = shown(path))]
    NothingToImport {
        /// The folder, or the first path given.
        path: PathBuf,
        /// How many files were looked at.
        looked_at: usize,
        /// The formats that can be imported.
        supported: String,
    },
}

impl ImportError {
    /// The file the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NotAFile { path, .. }
            | Self::Empty { path }
            | Self::Unrecognised { path, .. }
            | Self::Foreign { path, .. }
            | Self::Malformed { path, .. }
            | Self::TooLarge { path, .. }
            | Self::FolderTooLarge { path, .. }
            | Self::Database { path, .. }
            | Self::Native { path, .. }
            | Self::AlreadyRead { path, .. }
            | Self::Cancelled { path }
            | Self::NothingToImport { path, .. } => path,
        }
    }

    /// Whether the file is simply not a trace, rather than a trace that cannot be read. Such files
    /// are passed over in a folder without harm.
    pub fn is_other_content(&self) -> bool {
        matches!(
            self,
            Self::NotAFile { .. }
                | Self::Empty { .. }
                | Self::Unrecognised { .. }
                | Self::Foreign { .. }
                | Self::AlreadyRead { .. }
        )
    }

    /// The message for a file among many: what would be supported is left out.
    pub fn in_short(&self) -> String {
        match self {
            Self::Unrecognised { path, found, .. } => {
                format!("{}: no trace, but {found}", shown(path))
            }
            other => other.to_string(),
        }
    }

    /// The message without the path in front, which may name a person.
    pub(crate) fn reason(&self) -> String {
        let text = self.to_string();
        let path = self.path();
        let named = [shown(path), path.display().to_string()];
        named
            .iter()
            .find_map(|path| text.strip_prefix(path.as_str())?.strip_prefix(": "))
            .map(str::to_owned)
            .unwrap_or(text)
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// A path as fit for a message: names of files may hold line breaks and terminal sequences.
fn shown(path: &Path) -> String {
    path.display()
        .to_string()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
