//! Finding, loading, trusting and reading libcupti, for every CUDA from 11.8 on with one binary.
//!
//! The way of a record:
//!
//! 1. [`load`] takes the libcupti that the user names or the process already has, or finds the one
//!    that belongs to its CUDA runtime; [`Api`] has its functions, each possibly missing.
//! 2. [`Strides::calibrate`] asks that library how long its records are, and refuses a library
//!    whose answers disagree with each other or with every known release.
//! 3. A [`Backend`] hands buffers to the library and takes them back through a [`BufferSink`]:
//!    [`V1`] with predefined records on every release, [`UserDefined`] with selected fields from
//!    13.3 on.
//! 4. [`Records`] yields the [`Record`]s of a completed buffer as plain structures, and books in a
//!    [`DecodeLedger`] whatever could not be read or is no measurement.
//!
//! Nothing here starts threads, logs, or calls `cuptiFinalize`.

mod api;
mod backend;
mod buffer;
mod decode;
mod error;
mod inspect;
mod layout;
mod layout_table;
mod library;
mod name;
mod scrap;
mod search;
mod strides;
mod subscription;
mod views;

pub use api::{Api, ApiCall, Flush};
pub use backend::{Backend, SettingOutcome, Settings, UserDefined, V1};
pub use buffer::{BufferGrant, BufferSink, CompletedBuffer, callback_panics};
pub use decode::{DecodeLedger, KindCounts, Records};
pub use error::Error;
pub use inspect::Inspection;
pub use layout::{Layouts, SelectedField};
pub use layout_table::{LayoutId, LayoutTable};
pub use library::{Library, Origin, driver_version, loaded_objects};
pub use name::name_bytes;
pub use scrap::{ScrapKind, ScrapPool};
pub use search::{
    Bystander, Candidate, LIBRARY_VARIABLE, Search, already_loaded, bystanders, load,
};
pub use strides::{N_KINDS, Strides};
pub use subscription::{
    CallbackSink, ResourceDetail, ResourceEvent, StateEvent, SubscribeOptions, Subscription,
};
pub use views::{
    ApiRecord, Context, CtxSwitch, CudaEvent, Device, DeviceGraphTrace, Environment,
    ExternalCorrelation, GraphHostNode, GraphTrace, HostLaunch, Jit, Kernel, Marker, MarkerData,
    Memcpy, MemcpyPtoP, MemoryOperationRecord, MemoryPoolRecord, Memset, Name, Overhead, Record,
    Stream, Sync, TimeFault,
};
