//! Versions, names, times, ids.

use std::ffi::{c_char, c_void};

use cupti_sys::{CUptiResult, CallbackDomain, RuntimeCbid, SubscriberHandle};

use super::{export, write};
use crate::clock::realtime_ns;
use crate::state::{Generation, state};

export! {
    fn cuptiGetVersion(version: *mut u32) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(version, state().profile.api_version) }
    }

    fn cuptiGetResultString(result: CUptiResult, text: *mut *const c_char) {
        let name = match result {
            CUptiResult::SUCCESS => c"CUPTI_SUCCESS",
            CUptiResult::ERROR_NOT_INITIALIZED => c"CUPTI_ERROR_NOT_INITIALIZED",
            _ => c"CUPTI_ERROR_UNKNOWN",
        };
        // SAFETY: the caller passes a writable pointer; the text is static.
        unsafe { write(text, name.as_ptr()) }
    }

    fn cuptiGetErrorMessage(_result: CUptiResult, text: *mut *const c_char) {
        // SAFETY: the caller passes a writable pointer; the text is static.
        unsafe { write(text, c"an error that the double was told to report".as_ptr()) }
    }

    fn cuptiGetLastError() {
        Ok(())
    }

    fn cuptiGetTimestamp(timestamp: *mut u64) {
        refuse_beside_user_defined()?;
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(timestamp, realtime_ns()) }
    }

    fn cuptiGetTimestamp_v2(_subscriber: SubscriberHandle, timestamp: *mut u64) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(timestamp, realtime_ns()) }
    }

    fn cuptiGetCallbackName(domain: CallbackDomain, cbid: u32, text: *mut *const c_char) {
        let name = match (domain, cbid) {
            (CallbackDomain::RUNTIME_API, id) if id == RuntimeCbid::cudaLaunchKernel_v7000.0 => {
                c"cudaLaunchKernel_v7000"
            }
            (CallbackDomain::RUNTIME_API, id) if id == RuntimeCbid::cudaGraphLaunch_v10000.0 => {
                c"cudaGraphLaunch_v10000"
            }
            (CallbackDomain::RUNTIME_API, id) if id == RuntimeCbid::cudaMemcpyAsync_v3020.0 => {
                c"cudaMemcpyAsync_v3020"
            }
            (CallbackDomain::RUNTIME_API, _) => c"cudaSomething_v3020",
            (CallbackDomain::DRIVER_API, _) => c"cuSomething",
            _ => return Err(CUptiResult::ERROR_INVALID_PARAMETER),
        };
        // SAFETY: the caller passes a writable pointer; the text is static.
        unsafe { write(text, name.as_ptr()) }
    }

    fn cuptiGetContextId(context: *mut c_void, id: *mut u32) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, context as usize as u32) }
    }

    fn cuptiGetDeviceId(_context: *mut c_void, id: *mut u32) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, 0) }
    }

    fn cuptiGetStreamIdEx(
        _context: *mut c_void,
        stream: *mut c_void,
        _per_thread: u8,
        id: *mut u32,
    ) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, stream as usize as u32) }
    }

    fn cuptiGetGraphId(graph: *mut c_void, id: *mut u32) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, graph as usize as u32) }
    }

    fn cuptiGetGraphNodeId(node: *mut c_void, id: *mut u64) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, node as usize as u64) }
    }

    fn cuptiGetGraphExecId(exec: *mut c_void, id: *mut u32) {
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(id, exec as usize as u32) }
    }

    fn cuptiFinalize() {
        state().violation("cuptiFinalize called".to_owned());
        Ok(())
    }

    fn cuptiNvtxInitialize2(_table: *const c_void) {
        // The real function answers 1 for success; so does this, through the result code's place.
        Err(CUptiResult::ERROR_INVALID_PARAMETER)
    }
}

/// Functions of the process-wide interface that do not work beside user-defined records.
pub(super) fn refuse_beside_user_defined() -> Result<(), CUptiResult> {
    let settings = state().settings();
    if settings.user_defined || settings.generation == Some(Generation::V2) {
        return Err(CUptiResult::ERROR_NOT_COMPATIBLE);
    }
    Ok(())
}
