//! The hook's request records: by which names a request is known.

use underspan_membership::RequestRecord;
use underspan_model::tables::RequestIdentity;
use underspan_model::{NONE_U32, NONE_U64, ProblemKind};

use super::rows::Rows;

/// Stores a record as the names of its request.
pub(super) fn add(rows: &mut Rows, record: &[u8]) {
    let record = match RequestRecord::parse(record) {
        Ok(record) => record,
        Err(error) => {
            rows.problem(ProblemKind::MalformedEvent, 1, || format!("a request record: {error}"));
            return;
        }
    };
    let mut name = |text: Option<&str>| text.map_or(NONE_U32, |text| rows.intern(text).raw());
    let (request, external) = (name(record.member.as_deref()), name(record.external.as_deref()));
    let http_request = name(record.x_request_id.as_deref());
    let (trace_id_high, trace_id_low, parent_span_id, is_sampled) =
        record.trace_context().unwrap_or_default();
    let times = record.times();
    let process = rows.process().raw();
    rows.timeline.request_identities.push(RequestIdentity {
        time_ns: times.realtime_ns,
        request,
        external,
        http_request,
        trace_id_high,
        trace_id_low,
        parent_span_id,
        is_sampled: is_sampled.into(),
        frontend_ns: times.frontend_ns.unwrap_or(NONE_U64),
        duration_ns: times.duration_ns.unwrap_or(NONE_U64),
        process,
    });
}
