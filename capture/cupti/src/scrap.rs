//! Memory of last resort, for when the pool is empty.
//!
//! Refusing a buffer may crash libraries before API version 27, so they get scrap: small static
//! buffers whose records are counted and thrown away. While there are some left, each is lent to
//! one request at a time and what is in it can be counted. After that, all requests share one more
//! buffer that nobody may read.
#![expect(unsafe_code, reason = "lends static memory to a C library")]

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::buffer::BufferGrant;

const N_SCRAPS: usize = 16;
const SCRAP_BYTES: usize = 64 * 1024;

#[repr(C, align(64))]
#[derive(Debug)]
struct Memory([[u8; SCRAP_BYTES]; N_SCRAPS + 1]);

/// A pool of scrap buffers; make it a `static`. Takes no memory until it is used.
#[derive(Debug)]
pub struct ScrapPool {
    lent: AtomicU32,
    memory: UnsafeCell<Memory>,
}

/// What a completed buffer is to a [`ScrapPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapKind {
    /// Lent to one request: its records can be counted, then it must be [given
    /// back](ScrapPool::give_back).
    Own,
    /// The shared one: only its length is known. Not given back.
    Shared,
}

// SAFETY: the memory is only ever handed out as raw addresses. The library alone writes an own
// scrap between request and completion, and this crate never reads the shared one.
unsafe impl Sync for ScrapPool {}

impl ScrapPool {
    /// A full pool.
    pub const fn new() -> Self {
        Self {
            lent: AtomicU32::new(0),
            memory: UnsafeCell::new(Memory([[0; SCRAP_BYTES]; N_SCRAPS + 1])),
        }
    }

    /// Lends a scrap buffer to one request; `None` when all are lent.
    pub fn lend(&'static self) -> Option<BufferGrant> {
        loop {
            let lent = self.lent.load(Ordering::Acquire);
            let index = (!lent).trailing_zeros() as usize;
            if index >= N_SCRAPS {
                return None;
            }
            let taken = self.lent.compare_exchange_weak(
                lent,
                lent | 1 << index,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                return self.grant(index);
            }
        }
    }

    /// The shared buffer. Several requests may hold it at once and overwrite each other.
    pub fn share(&'static self) -> Option<BufferGrant> {
        self.grant(N_SCRAPS)
    }

    /// What `address` is to this pool, if it is from it.
    pub fn kind_of(&self, address: NonNull<u8>) -> Option<ScrapKind> {
        let index = self.index_of(address)?;
        Some(if index < N_SCRAPS { ScrapKind::Own } else { ScrapKind::Shared })
    }

    /// Takes an own scrap buffer back.
    pub fn give_back(&self, address: NonNull<u8>) {
        if let Some(index) = self.index_of(address)
            && index < N_SCRAPS
        {
            self.lent.fetch_and(!(1 << index), Ordering::AcqRel);
        }
    }

    fn index_of(&self, address: NonNull<u8>) -> Option<usize> {
        let offset = (address.as_ptr() as usize).checked_sub(self.memory.get() as usize)?;
        (offset < size_of::<Memory>() && offset.is_multiple_of(SCRAP_BYTES))
            .then_some(offset / SCRAP_BYTES)
    }

    fn grant(&'static self, index: usize) -> Option<BufferGrant> {
        let address = self.memory.get().cast::<u8>().wrapping_add(index * SCRAP_BYTES);
        // SAFETY: the pool is static, so the memory lives for ever; an own scrap is lent to one
        // request at a time, and the shared one is never read.
        unsafe { BufferGrant::new(NonNull::new(address)?, SCRAP_BYTES) }
    }
}

impl Default for ScrapPool {
    fn default() -> Self {
        Self::new()
    }
}
