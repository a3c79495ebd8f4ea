//! What CUPTI calls: the two buffer callbacks and the resource callback.
//!
//! They run on threads of the application. Each takes its time and adds it to a sum, which ends up
//! in the capture.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;

use cupti_sys::ResourceCallback;
use underspan_cupti::{
    BufferGrant, BufferSink, CallbackSink, CompletedBuffer, LayoutTable, ResourceDetail,
    ResourceEvent, ScrapPool,
};

use crate::graph_nodes;
use crate::pool::BufferPool;
use crate::process::monotonic_ns;

static SCRAP: ScrapPool = ScrapPool::new();

/// The buffers of this process.
pub(crate) static POOL: BufferPool = BufferPool::new(&SCRAP);

static LAYOUTS: LayoutTable = LayoutTable::new();
static WRITER: OnceLock<Thread> = OnceLock::new();
static CALLBACK_NS: AtomicU64 = AtomicU64::new(0);
static N_CALLBACKS: AtomicU64 = AtomicU64::new(0);
/// Callbacks by the bucket of their nanoseconds.
static BY_BUCKET: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];
static MODULE_EPOCH: AtomicU64 = AtomicU64::new(0);
static IS_DEAD: AtomicBool = AtomicBool::new(false);

/// Buffers go to and come from [`POOL`].
#[derive(Debug)]
pub(crate) struct Sink;

impl BufferSink for Sink {
    #[inline]
    fn requested() -> Option<BufferGrant> {
        if is_dead() {
            return SCRAP.share();
        }
        let start_ns = monotonic_ns();
        let grant = POOL.request();
        charge(start_ns);
        grant
    }

    #[inline]
    fn completed(buffer: CompletedBuffer) {
        if is_dead() {
            return;
        }
        let start_ns = monotonic_ns();
        POOL.complete(buffer);
        // The writer looks by itself every few milliseconds; a wake-up is a system call.
        if POOL.is_low()
            && let Some(writer) = WRITER.get()
        {
            writer.unpark();
        }
        charge(start_ns);
    }

    fn layout_table() -> Option<&'static LayoutTable> {
        Some(&LAYOUTS)
    }
}

impl CallbackSink for Sink {
    fn resource(event: ResourceEvent<'_>) {
        if is_dead() {
            return;
        }
        if event.callback == ResourceCallback::MODULE_UNLOAD_STARTING {
            MODULE_EPOCH.fetch_add(1, Ordering::AcqRel);
        } else if let ResourceDetail::Graph(graph) = event.detail {
            graph_nodes::on_callback(event.callback, graph);
        }
    }
}

fn charge(start_ns: i64) {
    let spent = monotonic_ns().saturating_sub(start_ns).max(0);
    CALLBACK_NS.fetch_add(spent as u64, Ordering::Relaxed);
    N_CALLBACKS.fetch_add(1, Ordering::Relaxed);
    let bucket = bucket_of(spent as u64).min(BY_BUCKET.len() - 1);
    BY_BUCKET[bucket].fetch_add(1, Ordering::Relaxed);
}

/// Time spent in buffer callbacks, in nanoseconds, and how many there were.
pub(crate) fn callback_cost() -> (u64, u64) {
    (CALLBACK_NS.load(Ordering::Relaxed), N_CALLBACKS.load(Ordering::Relaxed))
}

/// Eight buckets for each power of two.
fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(4);
    (shift * 8) as usize + (ns >> shift) as usize
}

/// The least time above those of a bucket.
fn end_of_bucket(bucket: usize) -> u64 {
    let shift = (bucket / 8).saturating_sub(1);
    (bucket as u64 - shift as u64 * 8 + 1) << shift
}

/// A time that 99 of 100 buffer callbacks stay below, at most an eighth too long; 0 when there were
/// none.
pub(crate) fn callback_p99_ns() -> u64 {
    let counts: Vec<u64> = BY_BUCKET.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let total: u64 = counts.iter().sum();
    let mut below = 0;
    for (bucket, count) in counts.iter().enumerate() {
        below += count;
        if total > 0 && below * 100 >= total * 99 {
            return end_of_bucket(bucket);
        }
    }
    0
}

/// Grows whenever a module goes, and its kernels' names with it.
pub(crate) fn module_epoch() -> u64 {
    MODULE_EPOCH.load(Ordering::Acquire)
}

/// Names the thread to wake when buffers run low.
pub(crate) fn set_writer(thread: Thread) {
    let _ = WRITER.set(thread);
}

/// Whether this process is a forked child, in which nothing may be done.
#[inline]
pub(crate) fn is_dead() -> bool {
    IS_DEAD.load(Ordering::Relaxed)
}

/// Makes every entry do nothing from now on.
pub(crate) fn die() {
    IS_DEAD.store(true, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_below_the_end_of_their_bucket_and_not_far() {
        for ns in (0..5_000).chain([65_535, 65_536, 1_000_000, 12_345_678]) {
            let end = end_of_bucket(bucket_of(ns));
            assert!(ns < end && end <= ns + ns / 8 + 1, "{ns}: {end}");
        }
        let buckets: Vec<usize> = (0..5_000).map(bucket_of).collect();
        assert!(buckets.windows(2).all(|pair| pair[1] - pair[0] <= 1));
    }
}
