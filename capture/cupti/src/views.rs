//! Records as plain structures.
//!
//! Times are nanoseconds on the library's clock, which is `CLOCK_REALTIME` unless a timestamp
//! callback was registered. A time of 0 means that none could be taken. Numbers of enumerations
//! are explained by the types of the same name in `cupti_sys`.

mod device;
mod graph;
mod host;
mod kernel;
mod macros;
mod marker;
mod memory;
mod record;
mod transfer;

pub use device::{Context, CtxSwitch, Device, Environment, Stream};
pub use graph::{DeviceGraphTrace, GraphHostNode, GraphTrace};
pub use host::{ApiRecord, CudaEvent, ExternalCorrelation, HostLaunch, Jit, Overhead, Sync};
pub use kernel::Kernel;
pub use marker::{Marker, MarkerData, Name};
pub use memory::{MemoryOperationRecord, MemoryPoolRecord};
pub(crate) use record::Slot;
pub use record::{Record, TimeFault};
pub use transfer::{Memcpy, MemcpyPtoP, Memset};
