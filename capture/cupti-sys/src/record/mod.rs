//! The activity records that are read, one module of offsets each.
//!
//! A literal `size @ offset` is what the C structures of CUDA 11.8 to 13.5 have in common.

mod allocations;
mod graph;
mod host;
mod kernels;
mod markers;
mod resources;
mod transfer;

pub use allocations::{memory, memory_pool};
pub use graph::{device_graph_trace, graph_host_node, graph_trace};
pub use host::{
    api, cuda_event, external_correlation, host_launch, jit, overhead, synchronization,
};
pub use kernels::kernel;
pub use markers::{marker, marker_data, name};
pub use resources::{compute_engine_ctx_switch, context, device, environment, stream};
pub use transfer::{memcpy, memcpy_ptop, memset};

use crate::field::Record;
use crate::kind::ActivityKind;

/// Every record type described in this crate.
pub const RECORDS: &[&Record] = &[
    &kernel::RECORD,
    &memcpy::RECORD,
    &memcpy_ptop::RECORD,
    &memset::RECORD,
    &api::RECORD,
    &synchronization::RECORD,
    &graph_trace::RECORD,
    &device_graph_trace::RECORD,
    &graph_host_node::RECORD,
    &host_launch::RECORD,
    &external_correlation::RECORD,
    &overhead::RECORD,
    &jit::RECORD,
    &cuda_event::RECORD,
    &marker::RECORD,
    &marker_data::RECORD,
    &name::RECORD,
    &memory::RECORD,
    &memory_pool::RECORD,
    &device::RECORD,
    &context::RECORD,
    &stream::RECORD,
    &environment::RECORD,
    &compute_engine_ctx_switch::RECORD,
];

/// The record type that `kind` carries, when it is described here.
pub fn record_of(kind: ActivityKind) -> Option<&'static Record> {
    RECORDS.iter().copied().find(|record| record.kinds.contains(&kind))
}
