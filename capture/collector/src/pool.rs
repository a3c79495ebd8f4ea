//! Activity buffers: made ready in advance, lent and taken back without a lock.
//!
//! Each of at most 64 buffers is one bit in two words, "free" and "filled". A request takes a free
//! bit; a completion writes down what came back and sets a filled bit; the writer takes all filled
//! bits at once. Records that find no buffer go to scrap, which the writer counts and throws away,
//! or are refused where the library can bear that and counts them itself.
#![expect(unsafe_code, reason = "lends memory to a C library")]

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use cupti_sys::MAX_RECORD_BYTES;
use underspan_cupti::{BufferGrant, CompletedBuffer, ScrapKind, ScrapPool};

/// Buffers a pool can have.
pub const MAX_BUFFERS: usize = 64;
const N_SCRAPS: usize = 16;

/// What came back in one buffer.
type Returned = UnsafeCell<Option<CompletedBuffer>>;

/// The pool. Make it a `static`; it takes no memory before [`BufferPool::prepare`].
#[derive(Debug)]
pub struct BufferPool {
    base: AtomicPtr<u8>,
    buffer_bytes: AtomicUsize,
    n_buffers: AtomicUsize,
    max_buffers: AtomicUsize,
    free: AtomicU64,
    filled: AtomicU64,
    returned: [Returned; MAX_BUFFERS],
    scrap: &'static ScrapPool,
    scrap_places: AtomicU64,
    filled_scraps: AtomicU64,
    returned_scraps: [Returned; N_SCRAPS],
    may_refuse: AtomicBool,
    counts: PoolCounts,
}

/// What happened to buffers, counted since the start.
#[derive(Debug, Default)]
pub struct PoolCounts {
    /// Buffers lent.
    pub requests: AtomicU64,
    /// Buffers taken back.
    pub completions: AtomicU64,
    /// Requests that found no buffer.
    pub starved_requests: AtomicU64,
    /// Records that went into the scrap buffer that nobody may read: known to be one each.
    pub unread_records: AtomicU64,
    /// Buffers that came back and are not this pool's.
    pub foreign_buffers: AtomicU64,
}

// SAFETY: a `returned` cell is written by the thread that completes its buffer, before it sets the
// filled bit with release ordering, and read by the writer after it took that bit with acquire
// ordering; a buffer is completed once for each time it is lent.
unsafe impl Sync for BufferPool {}

impl BufferPool {
    /// An empty pool that throws away into `scrap`.
    pub const fn new(scrap: &'static ScrapPool) -> Self {
        Self {
            base: AtomicPtr::new(ptr::null_mut()),
            buffer_bytes: AtomicUsize::new(0),
            n_buffers: AtomicUsize::new(0),
            max_buffers: AtomicUsize::new(0),
            free: AtomicU64::new(0),
            filled: AtomicU64::new(0),
            returned: [const { UnsafeCell::new(None) }; MAX_BUFFERS],
            scrap,
            scrap_places: AtomicU64::new(0),
            filled_scraps: AtomicU64::new(0),
            returned_scraps: [const { UnsafeCell::new(None) }; N_SCRAPS],
            may_refuse: AtomicBool::new(false),
            counts: PoolCounts {
                requests: AtomicU64::new(0),
                completions: AtomicU64::new(0),
                starved_requests: AtomicU64::new(0),
                unread_records: AtomicU64::new(0),
                foreign_buffers: AtomicU64::new(0),
            },
        }
    }

