//! The side that servers export to.

mod body;
mod budget;
mod compression;
mod grpc;
mod http;
mod serve;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::HeaderMap;

pub(crate) use compression::{Compression, inflate_again};
pub(crate) use grpc::{CONTENT_TYPE_GRPC, GRPC_ENCODING, GRPC_MESSAGE, GRPC_STATUS, PREFIX_BYTES};
pub(crate) use serve::serve;

use crate::content::{Encoding, FinishedRequest, requests};
use crate::options::Limits;
use crate::signal::Signal;
use crate::spool::Spool;
use crate::stats::Counted;
use crate::tee::{Item, Queue};
use budget::Budget;

/// How an export came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

/// An export that was checked.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) transport: Transport,
    /// The body as it came, compressed or not.
    pub(crate) body: Bytes,
    pub(crate) compression: Compression,
    pub(crate) headers: HeaderMap,
    /// The body inflated.
    pub(crate) payload: Bytes,
    pub(crate) n_items: u64,
}

/// What all connections share.
pub(crate) struct Intake {
    pub(crate) limits: Limits,
    pub(crate) counted: Arc<Counted>,
    spool: Spool,
    queues: [Option<Arc<Queue>>; 3],
    budget: Arc<Budget>,
    /// Requests that nobody asked for yet; `None` when nobody will.
    finished: Option<Mutex<Vec<FinishedRequest>>>,
}

/// Requests that are kept for whoever asks.
const MOST_FINISHED: usize = 1 << 16;

impl Intake {
    pub(crate) fn new(
        limits: Limits,
        counted: Arc<Counted>,
        spool: Spool,
        queues: [Option<Arc<Queue>>; 3],
        watches_requests: bool,
    ) -> Self {
        let budget = Arc::new(Budget::new(limits.in_flight_bytes));
        let finished = watches_requests.then(Mutex::default);
        Self { limits, counted, spool, queues, budget, finished }
    }

    /// Keeps no more spans.
    pub(crate) async fn finish_keeping(&self) -> Vec<PathBuf> {
        self.spool.finish().await
    }

    /// Begins new files; the whole ones.
    pub(crate) async fn turn(&self) -> Vec<PathBuf> {
        self.spool.turn().await
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<FinishedRequest> {
        let Some(finished) = &self.finished else { return Vec::new() };
        std::mem::take(&mut *finished.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_requests(&self, payload: &[u8], encoding: Encoding) {
        let Some(finished) = &self.finished else { return };
        let new = requests(payload, encoding);
        let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_FINISHED.saturating_sub(finished.len());
        finished.extend(new.into_iter().take(room));
    }

    /// Takes an export: hands it over to be sent on, and returns when its spans are kept.
    async fn take(&self, export: Export) {
        let Export { signal, encoding, payload, n_items, .. } = export;
        {
            let mut counted = self.counted.lock();
            let signal_counted = counted.of_mut(signal);
            signal_counted.exports += 1;
            signal_counted.items += n_items;
            signal_counted.without_upstream += u64::from(self.queues[signal.index()].is_none());
        }
        if let Some(queue) = &self.queues[signal.index()] {
            // Before anything waits: who exports may go away meanwhile.
            queue.push(Item {
                signal,
                encoding,
                transport: export.transport,
                body: export.body,
                compression: export.compression,
                headers: export.headers,
            });
        }
        if signal == Signal::Traces && n_items > 0 {
            self.note_requests(&payload, encoding);
            self.spool.keep(encoding, payload, n_items).await;
        }
    }
}

/// Why an export was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no export is taken here")]
    UnknownPath,
    #[error("exports are sent with POST")]
    Method,
    #[error("the content type is not application/x-protobuf, application/json or application/grpc")]
    ContentType,
    #[error("the encoding is not gzip, deflate, zstd or identity")]
    ContentEncoding,
    #[error("longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body was not sent within {seconds} s")]
    Stalled { seconds: u64 },
    #[error("the body broke off")]
    BrokenOff,
    #[error("too many exports are under way")]
    Busy,
    #[error("{0}")]
    Malformed(String),
}

impl Refusal {
    fn count(&self, counted: &Counted) {
        let mut counted = counted.lock();
        let counter = match self {
            Self::UnknownPath
            | Self::Method
            | Self::ContentType
            | Self::ContentEncoding
            | Self::Malformed(_) => &mut counted.refused_malformed,
            Self::TooLarge { .. } => &mut counted.refused_too_large,
            Self::Stalled { .. } | Self::BrokenOff => &mut counted.refused_incomplete,
            Self::Busy => &mut counted.refused_busy,
        };
        *counter += 1;
    }
}
