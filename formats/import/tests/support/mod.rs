//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

use underspan_import::{ImportError, ImportOptions, NoProgress, import_path};
use underspan_model::Timeline;

/// The folder of real traces: beside the checkout, or where `UNDERSPAN_SHARED` says. `None`, with
/// a line that says so, when it is not there.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared =
        std::env::var_os("UNDERSPAN_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let corpus = shared.join("corpus");
    if corpus.join("facts.json").is_file() {
        return Some(corpus);
    }
    println!("skipped: ../shared absent");
    None
}

/// Imports one file with nothing chosen.
pub(crate) fn import(path: &Path) -> Result<Timeline, ImportError> {
    import_path(path, &ImportOptions::default(), &NoProgress)
}

/// An error with its causes on one line, as the command line prints it.
pub(crate) fn message(error: &ImportError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The message with the folder of the file cut off, the same on every machine.
pub(crate) fn message_in(folder: &Path, error: &ImportError) -> String {
    message(error).replace(&format!("{}/", folder.display()), "")
}
