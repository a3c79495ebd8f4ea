//! Ids under which servers know a request.

use crate::load::Arrival;

/// The id that the engine reports.
pub(crate) fn request_id(arrival: &Arrival) -> String {
    format!("cmpl-{:032x}", arrival.trace_id)
}

/// The id that clients of Triton send.
pub(crate) fn triton_request_id(arrival: &Arrival) -> String {
    format!("{:016x}", (arrival.trace_id >> 64) as u64)
}
