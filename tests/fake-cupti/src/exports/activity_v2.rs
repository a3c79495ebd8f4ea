//! The per-subscriber activity interface of 13.2 and later.

use std::ffi::c_void;
use std::slice;
use std::sync::atomic::Ordering;

use cupti_sys::{
    ActivityAttribute, ActivityConfig, ActivityKind, BufferCompletedV2Fn, BufferRequestedV2Fn,
    CUptiResult, FieldSelection, SubscriberHandle,
};

use super::activity::{filter, get_attribute, set_attribute};
use super::{export, write};
use crate::faults::lied;
use crate::selection::Selection;
use crate::state::{Generation, N_KINDS, Registrant, State, state};

export! {
    fn cuptiActivityRegisterCallbacks_v2(
        subscriber: SubscriberHandle,
        requested: BufferRequestedV2Fn,
        completed: BufferCompletedV2Fn,
    ) {
        let state = own(subscriber)?;
        state.settings().registrant = Registrant::V2(requested, completed);
        Ok(())
    }

    fn cuptiActivityEnable_v2(
        subscriber: SubscriberHandle,
        kind: ActivityKind,
        config: *mut ActivityConfig,
    ) {
        // SAFETY: null, or filled in as far as its length says.
        unsafe { enable(own(subscriber)?, kind, config) }
    }

    fn cuptiActivityEnableAndDump_v2(
        subscriber: SubscriberHandle,
        kind: ActivityKind,
        config: *mut ActivityConfig,
    ) {
        // SAFETY: null, or filled in as far as its length says.
        unsafe { enable(own(subscriber)?, kind, config) }
    }

    fn cuptiActivityDisable_v2(
        subscriber: SubscriberHandle,
        kind: ActivityKind,
        _config: *mut ActivityConfig,
    ) {
        let state = own(subscriber)?;
        state.set_enabled(kind, false);
        Ok(())
    }

    fn cuptiActivitySetAttribute_v2(
        subscriber: SubscriberHandle,
        attribute: ActivityAttribute,
        n_bytes: *mut usize,
        value: *mut c_void,
    ) {
        let state = own(subscriber)?;
        // SAFETY: the caller passes a value of the length it states.
        unsafe { set_attribute(state, attribute, n_bytes, value) }?;
        if attribute == ActivityAttribute::USER_DEFINED_RECORDS {
            let mut settings = state.settings();
            settings.user_defined = settings.attributes.get(&attribute.0) == Some(&1);
            state.user_defined.store(settings.user_defined, Ordering::Release);
        }
        Ok(())
    }

    fn cuptiActivityGetAttribute_v2(
        subscriber: SubscriberHandle,
        attribute: ActivityAttribute,
        n_bytes: *mut usize,
        value: *mut c_void,
    ) {
        // SAFETY: the caller passes room of the length it states.
        unsafe { get_attribute(own(subscriber)?, attribute, n_bytes, value) }
    }

    fn cuptiActivityGetStructSize(kind: ActivityKind, version: u32, n_bytes: *mut usize) {
        if version != 0 {
            return Err(CUptiResult::ERROR_NOT_SUPPORTED);
        }
        let state = state();
        let stride = state.profile.stride(kind).ok_or(CUptiResult::ERROR_INVALID_KIND)?;
        let stated = lied(&state.settings().faults.size_lies, kind, usize::from(stride));
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(n_bytes, stated) }
    }

    fn cuptiActivityGetEnabledKinds(
        _subscriber: SubscriberHandle,
        kinds: *mut ActivityKind,
        room: *mut u32,
        n_kinds: *mut u32,
    ) {
        let on: Vec<ActivityKind> = (0..N_KINDS as u32)
            .map(ActivityKind)
            .filter(|kind| state().is_enabled(*kind))
            .collect();
        if !kinds.is_null() && !room.is_null() {
            // SAFETY: the caller passes room for that many.
            let room = unsafe { slice::from_raw_parts_mut(kinds, *room as usize) };
            room.iter_mut().zip(&on).for_each(|(slot, kind)| *slot = *kind);
        }
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(n_kinds, on.len() as u32) }
    }

    fn cuptiActivityGetNumDroppedRecords_v2(
        subscriber: SubscriberHandle,
        _context: *mut c_void,
        _stream: u32,
        dropped: *mut usize,
    ) {
        let n = own(subscriber)?.dropped_unread.swap(0, Ordering::AcqRel);
        // SAFETY: the caller passes a writable pointer.
        unsafe { write(dropped, n as usize) }
    }

    fn cuptiActivityEnableRuntimeApi_v2(subscriber: SubscriberHandle, cbid: u32, on: u8) {
        filter(own(subscriber)?, ActivityKind::RUNTIME, cbid, on != 0)
    }

    fn cuptiActivityEnableDriverApi_v2(subscriber: SubscriberHandle, cbid: u32, on: u8) {
        filter(own(subscriber)?, ActivityKind::DRIVER, cbid, on != 0)
    }
}

/// The state, for its subscriber; settles that the process uses this interface.
fn own(subscriber: SubscriberHandle) -> Result<&'static State, CUptiResult> {
    let state = state();
    let is_own =
        state.settings().subscriber.as_ref().is_some_and(|own| own.handle == subscriber as usize);
    if !is_own {
        return Err(CUptiResult::ERROR_INVALID_PARAMETER);
    }
    state.use_generation(Generation::V2)?;
    Ok(state)
}

/// # Safety
/// `config` is null, or filled in as far as its length says.
unsafe fn enable(
    state: &State,
    kind: ActivityKind,
    config: *mut ActivityConfig,
) -> Result<(), CUptiResult> {
    if state.profile.stride(kind).is_none() {
        return Err(CUptiResult::ERROR_INVALID_KIND);
    }
    if state.user_defined.load(Ordering::Acquire) {
        if config.is_null() {
            return Err(CUptiResult::ERROR_INVALID_PARAMETER);
        }
        // SAFETY: the first length covers the selection.
        let (size, fields) = unsafe { ((*config).struct_size, (*config).field_selection) };
        if size < ActivityConfig::SIZE_13_2
            || fields.struct_size != size_of::<FieldSelection>()
            || fields.field_ids.is_null()
        {
            return Err(CUptiResult::ERROR_INVALID_PARAMETER);
        }
        // SAFETY: the caller passes that many ids.
        let ids = unsafe { slice::from_raw_parts(fields.field_ids, fields.n_fields) };
        let selection = Selection::new(kind, ids, state.profile.toolkit)
            .ok_or(CUptiResult::ERROR_INVALID_PARAMETER)?;
        state.settings().selections.insert(kind.0, selection);
    }
    state.set_enabled(kind, true);
    Ok(())
}
