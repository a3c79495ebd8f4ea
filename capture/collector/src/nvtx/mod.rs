//! NVTX annotations, taken with a function table of our own: no CUPTI is involved.
//!
//! The NVTX code in the application hands over its table on the first annotation; our functions
//! are written into it. A range becomes one event when it ends.
#![expect(unsafe_code, reason = "functions that a C library calls")]
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the list of entries says once for all of them why they are sound"
)]

mod abi;
mod ranges;

use std::ffi::{CStr, c_int, c_void};
use std::panic::catch_unwind;
use std::ptr;

use underspan_model::tables::AnnotationKind;

use self::abi::{Ascii, WideChar, message, module};
pub(crate) use self::abi::{
    CALLBACK_TABLE, CallbackTable, EventAttributes, Function, GetExportTable,
};
pub(crate) use self::ranges::{n_open_ranges, open_context};
use crate::events::{self, HostEventBody, Text};
use crate::process::realtime_ns;
use crate::sink::is_dead;

/// Longest text that is kept.
const MAX_TEXT: usize = 4096;

/// Writes our functions into the application's table.
///
/// # Safety
/// `get_export_table` is what NVTX passes to `InitializeInjectionNvtx2`.
pub(crate) unsafe fn install(get_export_table: GetExportTable) -> bool {
    // SAFETY: the caller vouches for the function.
    let table = unsafe { get_export_table(CALLBACK_TABLE) }.cast::<CallbackTable>();
    if table.is_null() {
        return false;
    }
    // SAFETY: NVTX answers a table of this type; its length says whether the field is there.
    let find = unsafe {
        if (*table).struct_size < size_of::<CallbackTable>() {
            return false;
        }
        (*table).module_functions
    };
    let Some(find) = find else { return false };
    let core: [(usize, Function); 11] = [
        (1, mark_ex as Function),
        (2, mark_a as Function),
        (3, mark_w as Function),
        (4, range_start_ex as Function),
        (5, range_start_a as Function),
        (6, range_start_w as Function),
        (7, range_end as Function),
        (8, push_ex as Function),
        (9, push_a as Function),
        (10, push_w as Function),
        (11, pop as Function),
    ];
    let names: [(usize, Function); 2] =
        [(14, name_thread_a as Function), (15, name_thread_w as Function)];
    let core2: [(usize, Function); 9] = [
        (1, domain_mark_ex as Function),
        (2, domain_range_start_ex as Function),
        (3, domain_range_end as Function),
        (4, domain_push_ex as Function),
        (5, domain_pop as Function),
        (10, register_string_a as Function),
        (11, register_string_w as Function),
        (12, domain_create_a as Function),
        (13, domain_create_w as Function),
    ];
    // SAFETY: the library's own function; the tables it answers are its own.
    unsafe {
        let has_core = fill(find, module::CORE, &core) && fill(find, module::CORE, &names);
        fill(find, module::CORE2, &core2);
        has_core
    }
}

/// # Safety
/// `find` is the library's.
unsafe fn fill(
    find: unsafe extern "C" fn(u32, *mut *mut *mut Function, *mut u32) -> c_int,
    module: u32,
    functions: &[(usize, Function)],
) -> bool {
    let mut table: *mut *mut Function = ptr::null_mut();
    let mut size = 0;
    // SAFETY: both pointers are writable.
    if unsafe { find(module, &raw mut table, &raw mut size) } == 0 || table.is_null() {
        return false;
    }
    for (id, function) in functions {
        if *id < size as usize {
            // SAFETY: the table has `size` places, each null or the address of a pointer that the
            // library calls through.
            unsafe {
                let place = *table.add(*id);
                if !place.is_null() {
                    *place = *function;
                }
            }
        }
    }
    true
}

/// Runs `body` so that no panic reaches the application.
fn guarded<T: Idle>(body: impl FnOnce() -> T + std::panic::UnwindSafe) -> T {
    if is_dead() {
        return T::ANSWER;
    }
    catch_unwind(body).unwrap_or(T::ANSWER)
}

/// # Safety
/// Null or NUL-terminated.
unsafe fn ascii(text: Ascii) -> Box<str> {
    if text.is_null() {
        return Box::default();
    }
    // SAFETY: the caller vouches for the text.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into()
}

