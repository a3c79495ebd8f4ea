//! The files of a folder.

use std::path::{Path, PathBuf};

use crate::ImportError;

/// Most files a folder may hold, so that a slip (`underspan analyze /`) ends in words.
const FILE_LIMIT: usize = 10_000;
/// Name of the folder that holds the run to compare with, in a folder of one investigation.
pub const BASELINE: &str = "baseline";

/// How deep folders may lie in each other.
const DEPTH_LIMIT: usize = 16;

/// Every file in a folder and the folders in it, in order of path. Links to folders are not
/// followed, since they may lead round in a circle; links to files are. Names that start with a
/// dot are hidden and stay so. The folder [`BASELINE`] directly in it holds another run and is left
/// out.
///
/// # Errors
/// When a folder cannot be read, or they hold too many files or lie too deep.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let mut files = Vec::new();
    collect(folder, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ImportError> {
    let too_large = |what, limit: usize| ImportError::FolderTooLarge {
        path: folder.to_owned(),
        what,
        limit: limit as u64,
    };
    if depth > DEPTH_LIMIT {
        return Err(too_large("the depth of folders", DEPTH_LIMIT));
    }
    let fail = |error| ImportError::io(folder, error);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(fail)?;
        if kind.is_dir() && depth == 0 && entry.file_name() == BASELINE {
            continue;
        }
        if kind.is_dir() {
            collect(&path, depth + 1, files)?;
        } else if !(kind.is_symlink() && path.is_dir()) {
            files.push(path);
        }
        if files.len() > FILE_LIMIT {
            return Err(too_large("the number of files", FILE_LIMIT));
        }
    }
    Ok(())
}
