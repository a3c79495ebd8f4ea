//! Nanoseconds a name over a generated mix of spellings.
fn main() {}
