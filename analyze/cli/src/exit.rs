//! Exit codes: 0 done, 1 a finding over a threshold or a file that failed its check, 2 an error.

use std::io;
use std::process::ExitCode;

use underspan_launcher::Ending;

use crate::terminal;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, nothing to object to.
    Done,
    /// Done, and what was checked did not pass.
    Objection,
    /// A command that was run ended like this, and so shall this one.
    Ending(Ending),
}

/// The process's exit code; an error is printed on standard error in one line.
pub(crate) fn code_of(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Objection) => ExitCode::from(1),
        // A code that does not fit in a byte is none that a process can have ended with.
        Ok(Outcome::Ending(ending)) => ExitCode::from(u8::try_from(ending.imitate()).unwrap_or(2)),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&one_line(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// A reader that closed the pipe has seen what it wanted.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Names and texts from files may hold line breaks and escapes; a message is one clean line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let closed = Err::<Outcome, _>(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&closed.context("cannot print").unwrap_err()));
        assert!(!is_broken_pipe(&anyhow::anyhow!("cannot print")));
    }

    #[test]
    fn messages_are_one_clean_line() {
        assert_eq!(one_line("a\nb\x1b[31mc"), "a b [31mc");
    }
}
