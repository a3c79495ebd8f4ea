//! `underspan view` and `underspan render`: both start the viewer, so that this program links no
//! windows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::exit::Outcome;

/// Name of the viewer's program.
const VIEWER: &str = "underspan-viewer";

/// `underspan view`: a running recorder is found here, since the viewer talks to none.
pub(super) fn view(rest: &[OsString]) -> Result<Outcome> {
    run(None, &with_live_files(rest, |target| Ok(underspan_launcher::live_files(target)?))?)
}

/// The arguments with `--live TARGET` replaced by the files to follow.
fn with_live_files(
    rest: &[OsString],
    find: impl Fn(&str) -> Result<Vec<PathBuf>>,
) -> Result<Vec<OsString>> {
    let mut arguments = Vec::with_capacity(rest.len());
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        let target = match text.strip_prefix("--live=") {
            Some(target) => target.to_owned(),
            None if text == "--live" => {
                let target = rest.next().context("--live: expected a process id or a socket")?;
                target.to_string_lossy().into_owned()
            }
            None => {
                arguments.push(argument.clone());
                continue;
            }
        };
        arguments.push("--follow".into());
        arguments.extend(find(&target)?.into_iter().map(PathBuf::into_os_string));
    }
    Ok(arguments)
}

/// Runs the viewer with `first` and `rest` as its arguments, and ends as it ends.
pub(super) fn run(first: Option<&str>, rest: &[OsString]) -> Result<Outcome> {
    let own = std::env::current_exe().ok();
    let program = viewer_beside(own.as_deref());
    let mut command = Command::new(&program);
    command.args(first).args(rest);
    let status = command.status().with_context(|| {
        format!(
            "cannot start the viewer {}: build it (cargo build --release -p {VIEWER}) and leave it \
             beside this program or on PATH",
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
    fn a_running_recorder_is_replaced_by_its_files() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let find = |target: &str| Ok(vec![PathBuf::from(format!("/parts/{target}.uspan"))]);
        let of = |given: &[&str]| with_live_files(&words(given), find);
        let files = of(&["--fps", "--live", "7"]).unwrap();
        assert_eq!(files, words(&["--fps", "--follow", "/parts/7.uspan"]));
        assert_eq!(of(&["--live=7"]).unwrap(), words(&["--follow", "/parts/7.uspan"]));
        assert_eq!(of(&["cap.uspan"]).unwrap(), words(&["cap.uspan"]));
        assert!(of(&["--live"]).unwrap_err().to_string().contains("process id"));
    }

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