    /// Reserves addresses for `max_buffers` and makes `n_buffers` ready. Only the first call
    /// counts. Answers whether there is memory.
    pub fn prepare(&self, buffer_bytes: usize, n_buffers: usize, max_buffers: usize) -> bool {
        if !self.base.load(Ordering::Acquire).is_null() {
            return true;
        }
        let max_buffers = max_buffers.clamp(1, MAX_BUFFERS);
        // SAFETY: a new private mapping; nothing is at stake.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                buffer_bytes * max_buffers,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return false;
        }
        self.buffer_bytes.store(buffer_bytes, Ordering::Relaxed);
        self.max_buffers.store(max_buffers, Ordering::Relaxed);
        self.base.store(base.cast(), Ordering::Release);
        for _ in 0..n_buffers.min(max_buffers) {
            self.grow();
        }
        true
    }

    /// Makes one more buffer ready, unless the limit is reached. For the writer's thread.
    pub fn grow(&self) -> bool {
        let index = self.n_buffers.load(Ordering::Relaxed);
        if index >= self.max_buffers.load(Ordering::Relaxed) {
            return false;
        }
        // Touched here, so that no launching thread pays for page faults.
        self.clear(index, self.buffer_bytes.load(Ordering::Relaxed));
        self.n_buffers.store(index + 1, Ordering::Relaxed);
        self.free.fetch_or(1 << index, Ordering::Release);
        true
    }

    /// Whether the library can bear to be refused a buffer, and counts what it drops then.
    pub fn set_may_refuse(&self, may_refuse: bool) {
        self.may_refuse.store(may_refuse, Ordering::Relaxed);
    }

    /// Lends a buffer. No allocation, no lock, no system call.
    #[inline]
    pub fn request(&'static self) -> Option<BufferGrant> {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let free = self.free.load(Ordering::Acquire);
            if free == 0 {
                return self.request_scrap();
            }
            let index = free.trailing_zeros() as usize;
            let rest = free & !(1 << index);
            let taken =
                self.free.compare_exchange_weak(free, rest, Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() {
                let address = NonNull::new(self.address(index))?;
                let bytes = self.buffer_bytes.load(Ordering::Relaxed);
                // SAFETY: the mapping is never undone, and the bit makes this the only loan.
                return unsafe { BufferGrant::new(address, bytes) };
            }
        }
    }

    #[cold]
    fn request_scrap(&'static self) -> Option<BufferGrant> {
        self.counts.starved_requests.fetch_add(1, Ordering::Relaxed);
        if self.may_refuse.load(Ordering::Relaxed) {
            return None;
        }
        // One record at a time in the shared one, so that they can be counted unread.
        self.scrap.lend().or_else(|| {
            let shared = self.scrap.share()?;
            clear_head(shared.address());
            Some(shared.at_most(1))
        })
    }

    /// Takes a buffer back. No allocation, no lock, no system call.
    #[inline]
    pub fn complete(&'static self, buffer: CompletedBuffer) {
        self.counts.completions.fetch_add(1, Ordering::Relaxed);
        if let Some(index) = self.index_of(buffer.address()) {
            // SAFETY: see the type's `Sync`.
            unsafe { *self.returned[index].get() = Some(buffer) };
            self.filled.fetch_or(1 << index, Ordering::Release);
        } else {
            self.complete_scrap(buffer);
        }
    }

    #[cold]
    fn complete_scrap(&'static self, buffer: CompletedBuffer) {
        match self.scrap.kind_of(buffer.address()) {
            Some(ScrapKind::Own) => {
                // Scraps are few: the first place that is not taken is this one's.
                for (index, cell) in self.returned_scraps.iter().enumerate() {
                    let bit = 1 << index;
                    if self.scrap_places.fetch_or(bit, Ordering::AcqRel) & bit == 0 {
                        // SAFETY: the bit makes this the only writer of the cell.
                        unsafe { *cell.get() = Some(buffer) };
                        self.filled_scraps.fetch_or(bit, Ordering::Release);
                        return;
                    }
                }
            }
            Some(ScrapKind::Shared) => {
                clear_head(buffer.address());
                let n = u64::from(buffer.valid_bytes() > 0);
                self.counts.unread_records.fetch_add(n, Ordering::Relaxed);
            }
            None => {
                self.counts.foreign_buffers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands up to `limit` filled buffers, and all filled scraps, to `read` and makes them ready
    /// again; answers how many there were. For the writer's thread. `read` is told whether what is
    /// in the buffer must be thrown away.
    pub fn drain(
        &'static self,
        limit: usize,
        mut read: impl FnMut(&CompletedBuffer, bool),
    ) -> usize {
        let filled = self.filled.load(Ordering::Acquire);
        let mut n_buffers = 0;
        for index in bits(filled).take(limit) {
            self.filled.fetch_and(!(1 << index), Ordering::AcqRel);
            // SAFETY: see the type's `Sync`.
            if let Some(buffer) = unsafe { (*self.returned[index].get()).take() } {
                read(&buffer, false);
                // A record behind the stated end may have been begun.
                let dirty = if buffer.is_overfull() {
                    buffer.capacity_bytes()
                } else {
                    buffer.valid_bytes() + MAX_RECORD_BYTES
                };
                self.clear(index, dirty);
            }
            self.free.fetch_or(1 << index, Ordering::Release);
            n_buffers += 1;
        }
        let filled_scraps = self.filled_scraps.swap(0, Ordering::AcqRel);
        for index in bits(filled_scraps) {
            // SAFETY: as above.
            if let Some(buffer) = unsafe { (*self.returned_scraps[index].get()).take() } {
                read(&buffer, true);
                self.clear_scrap(&buffer);
                self.scrap.give_back(buffer.address());
            }
            self.scrap_places.fetch_and(!(1 << index), Ordering::AcqRel);
        }
        n_buffers + filled_scraps.count_ones() as usize
    }

    /// Whether fewer than a quarter of the buffers are free.
    pub fn is_low(&self) -> bool {
        let n_free = self.free.load(Ordering::Relaxed).count_ones() as usize;
        n_free * 4 < self.n_buffers.load(Ordering::Relaxed)
    }

    /// Buffers that were made ready.
    pub fn n_buffers(&self) -> usize {
        self.n_buffers.load(Ordering::Relaxed)
    }

    /// Buffers that are neither free nor waiting for the writer, and have records in them: one bit
    /// each. The library writes into them meanwhile.
    pub fn lent_with_records(&self) -> u64 {
        let n_buffers = self.n_buffers.load(Ordering::Relaxed);
        let known = if n_buffers >= 64 { u64::MAX } else { (1 << n_buffers) - 1 };
        let filled = self.filled.load(Ordering::Acquire);
        let lent = known & !self.free.load(Ordering::Acquire) & !filled;
        let has_records = |index: &usize| {
            let head = self.address(*index).cast::<u64>();
            // SAFETY: mapped and aligned; written by others meanwhile, hence atomically read.
            unsafe { AtomicU64::from_ptr(head) }.load(Ordering::Relaxed) != 0
        };
        bits(lent).filter(has_records).fold(0, |mask, index| mask | 1 << index)
    }

    /// The counts.
    pub fn counts(&self) -> &PoolCounts {
        &self.counts
    }

    fn address(&self, index: usize) -> *mut u8 {
        let offset = index * self.buffer_bytes.load(Ordering::Relaxed);
        self.base.load(Ordering::Acquire).wrapping_add(offset)
    }

    fn index_of(&self, address: NonNull<u8>) -> Option<usize> {
        let base = self.base.load(Ordering::Acquire) as usize;
        let bytes = self.buffer_bytes.load(Ordering::Relaxed);
        let offset = (address.as_ptr() as usize).checked_sub(base)?;
        let index = offset.checked_div(bytes)?;
        (index < self.n_buffers.load(Ordering::Relaxed) && offset.is_multiple_of(bytes))
            .then_some(index)
    }

    fn clear(&self, index: usize, n_bytes: usize) {
        let n_bytes = n_bytes.min(self.buffer_bytes.load(Ordering::Relaxed));
        // SAFETY: the buffer is mapped, of at least this length, and not lent.
        unsafe { slice::from_raw_parts_mut(self.address(index), n_bytes) }.fill(0);
    }

    fn clear_scrap(&self, buffer: &CompletedBuffer) {
        // SAFETY: the scrap was given up by the library and is not yet given back to the pool.
        let bytes = unsafe {
            slice::from_raw_parts_mut(buffer.address().as_ptr(), buffer.capacity_bytes())
        };
        bytes.fill(0);
    }
}

/// Clears what one record can have left in the shared scrap, since buffers are promised to be zero.
fn clear_head(shared: NonNull<u8>) {
    // SAFETY: the scrap is static and longer than a record. Several threads may write there at
    // once, but nobody reads what is written.
    unsafe { ptr::write_bytes(shared.as_ptr(), 0, MAX_RECORD_BYTES) };
}

fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (index < 64).then_some(index)
    })
}
