//! The wire format of protobuf: fields of a message as slices of it, and the bytes of fields.
//! Nothing is allocated when reading, and no length is believed.
//!
//! No schema is read: whoever knows what a field means matches on its number.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

mod read;
mod write;

pub use read::{Field, Fields, WireFault, varint};
pub use write::{put_bytes, put_tag, put_varint};
