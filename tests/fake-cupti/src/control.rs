//! The functions for whoever plays the GPU: C, so that any host can call them through `dlsym`.
//!
//! Records are given in the newest layout ([`CannedRecord`]); the release
//! that is played keeps their beginning. A record of a kind that is not enabled is ignored, as the
//! real library would not have made it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use cupti_sys::record::{api, external_correlation, kernel};
use cupti_sys::{ActivityKind, Field, GraphData, Record, ResourceCallback, record_of};

use crate::CannedRecord;
use crate::buffers::Pending;
use crate::resources::graph_event;
use crate::state::{EXTERNAL_IDS, N_KINDS, Registrant, State, state};

/// Longest record that is accepted.
const MAX_BYTES: usize = 512;

/// Carries out a script; answers 0, or the number of the line that is no command.
///
/// # Safety
/// `text` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_script(text: *const c_char) -> c_int {
    // SAFETY: the caller passes a NUL-terminated text.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    match state().script(&text) {
        Ok(()) => 0,
        Err(error) => error.line as c_int,
    }
}

/// Records one activity. Answers 1 when it was recorded, 0 when its kind is off, -1 when it was
/// dropped.
///
/// # Safety
/// `record` points to `n_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_emit(record: *const u8, n_bytes: usize) -> c_int {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { slice::from_raw_parts(record, n_bytes.min(MAX_BYTES)) };
    emit(state(), bytes, false).map_or(0, |place| if place.is_some() { 1 } else { -1 })
}

/// Records `n` activities like `record`, each starting and ending `step_ns` later than the one
/// before and with the next correlation id. Answers how many were recorded.
///
/// # Safety
/// `record` points to `n_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_emit_many(
    record: *const u8,
    n_bytes: usize,
    n: u64,
    step_ns: u64,
) -> u64 {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { slice::from_raw_parts(record, n_bytes.min(MAX_BYTES)) };
    let mut copy = [0; MAX_BYTES];
    copy[..bytes.len()].copy_from_slice(bytes);
    let copy = &mut copy[..bytes.len()];
    let Some(facts) = kind_of(copy).and_then(record_of) else { return 0 };
    let start = field_named(facts, "start");
    let end = field_named(facts, "end");
    let correlation = field_named(facts, "correlationId");
    let mut n_recorded = 0;
    for _ in 0..n {
        n_recorded += u64::from(matches!(emit(state(), copy, false), Some(Some(_))));
        add(copy, start, step_ns);
        add(copy, end, step_ns);
        add(copy, correlation, 1);
    }
    n_recorded
}

/// Records an activity that still runs. Answers a handle for [`fake_cupti_end`], or all ones when
/// it was not recorded.
///
/// # Safety
/// `record` points to `n_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_begin(record: *const u8, n_bytes: usize) -> u64 {
    // SAFETY: the caller vouches for the bytes.
    let bytes = unsafe { slice::from_raw_parts(record, n_bytes.min(MAX_BYTES)) };
    emit(state(), bytes, true).flatten().map_or(u64::MAX, Pending::to_handle)
}

/// Ends a running activity. Answers 0 when a forced flush took it away before.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_end(handle: u64, end_ns: u64) -> c_int {
    let place = Pending::from_handle(handle);
    c_int::from(state().buffers.finish(place, usize::from(kernel::END.offset), end_ns))
}

/// Loads a module with one kernel of this name; answers its id.
///
/// # Safety
/// `kernel_name` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_module_load(kernel_name: *const c_char) -> u32 {
    // SAFETY: the caller passes a NUL-terminated text.
    state().modules.load(unsafe { CStr::from_ptr(kernel_name) })
}

/// The address of a loaded module's kernel name, as it stands in kernel records.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_module_name(module: u32) -> *const c_char {
    state().modules.name(module)
}

/// Unloads a module. Its kernel's name is overwritten, and the next module's takes its place.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_module_unload(module: u32) {
    state().modules.unload(module);
}

