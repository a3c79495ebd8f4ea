//! What the real driver does with `CUDA_INJECTION64_PATH` in `cuInit`.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::path::Path;
use std::sync::Once;

use underspan_cupti::{Library, Origin};

static ONCE: Once = Once::new();

/// Loads the library and calls its entry, once in a process. `none` turns it off.
pub(crate) fn inject() {
    ONCE.call_once(|| {
        let named = std::env::var_os("CUDA_INJECTION64_PATH");
        let Some(path) = named.filter(|path| !path.is_empty() && path != "none") else { return };
        // SAFETY: the environment names a library to be loaded into CUDA processes.
        let Ok(library) = (unsafe { Library::open(Path::new(&path), Origin::Environment) }) else {
            return;
        };
        let entry = library.symbol(c"InitializeInjection");
        // SAFETY: null, or a function of the type that CUDA defines.
        let entry =
            unsafe { transmute::<*const c_void, Option<unsafe extern "C" fn() -> c_int>>(entry) };
        if let Some(entry) = entry {
            // SAFETY: called as the driver calls it.
            unsafe { entry() };
        }
    });
}
