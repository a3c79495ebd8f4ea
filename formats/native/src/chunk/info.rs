//! What the capture as a whole is: a text map with `format` and `clock`. Keys of later versions
//! are passed over.

use underspan_model::{CaptureInfo, ClockDomain};

use super::text_map;
use crate::error::LayoutError;

pub(crate) fn write_info(info: &CaptureInfo, out: &mut Vec<u8>) {
    // Named one by one, so that a new field is not forgotten here.
    let CaptureInfo { format, clock } = info;
    text_map::write(&[("format", format), ("clock", clock.as_str())], out);
}

pub(crate) fn read_info(payload: &[u8]) -> Result<CaptureInfo, LayoutError> {
    let mut info = CaptureInfo::default();
    for (key, value) in text_map::read(payload)? {
        match key {
            "format" => value.clone_into(&mut info.format),
            // A clock of a later version is one whose origin is not known here.
            "clock" => {
                info.clock = ClockDomain::from_name(value).unwrap_or(ClockDomain::SourceRelative);
            }
            _ => {}
        }
    }
    Ok(info)
}
