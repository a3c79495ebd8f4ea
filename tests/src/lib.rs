//! Checks of the repository itself, and what the end-to-end tests share.

pub mod python;
pub mod tidy;
