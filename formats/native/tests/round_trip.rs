//! What is written is read back.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use proptest::prelude::*;
use underspan_model::Timeline;
use underspan_native::{
    ReadOptions, Reader, WriteOptions, Writer, read_timeline, verify, write_timeline,
};

fn round_trip(timeline: &Timeline, options: &WriteOptions) -> Timeline {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.uspan");
    write_timeline(&path, timeline, options).unwrap();
    read_timeline(&path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_timeline_is_read_back(
        timeline in support::timelines(300),
        predictors: bool,
        rows_per_chunk in prop_oneof![Just(1 << 16), 1..120u32],
        zstd_level in prop_oneof![Just(1), Just(3), Just(-1)],
    ) {
        let options = WriteOptions {
            predictors,
            rows_per_chunk,
            zstd_level,
            level_of_detail: predictors,
            pack_up_to_bytes: 0,
        };
        prop_assert_eq!(&round_trip(&timeline, &options), &timeline);
    }

    #[test]
    fn a_growing_capture_is_read_back(timeline in support::timelines(60), step in 1..40usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing.uspan");
        let mut writer = Writer::create(&path, &WriteOptions::default()).unwrap();
        writer.write_info(&timeline.info).unwrap();
        let mut names = underspan_model::StringTable::new();
        for text in timeline.strings.iter() {
            names.intern(text);
            writer.write_dictionaries(&names, &Default::default(), &Default::default()).unwrap();
        }
        writer
            .write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions)
            .unwrap();
        for table in timeline.tables() {
            if table.kind().code() >= 32 {
                continue;
            }
            for start in (0..table.len()).step_by(step) {
                writer.write_rows(table, start..(start + step).min(table.len())).unwrap();
            }
        }
        writer.write_problems(&timeline.problems).unwrap();
        writer.finish().unwrap();
        prop_assert_eq!(&read_timeline(&path).unwrap(), &timeline);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_timeline_is_packed_and_read_back(
        timeline in support::timelines(60),
        rows_per_chunk in prop_oneof![Just(1 << 16), 1..60u32],
    ) {
        let options =
            WriteOptions { rows_per_chunk, pack_up_to_bytes: 1 << 20, ..WriteOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packed.uspan");
        write_timeline(&path, &timeline, &options).unwrap();
        let reader = Reader::open(&path, &ReadOptions::default()).unwrap();
        prop_assert!(reader.is_packed() && reader.is_finished());
        prop_assert_eq!(&reader.read_timeline().unwrap(), &timeline);
        prop_assert_eq!(verify(&path).unwrap().findings, []);
    }
}

#[test]
fn an_empty_timeline_is_read_back() {
    let timeline = Timeline::new();
    assert_eq!(round_trip(&timeline, &WriteOptions::default()), timeline);
}

#[test]
fn large_tables_are_read_back() {
    for seed in 0..2 {
        let timeline = support::timeline(seed, 100_000);
        let options = WriteOptions { predictors: seed % 2 == 1, ..WriteOptions::default() };
        assert!(round_trip(&timeline, &options) == timeline, "seed {seed}");
    }
}
