//! What is left of a crash: what happened, where, and the commands before it.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use underspan_viewer_core::Viewer;

use crate::settings;

static COMMANDS: Mutex<String> = Mutex::new(String::new());

/// Writes a line to the terminal the viewer was started from.
pub(crate) fn complain(what: &str) {
    // There may be no terminal.
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Remembers the latest commands. They hold names of files and events, nothing of their content.
pub(crate) fn remember(viewer: &Viewer) {
    let n_commands = viewer.recent_commands().count();
    let mut commands = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
    commands.clear();
    for command in viewer.recent_commands().skip(n_commands.saturating_sub(50)) {
        commands.push_str(&format!("{command:?}\n"));
    }
}

/// Has a report written when the program panics.
pub(crate) fn report_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let Some(path) = settings::crash_report() else { return };
        let commands = match COMMANDS.try_lock() {
            Ok(commands) => commands.clone(),
            Err(_) => String::new(),
        };
        let backtrace = std::backtrace::Backtrace::force_capture();
        let version = env!("CARGO_PKG_VERSION");
        let report = format!(
            "underspan-viewer {version}\n{panic}\n\nlast commands:\n{commands}\n{backtrace}\n"
        );
        if std::fs::write(&path, report).is_ok() {
            complain(&format!("a report is in {}", path.display()));
        }
    }));
}
