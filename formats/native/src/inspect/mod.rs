//! Looking at a file as a file: is it sound, how large is what, what can be saved.

mod describe;
mod recover;
mod verify;

pub use describe::{ColumnDescription, Description, EncodingUse, TableDescription, describe};
pub use recover::{RecoverReport, recover};
pub use verify::{Finding, VerifyReport, verify};