/// Calls the subscriber about a graph, node or executable graph, see
/// [`ResourceCallback`]. The id of each object is the number that its pointer is.
///
/// # Safety
/// `graph` points to a filled-in structure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_graph_event(callback: u32, graph: *const c_void) {
    // SAFETY: the caller vouches for the structure.
    graph_event(ResourceCallback(callback), unsafe { *graph.cast::<GraphData>() });
}

/// Another profiler registers its buffer callbacks: it gets all buffers from now on, including
/// those that it did not grant.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_takeover() {
    state().settings().registrant = Registrant::Other;
    state().other_profiler.store(true, Ordering::Release);
}

/// The other profiler stops: it turns all kinds off, and keeps its callbacks registered.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_takeover_end() {
    state().disable_all();
    state().other_profiler.store(false, Ordering::Release);
}

/// Reads a counter, see [`Counter`](crate::Counter).
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_counter(which: u32) -> u64 {
    let state = state();
    let counters: [&AtomicU64; 6] = [
        &state.produced,
        &state.delivered,
        &state.dropped,
        &state.stolen,
        &state.suppressed,
        &state.violations,
    ];
    counters.get(which as usize).map_or(0, |counter| counter.load(Ordering::Acquire))
}

/// Copies a description of the last thing the caller did wrong; answers its length.
///
/// # Safety
/// `text` points to `n_bytes` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_last_violation(text: *mut u8, n_bytes: usize) -> usize {
    let settings = state().settings();
    let bytes = settings.last_violation.as_bytes();
    let n = bytes.len().min(n_bytes);
    // SAFETY: the caller vouches for the room.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), text, n) };
    n
}

/// How often a function was called.
///
/// # Safety
/// `function` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cupti_n_calls(function: *const c_char) -> u64 {
    // SAFETY: the caller passes a NUL-terminated text.
    let function = unsafe { CStr::from_ptr(function) }.to_string_lossy();
    state().settings().call_counts.get(&*function).copied().unwrap_or(0)
}

/// Whether a kind is on.
#[unsafe(no_mangle)]
pub extern "C" fn fake_cupti_is_enabled(kind: u32) -> c_int {
    c_int::from(state().is_enabled(ActivityKind(kind)))
}

