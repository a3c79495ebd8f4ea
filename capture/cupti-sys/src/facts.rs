//! Everything this crate claims about the C interface, for the conformance test.

use crate::integer::Constant;
use crate::{
    ActivityAttribute, ActivityFlag, ActivityKind, CUptiResult, CallbackDomain, ChannelType,
    CtxSwitchOperation, DeviceGraphLaunchMode, DriverCbid, EnvironmentKind, ExecutionModel,
    ExternalCorrelationKind, FlushFlag, LaunchType, MemcpyKind, MemoryKind, MemoryOperation,
    MemoryPoolOperation, ObjectKind, OverheadKind, ResourceCallback, RuntimeCbid, StateCallback,
    SynchronizationType, ThreadIdType, Toolkit, callback, params, toolkit,
};

/// Every named integer.
pub const CONSTANTS: &[&[Constant]] = &[
    CUptiResult::CONSTANTS,
    ActivityKind::CONSTANTS,
    ActivityAttribute::CONSTANTS,
    ThreadIdType::CONSTANTS,
    FlushFlag::CONSTANTS,
    MemcpyKind::CONSTANTS,
    MemoryKind::CONSTANTS,
    SynchronizationType::CONSTANTS,
    OverheadKind::CONSTANTS,
    ObjectKind::CONSTANTS,
    ActivityFlag::CONSTANTS,
    ExternalCorrelationKind::CONSTANTS,
    LaunchType::CONSTANTS,
    ChannelType::CONSTANTS,
    ExecutionModel::CONSTANTS,
    DeviceGraphLaunchMode::CONSTANTS,
    EnvironmentKind::CONSTANTS,
    MemoryOperation::CONSTANTS,
    MemoryPoolOperation::CONSTANTS,
    CtxSwitchOperation::CONSTANTS,
    CallbackDomain::CONSTANTS,
    ResourceCallback::CONSTANTS,
    StateCallback::CONSTANTS,
    RuntimeCbid::CONSTANTS,
    DriverCbid::CONSTANTS,
    PARAMS_CONSTANTS,
];

const PARAMS_CONSTANTS: &[Constant] = &[
    Constant {
        c_name: "CUPTI_SUBSCRIBER_NAME_MAX_LEN",
        value: params::SUBSCRIBER_NAME_MAX as u64,
        since: toolkit::CUDA_13_0,
    },
    Constant {
        c_name: "CUPTI_OLD_SUBSCRIBER_NAME_MIN_LEN",
        value: params::OLD_SUBSCRIBER_NAME_MIN as u64,
        since: toolkit::CUDA_13_0,
    },
];

/// A structure other than a record.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// Its name in the C headers.
    pub c_type: &'static str,
    /// The first compared toolkit that has it.
    pub since: Toolkit,
    /// Lengths, oldest first.
    pub sizes: &'static [(Toolkit, usize)],
    /// Members: C path, offset, length, first compared toolkit.
    pub members: &'static [(&'static str, usize, usize, Toolkit)],
}

macro_rules! structure {
    (
        $rust:ty = $c_type:literal, $since:ident, sizes [$($size_since:ident $bytes:expr),*],
        [$( $member:ident: $size:literal = $c_path:literal $(, since $member_since:ident)? ;)*]
    ) => {
        Structure {
            c_type: $c_type,
            since: toolkit::$since,
            sizes: &[$((toolkit::$size_since, $bytes)),*],
            members: &[$((
                $c_path,
                std::mem::offset_of!($rust, $member),
                $size,
                structure!(@since $since $($member_since)?),
            )),*],
        }
    };
    (@since $since:ident) => { toolkit::$since };
    (@since $since:ident $member_since:ident) => { toolkit::$member_since };
}

