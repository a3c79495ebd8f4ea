//! The example in README.md is a file that reads as it says.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use underspan_model::{ClockDomain, KernelShape, StringId, Timeline};
use underspan_native::{read_timeline, verify};

/// The bytes in the `hexdump` blocks of the README, which follow each other without a gap.
fn example() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut is_dump = false;
    for line in include_str!("../README.md").lines() {
        match line {
            "```hexdump" => is_dump = true,
            "```" => is_dump = false,
            _ if is_dump => {
                let (offset, rest) = line.split_once(": ").unwrap();
                assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len());
                let hex = rest.split("  ").next().unwrap();
                bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
            }
            _ => {}
        }
    }
    bytes
}

#[test]
fn the_example_reads_as_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.uspan");
    std::fs::write(&path, example()).unwrap();
    let report = verify(&path).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.is_finished, report.has_index, report.rows), (true, false, 3));

    let mut expected = Timeline::new();
    expected.info.format = "uspan".to_owned();
    expected.info.clock = ClockDomain::SourceRelative;
    let name = expected.strings.intern("softmax");
    assert_eq!(name, StringId::from_index(0));
    let (grid, block) = ([8, 1, 1], [128, 1, 1]);
    expected.shapes.intern(KernelShape { grid, block, ..KernelShape::named(name) });
    for (start_ns, duration_ns) in [(1000, 300), (2000, 310), (3500, 290)] {
        expected.kernels.push(underspan_model::tables::Kernel {
            start_ns,
            duration_ns,
            shape: 0,
            correlation_id: 7,
            ..Default::default()
        });
    }
    assert_eq!(read_timeline(&path).unwrap(), expected);
}
