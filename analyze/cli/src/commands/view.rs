//! `underspan view` and `underspan render`: both start the viewer, so that this program links no
//! windows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::exit::Outcome;

/// Name of the viewer's program.
const VIEWER: &str = "underspan-viewer";

/// Runs the viewer with `first` and `rest` as its arguments, and ends as it ends.
pub(super) fn run(first: Option<&str>, rest: &[OsString]) -> Result<Outcome> {
    let own = std::env::current_exe().ok();
    let program = viewer_beside(own.as_deref());
    let mut command = Command::new(&program);
    command.args(first).args(rest);
    let status = command.status().with_context(|| {
        format!(
            "cannot start the viewer {}: install {VIEWER} beside this program or on PATH",
            program.display()
        )
    })?;
    match status.code() {
        Some(0) => Ok(Outcome::Done),
        // It has said why on standard error.
        Some(code) => std::process::exit(code),
        None => bail!("the viewer was ended by a signal"),
    }
}

/// The viewer beside this program when there is one, otherwise its name for PATH to find.
fn viewer_beside(own: Option<&Path>) -> PathBuf {
    let name = format!("{VIEWER}{}", std::env::consts::EXE_SUFFIX);
    let beside = own.and_then(Path::parent).map(|folder| folder.join(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_viewer_beside_this_program_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("underspan");
        assert_eq!(viewer_beside(Some(&own)), PathBuf::from(VIEWER));
        std::fs::write(folder.path().join(VIEWER), "").unwrap();
        assert_eq!(viewer_beside(Some(&own)), folder.path().join(VIEWER));
        assert_eq!(viewer_beside(None), PathBuf::from(VIEWER));
    }
}
