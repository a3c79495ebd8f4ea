//! What a receiver is started with.

use std::path::PathBuf;
use std::time::Duration;

use crate::signal::Signal;

/// How to start a [`Receiver`](crate::Receiver).
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// An existing folder for the spool files. They are made when the first export comes, readable
    /// by their owner only: spans may hold text of requests.
    pub spool_folder: PathBuf,
    /// Which spans are kept.
    pub keep: Keep,
    /// Whether [`Receiver::take_requests`](crate::Receiver::take_requests) is wanted.
    pub watches_requests: bool,
    /// Where exports are sent on to.
    pub upstreams: Upstreams,
    /// Bounds of memory, disk and time.
    pub limits: Limits,
}

impl ReceiverOptions {
    /// A receiver that keeps spans in `spool_folder` and passes nothing on.
    pub fn new(spool_folder: impl Into<PathBuf>) -> Self {
        Self {
            spool_folder: spool_folder.into(),
            keep: Keep::All,
            watches_requests: false,
            upstreams: Upstreams::default(),
            limits: Limits::default(),
        }
    }
}

/// Which spans are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All that find room.
    All,
    /// Those that came within this time, and some older ones.
    Last(Duration),
}

/// Bounds of a receiver.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest body of an export, as sent and inflated.
    pub body_bytes: usize,
    /// Bodies that are being received at a time, together. Exports beyond it are asked to come
    /// back later.
    pub in_flight_bytes: usize,
    /// How long a body may take to come.
    pub body_time: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// All spool files together. Spans beyond it are counted, still passed on, and not kept.
    pub spool_bytes: u64,
    /// What waits to be sent on, for each signal. What comes when it is full is dropped and counted.
    pub queue_bytes: usize,
    /// How long one attempt to send an export on may take.
    pub upstream_timeout: Duration,
    /// Longest wait between two attempts.
    pub backoff_max: Duration,
    /// How long [`Receiver::stop`](crate::Receiver::stop) waits for what is still to be sent on.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            in_flight_bytes: 256 << 20,
            body_time: Duration::from_secs(30),
            connections: 1024,
            spool_bytes: 4 << 30,
            queue_bytes: 256 << 20,
            upstream_timeout: Duration::from_secs(10),
            backoff_max: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }
}

/// Where each signal is sent on to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstreams {
    by_signal: [Option<Upstream>; 3],
}

impl Upstreams {
    /// Sends a signal to `upstream`.
    #[must_use]
    pub fn with(mut self, signal: Signal, upstream: Upstream) -> Self {
        self.set(signal, upstream);
        self
    }

    /// Sends a signal to `upstream`.
    pub fn set(&mut self, signal: Signal, upstream: Upstream) {
        self.by_signal[signal.index()] = Some(upstream);
    }

    /// Where a signal is sent on to, if anywhere.
    pub fn of(&self, signal: Signal) -> Option<&Upstream> {
        self.by_signal[signal.index()].as_ref()
    }
}

/// An endpoint that takes OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `http://…` or `https://…`. Over HTTP the path is used as it stands; over gRPC it is ignored.
    pub url: String,
    /// What it speaks.
    pub protocol: UpstreamProtocol,
    /// Headers for exports that do not bring a header of that name along. Names in lower case.
    pub headers: Vec<(String, String)>,
    /// PEM file of the authorities to trust; the system's when `None`.
    pub certificate: Option<PathBuf>,
    /// PEM files of the client's certificate and key.
    pub client_identity: Option<(PathBuf, PathBuf)>,
}

impl Upstream {
    /// An endpoint that takes exports the way they come.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            protocol: UpstreamProtocol::AsReceived,
            headers: Vec::new(),
            certificate: None,
            client_identity: None,
        }
    }

    /// The same endpoint, spoken to in `protocol`.
    #[must_use]
    pub fn speaking(mut self, protocol: UpstreamProtocol) -> Self {
        self.protocol = protocol;
        self
    }
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// What the export came in.
    AsReceived,
    /// gRPC. Exports in JSON are put into protobuf first.
    Grpc,
    /// HTTP, each export in the encoding it came in.
    Http,
}
