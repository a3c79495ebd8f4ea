//! Raw CUPTI: a minimal hand-written ABI that reads CUDA 11.8 to 13.x with one binary.
//!
//! CUPTI is NVIDIA's profiling library. Its headers may not be redistributed, so this crate
//! contains facts only, written by hand: enumeration values, function types, and for every activity
//! record the offsets of the fields that are read. `tests/cupti-conformance` compares all of them
//! with the headers of every supported toolkit.
//!
//! Three properties make one binary fit all releases:
//!
//! - enumerations are integer newtypes, so a value added tomorrow is just a number;
//! - records are read through fixed prefix offsets ([`record`]), never through `repr(C)` structures,
//!   and the distance between records is asked from the loaded library;
//! - functions are types, not `extern` declarations, so a missing one is a missing symbol.
//!
//! With the feature `bindgen`, `bindings` holds full bindings generated at build time from an
//! installed toolkit or wheel, named by `CUPTI_INCLUDE_DIR` (a list of include directories) or
//! `CUDA_HOME`. They fit that toolkit only and need libclang; nothing in the default build does.

mod callback;
mod cbid;
pub mod facts;
mod field;
mod function;
mod integer;
mod kind;
mod params;
pub mod record;
mod result;
mod toolkit;
mod values;

#[cfg(feature = "bindgen")]
pub mod bindings;

pub use callback::{
    CallbackDomain, GraphData, ModuleResourceData, ResourceCallback, ResourceData, StateCallback,
    StateData,
};
pub use cbid::{DriverCbid, RuntimeCbid};
pub use field::{Field, MAX_RECORD_BYTES, Record, RecordSize, SizeVerdict, UserField, user_since};
pub use function::*;
pub use integer::Constant;
pub use kind::ActivityKind;
pub use params::{
    ActivityConfig, BufferCompleteInfo, BufferRequestInfo, FieldLayoutEntry, FieldSelection,
    OLD_SUBSCRIBER_NAME_MIN, RecordLayout, SUBSCRIBER_NAME_MAX, SubscriberHandle, SubscriberParams,
};
pub use record::{RECORDS, record_of};
pub use result::CUptiResult;
pub use toolkit::*;
pub use values::{
    ActivityAttribute, ActivityFlag, ChannelType, CtxSwitchOperation, DeviceGraphLaunchMode,
    EnvironmentKind, ExecutionModel, ExternalCorrelationKind, FlushFlag, LaunchType, MemcpyKind,
    MemoryKind, MemoryOperation, MemoryPoolOperation, ObjectKind, OverheadKind,
    SynchronizationType, ThreadIdType,
};
