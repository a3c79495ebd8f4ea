//! What one libcupti says about itself, for `doctor`.

use crate::{Api, Error, Strides};

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
    /// Asks `api`. The answer most likely to crash comes last.
    pub fn of(api: &Api) -> Self {
        let missing_functions = api.functions().missing().collect();
        let strides = Strides::calibrate(api);
        let timestamp_ns = api.timestamp_ns();
        Self { version: api.version(), timestamp_ns, strides, missing_functions }
    }
}
