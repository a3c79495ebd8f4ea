//! The `.uspan` capture file.
//!
//! A file is a header and then chunks, each with a header of its own and checksums, appended one
//! after the other and never changed. Rows are stored by column; strings, launch shapes and the
//! small dimension lists are chunks too, in front of the rows that refer to them. A file whose
//! writer was killed reads up to its last whole chunk. `README.md` describes every byte.
//!
//! - [`write_timeline`] and [`read_timeline`] store and load a whole capture.
//! - [`Writer`] appends while a capture is running. It is all that is left of this crate without
//!   the feature `reader`: no threads, no mapping, no index.
//! - [`Reader`] opens a file and reads parts of it.
#![cfg_attr(
    not(feature = "reader"),
    allow(dead_code, unused_imports, reason = "decoders stand beside their encoders")
)]

mod chunk;
mod codec;
mod error;
#[cfg(feature = "reader")]
mod generated;
#[cfg(feature = "reader")]
mod index;
#[cfg(feature = "reader")]
mod inspect;
mod layout;
#[cfg(feature = "reader")]
mod lod;
#[cfg(feature = "reader")]
mod mapped_file;
#[cfg(feature = "reader")]
mod pack;
#[cfg(feature = "reader")]
mod reader;
mod track;
mod writer;

pub use codec::Encoding;
pub use error::{Error, Result};
#[cfg(feature = "reader")]
pub use inspect::{
    ColumnDescription, Description, EncodingUse, Finding, RecoverReport, TableDescription,
    VerifyReport, describe, recover, verify,
};
pub use layout::{ChunkKind, FORMAT_VERSION};
#[cfg(feature = "reader")]
pub use lod::{
    Cell, Coverage, Depth, MissingChunk, Pyramid, TimelinePyramid, TimelineTrack, Track,
};
#[cfg(feature = "reader")]
pub use mapped_file::FileAccess;
#[cfg(feature = "reader")]
pub use reader::{ReadOptions, Reader, RowChunk, RowQuery, Rows, read_segments, read_timeline};
#[cfg(feature = "reader")]
pub use writer::write_timeline;
pub use writer::{WriteOptions, WriteSummary, Writer};

/// The README's code, compiled and run.
#[cfg(all(doctest, feature = "reader"))]
#[doc = include_str!("../README.md")]
struct Readme;
