//! What all sources of request spans share: the values of attributes, the list of those that are
//! stored, and the sink that turns spans in any format into rows.

mod allow_list;
mod documents;
mod duplicates;
mod ids;
mod sink;
mod value;

pub(crate) use allow_list::key_of_flattened;
pub(crate) use documents::read_documents;
pub(crate) use duplicates::drop_duplicates;
pub(crate) use ids::{TraceId, span_id_from_bytes, span_id_from_text, trace_id_from_text};
pub(crate) use sink::{SpanRecord, SpanSink};
pub(crate) use value::AttributeValue;
