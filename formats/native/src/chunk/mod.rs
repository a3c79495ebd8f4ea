//! What stands in the payload of each kind of chunk.

mod end;
mod info;
mod problems;
mod shapes;
mod strings;
mod table_read;
mod table_write;
pub(crate) mod text_map;

pub(crate) use end::EndChunk;
pub(crate) use info::{read_info, write_info};
#[cfg(feature = "reader")]
pub(crate) use problems::{ProblemEntry, problem_entries};
pub(crate) use problems::{read_problems, write_problems};
pub(crate) use shapes::{SHAPE_COLUMNS, ShapeColumns};
#[cfg(feature = "reader")]
pub(crate) use strings::write_strings_raw;
pub(crate) use strings::{StringsReader, write_strings};
pub(crate) use table_read::{ColumnSlice, TableDecoder, TargetColumn, read_heads};
pub(crate) use table_write::TableEncoder;
#[cfg(feature = "reader")]
pub(crate) use table_write::type_code;

#[cfg(all(test, feature = "reader"))]
mod tests;
