//! From paths to one timeline.

use std::path::{Path, PathBuf};

use underspan_model::Timeline;

use crate::input::InputFile;
use crate::registry::{importer_for, supported};
use crate::{ImportError, ImportOptions, Progress};

/// What came of several paths.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// Everything that was read, joined and sorted.
    pub timeline: Timeline,
    /// Files of a folder that were not read, and why. Never silently empty.
    pub skipped: Vec<ImportError>,
}

/// Imports one file: its format is found by its content.
///
/// # Errors
/// When the path is no regular file, no importer knows its content, or nothing in it can be read.
pub fn import_path(
    path: &Path,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Timeline, ImportError> {
    progress.begin(path);
    let input = InputFile::open(path)?;
    let importer = importer_for(&input)?;
    importer.import(&input, options, progress)
}

/// Imports several files, and every trace in the folders among them, into one timeline.
///
/// # Errors
/// When a file that was named itself cannot be read, or nothing at all can be imported.
pub fn import_paths(
    paths: &[PathBuf],
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Imported, ImportError> {
    let mut joined: Option<Timeline> = None;
    for path in paths {
        let timeline = import_path(path, options, progress)?;
        match &mut joined {
            Some(joined) => joined.append(timeline),
            None => joined = Some(timeline),
        }
    }
    let Some(mut timeline) = joined else {
        return Err(ImportError::NothingToImport {
            path: paths.first().cloned().unwrap_or_default(),
            looked_at: 0,
            supported: supported(),
        });
    };
    timeline.sort();
    Ok(Imported { timeline, skipped: Vec::new() })
}
