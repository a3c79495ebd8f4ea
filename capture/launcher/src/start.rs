//! Starts a command with a collector in it and a receiver for its exports: what every recording
//! begins with.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::otlp::Otlp;
use crate::{
    Files, Injection, LaunchError, Observer, RecordOptions, Session, Supervised, find_collector,
    injection, unpack_hook,
};

/// A command that runs, and what records it.
pub(crate) struct Started {
    pub(crate) command: Supervised,
    /// `None` when it runs without being recorded; why was noted.
    pub(crate) recorder: Option<Recorder>,
}

/// What records a command.
pub(crate) struct Recorder {
    pub(crate) session: Session,
    pub(crate) otlp: Option<Otlp>,
}

/// Starts the command of `options`. What prevents recording is noted behind `without`, and the
/// command runs all the same. `watches_requests` has the receiver tell how long requests took.
///
/// # Errors
/// When the command cannot be started, or another tool's injection is in the way.
pub(crate) fn start(
    options: &RecordOptions,
    without: &str,
    watches_requests: bool,
    observer: &mut dyn Observer,
) -> Result<Started, LaunchError> {
    let (session, injected) = match prepare(options) {
        Ok((session, injection)) => {
            injection.notes.iter().for_each(|note| observer.note(note));
            (Some(session), injection.variables)
        }
        Err(error @ (LaunchError::OtherTool { .. } | LaunchError::NoCommand)) => return Err(error),
        Err(error) => {
            observer.note(&format!("{without}: {error}"));
            (None, Vec::new())
        }
    };
    let mut variables: Vec<(OsString, OsString)> =
        injected.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let mut arguments = options.command.clone();
    let pieces = session.as_ref().map(Session::pieces_dir);
    let mut otlp =
        pieces.and_then(|pieces| Otlp::beside(options, pieces, watches_requests, observer));
    if let Some(otlp) = &mut otlp {
        arguments.clone_from(&otlp.command);
        variables.append(&mut otlp.variables);
    }
    match Supervised::start(&arguments, &variables) {
        Ok(command) => {
            let recorder = session.map(|session| Recorder { session, otlp });
            Ok(Started { command, recorder })
        }
        Err(error) => {
            if let Some(session) = session {
                give_up(&session);
            }
            Err(error)
        }
    }
}

fn prepare(options: &RecordOptions) -> Result<(Session, Injection), LaunchError> {
    if options.command.is_empty() {
        return Err(LaunchError::NoCommand);
    }
    let collector = find_collector()?;
    let session = Session::create(&options.output)?;
    let prepared = unpacked(options, &session).and_then(|hook| {
        let files = Files { collector, hook };
        injection(|name| std::env::var_os(name), options, &files, &session)
    });
    match prepared {
        Ok(injection) => Ok((session, injection)),
        Err(error) => {
            give_up(&session);
            Err(error)
        }
    }
}

/// Removes the folder of pieces: there will be none.
fn give_up(session: &Session) {
    if let Ok(pieces) = session.pieces() {
        let _ = pieces.remove();
    }
}

fn unpacked(options: &RecordOptions, session: &Session) -> Result<Option<PathBuf>, LaunchError> {
    if options.without_hook {
        return Ok(None);
    }
    let folder = session.sockets_dir().join("hook");
    unpack_hook(&folder).map_err(LaunchError::at(&folder))?;
    Ok(Some(folder))
}
