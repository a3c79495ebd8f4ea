//! Another tool's injection library: CUDA loads one, which is this one.
#![expect(unsafe_code, reason = "loads another library, as CUDA would")]

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::path::Path;
use std::sync::Once;

use underspan_cupti::{Library, Origin};

use crate::process::complain;

static ONCE: Once = Once::new();

/// Loads the library and calls its entry, once in a process.
pub(crate) fn start(path: &Path) {
    ONCE.call_once(|| {
        // SAFETY: the user names it to be loaded by CUDA; this does what CUDA would.
        let library = match unsafe { Library::open(path, Origin::Environment) } {
            Ok(library) => library,
            Err(error) => return complain(&format!("the other tool is not loaded: {error}")),
        };
        let entry = library.symbol(c"InitializeInjection");
        // SAFETY: null or the function of that name, whose type CUDA defines.
        let entry =
            unsafe { transmute::<*const c_void, Option<unsafe extern "C" fn() -> c_int>>(entry) };
        match entry {
            // SAFETY: called as CUDA calls it, once, from the thread in `cuInit`.
            Some(entry) => drop(unsafe { entry() }),
            None => complain(&format!("{} has no InitializeInjection", path.display())),
        }
    });
}
