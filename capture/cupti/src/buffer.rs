//! Buffers on their way to the library and back.
//!
//! The library asks for a buffer on a thread of the application, in the middle of a launch, and
//! gives it back from one of its own. Both callbacks end in a [`BufferSink`], chosen at compile
//! time: nothing on the way allocates, locks, or looks anything up.
#![expect(unsafe_code, reason = "callbacks from a C library")]

use std::ffi::c_void;
use std::panic::catch_unwind;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use cupti_sys::{BufferCompleteInfo, BufferRequestInfo};

use crate::layout_table::{LayoutId, LayoutTable};

/// Memory handed to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferGrant {
    address: NonNull<u8>,
    bytes: usize,
    max_records: usize,
}

impl BufferGrant {
    /// Alignment that the library needs.
    pub const ALIGN: usize = 8;

    /// Grants `bytes` bytes at `address`, or nothing when they are not aligned.
    ///
    /// # Safety
    /// The memory is writable, and nobody else touches it until it comes back through
    /// [`BufferSink::completed`].
    pub unsafe fn new(address: NonNull<u8>, bytes: usize) -> Option<Self> {
        (address.as_ptr() as usize).is_multiple_of(Self::ALIGN).then_some(Self {
            address,
            bytes,
            max_records: 0,
        })
    }

    /// Limits how many records the library puts in.
    pub fn at_most(mut self, n_records: usize) -> Self {
        self.max_records = n_records;
        self
    }

    /// Where the memory begins.
    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Its length.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Memory that the library gives back, with records in it.
#[derive(Debug)]
pub struct CompletedBuffer {
    address: NonNull<u8>,
    capacity_bytes: usize,
    valid_bytes: usize,
    stream_id: u32,
    thread_id: u64,
    layout: Option<LayoutId>,
}

// SAFETY: the library has given the memory up, so it belongs to whoever holds this.
unsafe impl Send for CompletedBuffer {}

impl CompletedBuffer {
    /// Where the memory begins: the granted address.
    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Length of the memory as granted.
    pub fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// Bytes of records, never more than the capacity.
    pub fn valid_bytes(&self) -> usize {
        self.valid_bytes.min(self.capacity_bytes)
    }

    /// Whether the library claims to have filled more than there is.
    pub fn is_overfull(&self) -> bool {
        self.valid_bytes > self.capacity_bytes
    }

    /// The stream, when buffers are per stream; otherwise 0.
    pub fn stream_id(&self) -> u32 {
        self.stream_id
    }

    /// The thread whose buffer this was, where the library tells; otherwise 0.
    pub fn thread_id(&self) -> u64 {
        self.thread_id
    }

    /// How to read user-defined records in it.
    pub fn layout(&self) -> Option<LayoutId> {
        self.layout
    }

    /// The records.
    ///
    /// # Safety
    /// The memory that was granted is still there.
    pub unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: the library filled this much of the granted memory and gave it up; the caller
        // vouches that it was not freed.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.valid_bytes()) }
    }
}

/// Where buffers come from and go to.
///
/// Both functions run inside the library: they must not block, allocate, lock, log, or call CUPTI.
/// A panic in them is caught and counted, see [`callback_panics`].
pub trait BufferSink: 'static {
    /// Gives a buffer, or `None` to have the library drop records. Libraries before API version 27
    /// may crash on `None`; a [`ScrapPool`](crate::ScrapPool) is for them.
    fn requested() -> Option<BufferGrant>;

    /// Takes a buffer back.
    fn completed(buffer: CompletedBuffer);

    /// Where layouts of user-defined records are kept; needed by that backend only.
    fn layout_table() -> Option<&'static LayoutTable> {
        None
    }
}

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics caught in callbacks since the process started. Anything but 0 is a bug in a sink.
pub fn callback_panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Runs `body` so that no panic reaches the C library.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Option<T> + std::panic::UnwindSafe) -> Option<T> {
    catch_unwind(body).unwrap_or_else(|payload| {
        // Dropping a payload may run code that panics; there is nobody left to catch that.
        std::mem::forget(payload);
        PANICS.fetch_add(1, Ordering::Relaxed);
        None
    })
}

/// The request callback for sink `S`. C: `CUpti_BuffersCallbackRequestFunc`.
///
/// # Safety
/// The library passes three writable pointers.
pub(crate) unsafe extern "C" fn requested<S: BufferSink>(
    address: *mut *mut u8,
    bytes: *mut usize,
    max_records: *mut usize,
) {
    let grant = guarded(S::requested);
    // SAFETY: the library's pointers are writable during the call.
    unsafe {
        *address = grant.map_or(ptr::null_mut(), |grant| grant.address.as_ptr());
        *bytes = grant.map_or(0, |grant| grant.bytes);
        *max_records = grant.map_or(0, |grant| grant.max_records);
    }
}

/// The completion callback for sink `S`. C: `CUpti_BuffersCallbackCompleteFunc`.
///
/// # Safety
/// The library passes a buffer that it was granted.
pub(crate) unsafe extern "C" fn completed<S: BufferSink>(
    _context: *mut c_void,
    stream_id: u32,
    address: *mut u8,
    capacity_bytes: usize,
    valid_bytes: usize,
) {
    let Some(address) = NonNull::new(address) else { return };
    let buffer = CompletedBuffer {
        address,
        capacity_bytes,
        valid_bytes,
        stream_id,
        thread_id: 0,
        layout: None,
    };
    guarded(move || {
        S::completed(buffer);
        Some(())
    });
}

/// The request callback for sink `S` and one subscriber.
/// C: `CUpti_BuffersCallbackRequestFunc_v2`.
///
/// # Safety
/// The library passes three writable pointers.
pub(crate) unsafe extern "C" fn requested_v2<S: BufferSink>(
    address: *mut *mut u8,
    bytes: *mut usize,
    max_records: *mut usize,
    _info: *mut BufferRequestInfo,
) {
    // SAFETY: the same pointers, under the same promise.
    unsafe { requested::<S>(address, bytes, max_records) }
}

/// The completion callback for sink `S` and one subscriber.
/// C: `CUpti_BuffersCallbackCompleteFunc_v2`.
///
/// # Safety
/// The library passes a buffer that it was granted, and null or a filled-in `info`.
pub(crate) unsafe extern "C" fn completed_v2<S: BufferSink>(
    address: *mut u8,
    capacity_bytes: usize,
    valid_bytes: usize,
    info: *mut BufferCompleteInfo,
) {
    let Some(address) = NonNull::new(address) else { return };
    let info = NonNull::new(info);
    guarded(move || {
        let mut buffer = CompletedBuffer {
            address,
            capacity_bytes,
            valid_bytes,
            stream_id: 0,
            thread_id: 0,
            layout: None,
        };
        if let Some(info) = info {
            // SAFETY: the library filled `info` in and it lives during the call.
            let info = unsafe { info.as_ref() };
            if info.struct_size >= std::mem::offset_of!(BufferCompleteInfo, record_layouts) {
                buffer.thread_id = info.thread_id;
            }
            if info.struct_size >= size_of::<BufferCompleteInfo>()
                && let Some(table) = S::layout_table()
            {
                // SAFETY: as above; the layouts it points to live during the call.
                buffer.layout = unsafe { table.remember(info) };
            }
        }
        S::completed(buffer);
        Some(())
    });
}
