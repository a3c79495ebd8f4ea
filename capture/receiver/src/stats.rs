//! What a receiver did, in numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::signal::Signal;

/// What a receiver did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReceiverStats {
    /// Exports of spans.
    pub traces: SignalStats,
    /// Exports of metrics.
    pub metrics: SignalStats,
    /// Exports of logs.
    pub logs: SignalStats,
    /// Exports refused because they were malformed, of a type or encoding that is not OTLP.
    pub refused_malformed: u64,
    /// Exports refused because they, or what they inflate to, were too long.
    pub refused_too_large: u64,
    /// Exports that broke off, or stood still for too long.
    pub refused_incomplete: u64,
    /// Exports asked to come back because too many were under way.
    pub refused_busy: u64,
    /// Bytes in the spool files.
    pub spooled_bytes: u64,
    /// Spans in the spool files.
    pub spooled_spans: u64,
    /// Spans that are not in the spool files, because they were full or could not be written.
    pub unspooled_spans: u64,
    /// Why spans could not be written, the last time.
    pub spool_error: Option<String>,
}

/// What became of the exports of one signal. Each export that was taken for sending on is at all
/// times in one of `forwarded`, `queued` and the `dropped` fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SignalStats {
    /// Exports that were accepted.
    pub exports: u64,
    /// Spans, metrics or log records in them.
    pub items: u64,
    /// Exports that are waiting to be sent on or are being sent.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Exports that the user's endpoint took.
    pub forwarded: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Exports dropped because the queue was full.
    pub dropped_queue_full: u64,
    /// Exports that the user's endpoint refused for good, or that it cannot be told.
    pub dropped_refused: u64,
    /// Exports that had not been sent when the receiver stopped.
    pub dropped_at_stop: u64,
    /// Items that the user's endpoint says it rejected out of exports that it took.
    pub rejected_items: u64,
    /// Exports that were not sent on because there is no endpoint for the signal.
    pub without_upstream: u64,
    /// The last failure to send.
    pub upstream_error: Option<String>,
}

impl SignalStats {
    /// Exports that did not reach the user's endpoint and will not.
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full + self.dropped_refused + self.dropped_at_stop
    }
}

impl ReceiverStats {
    /// The numbers of one signal.
    pub fn of(&self, signal: Signal) -> &SignalStats {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    pub(crate) fn of_mut(&mut self, signal: Signal) -> &mut SignalStats {
        match signal {
            Signal::Traces => &mut self.traces,
            Signal::Metrics => &mut self.metrics,
            Signal::Logs => &mut self.logs,
        }
    }
}

/// Numbers that several threads count.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<ReceiverStats>);

impl Counted {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ReceiverStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
