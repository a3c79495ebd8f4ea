//! The process-wide activity interface.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering;

use cupti_sys::{
    ActivityAttribute, ActivityKind, BufferCompletedFn, BufferRequestedFn, CUptiResult,
    ExternalCorrelationKind, FlushFlag, MAX_RECORD_BYTES, ThreadIdType,
};

use super::identity::refuse_beside_user_defined;
use super::{export, write};
use crate::faults::lied;
use crate::state::{EXTERNAL_IDS, Generation, Registrant, State, state};

export! {
    fn cuptiActivityRegisterCallbacks(requested: BufferRequestedFn, completed: BufferCompletedFn) {
        state().use_generation(Generation::V1)?;
        state().settings().registrant = Registrant::V1(requested, completed);
        Ok(())
    }

    fn cuptiActivityEnable(kind: ActivityKind) {
        enable(kind, true)
    }

    fn cuptiActivityEnableAndDump(kind: ActivityKind) {
        enable(kind, true)
    }

    fn cuptiActivityDisable(kind: ActivityKind) {
        enable(kind, false)
    }

    fn cuptiActivityFlushAll(flags: u32) {
        state().buffers.flush(flags & FlushFlag::FORCED.0 != 0);
        Ok(())
    }

    fn cuptiActivityFlushPeriod(_milliseconds: u32) {
        Ok(())
    }

    fn cuptiActivityGetNextRecord(buffer: *mut u8, n_bytes: usize, record: *mut *mut u8) {
        refuse_beside_user_defined()?;
        if buffer.is_null() || record.is_null() {
            return Err(CUptiResult::ERROR_INVALID_PARAMETER);
        }
        // SAFETY: the caller passes a readable and writable pointer.
        let current = unsafe { *record };
        let next = if current.is_null() {
            0
        } else {
            let at = (current as usize).wrapping_sub(buffer as usize);
            at + stride_at(state(), buffer, n_bytes, at)?
        };
        if next >= n_bytes {
            return Err(CUptiResult::ERROR_MAX_LIMIT_REACHED);
        }
        // The real iterator looks at what it steps onto.
        stride_at(state(), buffer, n_bytes, next)?;
        // SAFETY: `next` lies within the caller's buffer.
        unsafe { write(record, buffer.add(next)) }
    }

    fn cuptiActivityGetNumDroppedRecords(
        _context: *mut c_void,
        _stream: u32,
        dropped: *mut usize,
    ) {
        refuse_beside_user_defined()?;
        let n = state().dropped_unread.swap(0, Ordering::AcqRel);
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(dropped, n as usize) }
    }

    fn cuptiActivitySetAttribute(
        attribute: ActivityAttribute,
        n_bytes: *mut usize,
        value: *mut c_void,
    ) {
        // SAFETY: the caller passes a value of the length it states.
        unsafe { set_attribute(state(), attribute, n_bytes, value) }
    }

    fn cuptiActivityGetAttribute(
        attribute: ActivityAttribute,
        n_bytes: *mut usize,
        value: *mut c_void,
    ) {
        // SAFETY: the caller passes room of the length it states.
        unsafe { get_attribute(state(), attribute, n_bytes, value) }
    }

    fn cuptiSetThreadIdType(kind: ThreadIdType) {
        state().settings().thread_id_type = kind.0;
        Ok(())
    }

    fn cuptiActivityEnableLatencyTimestamps(_on: u8) { Ok(()) }
    fn cuptiActivityEnableDeviceGraph(_on: u8) { Ok(()) }
    fn cuptiActivityEnableAllSyncRecords(_on: u8) { Ok(()) }
    fn cuptiActivityEnableCudaEventDeviceTimestamps(_on: u8) { Ok(()) }

    fn cuptiActivityEnableHWTrace(_on: u8) {
        Err(CUptiResult::ERROR_NOT_SUPPORTED)
    }

    fn cuptiActivityEnableRuntimeApi(cbid: u32, on: u8) {
        filter(state(), ActivityKind::RUNTIME, cbid, on != 0)
    }

    fn cuptiActivityEnableDriverApi(cbid: u32, on: u8) {
        filter(state(), ActivityKind::DRIVER, cbid, on != 0)
    }

    fn cuptiActivityPushExternalCorrelationId(kind: ExternalCorrelationKind, id: u64) {
        refuse_beside_user_defined()?;
        EXTERNAL_IDS.with_borrow_mut(|ids| ids.push((kind.0, id)));
        Ok(())
    }

    fn cuptiActivityPopExternalCorrelationId(kind: ExternalCorrelationKind, last: *mut u64) {
        refuse_beside_user_defined()?;
        let popped = EXTERNAL_IDS.with_borrow_mut(|ids| {
            let index = ids.iter().rposition(|(pushed, _)| *pushed == kind.0)?;
            Some(ids.remove(index).1)
        });
        let id = popped.ok_or(CUptiResult::ERROR_QUEUE_EMPTY)?;
        // SAFETY: the caller passes a writable pointer, or null when it does not care.
        if last.is_null() { Ok(()) } else { unsafe { write(last, id) } }
    }
}

