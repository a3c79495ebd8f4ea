//! Layouts of user-defined records, remembered without allocating.
//!
//! Each completed buffer comes with a description of its records that lives only as long as the
//! callback. It changes only when the selection of fields changes, so a few layouts are kept in
//! place and a buffer carries the number of its own.
#![expect(unsafe_code, reason = "reads structures of a C library, and fills slots in place")]

use std::cell::UnsafeCell;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use cupti_sys::{
    ActivityKind, BufferCompleteInfo, FieldLayoutEntry, MAX_RECORD_BYTES, RecordLayout,
};

use crate::layout::{Layouts, SelectedField};
use crate::strides::N_KINDS;

/// Layouts kept: one for each selection of fields in the life of a process, and some to spare.
const N_LAYOUTS: usize = 8;

/// More fields than any record has.
const MAX_FIELDS: usize = 96;

const EMPTY: u8 = 0;
const FILLING: u8 = 1;
const READY: u8 = 2;

/// The number of a remembered layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayoutId(u8);

/// A place for the layouts of user-defined records; make it a `static`.
#[derive(Debug)]
pub struct LayoutTable {
    entries: [Entry; N_LAYOUTS],
}

#[derive(Debug)]
struct Entry {
    state: AtomicU8,
    fingerprint: AtomicU64,
    layouts: UnsafeCell<Layouts>,
}

// SAFETY: `layouts` is written by whoever moved `state` from EMPTY to FILLING, and read only once
// `state` is READY, which it stays.
unsafe impl Sync for LayoutTable {}

impl LayoutTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            entries: [const {
                Entry {
                    state: AtomicU8::new(EMPTY),
                    fingerprint: AtomicU64::new(0),
                    layouts: UnsafeCell::new(Layouts::empty()),
                }
            }; N_LAYOUTS],
        }
    }

    /// The layout of that number.
    pub fn layouts(&self, id: LayoutId) -> Option<&Layouts> {
        let entry = self.entries.get(usize::from(id.0))?;
        if entry.state.load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: READY is final, so nobody writes any more.
        Some(unsafe { &*entry.layouts.get() })
    }

    /// Finds or stores the layouts that `info` describes. `None` when it describes none, or when
    /// there were more different ones than there is room for.
    ///
    /// # Safety
    /// `info` and everything it points to is readable.
    pub(crate) unsafe fn remember(&self, info: &BufferCompleteInfo) -> Option<LayoutId> {
        if info.record_layouts.is_null() || info.n_record_layouts == 0 {
            return None;
        }
        let n = info.n_record_layouts.min(N_KINDS);
        // SAFETY: the caller vouches for the array of pointers.
        let by_kind = unsafe { slice::from_raw_parts(info.record_layouts, n) };
        // SAFETY: and for what they point to.
        let fingerprint = unsafe { fingerprint_of(by_kind) };
        for (id, entry) in (0..).zip(&self.entries) {
            loop {
                match entry.state.load(Ordering::Acquire) {
                    READY if entry.fingerprint.load(Ordering::Relaxed) == fingerprint => {
                        return Some(LayoutId(id));
                    }
                    EMPTY => {
                        let claimed = entry.state.compare_exchange(
                            EMPTY,
                            FILLING,
                            Ordering::Acquire,
                            Ordering::Acquire,
                        );
                        if claimed.is_err() {
                            continue;
                        }
                        entry.fingerprint.store(fingerprint, Ordering::Relaxed);
                        // SAFETY: this thread alone moved the state to FILLING.
                        let layouts = unsafe { &mut *entry.layouts.get() };
                        // SAFETY: the caller vouches for what the array points to.
                        unsafe { fill(layouts, by_kind) };
                        entry.state.store(READY, Ordering::Release);
                        return Some(LayoutId(id));
                    }
                    // Another layout, or one being filled by another thread right now: rather
                    // than wait inside a callback, the next entry is taken.
                    _ => break,
                }
            }
        }
        None
    }
}

impl Default for LayoutTable {
    fn default() -> Self {
        Self::new()
    }
}

/// # Safety
/// `layout` is null or points to a filled-in structure.
unsafe fn read<'a>(layout: *mut RecordLayout) -> Option<(u16, &'a [FieldLayoutEntry])> {
    if layout.is_null() {
        return None;
    }
    // SAFETY: not null, so the caller vouches for it.
    let layout = unsafe { &*layout };
    if layout.struct_size < size_of::<RecordLayout>()
        || layout.entries.is_null()
        || layout.record_size > MAX_RECORD_BYTES
    {
        return None;
    }
    // SAFETY: the caller vouches for the array. A newer library with longer entries would be
    // misread here, so the stride of the first is checked by `fields`.
    let entries = unsafe { slice::from_raw_parts(layout.entries, layout.n_fields.min(MAX_FIELDS)) };
    let same_length =
        entries.iter().all(|entry| entry.struct_size == size_of::<FieldLayoutEntry>());
    same_length.then_some((layout.record_size as u16, entries))
}

/// # Safety
/// As [`read`], for each pointer.
unsafe fn fingerprint_of(by_kind: &[*mut RecordLayout]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |value: u64| hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    for (kind, layout) in by_kind.iter().enumerate() {
        // SAFETY: the caller vouches for each pointer.
        let Some((bytes, entries)) = (unsafe { read(*layout) }) else { continue };
        mix(kind as u64);
        mix(u64::from(bytes));
        for entry in entries {
            mix(entry.field_id as u64);
            mix(entry.offset as u64);
            mix(entry.size as u64);
        }
    }
    hash
}

/// # Safety
/// As [`read`], for each pointer.
unsafe fn fill(layouts: &mut Layouts, by_kind: &[*mut RecordLayout]) {
    for (kind, layout) in by_kind.iter().enumerate() {
        // SAFETY: the caller vouches for each pointer.
        let Some((bytes, entries)) = (unsafe { read(*layout) }) else { continue };
        let mut fields = [SelectedField { id: -1, offset: 0, size: 0 }; MAX_FIELDS];
        for (field, entry) in fields.iter_mut().zip(entries) {
            *field = SelectedField { id: entry.field_id, offset: entry.offset, size: entry.size };
        }
        layouts.add_selected(ActivityKind(kind as u32), bytes, &fields[..entries.len()]);
    }
}
