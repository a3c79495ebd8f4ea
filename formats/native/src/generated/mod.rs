//! What `flatc --rust` makes of `schema/`; `tests/generated.rs` keeps it so.
#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    rust_2018_idioms,
    clippy::all,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    clippy::semicolon_if_nothing_returned,
    reason = "generated code; flatbuffers' accessors are unsafe behind a verified root"
)]

#[rustfmt::skip]
mod index_generated;

pub(crate) use index_generated::uspan::{
    Chunk, Index, IndexArgs, TableStatistics, finish_index_buffer, root_as_index_with_opts,
};
