//! What can keep a receiver from starting.

use std::path::PathBuf;

/// Why a receiver could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// No port, no thread, no runtime.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder for spool files is no folder or cannot be written to.
    #[error("{}: spans cannot be kept here", path.display())]
    Spool {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A document that did not arrive.
    #[error("{url}: {reason}")]
    Post {
        /// Where it was sent.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// An endpoint that cannot be used.
    #[error("the endpoint {url:?} for {signal}: {reason}")]
    Upstream {
        /// As it was given.
        url: String,
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
