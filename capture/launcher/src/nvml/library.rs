//! Finds NVML.

use std::ffi::{OsStr, OsString};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// Where another library than the system's is named.
const VARIABLE: &str = "UNDERSPAN_NVML";
/// The driver brings the first; the second is a link that toolkits make.
const NAMES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// Loads NVML and starts it.
///
/// # Errors
/// A line for a person.
pub(crate) fn open() -> Result<Nvml, String> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let names: Vec<OsString> =
        named.map_or_else(|| NAMES.map(OsString::from).to_vec(), |path| vec![path]);
    let mut first = None;
    for name in &names {
        match Nvml::builder().lib_path(name).init() {
            Ok(nvml) => return Ok(nvml),
            Err(error) => first = first.or_else(|| Some(reason(name, &error))),
        }
    }
    Err(first.unwrap_or_default())
}

fn reason(name: &OsStr, error: &NvmlError) -> String {
    match error {
        // The loader begins with the name.
        NvmlError::LibloadingError(error) => error.to_string(),
        _ => format!("{} does not start: {error}", name.display()),
    }
}
