//! The detectors, one kind of fault a file.

mod cache_hits;
mod d01_capacity_queue;
mod d02_batch_formation;
mod d03_prefill_interference;
mod d04_precision_fallback;
mod d05_conversions;
mod d06_launch_gaps;
mod d09_serialised;
mod d10_cache;
mod d12_clocks;
mod d13_neighbour;
mod d14_straggler;
mod d15_graphs;
mod d16_outside;
mod d17_model;
mod d19_waste;
mod registry;
mod stalls;
mod transfers;

pub(crate) use d17_model::{
    Growth, by_size, is_other_model, is_same_model, own_kernel_share, size_of, times_by_size,
};
pub use registry::{detector, detectors};
