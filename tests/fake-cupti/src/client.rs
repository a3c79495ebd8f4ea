//! Playing the GPU for a loaded copy of the library.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use cupti_sys::{ActivityKind, GraphData, ResourceCallback};

use crate::record::CannedRecord;

/// What the library counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Activities of enabled kinds.
    Produced,
    /// Records handed to the registered callbacks.
    Delivered,
    /// Records for which there was no buffer.
    Dropped,
    /// Records that another profiler got.
    Stolen,
    /// Records of graph nodes left out because graphs are traced as wholes.
    Suppressed,
    /// Things the caller did wrong.
    Violations,
}

macro_rules! functions {
    ($( $field:ident = $name:literal: $ty:ty; )*) => {
        /// The `fake_cupti_*` functions of one loaded library.
        #[derive(Clone, Copy, Debug)]
        pub struct FakeCupti { $( $field: $ty, )* }

        impl FakeCupti {
            /// Resolves the functions; `None` when the library is not a double.
            ///
            /// # Safety
            /// `resolve` answers null or the address of the function of that name in a loaded copy
            /// of this library, which stays loaded.
            pub unsafe fn resolve(resolve: impl Fn(&CStr) -> *const c_void) -> Option<Self> {
                Some(Self { $( $field: {
                    let address = resolve($name);
                    // SAFETY: null or, as the caller vouches, this crate's function of that name,
                    // whose type stands beside it.
                    unsafe { std::mem::transmute::<*const c_void, Option<$ty>>(address) }?
                }, )* })
            }
        }
    };
}

functions! {
    script = c"fake_cupti_script": unsafe extern "C" fn(*const c_char) -> c_int;
    emit = c"fake_cupti_emit": unsafe extern "C" fn(*const u8, usize) -> c_int;
    emit_many = c"fake_cupti_emit_many": unsafe extern "C" fn(*const u8, usize, u64, u64) -> u64;
    begin = c"fake_cupti_begin": unsafe extern "C" fn(*const u8, usize) -> u64;
    end = c"fake_cupti_end": extern "C" fn(u64, u64) -> c_int;
    module_load = c"fake_cupti_module_load": unsafe extern "C" fn(*const c_char) -> u32;
    module_name = c"fake_cupti_module_name": extern "C" fn(u32) -> *const c_char;
    module_unload = c"fake_cupti_module_unload": extern "C" fn(u32);
    graph_event = c"fake_cupti_graph_event": unsafe extern "C" fn(u32, *const c_void);
    takeover = c"fake_cupti_takeover": extern "C" fn();
    takeover_end = c"fake_cupti_takeover_end": extern "C" fn();
    counter = c"fake_cupti_counter": extern "C" fn(u32) -> u64;
    last_violation = c"fake_cupti_last_violation": unsafe extern "C" fn(*mut u8, usize) -> usize;
    n_calls = c"fake_cupti_n_calls": unsafe extern "C" fn(*const c_char) -> u64;
    is_enabled = c"fake_cupti_is_enabled": extern "C" fn(u32) -> c_int;
}

impl FakeCupti {
    /// Carries out a script, see [`script`](crate::script).
    ///
    /// # Panics
    /// When a line is not a command.
    pub fn script(&self, text: &str) {
        let text = CString::new(text).expect("scripts contain no NUL");
        // SAFETY: NUL-terminated.
        let line = unsafe { (self.script)(text.as_ptr()) };
        assert_eq!(line, 0, "script line {line} is not a command: {text:?}");
    }

    /// Records one activity; whether it was recorded.
    pub fn emit(&self, record: &CannedRecord) -> bool {
        // SAFETY: the bytes and their number.
        unsafe { (self.emit)(record.bytes().as_ptr(), record.bytes().len()) == 1 }
    }

    /// Records `n` activities like `record`, each `step_ns` later and with the next correlation
    /// id; answers how many were recorded.
    pub fn emit_many(&self, record: &CannedRecord, n: u64, step_ns: u64) -> u64 {
        // SAFETY: the bytes and their number.
        unsafe { (self.emit_many)(record.bytes().as_ptr(), record.bytes().len(), n, step_ns) }
    }

    /// Records a kernel that still runs, to be ended with [`Self::end`].
    pub fn begin(&self, record: &CannedRecord) -> Option<u64> {
        // SAFETY: the bytes and their number.
        let handle = unsafe { (self.begin)(record.bytes().as_ptr(), record.bytes().len()) };
        (handle != u64::MAX).then_some(handle)
    }

    /// Ends a running kernel; whether it was still there.
    pub fn end(&self, handle: u64, end_ns: u64) -> bool {
        (self.end)(handle, end_ns) == 1
    }

    /// Loads a module with one kernel of this name: its id, and the name's address.
    ///
    /// # Panics
    /// When the name contains a NUL byte.
    pub fn load_module(&self, kernel_name: &str) -> (u32, u64) {
        let name = CString::new(kernel_name).expect("names contain no NUL");
        // SAFETY: NUL-terminated.
        let id = unsafe { (self.module_load)(name.as_ptr()) };
        (id, (self.module_name)(id) as usize as u64)
    }

    /// Unloads a module.
    pub fn unload_module(&self, id: u32) {
        (self.module_unload)(id);
    }

    /// Calls the subscriber about a graph.
    pub fn graph_event(&self, callback: ResourceCallback, graph: &GraphData) {
        // SAFETY: a filled-in structure.
        unsafe { (self.graph_event)(callback.0, std::ptr::from_ref(graph).cast()) }
    }

    /// Another profiler takes the buffers.
    pub fn takeover(&self) {
        (self.takeover)();
    }

    /// The other profiler stops.
    pub fn takeover_end(&self) {
        (self.takeover_end)();
    }

    /// Reads a counter.
    pub fn count(&self, counter: Counter) -> u64 {
        (self.counter)(counter as u32)
    }

    /// How often a function was called.
    ///
    /// # Panics
    /// When the name contains a NUL byte.
    pub fn n_calls(&self, function: &str) -> u64 {
        let function = CString::new(function).expect("names contain no NUL");
        // SAFETY: NUL-terminated.
        unsafe { (self.n_calls)(function.as_ptr()) }
    }

    /// Whether a kind is on.
    pub fn is_enabled(&self, kind: ActivityKind) -> bool {
        (self.is_enabled)(kind.0) == 1
    }

    /// What the caller did wrong last, if anything.
    pub fn violations(&self) -> Option<String> {
        if self.count(Counter::Violations) == 0 {
            return None;
        }
        let mut text = vec![0; 1024];
        // SAFETY: writable, and its length.
        let n = unsafe { (self.last_violation)(text.as_mut_ptr(), text.len()) };
        text.truncate(n);
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}
