//! Files that lie: refused or read as far as they are true, in bounded memory, without a panic.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::path::PathBuf;

use proptest::prelude::*;
use support::forge::{Forged, constant_column, constant_columns, file_header, reseal};
use support::written::write;
use underspan_model::tables::TableKind;
use underspan_model::{ProblemKind, Timeline, Trust};
use underspan_native::{
    Error, FileAccess, Pyramid, ReadOptions, Reader, WriteOptions, describe, read_timeline, verify,
    write_timeline,
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("hostile.uspan");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn file_of(chunks: &[Forged<'_>]) -> Vec<u8> {
    let mut file = file_header(1);
    for (sequence, chunk) in chunks.iter().enumerate() {
        file.extend(Forged { sequence: sequence as u32, ..*chunk }.bytes());
    }
    file
}

fn read(bytes: &[u8]) -> Result<Timeline, Error> {
    read_timeline(&Folder::new().file(bytes))
}

#[test]
fn other_files_are_told_from_captures() {
    let found = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(found(b"").ends_with("found an empty file"));
    assert!(found(b"{\"traceEvents\": []}").contains("found 7b 22 74 72 61 63 65 45"));
    assert!(found(b"\x1f\x8b\x08").contains("not a .uspan file: at offset 0"));
    assert!(matches!(read(b"SQLite format 3\0"), Err(Error::NotUspan { .. })));
    // Sent as text: the line end was changed.
    assert!(matches!(read(b"\x89USPAN\n1234"), Err(Error::NotUspan { .. })));
    assert!(matches!(read(&file_header(1)[..40]), Err(Error::Malformed { .. })));
    #[cfg(unix)]
    assert!(matches!(
        read_timeline(std::path::Path::new("/dev/zero")),
        Err(Error::NotUspan { .. })
    ));
    let absent = read_timeline(std::path::Path::new("no/such/file.uspan")).unwrap_err();
    assert!(absent.to_string().starts_with("no/such/file.uspan: cannot open"));
}

#[test]
fn a_file_for_later_readers_is_refused_by_its_version() {
    let error = read(&file_header(3)).unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion { found: 3, supported: 2, .. }));
}

#[test]
fn a_file_of_constants_that_decodes_to_gigabytes_is_refused_before_it_is_decoded() {
    let payload = constant_columns(&[("start_ns", 4), ("duration_ns", 3)]);
    let chunks: Vec<_> = (0..600)
        .map(|chunk| Forged {
            rows: 1 << 20,
            first_row: chunk << 20,
            payload: &payload,
            ..Forged::default()
        })
        .collect();
    let bytes = file_of(&chunks);
    assert!(bytes.len() < 100_000);
    let path = Folder::new();
    let path = path.file(&bytes);
    match read_timeline(&path) {
        Err(Error::OverMemoryLimit { needed, limit, .. }) => {
            assert!(needed > 28 << 30 && limit == 1 << 30);
        }
        other => panic!("{other:?}"),
    }
    // Streaming through it needs no more than one chunk's worth.
    assert_eq!(describe(&path).unwrap().event_count(), 600 << 20);
    // Who insists sets the limit.
    let two = file_of(&chunks[..2]);
    let folder = Folder::new();
    let path = folder.file(&two);
    let tight = ReadOptions { memory_limit: Some(1 << 20), ..ReadOptions::default() };
    let reader = Reader::open(&path, &tight).unwrap();
    assert!(matches!(reader.read_timeline(), Err(Error::OverMemoryLimit { .. })));
    assert_eq!(read_timeline(&path).unwrap().kernels.len(), 2 << 20);
}