/// Every structure other than a record.
pub const STRUCTURES: &[Structure] = &[
    structure!(callback::ResourceData = "CUpti_ResourceData", CUDA_11_8,
        sizes [CUDA_11_8 size_of::<callback::ResourceData>()], [
        context: 8 = "context";
        stream: 8 = "resourceHandle.stream";
        descriptor: 8 = "resourceDescriptor";
    ]),
    structure!(callback::ModuleResourceData = "CUpti_ModuleResourceData", CUDA_11_8,
        sizes [CUDA_11_8 size_of::<callback::ModuleResourceData>()], [
        module_id: 4 = "moduleId";
        cubin_size: 8 = "cubinSize";
        cubin: 8 = "pCubin";
    ]),
    structure!(callback::GraphData = "CUpti_GraphData", CUDA_11_8,
        sizes [CUDA_11_8 size_of::<callback::GraphData>()], [
        graph: 8 = "graph";
        original_graph: 8 = "originalGraph";
        node: 8 = "node";
        original_node: 8 = "originalNode";
        node_type: 4 = "nodeType";
        dependency: 8 = "dependency";
        graph_exec: 8 = "graphExec";
    ]),
    structure!(callback::StateData = "CUpti_StateData", CUDA_12_4,
        sizes [CUDA_12_4 size_of::<callback::StateData>()], [
        result: 4 = "notification.result";
        message: 8 = "notification.message";
    ]),
    structure!(params::SubscriberParams = "CUpti_SubscriberParams", CUDA_13_0,
        sizes [CUDA_13_0 params::SubscriberParams::SIZE_13_0,
               CUDA_13_2 params::SubscriberParams::SIZE_13_2], [
        struct_size: 8 = "structSize";
        subscriber_name: 8 = "subscriberName";
        old_subscriber_name: 8 = "oldSubscriberName";
        old_subscriber_size: 8 = "oldSubscriberSize";
        allow_multiple_subscribers: 1 = "allowMultipleSubscribers", since CUDA_13_2;
    ]),
    structure!(params::FieldSelection = "CUpti_ActivityFieldSelection", CUDA_13_2,
        sizes [CUDA_13_2 size_of::<params::FieldSelection>()], [
        struct_size: 8 = "structSize";
        n_fields: 8 = "numFields";
        field_ids: 8 = "pFieldIds";
    ]),
    structure!(params::ActivityConfig = "CUpti_ActivityConfig", CUDA_13_2,
        sizes [CUDA_13_2 params::ActivityConfig::SIZE_13_2,
               CUDA_13_4 params::ActivityConfig::SIZE_13_4], [
        struct_size: 8 = "structSize";
        field_selection: 24 = "fieldSelection";
        kind_options: 8 = "pKindOptions", since CUDA_13_4;
    ]),
    structure!(params::FieldLayoutEntry = "CUpti_ActivityFieldLayoutEntry", CUDA_13_2,
        sizes [CUDA_13_2 size_of::<params::FieldLayoutEntry>()], [
        struct_size: 8 = "structSize";
        field_id: 4 = "fieldId";
        offset: 8 = "offset";
        size: 8 = "size";
        alignment: 8 = "alignment";
    ]),
    structure!(params::RecordLayout = "CUpti_ActivityRecordLayout", CUDA_13_2,
        sizes [CUDA_13_2 size_of::<params::RecordLayout>()], [
        struct_size: 8 = "structSize";
        entries: 8 = "pEntries";
        n_fields: 8 = "numFields";
        record_size: 8 = "recordSize";
    ]),
    structure!(params::BufferRequestInfo = "CUpti_BufferCallbackRequestInfo", CUDA_13_2,
        sizes [CUDA_13_2 size_of::<params::BufferRequestInfo>()], [
        struct_size: 8 = "structSize";
    ]),
    structure!(params::BufferCompleteInfo = "CUpti_BufferCallbackCompleteInfo", CUDA_13_2,
        sizes [CUDA_13_2 size_of::<params::BufferCompleteInfo>()], [
        struct_size: 8 = "structSize";
        thread_id: 8 = "threadId";
        record_layouts: 8 = "ppRecordLayouts";
        n_record_layouts: 8 = "numRecordLayouts";
    ]),
];
