//! Writers of the public formats that operators hand over.

mod calendar;
mod declared;
mod folder;
mod metrics;
mod nvml;
mod otlp;
mod trace;
mod triton_json;

pub(crate) use declared::{Declared, EngineDeclared};
pub use folder::Container;
pub(crate) use folder::{Capture, write_capture};
pub(crate) use otlp::Server;
