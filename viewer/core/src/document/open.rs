//! From paths to a [`Document`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use underspan_import::{ImportOptions, Progress, import_paths};
use underspan_model::Cancel;
use underspan_model::tables::TableKind;
use underspan_native::{Pyramid, ReadOptions, Reader};

use super::Document;

/// How files are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Events of a `.uspan` file up to which all of them are held in memory, at some sixty bytes
    /// each, so that every question is answered at once. A larger file stays mapped.
    pub in_memory_events: u64,
    /// Memory in bytes that analyzing a mapped file may take; half of what is free when `None`.
    pub analysis_bytes: Option<u64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { in_memory_events: 4_000_000, analysis_bytes: None }
    }
}

/// Why nothing was opened, in words for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The user changed their mind.
    #[error("opening was cancelled")]
    Cancelled,
    /// It cannot be read.
    #[error("{what}")]
    Unreadable {
        /// What is wrong, with the file's name in it.
        what: String,
    },
    /// It can be read and holds no event.
    #[error("{name} holds no event with a time: there is nothing to draw")]
    Empty {
        /// Name of the file.
        name: String,
    },
}

impl OpenError {
    /// What can be done about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Cancelled => "Open it again when you like.",
            Self::Unreadable { .. } => {
                "Check the path and that the file is whole. `underspan info FILE` says what it is; \
                 `underspan recover FILE` saves what is left of a damaged capture."
            }
            Self::Empty { .. } => {
                "Check that the recording was started before the work was: `underspan info FILE` \
                 lists what is in the file."
            }
        }
    }
}

/// How far an opening is; shared with the thread that does it.
#[derive(Debug, Default)]
pub struct OpenProgress {
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
    cancel: Cancel,
}

impl OpenProgress {
    /// Of an opening that stops once `cancel` is cancelled.
    pub(crate) fn until(cancel: Cancel) -> Self {
        Self { cancel, ..Self::default() }
    }

    /// Asks the opening to stop.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Part of the current file that is read, from zero to one; `None` when unknown.
    pub fn fraction(&self) -> Option<f32> {
        let total = self.total_bytes.load(Ordering::Relaxed);
        let done = self.done_bytes.load(Ordering::Relaxed);
        (total > 0).then(|| (done as f64 / total as f64).min(1.0) as f32)
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if self.is_cancelled() { Err(OpenError::Cancelled) } else { Ok(()) }
    }
}

impl Progress for OpenProgress {
    fn begin(&self, _path: &Path) {
        self.done_bytes.store(0, Ordering::Relaxed);
        self.total_bytes.store(0, Ordering::Relaxed);
    }

    fn advance(&self, done_bytes: u64, total_bytes: u64) {
        self.done_bytes.store(done_bytes, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// Opens files of any format that can be imported, joined into one document.
///
/// # Errors
/// When they cannot be read, hold nothing with a time, or `progress` was told to cancel.
pub fn open(paths: &[PathBuf], progress: &OpenProgress) -> Result<Document, OpenError> {
    open_with(paths, progress, &OpenOptions::default())
}

/// As [`open`], with other limits.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    paths: &[PathBuf],
    progress: &OpenProgress,
    options: &OpenOptions,
) -> Result<Document, OpenError> {
    let document = match paths {
        [path] => match open_mapped(path, progress, options)? {
            Some(document) => document,
            None => import(paths, progress)?,
        },
        _ => import(paths, progress)?,
    };
    progress.check()?;
    Ok(document)
}

fn import(paths: &[PathBuf], progress: &OpenProgress) -> Result<Document, OpenError> {
    let imported =
        import_paths(paths, &ImportOptions::default(), progress).map_err(|error| match error {
            underspan_import::ImportError::Cancelled { .. } => OpenError::Cancelled,
            error => unreadable(error),
        })?;
    progress.check()?;
    Document::in_memory(paths.to_vec(), imported.timeline)
}

/// Opens a `.uspan` file that is too large to be held in memory; `None` for everything else.
fn open_mapped(
    path: &Path,
    progress: &OpenProgress,
    limits: &OpenOptions,
) -> Result<Option<Document>, OpenError> {
    // Whatever is wrong with the file, the importer says it better.
    let Ok(reader) = Reader::open(path, &ReadOptions::default()) else { return Ok(None) };
    let pyramid = Pyramid::open(&reader).map_err(unreadable)?;
    let n_events: u64 = pyramid.tracks().map(|track| track.events).sum();
    if n_events <= limits.in_memory_events {
        return Ok(None);
    }
    progress.check()?;
    let small = [
        TableKind::Span,
        TableKind::SpanAttribute,
        TableKind::SpanEvent,
        TableKind::SpanLink,
        TableKind::Step,
        TableKind::StepMember,
        TableKind::RequestIdentity,
        TableKind::Counter,
    ];
    let options = ReadOptions { tables: Some(small.to_vec()), ..ReadOptions::default() };
    let serving = Reader::open(path, &options).and_then(|reader| reader.read_timeline());
    let serving = serving.map_err(unreadable)?;
    let paths = vec![path.to_owned()];
    Document::in_file(paths, reader, pyramid, serving, limits.analysis_bytes).map(Some)
}

fn unreadable(error: impl std::error::Error) -> OpenError {
    let mut what = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        what.push_str(": ");
        what.push_str(&cause.to_string());
        source = cause.source();
    }
    OpenError::Unreadable { what }
}
