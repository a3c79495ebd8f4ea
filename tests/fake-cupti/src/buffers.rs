//! Buffers between the caller's two callbacks.
//!
//! A record goes into the open buffer of its thread, or of the process when buffers are not per
//! thread. A full buffer is closed and comes back when all its records are complete: in the order,
//! and on the thread, that the script says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use cupti_sys::{
    ActivityKind, BufferCompleteInfo, BufferRequestInfo, FieldLayoutEntry, RecordLayout,
};

use crate::clock::thread_id;
use crate::faults::{Delivery, Faults, Order};
use crate::script::WORKER_NAP;
use crate::state::{IN_BUFFER_CALLBACK, N_KINDS, Registrant, State, state};

/// How much of a granted buffer is checked to be zero when the caller promised so.
const ZERO_CHECK_BYTES: usize = 4096;

/// A buffer that was granted.
#[derive(Debug)]
struct Buffer {
    address: NonNull<u8>,
    capacity: usize,
    max_records: usize,
    used: usize,
    n_records: usize,
    n_pending: usize,
    number: u64,
    thread: u64,
}

// SAFETY: the memory belongs to the double until it is completed.
unsafe impl Send for Buffer {}

impl Buffer {
    fn fits(&self, bytes: usize) -> bool {
        self.used + bytes <= self.capacity
            && (self.max_records == 0 || self.n_records < self.max_records)
    }
}

/// The open buffer of one thread, or of all.
#[derive(Debug, Default)]
struct Lane {
    open: Mutex<Option<Buffer>>,
}

#[derive(Debug, Default)]
struct Closed {
    buffers: VecDeque<Buffer>,
    delivery: Delivery,
    order: Order,
    overfull_bytes: usize,
    truncate_bytes: usize,
}

/// All buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    shared: Lane,
    lanes: Mutex<Vec<Arc<Lane>>>,
    closed: Mutex<Closed>,
    closed_changed: Condvar,
    /// Held while a buffer is handed back, so that a flush returns after all hand-backs.
    handing_back: Mutex<()>,
    next_number: AtomicU64,
    worker: OnceLock<()>,
}

thread_local! {
    static LANE: RefCell<Option<Arc<Lane>>> = const { RefCell::new(None) };
}

/// Where a record of running work lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    buffer: u64,
    offset: usize,
}

impl Pending {
    /// As one number, and back.
    pub(crate) fn to_handle(self) -> u64 {
        self.buffer << 32 | self.offset as u64
    }

    pub(crate) fn from_handle(handle: u64) -> Self {
        Self { buffer: handle >> 32, offset: (handle & 0xffff_ffff) as usize }
    }
}

impl Buffers {
    /// Takes over what the script says about buffers.
    pub(crate) fn configure(&self, faults: &Faults) {
        let mut closed = lock(&self.closed);
        closed.delivery = faults.delivery;
        closed.order = faults.order;
        closed.overfull_bytes = faults.overfull_bytes;
        closed.truncate_bytes = faults.truncate_bytes;
    }

    /// Puts one record into the open buffer. With `pending`, the buffer is not complete before
    /// [`Self::finish`]. Answers `None` when there was no buffer for it.
    pub(crate) fn put(&self, record: &[u8], pending: bool) -> Option<Pending> {
        let state = state();
        if state.per_thread.load(Ordering::Relaxed) {
            LANE.with_borrow_mut(|lane| {
                let lane = lane.get_or_insert_with(|| {
                    let lane = Arc::new(Lane::default());
                    lock(&self.lanes).push(Arc::clone(&lane));
                    lane
                });
                self.put_in(lane, record, pending)
            })
        } else {
            self.put_in(&self.shared, record, pending)
        }
    }

    fn put_in(&self, lane: &Lane, record: &[u8], pending: bool) -> Option<Pending> {
        let mut open = lock(&lane.open);
        if let Some(buffer) = open.take_if(|buffer| !buffer.fits(record.len())) {
            self.close(buffer);
        }
        if open.is_none() {
            *open = self.request();
        }
        let buffer = open.as_mut().filter(|buffer| buffer.fits(record.len()))?;
        // SAFETY: the record fits into the rest of the granted memory, which is the double's.
        unsafe {
            let at = buffer.address.as_ptr().add(buffer.used);
            ptr::copy_nonoverlapping(record.as_ptr(), at, record.len());
        }
        let place = Pending { buffer: buffer.number, offset: buffer.used };
        buffer.used += record.len();
        buffer.n_records += 1;
        buffer.n_pending += usize::from(pending);
        Some(place)
    }

