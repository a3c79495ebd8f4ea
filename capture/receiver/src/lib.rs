//! Takes a server's OpenTelemetry exports on loopback, keeps the spans and passes everything on.
//!
//! A [`Receiver`] listens on two ports of 127.0.0.1 that the system chooses; both speak OTLP over
//! gRPC and over HTTP (protobuf and JSON, plain, gzip or zstd). Each export of spans is appended to
//! a spool file that `underspan-import` reads, and acknowledged only after that. Each export of
//! spans, metrics and logs is also sent on, byte for byte, to the endpoint the user's own exporter
//! would have used ([`Upstream`]); that is done beside the answer and never holds the server up.
//!
//! Which endpoint that is, and what a server must be told to export here, a [`TelemetryPlan`] says:
//! a pure function of command line and environment.
//!
//! Input is untrusted: every body is bounded before it is read, and nothing panics.

mod content;
mod environment;
mod error;
mod intake;
mod options;
mod percent;
mod receiver;
mod signal;
mod spool;
mod stats;
mod tee;

pub use content::FinishedRequest;
pub use environment::{
    ChildSettings, Environment, Installed, PythonLaunch, PythonRequirement, SystemInstalled,
    TelemetryPlan,
};
pub use error::ReceiverError;
pub use options::{Keep, Limits, ReceiverOptions, Upstream, UpstreamProtocol, Upstreams};
pub use receiver::{Receiver, Summary};
pub use signal::Signal;
pub use stats::{ReceiverStats, SignalStats};
pub use tee::post_json;
