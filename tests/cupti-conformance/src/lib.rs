//! Compares the minimal CUPTI ABI with what NVIDIA ships.
//!
//! [`Toolkits::installed`] brings the CUPTI and CUDA runtime wheels of every supported toolkit from
//! PyPI into a cache; [`headers`] asks a C compiler what their headers say about each fact in
//! `cupti-sys`. Nothing of the wheels is kept in the project.

pub mod headers;
mod wheels;

pub use wheels::{InstalledToolkit, Toolkits, cache_dir};