    /// Completes a record of running work: writes its end. Nothing happens when a forced flush
    /// took it away already.
    pub(crate) fn finish(&self, place: Pending, end_offset: usize, end_ns: u64) -> bool {
        let write = |buffer: &mut Buffer| {
            if buffer.number != place.buffer || place.offset + end_offset + 8 > buffer.used {
                return false;
            }
            // SAFETY: within the used part of the granted memory.
            unsafe {
                let at = buffer.address.as_ptr().add(place.offset + end_offset);
                at.cast::<u64>().write_unaligned(end_ns);
            }
            buffer.n_pending = buffer.n_pending.saturating_sub(1);
            true
        };
        for lane in self.all_lanes() {
            if lock(&lane.open).as_mut().is_some_and(write) {
                return true;
            }
        }
        if lock(&self.shared.open).as_mut().is_some_and(write) {
            return true;
        }
        let found = lock(&self.closed).buffers.iter_mut().any(write);
        self.closed_changed.notify_all();
        found
    }

    /// Hands buffers back: all that are complete, or with `forced` all.
    pub(crate) fn flush(&self, forced: bool) {
        for lane in self.all_lanes().iter().map(|lane| &**lane).chain([&self.shared]) {
            let wanted =
                |buffer: &mut Buffer| buffer.n_records > 0 && (forced || buffer.n_pending == 0);
            if let Some(buffer) = lock(&lane.open).take_if(wanted) {
                lock(&self.closed).buffers.push_back(buffer);
            }
        }
        while self.hand_back_one(forced) {}
        // A hand-back that another thread began before is over once this lock was free.
        drop(lock(&self.handing_back));
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        lock(&self.lanes).clone()
    }

    fn close(&self, buffer: Buffer) {
        let mut closed = lock(&self.closed);
        closed.buffers.push_back(buffer);
        let delivery = closed.delivery;
        drop(closed);
        match delivery {
            Delivery::Worker => {
                self.worker.get_or_init(|| {
                    std::thread::Builder::new()
                        .name("fake-cupti".to_owned())
                        .spawn(work)
                        .expect("start the library's thread");
                });
                self.closed_changed.notify_all();
            }
            Delivery::Inline => while self.hand_back_one(false) {},
            Delivery::Flush => {}
        }
    }

    /// Hands back one closed buffer, if there is one that may go.
    fn hand_back_one(&self, forced: bool) -> bool {
        let guard = lock(&self.handing_back);
        let mut closed = lock(&self.closed);
        let mut ready: Vec<usize> = (0..closed.buffers.len())
            .filter(|index| forced || closed.buffers[*index].n_pending == 0)
            .collect();
        if ready.is_empty() {
            return false;
        }
        let pick = match &mut closed.order {
            Order::Fifo => 0,
            Order::Lifo => ready.len() - 1,
            Order::Shuffle(seed) => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (*seed >> 33) as usize % ready.len()
            }
        };
        let buffer = closed.buffers.remove(ready.swap_remove(pick));
        let (overfull, truncate) = (closed.overfull_bytes, closed.truncate_bytes);
        drop(closed);
        let Some(buffer) = buffer else { return false };
        let claimed = if overfull > 0 {
            buffer.capacity + overfull
        } else {
            buffer.used.saturating_sub(truncate)
        };
        hand_back(state(), &buffer, claimed);
        drop(guard);
        true
    }

    /// Asks the caller for a buffer.
    fn request(&self) -> Option<Buffer> {
        let state = state();
        let registrant = state.settings().registrant;
        let mut address = ptr::null_mut();
        let (mut capacity, mut max_records) = (0, 0);
        IN_BUFFER_CALLBACK.set(true);
        match registrant {
            // SAFETY: the caller registered a function of this type; the pointers are writable.
            Registrant::V1(requested, _) => unsafe {
                requested(&raw mut address, &raw mut capacity, &raw mut max_records);
            },
            Registrant::V2(requested, _) => {
                let mut info = BufferRequestInfo { struct_size: size_of::<BufferRequestInfo>() };
                // SAFETY: as above.
                unsafe {
                    requested(
                        &raw mut address,
                        &raw mut capacity,
                        &raw mut max_records,
                        &raw mut info,
                    );
                }
            }
            Registrant::Other => {
                capacity = 1 << 20;
                address =
                    Box::leak(vec![0_u64; capacity / 8].into_boxed_slice()).as_mut_ptr().cast();
            }
            Registrant::Nobody => {}
        }
        IN_BUFFER_CALLBACK.set(false);
        let Some(address) = NonNull::new(address) else {
            if !matches!(registrant, Registrant::Nobody) && !state.profile.survives_refusal() {
                state.violation(format!(
                    "refused a buffer, which API version {} does not survive",
                    state.profile.api_version
                ));
            }
            return None;
        };
        self.check(state, address, capacity);
        Some(Buffer {
            address,
            capacity,
            max_records,
            used: 0,
            n_records: 0,
            n_pending: 0,
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            thread: thread_id(),
        })
    }

    fn check(&self, state: &State, address: NonNull<u8>, capacity: usize) {
        if !(address.as_ptr() as usize).is_multiple_of(8) {
            state.violation("granted a buffer that is not aligned to 8 bytes".to_owned());
        }
        if state.zeroed.load(Ordering::Relaxed) {
            // SAFETY: the caller granted this memory.
            let head = unsafe {
                std::slice::from_raw_parts(address.as_ptr(), capacity.min(ZERO_CHECK_BYTES))
            };
            if head.iter().any(|byte| *byte != 0) {
                state.violation("granted a buffer that is not zero, after promising so".to_owned());
            }
        }
    }
}