#[test]
fn counts_and_lengths_beyond_the_limits_are_corrupt_chunks() {
    let strings = |payload: &'static [u8], rows, decoded_len| Forged {
        kind: 3,
        table: 0,
        rows,
        decoded_len,
        payload,
        ..Forged::default()
    };
    let deep_dimension = constant_columns(&[("pid", 4)]);
    let cases = [
        ("too many rows", Forged { rows: (1 << 20) + 1, ..Forged::default() }),
        ("too many columns", Forged { payload: &[0xff, 0xff, 0, 0], ..Forged::default() }),
        ("no columns after the count", Forged { payload: &[9, 0], ..Forged::default() }),
        ("no payload", Forged::default()),
        ("strings without lengths", strings(&[1, 4, 0, 0, 0], 1 << 20, 4)),
        ("strings longer than their text", strings(&[1, 0xff, 0xff, 0xff, 0xff], 1, 4)),
        ("strings not as long as said", strings(&[1, 0, 0, 0, 0], 1, 200 << 20)),
        ("strings that are no zstd frame", strings(&[2, 1, 2, 3, 4], 1, 4)),
        ("strings of an unknown storage", strings(&[7, 0, 0, 0, 0], 1, 4)),
        ("problems that are none", Forged { kind: 6, rows: 1000, ..Forged::default() }),
        ("information that is none", Forged { kind: 5, payload: &[9, 9], ..Forged::default() }),
        (
            "an event table as a dimension list",
            Forged { kind: 2, table: 1, payload: &deep_dimension, ..Forged::default() },
        ),
    ];
    for (what, chunk) in cases {
        let timeline = read(&file_of(&[chunk])).unwrap();
        assert_eq!(timeline.problems.trust(), Trust::Damaged, "{what}");
        assert_eq!(timeline.event_count(), 0, "{what}");
        assert_eq!(timeline.strings.len(), 0, "{what}");
        let folder = Folder::new();
        assert!(!verify(&folder.file(&file_of(&[chunk]))).unwrap().is_sound(), "{what}");
    }
    // An entry two thousand million places behind the last one would need all those in between.
    let deep = Forged {
        kind: 2,
        table: TableKind::Process.code(),
        first_row: (1 << 31) - (1 << 21),
        payload: &deep_dimension,
        ..Forged::default()
    };
    assert!(matches!(read(&file_of(&[deep])), Err(Error::OverMemoryLimit { .. })));
}