fn enable(kind: ActivityKind, on: bool) -> Result<(), CUptiResult> {
    let state = state();
    state.use_generation(Generation::V1)?;
    if state.profile.stride(kind).is_none() {
        return Err(CUptiResult::ERROR_INVALID_KIND);
    }
    state.set_enabled(kind, on);
    // Copies between devices come along with copies.
    if kind == ActivityKind::MEMCPY {
        state.set_enabled(ActivityKind::MEMCPY2, on);
    }
    Ok(())
}

/// How far the iterator goes from the record at `at`.
fn stride_at(
    state: &State,
    buffer: *const u8,
    n_bytes: usize,
    at: usize,
) -> Result<usize, CUptiResult> {
    if at.checked_add(4).is_none_or(|end| end > n_bytes) {
        return Err(CUptiResult::ERROR_INVALID_PARAMETER);
    }
    // SAFETY: four bytes within the caller's buffer.
    let kind = ActivityKind(unsafe { buffer.add(at).cast::<u32>().read_unaligned() });
    let stride = state.profile.stride(kind).ok_or(CUptiResult::ERROR_INVALID_KIND)?;
    Ok(lied(&state.settings().faults.stride_lies, kind, usize::from(stride)).min(MAX_RECORD_BYTES))
}

/// # Safety
/// `value` is readable for `*n_bytes` bytes.
pub(super) unsafe fn set_attribute(
    state: &State,
    attribute: ActivityAttribute,
    n_bytes: *mut usize,
    value: *mut c_void,
) -> Result<(), CUptiResult> {
    let length = length_of(state, attribute)?;
    // SAFETY: the caller passes a readable length.
    if n_bytes.is_null() || value.is_null() || unsafe { *n_bytes } < length {
        return Err(CUptiResult::ERROR_PARAMETER_SIZE_NOT_SUFFICIENT);
    }
    let mut bytes = [0; 8];
    // SAFETY: the caller passes `*n_bytes` readable bytes, and `length` is not more than 8.
    unsafe { ptr::copy_nonoverlapping(value.cast::<u8>(), bytes.as_mut_ptr(), length) };
    let number = u64::from_le_bytes(bytes);
    match attribute {
        ActivityAttribute::PER_THREAD_ACTIVITY_BUFFER => {
            state.per_thread.store(number != 0, Ordering::Release);
        }
        ActivityAttribute::ZEROED_OUT_ACTIVITY_BUFFER => {
            state.zeroed.store(number != 0, Ordering::Release);
        }
        _ => {}
    }
    state.settings().attributes.insert(attribute.0, number);
    Ok(())
}

/// # Safety
/// `value` is writable for `*n_bytes` bytes.
pub(super) unsafe fn get_attribute(
    state: &State,
    attribute: ActivityAttribute,
    n_bytes: *mut usize,
    value: *mut c_void,
) -> Result<(), CUptiResult> {
    let length = length_of(state, attribute)?;
    // SAFETY: the caller passes a readable length.
    if n_bytes.is_null() || value.is_null() || unsafe { *n_bytes } < length {
        return Err(CUptiResult::ERROR_PARAMETER_SIZE_NOT_SUFFICIENT);
    }
    let number = state.settings().attributes.get(&attribute.0).copied().unwrap_or(0);
    let bytes = number.to_le_bytes();
    // SAFETY: the caller passes `*n_bytes` writable bytes, and `length` is not more than 8.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), value.cast::<u8>(), length) };
    Ok(())
}

/// The length of an attribute's value in this release.
fn length_of(state: &State, attribute: ActivityAttribute) -> Result<usize, CUptiResult> {
    let known = ActivityAttribute::CONSTANTS
        .iter()
        .find(|constant| constant.value == u64::from(attribute.0))
        .is_some_and(|constant| state.profile.toolkit.at_least(constant.since));
    if !known {
        return Err(CUptiResult::ERROR_INVALID_PARAMETER);
    }
    Ok(match attribute {
        ActivityAttribute::DEVICE_BUFFER_SIZE
        | ActivityAttribute::DEVICE_BUFFER_SIZE_CDP
        | ActivityAttribute::DEVICE_BUFFER_POOL_LIMIT
        | ActivityAttribute::PROFILING_SEMAPHORE_POOL_SIZE
        | ActivityAttribute::PROFILING_SEMAPHORE_POOL_LIMIT
        | ActivityAttribute::DEVICE_BUFFER_PRE_ALLOCATE_VALUE
        | ActivityAttribute::PROFILING_SEMAPHORE_PRE_ALLOCATE_VALUE
        | ActivityAttribute::DEVICE_BUFFER_SIZE_DEVICE_GRAPHS => 8,
        ActivityAttribute::THREAD_ID_TYPE => 4,
        _ => 1,
    })
}

pub(super) fn filter(
    state: &State,
    kind: ActivityKind,
    cbid: u32,
    on: bool,
) -> Result<(), CUptiResult> {
    let mut settings = state.settings();
    if on {
        settings.calls_off.remove(&(kind, cbid));
    } else {
        settings.calls_off.insert((kind, cbid));
    }
    state.filter_calls.store(!settings.calls_off.is_empty(), Ordering::Release);
    Ok(())
}
