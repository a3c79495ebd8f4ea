//! The index: a copy of the chunk headers and a summary per table, so that a file opens without
//! going through it. It holds nothing that cannot be rebuilt from the chunks, and is not trusted:
//! what it says must fit the file, and every chunk's own header is compared when it is read.

mod build;
mod load;

pub(crate) use build::{TableSummary, build};
pub(crate) use load::load;
