//! Tells a loaded collector who is in each step, as the Python hook does (`underspan.h`).
#![expect(unsafe_code, reason = "calls C functions")]

use std::ffi::{CStr, c_int, c_void};
use std::path::Path;

use underspan_cupti::Library;

const NOT_RECORDING: c_int = 2;
const VERSION: u8 = 1;
const KEYFRAME: u8 = 1;
const OP_DEFINE: u8 = 1;
const OP_JOIN: u8 = 3;
const OP_FINISHED: u8 = 12;
/// The records are those that vLLM's hook makes.
const SOURCE_VLLM: u8 = 1;

/// One request in a step.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) prompt_tokens: u32,
    pub(super) own_tokens: u32,
    pub(super) computed_tokens: u32,
}

/// A request that the engine takes in.
#[derive(Clone, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) id: &'a str,
    pub(super) traceparent: &'a str,
    pub(super) realtime_ns: u64,
    pub(super) monotonic_ns: u64,
    pub(super) received_ns: u64,
}

macro_rules! functions {
    ($( $field:ident = $name:literal: $ty:ty; )*) => {
        /// The collector's functions.
        #[derive(Clone, Copy, Debug)]
        pub(super) struct Hook { $( $field: $ty, )* }

        impl Hook {
            fn resolve(library: &Library) -> Option<Self> {
                Some(Self { $( $field: {
                    let name: &CStr = $name;
                    let address = library.symbol(name);
                    // SAFETY: null, or the function of that name, whose type is the header's.
                    unsafe { std::mem::transmute::<*const c_void, Option<$ty>>(address) }?
                }, )* })
            }
        }
    };
}

functions! {
    version = c"underspan_hook_abi_version": extern "C" fn() -> c_int;
    step_begin = c"underspan_step_begin": extern "C" fn(u64, u32, u32) -> c_int;
    members = c"underspan_members": unsafe extern "C" fn(*const u8, usize) -> c_int;
    step_end = c"underspan_step_end": extern "C" fn(u64) -> c_int;
    request = c"underspan_request": unsafe extern "C" fn(*const u8, usize) -> c_int;
}

impl Hook {
    /// The collector that is loaded in this process, if any.
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("UNDERSPAN_COLLECTOR")?;
        let library = Library::loaded(Path::new(&path))?;
        Self::resolve(&library).filter(|hook| (hook.version)() == 1)
    }

    /// A step begins. Every step is told as a keyframe.
    pub(super) fn begin(&self, step: u64, members: &[Member], finished: &[String]) {
        let n = u32::try_from(members.len()).unwrap_or(u32::MAX);
        if (self.step_begin)(step, n, 0) == NOT_RECORDING {
            return;
        }
        let delta = keyframe(members, finished);
        // SAFETY: readable bytes and their number.
        unsafe { (self.members)(delta.as_ptr(), delta.len()) };
    }

    /// The step has been issued.
    pub(super) fn end(&self, step: u64) {
        (self.step_end)(step);
    }

    /// The engine takes a request in.
    pub(super) fn arrived(&self, arrival: &Arrival<'_>) {
        let mut record = vec![VERSION, SOURCE_VLLM];
        record.extend_from_slice(&arrival.realtime_ns.to_le_bytes());
        record.extend_from_slice(&arrival.monotonic_ns.to_le_bytes());
        let received = arrival.received_ns.to_le_bytes();
        let fields: [(u8, &[u8]); 4] = [
            (1, arrival.id.as_bytes()),
            (2, arrival.id.as_bytes()),
            (3, arrival.traceparent.as_bytes()),
            (5, &received),
        ];
        for (key, value) in fields {
            record.push(key);
            varint(&mut record, value.len() as u64);
            record.extend_from_slice(value);
        }
        // SAFETY: readable bytes and their number.
        unsafe { (self.request)(record.as_ptr(), record.len()) };
    }
}

fn keyframe(members: &[Member], finished: &[String]) -> Vec<u8> {
    let mut delta = vec![VERSION, KEYFRAME, 0];
    let mut operation = |code: u8, body: &[u8]| {
        delta.push(code);
        varint(&mut delta, body.len() as u64);
        delta.extend_from_slice(body);
    };
    let define = |handle: usize, prompt_tokens: u32, id: &str| {
        let mut body = Vec::new();
        for value in [handle as u64, prompt_tokens.into(), prompt_tokens.into()] {
            varint(&mut body, value);
        }
        body.extend_from_slice(id.as_bytes());
        body
    };
    let mut join = Vec::new();
    varint(&mut join, members.len() as u64);
    for (handle, member) in members.iter().enumerate() {
        operation(OP_DEFINE, &define(handle, member.prompt_tokens, &member.id));
        for value in [handle as u64, member.own_tokens.into(), member.computed_tokens.into()] {
            varint(&mut join, value);
        }
    }
    operation(OP_JOIN, &join);
    let mut gone = Vec::new();
    varint(&mut gone, finished.len() as u64);
    for (at, id) in finished.iter().enumerate() {
        let handle = members.len() + at;
        operation(OP_DEFINE, &define(handle, 0, id));
        varint(&mut gone, handle as u64);
    }
    if !finished.is_empty() {
        operation(OP_FINISHED, &gone);
    }
    delta
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}
