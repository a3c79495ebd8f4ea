//! Full bindings of the toolkit named at build time; see the crate documentation.
#![allow(missing_docs, rust_2018_idioms, clippy::all, reason = "generated code")]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, reason = "C names")]
#![allow(unreachable_pub, unsafe_op_in_unsafe_fn, unsafe_code, reason = "generated code")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    clippy::semicolon_if_nothing_returned,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
