//! What the host did: API calls, annotations, operators.

use super::codes::{AnnotationKind, ApiDomain};
use super::define::*;
use crate::{NONE_U32, NONE_U64};

define_table! {
    /// One runtime or driver API call.
    ApiCall in ApiCallTable: ApiCall, time: span;
    /// Entry into the call.
    start_ns: i64,
    /// Until it returned.
    duration_ns: u64,
    /// Calling thread (holds the process).
    thread: u32 = NONE_U32 => Thread,
    /// Function name.
    name: u32 = NONE_U32 => String,
    /// See [`Kernel::correlation_id`](super::Kernel::correlation_id).
    correlation_id: u32 = NONE_U32,
    /// See [`Kernel::external_id`](super::Kernel::external_id).
    external_id: u64 = NONE_U64,
    /// Library entered, an [`ApiDomain`].
    domain: u8,
    /// Value returned; [`NONE_U32`] when the source does not give it.
    return_value: u32 = NONE_U32,
}

define_table! {
    /// One NVTX range or framework annotation.
    Annotation in AnnotationTable: Annotation, time: span;
    /// Start.
    start_ns: i64,
    /// Length; zero for a mark.
    duration_ns: u64,
    /// Thread it was made on; none for device-side annotations.
    thread: u32 = NONE_U32 => Thread,
    /// Stream of a device-side annotation; none on the host.
    stream: u32 = NONE_U32 => Stream,
    /// The text.
    name: u32 = NONE_U32 => String,
    /// NVTX domain; none for the default domain.
    domain: u32 = NONE_U32 => String,
    /// Where it came from, an [`AnnotationKind`].
    kind: u8,
    /// See [`Kernel::external_id`](super::Kernel::external_id).
    external_id: u64 = NONE_U64,
}

define_table! {
    /// One framework operator or Python function.
    CpuOp in CpuOpTable: CpuOp, time: span;
    /// Start.
    start_ns: i64,
    /// Length.
    duration_ns: u64,
    /// Thread it ran on.
    thread: u32 = NONE_U32 => Thread,
    /// Operator or function name.
    name: u32 = NONE_U32 => String,
    /// Operator or function, a [`CpuOpKind`](super::CpuOpKind).
    kind: u8,
    /// See [`Kernel::external_id`](super::Kernel::external_id).
    external_id: u64 = NONE_U64,
    /// Types of the operands, as the source's JSON text.
    input_types: u32 = NONE_U32 => String,
    /// Dimensions of the operands, as the source's JSON text.
    input_dims: u32 = NONE_U32 => String,
}

rows_with_interval!(ApiCall, Annotation, CpuOp);

impl ApiCall {
    /// Which library was entered.
    pub const fn api_domain(&self) -> ApiDomain {
        ApiDomain::from_code(self.domain)
    }
}

impl Annotation {
    /// Where it came from.
    pub const fn annotation_kind(&self) -> AnnotationKind {
        AnnotationKind::from_code(self.kind)
    }
}
