//! The server's OpenTelemetry exports: led here, kept, passed on.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use underspan_model::{ProblemKind, ProblemLedger};
use underspan_receiver::{
    Environment, Receiver, ReceiverOptions, Signal, SystemInstalled, TelemetryPlan,
};

use crate::Observer;

/// The name that problems of exports are recorded under.
const SOURCE: &str = "OpenTelemetry exports";

/// A receiver beside a command, and what the command must be told about it.
pub(crate) struct Otlp {
    receiver: Receiver,
    /// The command line to start instead.
    pub(crate) command: Vec<OsString>,
    /// Variables to set.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Otlp {
    /// Starts a receiver that keeps spans in a new folder below `pieces`.
    ///
    /// # Errors
    /// A line for a person: the command is then to be started without it.
    pub(crate) fn start(
        command: &[OsString],
        pieces: &Path,
        observer: &mut dyn Observer,
    ) -> Result<Self, String> {
        let environment: Environment = std::env::vars_os().collect();
        let plan = TelemetryPlan::of(command, &environment, &SystemInstalled::new(&environment));
        let folder = pieces.join("otlp");
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut options = ReceiverOptions::new(folder);
        options.upstreams = plan.upstreams().clone();
        let receiver = Receiver::start(options).map_err(|error| chained(&error))?;
        plan.notes().iter().for_each(|note| observer.note(note));
        let child = plan.child(receiver.grpc_port(), receiver.http_port());
        Ok(Self { receiver, command: child.argv, variables: child.variables })
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

/// An error and what caused it.
fn chained(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chained(cause)),
        None => error.to_string(),
    }
}
