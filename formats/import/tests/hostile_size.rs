//! Small files that unfold into large ones cost time in proportion and little memory.
//!
//! One test in a process of its own, since the most memory a process ever held is what counts.
#![cfg(target_os = "linux")]

mod support;

use std::io::Write as _;

/// How far each bomb unfolds: past the point from which the reader minds the ratio.
const UNFOLDED: usize = 320 << 20;
/// Most memory that may be held at any time, with everything a test process needs.
const MOST_MEMORY_BYTES: u64 = 400 << 20;

/// Gzip of a beginning, one block of text again and again, and an end. Members of one file unfold
/// one after the other, so that the long part is compressed once and repeated.
fn bomb(beginning: &str, block: &str, end: &str) -> Vec<u8> {
    let many = block.repeat((8 << 20) / block.len());
    let times = UNFOLDED / many.len();
    [gzip(beginning), gzip(&many).repeat(times), gzip(end)].concat()
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(content.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// The most memory this process has held.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib << 10
}

#[test]
fn bombs_are_taken_apart_in_little_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = r#"{"schemaVersion":1,"traceEvents":["#;
    for (what, content) in [
        ("white space", bomb("", " ", "")),
        ("white space before events", bomb(r#"{"schemaVersion":1, "traceEvents":"#, " ", "[]}")),
        ("events without times", bomb(start, r#"{"ph":"X","cat":"kernel","name":"a"},"#, "{}]}")),
        ("one endless name", bomb(&format!(r#"{start}{{"ph":"X","name":""#), "a", "\"}]}")),
        ("one endless number", bomb(&format!(r#"{start}{{"ph":"X","ts":"#), "1", "}]}")),
        ("nesting", bomb(start, "[", "")),
        ("nesting in an event", bomb(&format!(r#"{start}{{"args":"#), r#"{"a":"#, "")),
        (
            "keys of the document",
            bomb(r#"{"schemaVersion":1"#, r#","k":1"#, r#","traceEvents":[]}"#),
        ),
    ] {
        assert!(content.len() < 4 << 20, "{what}: the file is small");
        let path = folder.path().join("bomb.json.gz");
        std::fs::write(&path, content).expect("a file can be written");
        let answer = match support::import(&path) {
            Ok(timeline) => format!("{} problem(s) counted", timeline.problems.iter().count()),
            Err(error) => support::message_in(folder.path(), &error),
        };
        let peak = peak_bytes();
        println!("{what}: {} MiB; {answer:.160}", peak >> 20);
        assert!(!answer.contains('\n'), "{what}: one line: {answer}");
        assert!(peak < MOST_MEMORY_BYTES, "{what}: {peak} bytes");
    }
}
