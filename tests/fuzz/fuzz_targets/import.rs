//! Trace files of every format: content decides, and any content is read or refused.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use underspan_import::{ImportOptions, NoProgress, import_path};

fuzz_target!(|content: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("room for it");
    let mut options = ImportOptions::default();
    options.inflated_limit_bytes = 64 << 20;
    options.accept_truncated = content.len() % 2 == 0;
    if let Ok(timeline) = import_path(file.path(), &options, &NoProgress) {
        for table in timeline.tables() {
            if let Some(starts) = table.start_column() {
                assert!(starts.is_sorted(), "{} rows are in order", table.kind().name());
            }
        }
    }
});
