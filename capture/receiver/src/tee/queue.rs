//! What waits to be sent on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::Notify;

use super::headers::forwarded;
use crate::content::Encoding;
use crate::intake::{Compression, Transport};
use crate::signal::Signal;
use crate::stats::{Counted, SignalStats};

/// An export as it came.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) transport: Transport,
    pub(crate) body: Bytes,
    pub(crate) compression: Compression,
    pub(crate) headers: HeaderMap,
}

/// What an export takes beside its body and headers.
const ITEM_BYTES: usize = 256;

impl Item {
    /// Memory it takes.
    pub(crate) fn n_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        ITEM_BYTES + self.body.len() + headers.sum::<usize>()
    }
}

/// Exports of one signal, first in, first out.
pub(crate) struct Queue {
    signal: Signal,
    limit_bytes: usize,
    counted: Arc<Counted>,
    items: Mutex<VecDeque<Item>>,
    arrived: Notify,
    /// Told when there is no time left to wait between attempts.
    pub(super) hurry: Notify,
}

impl Queue {
    pub(crate) fn new(signal: Signal, limit_bytes: usize, counted: Arc<Counted>) -> Self {
        Self {
            signal,
            limit_bytes,
            counted,
            items: Mutex::default(),
            arrived: Notify::new(),
            hurry: Notify::new(),
        }
    }

    /// Takes an export, or drops and counts it when there is no room.
    pub(crate) fn push(&self, item: Item) {
        // A body may be a part of a longer buffer: only what is sent on is kept.
        let headers = forwarded(&item.headers);
        let item = Item { headers, ..item };
        let n_bytes = item.n_bytes() as u64;
        {
            let mut counted = self.counted.lock();
            let counted = counted.of_mut(self.signal);
            if counted.queued_bytes + n_bytes > self.limit_bytes as u64 {
                counted.dropped_queue_full += 1;
                return;
            }
            counted.queued += 1;
            counted.queued_bytes += n_bytes;
        }
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push_back(item);
        self.arrived.notify_one();
    }

    /// The export that came first; waits for one.
    pub(super) async fn pop(&self) -> Item {
        loop {
            let item = self.items.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(item) = item {
                return item;
            }
            self.arrived.notified().await;
        }
    }

    /// Counts what became of an export that was popped.
    pub(super) fn done(&self, item: &Item, count: impl FnOnce(&mut SignalStats)) {
        let mut counted = self.counted.lock();
        let counted = counted.of_mut(self.signal);
        counted.queued -= 1;
        counted.queued_bytes -= item.n_bytes() as u64;
        count(counted);
    }

    /// Counts something about an export that stays queued.
    pub(super) fn count(&self, count: impl FnOnce(&mut SignalStats)) {
        count(self.counted.lock().of_mut(self.signal));
    }

    /// Whether everything was sent on or dropped.
    pub(crate) fn is_empty(&self) -> bool {
        self.counted.lock().of(self.signal).queued == 0
    }

    /// Lets the workers try again at once, and from then on without long waits.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_waiters();
    }

    /// Counts what is left as dropped.
    pub(crate) fn abandon(&self) {
        let mut counted = self.counted.lock();
        let counted = counted.of_mut(self.signal);
        counted.dropped_at_stop += counted.queued;
        counted.queued = 0;
        counted.queued_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(n_bytes: usize) -> Item {
        Item {
            signal: Signal::Logs,
            encoding: Encoding::Protobuf,
            transport: Transport::Http,
            body: Bytes::from(vec![0; n_bytes]),
            compression: Compression::Identity,
            headers: HeaderMap::new(),
        }
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_counts_it() {
        let counted = Arc::new(Counted::default());
        let queue = Queue::new(Signal::Logs, 1000 + 2 * ITEM_BYTES, Arc::clone(&counted));
        queue.push(item(600));
        queue.push(item(401));
        queue.push(item(400));
        let stats = counted.lock().logs.clone();
        assert_eq!((stats.queued, stats.dropped_queue_full), (2, 1));
        assert_eq!(stats.queued_bytes, 1000 + 2 * ITEM_BYTES as u64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let first = runtime.block_on(queue.pop());
        assert_eq!(first.body.len(), 600);
        queue.done(&first, |counted| counted.forwarded += 1);
        queue.push(item(600));
        queue.abandon();
        let stats = counted.lock().logs.clone();
        assert_eq!((stats.forwarded, stats.queued, stats.dropped_at_stop), (1, 0, 2));
        assert_eq!(stats.dropped(), 3);
    }
}
