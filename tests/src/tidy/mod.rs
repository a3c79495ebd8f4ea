//! The rules of the house as functions over text: each takes what a file says and gives back what
//! is wrong with it. `tests/tidy.rs` runs them over the repository; the tests beside each rule show
//! that it can fail.

mod code;
mod floors;
mod manifest;
mod repository;
mod source;

pub use code::code_only;
pub use floors::{FLOORS, floor_of};
pub use manifest::{Manifest, misplaced_dependencies, untidy_manifest};
pub use repository::{Repository, root};
pub use source::{
    LINE_LIMIT, LINE_WARNING, crate_doc, forbidden_in_tests, machine_paths, misnamed_file,
    too_long, unsafe_code,
};
