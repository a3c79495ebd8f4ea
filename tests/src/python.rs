//! Python beside the tests: found, or said to be absent.

use std::path::Path;
use std::process::Command;

/// `python3` in `folder`, when it is there and new enough for the hook. A test that gets none has
/// nothing more to do; why is printed.
#[expect(clippy::print_stdout, reason = "a test that skips says so")]
pub fn python(folder: &Path) -> Option<Command> {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import sys; sys.exit(sys.version_info < (3, 8))"]);
    if probe.status().is_ok_and(|status| status.success()) {
        let mut python = Command::new("python3");
        python.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder);
        return Some(python);
    }
    println!("skipped: python3 3.8 or later is absent");
    None
}

/// Runs the unit tests of a module in `folder`.
///
/// # Panics
/// When one of them fails.
#[track_caller]
pub fn unittests(folder: &Path, module: &str) {
    let Some(mut python) = python(folder) else { return };
    let output = python.args(["-m", "unittest", module]).output();
    let report = match &output {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(output.is_ok_and(|output| output.status.success()), "{module} fails:\n{report}");
}
