//! The server's OpenTelemetry exports: led here, kept, passed on.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use underspan_model::{ProblemKind, ProblemLedger};
use underspan_receiver::{
    Environment, FinishedRequest, Keep, Receiver, ReceiverOptions, Signal, SystemInstalled,
    TelemetryPlan,
};

use crate::{Mode, Observer, RecordOptions};

/// The name that problems of exports are recorded under.
const SOURCE: &str = "OpenTelemetry exports";
/// The folder of spans below that of pieces.
const FOLDER: &str = "otlp";
/// What a flight recorder keeps unless it is told: the collector's default.
const WINDOW: Duration = Duration::from_secs(30);

/// A receiver beside a command, and what the command must be told about it.
pub(crate) struct Otlp {
    receiver: Receiver,
    /// The command line to start instead.
    pub(crate) command: Vec<OsString>,
    /// Variables to set.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Otlp {
    /// Starts a receiver that keeps spans in a new folder below `pieces`; `None`, which is noted,
    /// when there is none to be had or wanted: exports then go where they always went.
    pub(crate) fn beside(
        options: &RecordOptions,
        pieces: &Path,
        watches_requests: bool,
        observer: &mut dyn Observer,
    ) -> Option<Self> {
        if options.without_otlp {
            return None;
        }
        Self::start(options, pieces, watches_requests, observer)
            .inspect_err(|reason| observer.note(&format!("no request spans: {reason}")))
            .ok()
    }

    fn start(
        options: &RecordOptions,
        pieces: &Path,
        watches_requests: bool,
        observer: &mut dyn Observer,
    ) -> Result<Self, String> {
        let environment: Environment = std::env::vars_os().collect();
        let installed = SystemInstalled::new(&environment);
        let plan = TelemetryPlan::of(&options.command, &environment, &installed);
        let folder = pieces.join(FOLDER);
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut receiver_options = ReceiverOptions::new(folder);
        receiver_options.upstreams = plan.upstreams().clone();
        receiver_options.watches_requests = watches_requests;
        if options.mode != Mode::Stream {
            receiver_options.keep = Keep::Last(window(options));
        }
        let receiver = Receiver::start(receiver_options).map_err(|error| chained(&error))?;
        plan.notes().iter().for_each(|note| observer.note(note));
        let child = plan.child(receiver.grpc_port(), receiver.http_port());
        Ok(Self { receiver, command: child.argv, variables: child.variables })
    }

    /// The requests that spans told of since the last call, if they are watched.
    pub(crate) fn take_requests(&self) -> Vec<FinishedRequest> {
        self.receiver.take_requests()
    }

    /// The last spans, in files of `folder` that stay.
    pub(crate) fn last_files(&self, folder: &Path) -> Vec<PathBuf> {
        linked(self.receiver.whole_files(), folder)
    }

    /// Completes the files of spans, and writes down which spans are not in them. Exports are
    /// passed on until the end.
    pub(crate) fn finish(&self, problems: &mut ProblemLedger) {
        self.receiver.stop_keeping();
        let stats = self.receiver.stats();
        let why = || stats.spool_error.clone().unwrap_or_default();
        problems.record(ProblemKind::WriteFailed, SOURCE, stats.unspooled_spans, why);
        let n_refused =
            stats.refused_malformed + stats.refused_too_large + stats.refused_incomplete;
        let kinds = || {
            format!(
                "exports that were refused: {} malformed, {} too long, {} broken off",
                stats.refused_malformed, stats.refused_too_large, stats.refused_incomplete
            )
        };
        problems.record(ProblemKind::MissingEvidence, SOURCE, n_refused, kinds);
    }

    /// Ends it, and says what did not reach the user's own endpoint.
    pub(crate) fn stop(self, observer: &mut dyn Observer) {
        let stats = self.receiver.stop().stats;
        for signal in Signal::ALL {
            let counted = stats.of(signal);
            if counted.dropped() > 0 {
                let signal = format!("{signal:?}").to_lowercase();
                let why = counted.upstream_error.as_deref().unwrap_or("too many were waiting");
                observer.note(&format!(
                    "{} of {} exports of {signal} did not reach your endpoint: {why}",
                    counted.dropped(),
                    counted.exports,
                ));
            }
        }
    }
}

/// The stretch of time that is kept beside a flight recorder.
pub(crate) fn window(options: &RecordOptions) -> Duration {
    options.ring_window.unwrap_or(WINDOW) + options.duration.unwrap_or_default()
}

/// The spans that another launcher keeps, which has its hook's files in `hook_dir`, in files of
/// `folder` that stay.
pub(crate) fn last_files_beside(hook_dir: &Path, folder: &Path) -> Vec<PathBuf> {
    let Some(theirs) = hook_dir.parent().map(|pieces| pieces.join(FOLDER)) else {
        return Vec::new();
    };
    let files = std::fs::read_dir(theirs).into_iter().flatten().flatten();
    linked(files.map(|entry| entry.path()).collect(), folder)
}

/// Links to files, which may be removed at any time, in a folder.
fn linked(files: Vec<PathBuf>, folder: &Path) -> Vec<PathBuf> {
    let link = |file: PathBuf| {
        let link = folder.join(file.file_name()?);
        let made = std::fs::hard_link(&file, &link);
        // On another file system.
        let made = made.or_else(|_| std::fs::copy(&file, &link).map(drop));
        made.is_ok().then_some(link)
    };
    files.into_iter().filter_map(link).collect()
}

/// An error and what caused it.
fn chained(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chained(cause)),
        None => error.to_string(),
    }
}
