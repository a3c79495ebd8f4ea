//! Compares the minimal CUPTI ABI with what NVIDIA ships.
//!
//! [`Toolkits::installed`] brings the CUPTI and CUDA runtime wheels of every supported toolkit from
//! PyPI into a cache; [`headers`] asks a C compiler what their headers say about each fact in
//! `cupti-sys`, and `cupti-inspect` asks the libraries themselves in a process of its own.
//! Nothing of the wheels is kept in the project.
//!
//! `cargo run -p cupti-conformance --bin cupti-bindings` goes the long way round: it generates
//! full bindings from each toolkit's headers with `bindgen` and compares those. It takes minutes
//! and libclang, so the tests do without.

pub mod headers;
mod wheels;

pub use wheels::{InstalledToolkit, Toolkits, cache_dir, libclang};
