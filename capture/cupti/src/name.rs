//! Texts that records point to.
#![expect(unsafe_code, reason = "reads text at an address in a record")]

use std::slice;

/// Longest text that is read.
const MAX_NAME_BYTES: usize = 64 * 1024;

/// The text at `address`, without its NUL; `None` for address 0. Longer texts are cut.
///
/// # Safety
/// `address` comes from a record, is NUL-terminated, and what it belongs to is still there: for a
/// kernel's name its module, which the [`ModuleUnloadStarting`](crate::ResourceEvent) callback
/// announces the end of.
pub unsafe fn name_bytes<'a>(address: u64) -> Option<&'a [u8]> {
    let start = address as usize as *const u8;
    if start.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for a NUL-terminated text, and `strnlen` stops at the NUL.
    let n_bytes = unsafe { libc::strnlen(start.cast(), MAX_NAME_BYTES) };
    // SAFETY: these bytes were just read, and the caller vouches that they stay.
    Some(unsafe { slice::from_raw_parts(start, n_bytes) })
}