/// `None` when the kind is off; otherwise where the record lies, or `None` when it was dropped.
fn emit(state: &State, canned: &[u8], pending: bool) -> Option<Option<Pending>> {
    let kind = kind_of(canned)?;
    if !state.is_enabled(kind) || is_filtered(state, kind, canned) {
        return None;
    }
    if is_replaced_by_graph(state, kind, canned) {
        state.suppressed.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    if matches!(kind, ActivityKind::RUNTIME | ActivityKind::DRIVER) {
        emit_external_id(state, canned);
    }
    let number = state.produced.fetch_add(1, Ordering::AcqRel);
    let mut touched = [0; MAX_BYTES];
    let canned = if state.touch_times.load(Ordering::Relaxed) {
        let touched = &mut touched[..canned.len()];
        touched.copy_from_slice(canned);
        spoil_times(state, kind, number + 1, touched);
        touched
    } else {
        canned
    };
    let place = if state.user_defined.load(Ordering::Relaxed) {
        let settings = state.settings();
        let selection = settings.selections.get(&kind.0)?.clone();
        drop(settings);
        let mut packed = [0; MAX_BYTES];
        let packed = packed.get_mut(..selection.bytes())?;
        selection.pack(canned, packed);
        state.buffers.put(packed, pending)
    } else {
        let stride = usize::from(state.profile.stride(kind)?);
        match canned.get(..stride) {
            Some(record) => state.buffers.put(record, pending),
            None => {
                let mut padded = [0; MAX_BYTES];
                padded[..canned.len()].copy_from_slice(canned);
                state.buffers.put(padded.get(..stride)?, pending)
            }
        }
    };
    if place.is_none() {
        state.dropped.fetch_add(1, Ordering::AcqRel);
        state.dropped_unread.fetch_add(1, Ordering::AcqRel);
    }
    Some(place)
}

fn kind_of(canned: &[u8]) -> Option<ActivityKind> {
    let kind = ActivityKind(u32::from_ne_bytes(*canned.first_chunk()?));
    ((kind.0 as usize) < N_KINDS).then_some(kind)
}

/// Whether the record is of an API call that was turned off.
fn is_filtered(state: &State, kind: ActivityKind, canned: &[u8]) -> bool {
    state.filter_calls.load(Ordering::Relaxed)
        && matches!(kind, ActivityKind::RUNTIME | ActivityKind::DRIVER)
        && read_u32(canned, &api::CBID)
            .is_some_and(|cbid| state.settings().calls_off.contains(&(kind, cbid)))
}

/// Whether the record is of a graph's node while graphs are traced as wholes.
fn is_replaced_by_graph(state: &State, kind: ActivityKind, canned: &[u8]) -> bool {
    let graph = match kind {
        ActivityKind::CONCURRENT_KERNEL | ActivityKind::KERNEL => &kernel::GRAPH_ID,
        ActivityKind::MEMCPY => &cupti_sys::record::memcpy::GRAPH_ID,
        ActivityKind::MEMCPY2 => &cupti_sys::record::memcpy_ptop::GRAPH_ID,
        ActivityKind::MEMSET => &cupti_sys::record::memset::GRAPH_ID,
        _ => return false,
    };
    state.graph_level.load(Ordering::Relaxed)
        && read_u32(canned, graph).is_some_and(|graph| graph != 0)
}

/// The record of the external correlation id around an API call, which comes before the call's.
fn emit_external_id(state: &State, canned: &[u8]) {
    if !state.is_enabled(ActivityKind::EXTERNAL_CORRELATION) {
        return;
    }
    if let Some((kind, id)) = EXTERNAL_IDS.with_borrow(|ids| ids.last().copied()) {
        let correlation_id = read_u32(canned, &api::CORRELATION_ID).unwrap_or(0);
        let record = CannedRecord::new(ActivityKind::EXTERNAL_CORRELATION)
            .with(&external_correlation::EXTERNAL_KIND, u64::from(kind))
            .with(&external_correlation::EXTERNAL_ID, id)
            .with(&external_correlation::CORRELATION_ID, u64::from(correlation_id));
        emit(state, record.bytes(), false);
    }
}

/// Takes the times of a record, or turns them round, as the script says.
fn spoil_times(state: &State, kind: ActivityKind, number: u64, canned: &mut [u8]) {
    let Some(facts) = record_of(kind) else { return };
    let (Some(start), Some(end)) = (field_named(facts, "start"), field_named(facts, "end")) else {
        return;
    };
    let faults = &state.settings().faults;
    if (faults.zero_every > 0 && number.is_multiple_of(faults.zero_every))
        || faults.zero_after.is_some_and(|n| number > n)
    {
        write_u64(canned, start, 0);
        write_u64(canned, end, 0);
    } else if faults.inverted_every > 0 && number.is_multiple_of(faults.inverted_every) {
        let start_ns = read_u64(canned, start).unwrap_or(0);
        write_u64(canned, end, start_ns.saturating_sub(1));
    }
}

fn field_named(facts: &'static Record, c_path: &str) -> Option<&'static Field> {
    facts.fields.iter().find(|field| field.c_path == c_path)
}

fn add(canned: &mut [u8], field: Option<&Field>, step: u64) {
    let Some(field) = field else { return };
    let at = usize::from(field.offset);
    if field.size == 8 {
        let value = read_u64(canned, field).unwrap_or(0);
        write_u64(canned, field, value.wrapping_add(step));
    } else if let Some(bytes) = canned.get_mut(at..at + 4) {
        let value = u32::from_ne_bytes(bytes.try_into().unwrap_or_default());
        bytes.copy_from_slice(&value.wrapping_add(step as u32).to_ne_bytes());
    }
}

fn read_u32(canned: &[u8], field: &Field) -> Option<u32> {
    let at = usize::from(field.offset);
    Some(u32::from_ne_bytes(canned.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(canned: &[u8], field: &Field) -> Option<u64> {
    let at = usize::from(field.offset);
    Some(u64::from_ne_bytes(canned.get(at..at + 8)?.try_into().ok()?))
}

fn write_u64(canned: &mut [u8], field: &Field, value: u64) {
    let at = usize::from(field.offset);
    if let Some(bytes) = canned.get_mut(at..at + 8) {
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
}
