//! From paths to one timeline.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use underspan_model::{ProblemKind, StringId, Timeline};

use crate::align::align;
use crate::dialect::normalise_joined;
use crate::folder::files_in;
use crate::input::InputFile;
use crate::native::Native;
use crate::registry::{importer_for, supported};
use crate::spans::drop_duplicates;
use crate::{ImportError, ImportOptions, Importer as _, Progress};

/// What came of several paths.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// Everything that was read, joined and sorted.
    pub timeline: Timeline,
    /// The files that were read, in the order in which they were joined.
    pub read: Vec<PathBuf>,
    /// Files that were left out, each with the reason: those of folders that are no traces or
    /// cannot be read, and captures made from other files that were read. Traces that cannot be
    /// read are counted in the timeline's ledger too.
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
    import_file(path, options, progress).map(|(timeline, _)| timeline)
}

/// Imports one file, and says with which importer's format it was read.
fn import_file(
    path: &Path,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<(Timeline, &'static str), ImportError> {
    let input = InputFile::open(path)?;
    let importer = importer_for(&input)?;
    progress.begin(path);
    Ok((importer.import(&input, options, progress)?, importer.format()))
}

/// Imports several files, and every trace in the folders among them, into one timeline. A file
/// that is named or found twice is read once. Captures that know the wall clock are put on it.
///
/// # Errors
/// When a file that was named itself cannot be read, a folder cannot be searched, the caller
/// cancels, or there is no trace at all.
pub fn import_paths(
    paths: &[PathBuf],
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Imported, ImportError> {
    let inputs = expand(paths)?;
    let mut parts = Vec::new();
    let mut skipped = Vec::new();
    for input in &inputs {
        match import_file(&input.path, options, progress) {
            Ok((timeline, format)) => {
                let path = input.path.clone();
                parts.push(Part { path, is_capture: format == Native.format(), timeline });
            }
            Err(error) if !input.was_found || is_final(&error) => return Err(error),
            Err(error) => skipped.push(error),
        }
    }
    leave_out_copies(&mut parts, &mut skipped);
    let (read, mut timelines): (Vec<_>, Vec<_>) =
        parts.into_iter().map(|part| (part.path, part.timeline)).unzip();
    align(&mut timelines);
    let Some(mut timeline) = timelines.into_iter().reduce(|mut joined, next| {
        joined.append(next);
        joined
    }) else {
        return Err(nothing(paths, inputs.len(), skipped));
    };
    drop_duplicates(&mut timeline);
    normalise_joined(&mut timeline);
    timeline.sort();
    for error in skipped.iter().filter(|error| !error.is_other_content()) {
        let name = error.path().file_name().unwrap_or_default().to_string_lossy();
        timeline.problems.record(ProblemKind::UnreadableFile, &name, 1, || error.reason());
    }
    Ok(Imported { timeline, read, skipped })
}

/// A file that was read.
struct Part {
    path: PathBuf,
    /// Whether it is a capture file, which may have been made from the others.
    is_capture: bool,
    timeline: Timeline,
}

/// Drops captures whose sources were all read themselves: a folder may hold traces and the capture
/// that was made from them, and no kernel may count twice. A source is known by name and size.
fn leave_out_copies(parts: &mut Vec<Part>, skipped: &mut Vec<ImportError>) {
    let originals: HashSet<_> = parts
        .iter()
        .filter(|part| !part.is_capture)
        .flat_map(|part| sources(&part.timeline))
        .collect();
    parts.retain(|part| {
        let own = sources(&part.timeline);
        let is_copy =
            part.is_capture && !own.is_empty() && own.iter().all(|one| originals.contains(one));
        if let (true, Some((original, _))) = (is_copy, own.first()) {
            let (path, original) = (part.path.clone(), original.clone());
            skipped.push(ImportError::AlreadyRead { path, original });
        }
        !is_copy
    });
}

/// Names and sizes of a timeline's sources.
fn sources(timeline: &Timeline) -> Vec<(String, u64)> {
    let name = |id| timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
    timeline.dimensions.sources.iter().map(|row| (name(row.name), row.file_bytes)).collect()
}

/// A file to try.
struct Candidate {
    path: PathBuf,
    /// Whether it was found in a folder rather than named.
    was_found: bool,
}

fn expand(paths: &[PathBuf]) -> Result<Vec<Candidate>, ImportError> {
    let mut seen = HashSet::new();
    let mut inputs = Vec::new();
    for path in paths {
        let was_found = path.is_dir();
        let files = if was_found { files_in(path)? } else { vec![path.clone()] };
        for path in files {
            // What cannot be resolved is kept: reading it will say why.
            let place = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.insert(place) {
                inputs.push(Candidate { path, was_found });
            }
        }
    }
    Ok(inputs)
}

fn is_final(error: &ImportError) -> bool {
    matches!(error, ImportError::Cancelled { .. })
}

/// The error for no trace at all: why the first that is one could not be read, if there is one.
fn nothing(paths: &[PathBuf], looked_at: usize, skipped: Vec<ImportError>) -> ImportError {
    skipped.into_iter().find(|error| !error.is_other_content()).unwrap_or_else(|| {
        ImportError::NothingToImport {
            path: paths.first().cloned().unwrap_or_default(),
            looked_at,
            supported: supported(),
        }
    })
}