/// The library's thread.
fn work() {
    let buffers = &state().buffers;
    loop {
        while lock(&buffers.closed).delivery == Delivery::Worker && buffers.hand_back_one(false) {}
        let closed = lock(&buffers.closed);
        drop(buffers.closed_changed.wait_timeout(closed, WORKER_NAP));
    }
}

fn hand_back(state: &State, buffer: &Buffer, claimed: usize) {
    let registrant = state.settings().registrant;
    let (n_records, address) = (buffer.n_records as u64, buffer.address.as_ptr());
    match registrant {
        Registrant::V1(_, completed) => {
            // Before the callback: whoever counts in it finds the sums right already.
            state.delivered.fetch_add(n_records, Ordering::AcqRel);
            IN_BUFFER_CALLBACK.set(true);
            // SAFETY: the caller registered a function of this type and granted this memory.
            unsafe { completed(ptr::null_mut(), 0, address, buffer.capacity, claimed) };
            IN_BUFFER_CALLBACK.set(false);
        }
        Registrant::V2(_, completed) => {
            state.delivered.fetch_add(n_records, Ordering::AcqRel);
            let layouts = Layouts::of(state);
            let mut pointers = layouts.pointers();
            let describes = state.profile.toolkit.at_least(cupti_sys::CUDA_13_3);
            let mut info = BufferCompleteInfo {
                struct_size: size_of::<BufferCompleteInfo>(),
                thread_id: buffer.thread,
                record_layouts: if describes { pointers.as_mut_ptr() } else { ptr::null_mut() },
                n_record_layouts: if describes { pointers.len() } else { 0 },
            };
            IN_BUFFER_CALLBACK.set(true);
            // SAFETY: as above; the description lives until the call returns, and no longer.
            unsafe { completed(address, buffer.capacity, claimed, &raw mut info) };
            IN_BUFFER_CALLBACK.set(false);
        }
        // The other profiler keeps what it gets, even a buffer that it did not grant.
        Registrant::Other => {
            state.stolen.fetch_add(n_records, Ordering::AcqRel);
        }
        Registrant::Nobody => {
            state.dropped.fetch_add(n_records, Ordering::AcqRel);
            state.dropped_unread.fetch_add(n_records, Ordering::AcqRel);
        }
    }
}

/// Descriptions of all selected kinds, alive for one callback.
struct Layouts {
    by_kind: Vec<Option<(RecordLayout, Vec<FieldLayoutEntry>)>>,
}

impl Layouts {
    fn of(state: &State) -> Self {
        let settings = state.settings();
        let by_kind = (0..N_KINDS as u32)
            .map(|kind| settings.selections.get(&ActivityKind(kind).0).map(|s| s.describe()))
            .collect();
        Self { by_kind }
    }

    fn pointers(&self) -> Vec<*mut RecordLayout> {
        self.by_kind
            .iter()
            .map(|layout| {
                layout
                    .as_ref()
                    .map_or(ptr::null_mut(), |(layout, _)| ptr::from_ref(layout).cast_mut())
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
