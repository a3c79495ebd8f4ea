//! Subscribing, and turning callbacks on.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::Ordering;

use cupti_sys::{
    CUptiResult, CallbackDomain, CallbackFn, OLD_SUBSCRIBER_NAME_MIN, SubscriberHandle,
    SubscriberParams,
};

use super::{export, write};
use crate::state::{State, Subscriber, state};

export! {
    fn cuptiSubscribe(handle: *mut SubscriberHandle, callback: CallbackFn, user: *mut c_void) {
        let new = subscribe(state(), callback, user)?;
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(handle, ptr::without_provenance_mut(new)) }
    }

    fn cuptiSubscribe_v2(
        handle: *mut SubscriberHandle,
        callback: CallbackFn,
        user: *mut c_void,
        params: *mut SubscriberParams,
    ) {
        let known = [SubscriberParams::SIZE_13_0, SubscriberParams::SIZE_13_2];
        // SAFETY: null, or filled in as far as its length says.
        let size = if params.is_null() { None } else { Some(unsafe { (*params).struct_size }) };
        let newest = known[usize::from(state().profile.toolkit.at_least(cupti_sys::CUDA_13_2))];
        if size.is_some_and(|size| !known.contains(&size) || size > newest) {
            return Err(CUptiResult::ERROR_INVALID_PARAMETER);
        }
        match subscribe(state(), callback, user) {
            // SAFETY: the caller passes a writable pointer.
            Ok(new) => unsafe { write(handle, ptr::without_provenance_mut(new)) },
            Err(result) => {
                if size.is_some() {
                    // SAFETY: the part with the old name is there in every length.
                    unsafe { tell_old_name(params) };
                }
                Err(result)
            }
        }
    }

    fn cuptiUnsubscribe(handle: SubscriberHandle) {
        let mut settings = state().settings();
        match &settings.subscriber {
            Some(subscriber) if subscriber.handle == handle as usize => {
                settings.subscriber = None;
                settings.callbacks_on.clear();
                Ok(())
            }
            _ => Err(CUptiResult::ERROR_INVALID_PARAMETER),
        }
    }

    fn cuptiEnableCallback(
        enable: u32,
        handle: SubscriberHandle,
        domain: CallbackDomain,
        id: u32,
    ) {
        if matches!(domain, CallbackDomain::DRIVER_API | CallbackDomain::RUNTIME_API) {
            state().violation(format!("turned callbacks of {domain} on"));
        }
        let mut settings = state().settings();
        if settings.subscriber.as_ref().is_none_or(|s| s.handle != handle as usize) {
            return Err(CUptiResult::ERROR_INVALID_PARAMETER);
        }
        if enable != 0 {
            settings.callbacks_on.insert((domain.0, id));
        } else {
            settings.callbacks_on.remove(&(domain.0, id));
        }
        Ok(())
    }
}

fn subscribe(state: &State, callback: CallbackFn, user: *mut c_void) -> Result<usize, CUptiResult> {
    let mut settings = state.settings();
    if settings.subscriber.is_some() || settings.faults.subscriber.is_some() {
        return Err(CUptiResult::ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED);
    }
    let handle = state.next_handle.fetch_add(1, Ordering::Relaxed) as usize;
    settings.subscriber = Some(Subscriber { callback, user, handle });
    Ok(handle)
}

/// # Safety
/// `params` is filled in and its name buffer is writable for the length it states.
unsafe fn tell_old_name(params: *mut SubscriberParams) {
    let name = state().settings().faults.subscriber.clone().unwrap_or_default();
    // SAFETY: the caller vouches for the structure.
    let (buffer, size) = unsafe { ((*params).old_subscriber_name, (*params).old_subscriber_size) };
    if buffer.is_null() || size < OLD_SUBSCRIBER_NAME_MIN {
        return;
    }
    let text = format!("CUPTI for {name}");
    let n = text.len().min(size - 1);
    // SAFETY: the caller vouches for the buffer.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), n);
        buffer.add(n).write(0);
    }
    debug_assert!(CStr::from_bytes_until_nul(text.as_bytes()).is_err(), "no NUL in a name");
}
