//! Memory of an import: some windows and the rows, whatever the file's size.
//!
//! One test in a process of its own, since the most memory a process ever held is what counts.
#![cfg(target_os = "linux")]

#[path = "support/kineto_json.rs"]
mod kineto_json;
#[path = "support/kineto_text.rs"]
mod kineto_text;

use kineto_json::Layout;
use kineto_text::{Packing, import_file, pack};
use underspan_import::{ImportOptions, KinetoImporter};

/// Two windows of the content with room, and what a process needs beside.
const WINDOWS_BYTES: u64 = 48 << 20;
/// Rows, their order while they are sorted, and names.
const EVENT_BYTES: u64 = 60;

fn status_bytes(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(key)).expect("a line of it");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib << 10
}

#[test]
fn memory_holds_the_rows_and_not_the_file() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let path = folder.path().join("trace.json");
        let text = kineto_json::trace(75_000, Layout::Kineto);
        let n_events = text.matches("\"ph\"").count() as u64;
        let n_bytes = text.len() as u64;
        std::fs::write(&path, pack(text.as_bytes(), packing)).expect("the file is written");
        drop(text);
        // Forgets the peak that making the file took (proc_pid_clear_refs(5)).
        std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets");
        let before = status_bytes("VmRSS:");
        let timeline = import_file(&path, KinetoImporter::new(), &ImportOptions::default());
        let timeline = timeline.expect("sound");
        let taken = status_bytes("VmHWM:").saturating_sub(before);
        let allowed = WINDOWS_BYTES + EVENT_BYTES * n_events;
        println!(
            "{packing:?}: {n_bytes} bytes, {n_events} events, {} rows: {taken} bytes of memory, {allowed} allowed",
            timeline.event_count()
        );
        assert!(n_bytes > allowed, "the file would show in the memory taken");
        assert!(taken < allowed, "{packing:?}: {taken} of {allowed} bytes");
    }
}
