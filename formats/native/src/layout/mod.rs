//! The fixed parts of a file: what lies at which byte.

mod chunk_header;
mod cursor;
mod file_header;
pub(crate) mod limits;
mod trailer;
mod varint;

pub use chunk_header::ChunkKind;
pub(crate) use chunk_header::{CHUNK_HEADER_LEN, CHUNK_MAGIC, ChunkHeader, NO_TIMES};
pub(crate) use cursor::Cursor;
pub use file_header::FORMAT_VERSION;
pub(crate) use file_header::{FILE_HEADER_LEN, FILE_MAGIC, FileHeader};
#[cfg(feature = "reader")]
pub(crate) use trailer::{TRAILER_LEN, Trailer};
pub(crate) use varint::put_varint;
