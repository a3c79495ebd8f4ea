//! The generated bindings and the minimal ABI describe the same library.
//!
//! Built with the feature `bindgen` only, against the toolkit named at build time (12.0 or later).
#![cfg(feature = "bindgen")]

use std::mem::offset_of;

use cupti_sys::bindings as full;
use cupti_sys::record::{api, graph_trace, kernel, memcpy};
use cupti_sys::{ActivityAttribute, ActivityKind, CUptiResult, ResourceCallback};

#[test]
fn enumerations_are_open_newtypes_with_the_same_values() {
    assert_eq!(
        full::CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_GRAPH_TRACE.0,
        ActivityKind::GRAPH_TRACE.0
    );
    assert_eq!(
        full::CUptiResult::CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED.0,
        CUptiResult::ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED.0
    );
    assert_eq!(
        full::CUpti_ActivityAttribute::CUPTI_ACTIVITY_ATTR_ZEROED_OUT_ACTIVITY_BUFFER.0,
        ActivityAttribute::ZEROED_OUT_ACTIVITY_BUFFER.0
    );
    assert_eq!(
        full::CUpti_CallbackIdResource::CUPTI_CBID_RESOURCE_MODULE_UNLOAD_STARTING.0,
        ResourceCallback::MODULE_UNLOAD_STARTING.0
    );
}

#[test]
fn records_have_the_same_prefixes() {
    macro_rules! same {
        ($c_type:ident . $member:ident, $field:expr) => {
            assert_eq!(offset_of!(full::$c_type, $member), usize::from($field.offset));
        };
    }
    same!(CUpti_ActivityKernel9.start, kernel::START);
    same!(CUpti_ActivityKernel9.correlationId, kernel::CORRELATION_ID);
    same!(CUpti_ActivityKernel9.name, kernel::NAME);
    same!(CUpti_ActivityKernel9.graphNodeId, kernel::GRAPH_NODE_ID);
    same!(CUpti_ActivityKernel9.maxActiveClusters, kernel::MAX_ACTIVE_CLUSTERS);
    same!(CUpti_ActivityMemcpy5.graphId, memcpy::GRAPH_ID);
    same!(CUpti_ActivityAPI.returnValue, api::RETURN_VALUE);
    same!(CUpti_ActivityGraphTrace.streamId, graph_trace::STREAM_ID);
    assert_eq!(size_of::<full::CUpti_ActivityKernel9>(), 208);
}
