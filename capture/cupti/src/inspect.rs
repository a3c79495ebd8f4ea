//! What one libcupti says about itself, for `doctor`.

#![expect(unsafe_code, reason = "loads a C library")]

use std::path::Path;

use crate::{Api, Error, Library, Origin, Strides};

/// One library's answers. Some releases crash without a driver when asked, so this is for a child
/// process.
#[derive(Debug)]
pub struct Inspection {
    /// The API version.
    pub version: Result<u32, Error>,
    /// Now, on the library's clock, in nanoseconds.
    pub timestamp_ns: Result<u64, Error>,
    /// Lengths of its records.
    pub strides: Result<Strides, Error>,
    /// Functions it lacks.
    pub missing_functions: Vec<&'static str>,
}

impl Inspection {
    /// Loads the library at `path` into this process and asks it: only for a process that does
    /// nothing else, since the library's initializers run and may crash.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn of_library(path: &Path) -> Result<Self, Error> {
        // SAFETY: the caller has nothing to lose in this process, and the library stays loaded.
        let library = unsafe { Library::open(path, Origin::Environment) }?;
        // SAFETY: functions are looked up by names that only a libcupti has, and have its types.
        Ok(Self::of(&unsafe { Api::new(library) }))
    }

    /// Asks `api`. The answer most likely to crash comes last.
    pub fn of(api: &Api) -> Self {
        let missing_functions = api.functions().missing().collect();
        let strides = Strides::calibrate(api);
        let timestamp_ns = api.timestamp_ns();
        Self { version: api.version(), timestamp_ns, strides, missing_functions }
    }
}
