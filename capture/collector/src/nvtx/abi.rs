//! The part of the NVTX injection interface that is used. Layouts and numbers are those of NVTX 2
//! and 3, which promise to keep them (`nvtxTypes.h`, Apache-2.0 with LLVM exception).

use std::ffi::{c_char, c_int, c_void};

/// Finds a table of the NVTX library by its number.
pub(crate) type GetExportTable = unsafe extern "C" fn(table: u32) -> *const c_void;

/// The number of [`CallbackTable`].
pub(crate) const CALLBACK_TABLE: u32 = 1;

/// C: `NvtxExportTableCallbacks`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct CallbackTable {
    /// Length of this structure as the library knows it.
    pub(crate) struct_size: usize,
    /// Finds the functions of a module: a list of places for function pointers, and its length.
    pub(crate) module_functions: Option<
        unsafe extern "C" fn(module: u32, table: *mut *mut *mut Function, size: *mut u32) -> c_int,
    >,
}

/// A function pointer in the library's table.
pub(crate) type Function = *const c_void;

/// The modules whose functions are replaced.
pub(crate) mod module {
    /// Marks, ranges and names of the default domain.
    pub(crate) const CORE: u32 = 1;
    /// Domains and registered strings.
    pub(crate) const CORE2: u32 = 5;
}

/// How the text of an annotation is given.
pub(crate) mod message {
    /// NUL-terminated bytes.
    pub(crate) const ASCII: i32 = 1;
    /// NUL-terminated `wchar_t`.
    pub(crate) const UNICODE: i32 = 2;
    /// A handle from `nvtxDomainRegisterString`.
    pub(crate) const REGISTERED: i32 = 3;
}

/// C: `nvtxEventAttributes_t`, 48 bytes since version 2.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventAttributes {
    /// Version of the structure.
    pub(crate) version: u16,
    /// Its length.
    pub(crate) size: u16,
    /// Category.
    pub(crate) category: u32,
    /// Whether `color` counts.
    pub(crate) color_type: i32,
    /// ARGB.
    pub(crate) color: u32,
    /// Type of `payload`.
    pub(crate) payload_type: i32,
    /// Unused.
    pub(crate) reserved: i32,
    /// A number.
    pub(crate) payload: u64,
    /// One of [`message`].
    pub(crate) message_type: i32,
    /// The text or its handle.
    pub(crate) message: *const c_void,
}

/// C `wchar_t` on Linux.
pub(crate) type WideChar = i32;

/// Texts as NVTX passes them.
pub(crate) type Ascii = *const c_char;
