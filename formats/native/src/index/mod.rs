//! The index: a copy of the chunk headers and sums per table, in one place at the end of the file,
//! for programs that cannot go through it (object storage, other languages). It holds nothing that
//! cannot be rebuilt from the chunks. This crate's reader does not trust it: it goes from header to
//! header, and uses an index's sums only when its copy of the headers is true.

mod build;
mod load;

pub(crate) use build::{TableSummary, build};
pub(crate) use load::load;
