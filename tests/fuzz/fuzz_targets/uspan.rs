//! Capture files: what verifies reads, and reading never panics.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("room for it");
    let verified = underspan_native::verify(file.path());
    let read = underspan_native::read_timeline(file.path());
    assert_eq!(verified.is_ok(), read.is_ok(), "verify and read agree on what a capture is");
});
