//! Why a recording cannot be made.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a recording cannot be made, or the command not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// There is no command.
    #[error("no command to run")]
    NoCommand,
    /// The command cannot be started.
    #[error("{} cannot be started", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// Another tool has set an injection variable.
    #[error(
        "{variable} is set to {}: another tool is to be loaded there; --chain loads both",
        value.display()
    )]
    OtherTool {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
    },
    /// The collector's library is not where it is looked for.
    #[error(
        "{library} was not found (looked in {looked_in}); build it with `cargo build -p \
         underspan-collector`, or name it in UNDERSPAN_COLLECTOR"
    )]
    NoCollector {
        /// The library's file name.
        library: &'static str,
        /// The folders that were searched.
        looked_in: String,
    },
    /// No process there was started with a collector.
    #[error(
        "process {pid} and those below it have no collector that can be asked; start the server \
         with `underspan arm -- …`, or look as the user who runs it"
    )]
    NoCollectorInside {
        /// The process that was named.
        pid: u32,
    },
    /// A collector does not answer.
    #[error("{target}: {source}")]
    Collector {
        /// What was named.
        target: String,
        /// Why.
        source: crate::ControlError,
    },
    /// No collector there records at the moment.
    #[error("{target}: no collector there records now ({state}); arm it first")]
    NothingRecorded {
        /// What was named.
        target: String,
        /// The modes of the collectors that answered.
        state: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be watched, or there can be no more threads.
    #[error("cannot look after the command: {0}")]
    Supervise(#[source] io::Error),
}

impl LaunchError {
    /// For `map_err`: an error about `path`.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
