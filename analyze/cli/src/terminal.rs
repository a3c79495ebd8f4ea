//! Standard output and error: colour only on a terminal, progress only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use underspan_import::Progress;
use underspan_report::TextStyle;

use crate::args::{Color, Global};

/// Columns of text that goes to a file or pipe.
const DEFAULT_WIDTH: usize = 120;

/// Prints an error in one line.
#[expect(clippy::print_stderr, reason = "this is where errors are printed")]
pub(crate) fn error(message: &str) {
    eprintln!("underspan: {message}");
}

/// Prints a remark for the person at the terminal, never data.
#[expect(clippy::print_stderr, reason = "this is where remarks are printed")]
pub(crate) fn note(message: &str) {
    eprintln!("{message}");
}

/// How text goes to standard output.
pub(crate) fn text_style(global: &Global) -> TextStyle {
    let is_terminal = io::stdout().is_terminal();
    let is_coloured = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let width = match (global.width, is_terminal) {
        (Some(width), _) => width,
        (None, true) => terminal_width().unwrap_or(DEFAULT_WIDTH),
        (None, false) => DEFAULT_WIDTH,
    };
    TextStyle { width, is_coloured }
}

fn terminal_width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns).max(60))
}

/// Writes data to standard output, or to a file when one is named.
pub(crate) fn write_data(text: &str, output: Option<&Path>) -> Result<()> {
    match output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("{}: cannot be written", path.display())),
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            Ok(out.flush()?)
        }
    }
}

/// A progress bar over the bytes of the files being read.
#[derive(Debug)]
pub(crate) struct ImportProgress {
    bar: ProgressBar,
}

impl ImportProgress {
    /// Draws on standard error when that is a terminal, otherwise nothing.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self { bar }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for ImportProgress {
    fn begin(&self, path: &Path) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.bar.set_message(name);
        self.bar.set_position(0);
    }

    fn advance(&self, done_bytes: u64, total_bytes: u64) {
        self.bar.set_length(total_bytes);
        self.bar.set_position(done_bytes);
    }
}
