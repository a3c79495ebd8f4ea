//! What the shared library exports: two entries for NVIDIA's loaders, and the hook's functions.
//!
//! No panic leaves them, and none of them fails for its caller: a collector that cannot record
//! must not keep a server from running.
#![expect(unsafe_code, reason = "functions that C calls")]

use std::cell::Cell;
use std::ffi::c_int;
use std::panic::catch_unwind;
use std::slice;

use crate::collector;
use crate::events::{self, HostEventBody};
use crate::nvtx::{self, GetExportTable};
use crate::process::realtime_ns;
use crate::sink::is_dead;

const HOOK_ABI_VERSION: c_int = 1;
const OK: c_int = 0;
const WANT_KEYFRAME: c_int = 1;
const NOT_RECORDING: c_int = 2;
const REFUSED: c_int = -1;

/// Longest delta, request record or note that is taken.
const MAX_PAYLOAD: usize = 8 << 20;

thread_local! {
    /// The keyframe epoch that this thread's last delta built upon.
    static EPOCH: Cell<u64> = const { Cell::new(0) };
}

/// The CUDA driver calls this in `cuInit`. Answers 1: the driver shall go on whatever happened.
#[unsafe(no_mangle)]
pub extern "C" fn InitializeInjection() -> c_int {
    let _ = catch_unwind(|| collector::start(true));
    1
}

/// NVTX calls this on the first annotation. Answers 1 when annotations are taken.
///
/// # Safety
/// `get_export_table` is NVTX's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn InitializeInjectionNvtx2(
    get_export_table: Option<GetExportTable>,
) -> c_int {
    let installed = catch_unwind(|| {
        collector::start(false);
        let Some(get_export_table) = get_export_table else { return false };
        // SAFETY: the caller vouches for the function.
        collector::wants_nvtx() && unsafe { nvtx::install(get_export_table) }
    });
    c_int::from(installed.unwrap_or(false))
}

/// See `underspan.h`.
#[unsafe(no_mangle)]
pub extern "C" fn underspan_hook_abi_version() -> c_int {
    HOOK_ABI_VERSION
}

/// See `underspan.h`.
#[unsafe(no_mangle)]
pub extern "C" fn underspan_step_begin(step_id: u64, n_members: u32, flags: u32) -> c_int {
    served(|| {
        let time_ns = realtime_ns();
        let epoch = events::keyframe_epoch();
        let is_current = EPOCH.try_with(|seen| seen.replace(epoch) == epoch).unwrap_or(false);
        let taken = events::push(HostEventBody::StepBegin { step_id, time_ns, n_members, flags });
        if is_current && taken { OK } else { WANT_KEYFRAME }
    })
}

/// See `underspan.h`.
///
/// # Safety
/// `delta` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underspan_members(delta: *const u8, length: usize) -> c_int {
    // SAFETY: the caller vouches for the bytes.
    let Some(bytes) = (unsafe { payload(delta, length) }) else { return REFUSED };
    served(|| {
        let is_current =
            EPOCH.try_with(|seen| seen.get() == events::keyframe_epoch()).unwrap_or(false);
        let taken = events::push(HostEventBody::Members(bytes.into()));
        if is_current && taken { OK } else { WANT_KEYFRAME }
    })
}

/// See `underspan.h`.
#[unsafe(no_mangle)]
pub extern "C" fn underspan_step_end(step_id: u64) -> c_int {
    served(|| {
        events::push(HostEventBody::StepEnd { step_id, time_ns: realtime_ns() });
        OK
    })
}

/// See `underspan.h`.
///
/// # Safety
/// `record` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underspan_request(record: *const u8, length: usize) -> c_int {
    // SAFETY: the caller vouches for the bytes.
    let Some(bytes) = (unsafe { payload(record, length) }) else { return REFUSED };
    served(|| {
        events::push(HostEventBody::Request(bytes.into()));
        OK
    })
}

/// See `underspan.h`.
///
/// # Safety
/// `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underspan_note(text: *const u8, length: usize) -> c_int {
    // SAFETY: the caller vouches for the bytes.
    let Some(bytes) = (unsafe { payload(text, length) }) else { return REFUSED };
    served(|| {
        let text = String::from_utf8_lossy(bytes).into();
        events::push(HostEventBody::Note { time_ns: realtime_ns(), text });
        OK
    })
}

/// Runs `body` while something is recorded; no panic leaves.
fn served(body: impl FnOnce() -> c_int + std::panic::UnwindSafe) -> c_int {
    if is_dead() || !events::is_recording() {
        return NOT_RECORDING;
    }
    catch_unwind(body).unwrap_or(REFUSED)
}

/// # Safety
/// Null, or `length` readable bytes during the call.
unsafe fn payload<'a>(bytes: *const u8, length: usize) -> Option<&'a [u8]> {
    if length == 0 {
        return Some(&[]);
    }
    if bytes.is_null() || length > MAX_PAYLOAD {
        return None;
    }
    // SAFETY: the caller vouches for the bytes.
    Some(unsafe { slice::from_raw_parts(bytes, length) })
}
