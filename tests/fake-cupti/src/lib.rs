//! A scripted stand-in for libcupti, for machines without a GPU.
//!
//! As a shared library it exports the functions of `cupti-sys` and behaves like one CUDA release:
//! its [`Profile`] decides record lengths, functions, defaults and errors. What it records comes
//! from whoever plays the GPU, through the `fake_cupti_*` functions ([`control`]); how it
//! misbehaves is written in a [script].
//!
//! As a Rust library it makes a copy of that shared library for a release ([`Release::write`]), so
//! that functions the release does not have are missing symbols and the file has the right soname,
//! and drives a loaded copy ([`FakeCupti`]).
//!
//! It breaks deliberately where the real library was seen to break, and keeps a list of what its
//! caller did wrong ([`FakeCupti::violations`]): refusing a buffer before API version 27, calling
//! CUPTI from a buffer callback, turning on the API callback domains, `cuptiFinalize`.
//!
//! Layouts come from the ledger of `cupti-sys`, so this double proves nothing about layouts; the
//! conformance test compares that ledger with the real headers and libraries.
#![expect(unsafe_code, reason = "a C library, and its caller")]

mod buffers;
mod client;
mod clock;
pub mod control;
mod exports;
mod faults;
mod profile;
mod record;
mod release;
mod resources;
pub mod script;
mod selection;
mod state;

pub use client::{Counter, FakeCupti};
pub use profile::{PROFILES, Profile};
pub use record::CannedRecord;
pub use release::{Release, ReleaseError, built_library};
