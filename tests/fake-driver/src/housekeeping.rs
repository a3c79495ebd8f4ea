//! Calls around the work: contexts, memory, and the ends of things. None of it makes a record.
//! Names, arguments and error codes are those of `cuda.h`.

use std::ffi::{c_int, c_uint};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::abi::{Handle, handle, put, ready};

/// Where the device's memory begins, and its alignment.
const MEMORY: u64 = 0x7f00_0000_0000;
const ALIGNMENT: u64 = 512;
const OUT_OF_MEMORY: c_int = 2;

static NEXT_ADDRESS: AtomicU64 = AtomicU64::new(MEMORY);

/// The device's own context.
///
/// # Safety
/// `context` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, _device: c_int) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(context, || ready(handle(1))) }
}

/// Lets go of it.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> c_int {
    0
}

/// Makes a context the thread's.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent(_context: Handle) -> c_int {
    0
}

/// The thread's context.
///
/// # Safety
/// `context` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(context, || ready(handle(1))) }
}

/// A property of the device: it has none of those that can be asked for.
///
/// # Safety
/// `value` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    _attribute: c_uint,
    _device: c_int,
) -> c_int {
    // SAFETY: the caller vouches for it.
    unsafe { put(value, || ready(0)) }
}

/// Memory: an address that nobody else has, and nothing behind it.
///
/// # Safety
/// `address` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> c_int {
    let taken = (bytes as u64).checked_next_multiple_of(ALIGNMENT);
    let Some(taken) = taken.filter(|taken| *taken < MEMORY) else { return OUT_OF_MEMORY };
    // SAFETY: the caller vouches for it.
    unsafe { put(address, || ready(NEXT_ADDRESS.fetch_add(taken, Ordering::Relaxed))) }
}

/// Gives memory back.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(_address: u64) -> c_int {
    0
}

/// Ends a stream. What it has to do is still done.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(_stream: Handle) -> c_int {
    0
}

/// Unloads a module.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload(_module: Handle) -> c_int {
    0
}

/// Ends a graph.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphDestroy(_graph: Handle) -> c_int {
    0
}

/// Ends an executable graph.
#[unsafe(no_mangle)]
pub extern "C" fn cuGraphExecDestroy(_executable: Handle) -> c_int {
    0
}
