//! A CUDA driver without a GPU, for processes on machines that have none.
//!
//! As a shared library it exports enough of the driver interface for kernels, copies, fills,
//! streams and graphs ([`abi`]), and what programs call around them ([`housekeeping`]). Like the
//! real one it loads the library that `CUDA_INJECTION64_PATH` names when it is initialised. Work
//! takes time on a simulated device: each stream runs one thing after the other, after a launch
//! latency, and whoever synchronizes waits for it in real time. What the device did is handed to
//! the libcupti double that `UNDERSPAN_CUPTI` names.
//!
//! As a Rust library it is a client of that shared library ([`Cuda`]).
#![expect(unsafe_code, reason = "a C library, and its caller")]

pub mod abi;
mod client;
mod clock;
mod device;
mod graph;
pub mod housekeeping;
mod injection;
mod record;
pub mod server;
mod stream;

pub use client::{Cuda, CudaError, Function, Graph, LaunchShape, Stream, Transfer, built_library};