#[test]
fn a_plane_that_decompresses_to_more_than_its_rows_is_corrupt() {
    let zeros = zstd::bulk::compress(&vec![0u8; 64 << 20], 1).unwrap();
    let mut payload = vec![1, 0, 8];
    payload.extend_from_slice(b"start_ns");
    // I64, planes, base 0, unit 1.
    payload.extend_from_slice(&[4, 2, 0, 1]);
    let mut body = vec![1, 2];
    put_varint(zeros.len() as u64, &mut body);
    body.extend_from_slice(&zeros);
    put_varint(body.len() as u64, &mut payload);
    payload.extend_from_slice(&body);
    let chunk = Forged { rows: 1000, payload: &payload, ..Forged::default() };
    let timeline = read(&file_of(&[chunk])).unwrap();
    assert_eq!(timeline.kernels.len(), 0);
    assert_eq!(timeline.problems.count(ProblemKind::CorruptChunk), 1000);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[test]
fn chunks_that_repeat_rows_or_sequence_numbers_are_not_read_twice() {
    let payload = constant_columns(&[("start_ns", 4)]);
    let chunk = Forged { rows: 10, payload: &payload, ..Forged::default() };
    let timeline = read(&file_of(&[chunk, chunk])).unwrap();
    assert_eq!(timeline.kernels.len(), 10);
    assert_eq!(timeline.problems.count(ProblemKind::CorruptChunk), 10);

    let mut file = file_of(&[chunk]);
    file.extend(chunk.bytes());
    assert_eq!(read(&file).unwrap().kernels.len(), 10);
}

#[test]
fn what_later_versions_add_is_passed_over_and_counted() {
    let mut payload = 2u16.to_le_bytes().to_vec();
    payload.extend(constant_column("start_ns", 4));
    payload.extend(constant_column("moon_phase", 5));
    let chunks = [
        Forged { rows: 10, payload: &payload, ..Forged::default() },
        Forged { kind: 77, payload: &[1, 2, 3], ..Forged::default() },
        Forged { table: 31, payload: &payload, ..Forged::default() },
    ];
    let mut timeline = read(&file_of(&chunks)).unwrap();
    assert_eq!(timeline.kernels.len(), 10);
    assert_eq!(timeline.kernels.stream[0], u32::MAX);
    assert_eq!(timeline.problems.count(ProblemKind::UnknownColumn), 1);
    assert_eq!(timeline.problems.count(ProblemKind::UnknownChunk), 2);
    // Nothing else is missing but the closing chunk.
    let source = timeline.problems.iter().next().unwrap().source;
    assert_eq!(timeline.problems.trust(), Trust::Partial);
    timeline.problems.forget(ProblemKind::UnfinishedFile, &source);
    assert_eq!(timeline.problems.trust(), Trust::Full);
}

#[test]
fn references_that_lead_nowhere_become_none() {
    let mut payload = 2u16.to_le_bytes().to_vec();
    payload.extend(constant_column("start_ns", 4));
    // Stream 5 of none.
    payload.extend_from_slice(&[6]);
    payload.extend_from_slice(b"stream");
    payload.extend_from_slice(&[2, 0, 5, 1, 0]);
    let timeline = read(&file_of(&[Forged { rows: 3, payload: &payload, ..Forged::default() }]));
    let timeline = timeline.unwrap();
    assert_eq!(timeline.kernels.stream, [u32::MAX; 3]);
    assert_eq!(timeline.problems.count(ProblemKind::DanglingReference), 3);
}

/// Everything that can be asked of a file.
fn use_file(path: &std::path::Path) {
    for access in [FileAccess::Map, FileAccess::Read] {
        let options = ReadOptions { access, ..ReadOptions::default() };
        let Ok(reader) = Reader::open(path, &options) else { return };
        let _ = reader.read_timeline();
        if let Ok(pyramid) = Pyramid::open(&reader) {
            let tracks: Vec<_> = pyramid.tracks().cloned().collect();
            let mut cells = Vec::new();
            for (at, track) in tracks.iter().enumerate().take(3) {
                let range = underspan_model::Interval::new(
                    underspan_model::TimestampNs::from_ns(track.start_ns),
                    underspan_model::TimestampNs::from_ns(track.end_ns),
                );
                for chunk in pyramid.cells(at, range, 100, 1, &mut cells).missing {
                    let _ = pyramid.load(&reader, chunk);
                }
                pyramid.cells(at, range, 100, 1, &mut cells);
            }
        }
    }
    let _ = verify(path);
    let _ = describe(path);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_bytes_under_valid_checksums_never_panic(
        seed in 0..8u64,
        predictors: bool,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255)]), 1..12,
        ),
    ) {
        let timeline = support::timeline(seed, 40);
        let mut bytes = write(&timeline, 17, predictors).bytes;
        for (at, byte) in changes {
            let at = 64 + at.index(bytes.len() - 64);
            bytes[at] = byte;
        }
        reseal(&mut bytes);
        let folder = Folder::new();
        use_file(&folder.file(&bytes));
    }

    #[test]
    fn an_index_that_lies_changes_nothing(
        seed in 0..4u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let timeline = support::timeline(seed, 40);
        let written = write(&timeline, 17, false);
        let mut bytes = written.bytes.clone();
        // The index lies between the closing chunk and the trailer.
        let index = bytes.windows(4).rposition(|w| w == b"UCHK").unwrap();
        for (at, byte) in changes {
            let payload = index + 64..bytes.len() - 32;
            let at = payload.start + at.index(payload.len());
            bytes[at] = byte;
        }
        reseal(&mut bytes);
        let mut read = read(&bytes).unwrap();
        let n_before = timeline.problems.count(ProblemKind::MissingIndex);
        let n_found = read.problems.count(ProblemKind::MissingIndex) - n_before;
        prop_assert!(n_found <= 1);
        read.problems = timeline.problems.clone();
        prop_assert!(read == timeline);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn packs_of_arbitrary_bytes_are_damage_or_read_but_never_panic(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        rows in 0..4u32,
        decoded_len in 0..3000u32,
    ) {
        let mut bytes = file_header(2);
        bytes.extend(Forged { kind: 10, rows, decoded_len, payload: &payload, ..Forged::default() }.bytes());
        let _ = read(&bytes);
    }

    #[test]
    fn packs_with_changed_bits_and_right_checksums_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 1..4),
        seed in 0..4u64,
    ) {
        let folder = Folder::new();
        let path = folder.file(&[]);
        let options = WriteOptions { pack_up_to_bytes: 1 << 20, ..WriteOptions::default() };
        write_timeline(&path, &support::timeline(seed, 20), &options).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, bit) in flips {
            let at = 64 + at.index(bytes.len() - 64);
            bytes[at] ^= 1 << bit;
        }
        reseal(&mut bytes);
        let path = folder.file(&bytes);
        let _ = (read_timeline(&path), verify(&path), describe(&path));
    }
}

#[test]
fn packs_that_say_they_unpack_to_more_than_may_be_are_left_packed() {
    let payload = [0x5a; 64];
    let mut bytes = file_header(2);
    for sequence in 0..3 {
        let pack = Forged {
            kind: 10,
            sequence,
            rows: 1 << 20,
            decoded_len: 200 << 20,
            payload: &payload,
            ..Forged::default()
        };
        bytes.extend(pack.bytes());
    }
    let timeline = read(&bytes).unwrap();
    assert_eq!(timeline.event_count(), 0);
    assert_eq!(timeline.problems.trust(), Trust::Damaged);
}