/// # Safety
/// Null or NUL-terminated.
unsafe fn wide(text: *const WideChar) -> Box<str> {
    let mut out = String::new();
    for at in 0..MAX_TEXT {
        // SAFETY: the caller vouches for the text, which is read up to its NUL.
        let unit = if text.is_null() { 0 } else { unsafe { *text.add(at) } };
        if unit == 0 {
            break;
        }
        let unit = u32::try_from(unit).ok().and_then(char::from_u32);
        out.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    out.into()
}

/// # Safety
/// Null or a filled-in structure.
unsafe fn text_of(attributes: *const EventAttributes) -> Text {
    if attributes.is_null() {
        return Text::Own(Box::default());
    }
    // SAFETY: the caller vouches for the structure, as far as its length says.
    let (size, kind, message) = unsafe {
        if usize::from((*attributes).size) < size_of::<EventAttributes>() {
            return Text::Own(Box::default());
        }
        ((*attributes).size, (*attributes).message_type, (*attributes).message)
    };
    debug_assert!(usize::from(size) >= size_of::<EventAttributes>());
    match kind {
        // SAFETY: the type says that it is a text of this kind.
        message::ASCII => Text::Own(unsafe { ascii(message.cast()) }),
        // SAFETY: as above.
        message::UNICODE => Text::Own(unsafe { wide(message.cast()) }),
        message::REGISTERED if !message.is_null() => Text::Registered(number_of(message)),
        _ => Text::Own(Box::default()),
    }
}

/// A registered text's number as a handle that is not null, and back.
fn handle_of(number: usize) -> *const c_void {
    ptr::without_provenance(number + 1)
}

fn number_of(handle: *const c_void) -> usize {
    (handle as usize).wrapping_sub(1)
}

fn domain_of(handle: *const c_void) -> Option<usize> {
    (!handle.is_null()).then(|| number_of(handle))
}

fn mark(domain: Option<usize>, text: impl FnOnce() -> Text) {
    if events::is_recording() {
        let now = realtime_ns();
        events::push(HostEventBody::Annotation {
            kind: AnnotationKind::NvtxMark.code(),
            start_ns: now,
            end_ns: now,
            domain,
            text: text(),
        });
    }
}

/// What an entry answers when nothing is done.
trait Idle {
    const ANSWER: Self;
}

impl Idle for () {
    const ANSWER: Self = ();
}

impl Idle for u64 {
    const ANSWER: Self = 0;
}

impl Idle for c_int {
    const ANSWER: Self = 0;
}

impl Idle for *const c_void {
    const ANSWER: Self = ptr::null();
}

macro_rules! entries {
    ($( $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? { $body:expr } )*) => {$(
        unsafe extern "C" fn $name($($arg: $ty),*) $(-> $ret)? {
            guarded(move || $body)
        }
    )*};
}

// SAFETY (for all of them): NVTX passes texts and structures that are valid during the call, and
// handles that came from here.
entries! {
    mark_ex(attributes: *const EventAttributes) { mark(None, || unsafe { text_of(attributes) }) }
    mark_a(text: Ascii) { mark(None, || Text::Own(unsafe { ascii(text) })) }
    mark_w(text: *const WideChar) { mark(None, || Text::Own(unsafe { wide(text) })) }
    range_start_ex(attributes: *const EventAttributes) -> u64 {
        ranges::start(None, || unsafe { text_of(attributes) })
    }
    range_start_a(text: Ascii) -> u64 {
        ranges::start(None, || Text::Own(unsafe { ascii(text) }))
    }
    range_start_w(text: *const WideChar) -> u64 {
        ranges::start(None, || Text::Own(unsafe { wide(text) }))
    }
    range_end(id: u64) { ranges::end(id) }
    push_ex(attributes: *const EventAttributes) -> c_int {
        ranges::push(None, || unsafe { text_of(attributes) })
    }
    push_a(text: Ascii) -> c_int { ranges::push(None, || Text::Own(unsafe { ascii(text) })) }
    push_w(text: *const WideChar) -> c_int {
        ranges::push(None, || Text::Own(unsafe { wide(text) }))
    }
    pop() -> c_int { ranges::pop(None) }
    name_thread_a(tid: u32, text: Ascii) { ranges::name_thread(tid, unsafe { ascii(text) }) }
    name_thread_w(tid: u32, text: *const WideChar) {
        ranges::name_thread(tid, unsafe { wide(text) })
    }
    domain_mark_ex(domain: *const c_void, attributes: *const EventAttributes) {
        mark(domain_of(domain), || unsafe { text_of(attributes) })
    }
    domain_range_start_ex(domain: *const c_void, attributes: *const EventAttributes) -> u64 {
        ranges::start(domain_of(domain), || unsafe { text_of(attributes) })
    }
    domain_range_end(_domain: *const c_void, id: u64) { ranges::end(id) }
    domain_push_ex(domain: *const c_void, attributes: *const EventAttributes) -> c_int {
        ranges::push(domain_of(domain), || unsafe { text_of(attributes) })
    }
    domain_pop(domain: *const c_void) -> c_int { ranges::pop(domain_of(domain)) }
    register_string_a(_domain: *const c_void, text: Ascii) -> *const c_void {
        handle_of(events::register(unsafe { ascii(text) }))
    }
    register_string_w(_domain: *const c_void, text: *const WideChar) -> *const c_void {
        handle_of(events::register(unsafe { wide(text) }))
    }
    domain_create_a(text: Ascii) -> *const c_void {
        handle_of(events::register(unsafe { ascii(text) }))
    }
    domain_create_w(text: *const WideChar) -> *const c_void {
        handle_of(events::register(unsafe { wide(text) }))
    }
}
