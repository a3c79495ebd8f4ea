//! Files that were cut or changed: everything whole is read, nothing wrong ever.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use support::written::{Content, Written, write};
use underspan_model::tables::TableKind;
use underspan_model::{
    ColumnRef, KernelShape, NONE_U32, ProblemKind, ProblemLedger, Reference, ShapeId, StringId,
    Timeline, Trust,
};
use underspan_native::{WriteOptions, read_timeline, recover, verify, write_timeline};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn event_tables() -> impl Iterator<Item = TableKind> {
    TableKind::ALL.iter().copied().filter(|kind| kind.code() < TableKind::Source.code())
}

fn bits(column: &ColumnRef<'_>, row: usize) -> u64 {
    match column {
        ColumnRef::U8(values) => values[row].into(),
        ColumnRef::U32(values) => values[row].into(),
        ColumnRef::U64(values) => values[row],
        ColumnRef::I64(values) => values[row] as u64,
        ColumnRef::F64(values) => values[row].to_bits(),
    }
}

/// Whether `kind` in `found` is exactly the rows `rows` of the original; where names may be lost,
/// a reference may lead to nothing, but never to something else.
fn is_subset(
    (found, original): (&Timeline, &Timeline),
    kind: TableKind,
    rows: &[usize],
    loses_names: bool,
) -> bool {
    let (table, whole) = (found.table(kind), original.table(kind));
    let columns = table.columns().into_iter().zip(whole.columns()).zip(whole.specs());
    table.len() == rows.len()
        && columns.into_iter().all(|((column, whole), spec)| {
            rows.iter().enumerate().all(|(at, row)| {
                let (value, expected) = (bits(&column, at), bits(&whole, *row));
                if !loses_names || spec.reference == Reference::Nothing {
                    return value == expected;
                }
                let (id, expected) = (value as u32, expected as u32);
                match spec.reference {
                    Reference::String => is_same_name(found, original, id, expected),
                    Reference::Shape => {
                        let (id, expected) = (ShapeId::from_raw(id), ShapeId::from_raw(expected));
                        match (found.shapes.resolve(id), original.shapes.resolve(expected)) {
                            (None, _) => id.is_none(),
                            (Some(_), None) => false,
                            (Some(a), Some(b)) => {
                                is_same_name(found, original, a.name.raw(), b.name.raw())
                                    && KernelShape { name: b.name, ..*a } == *b
                            }
                        }
                    }
                    _ => id == expected || id == NONE_U32,
                }
            })
        })
}

fn is_same_name(found: &Timeline, original: &Timeline, id: u32, expected: u32) -> bool {
    let (id, expected) = (StringId::from_raw(id), StringId::from_raw(expected));
    id.is_none() || found.strings.resolve(id) == original.strings.resolve(expected)
}

/// Reads a file cut to `len` bytes and compares with what was written up to there.
fn check_cut(folder: &Folder, timeline: &Timeline, written: &Written, len: usize) {
    let path = folder.file("cut.uspan", &written.bytes[..len]);
    if len < 64 {
        assert!(read_timeline(&path).is_err(), "cut to {len}");
        return;
    }
    let read = read_timeline(&path).unwrap();
    let has_head = written.pieces[0].end <= len;
    for kind in event_tables() {
        let rows = written.rows(kind, |piece| piece.end <= len);
        assert!(
            is_subset((&read, timeline), kind, &rows, !has_head),
            "cut to {len}: {}",
            kind.name()
        );
    }
    let tail = written.pieces.last().unwrap();
    let is_whole = len == written.bytes.len();
    let is_between =
        written.pieces.iter().any(|piece| piece.start == len) || len > tail.start || !has_head;
    let n_torn = read.problems.count(ProblemKind::TornTail);
    let n_before = timeline.problems.count(ProblemKind::TornTail);
    if !is_between && !is_whole {
        assert!(n_torn > 0, "cut to {len}: nothing said about the torn chunk");
    }
    if is_whole {
        assert_eq!(n_torn, n_before);
        assert!(read == *timeline);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_file_cut_anywhere_reads_up_to_its_last_whole_chunk(
        timeline in support::timelines(50),
        rows_per_chunk in 5..60usize,
        predictors: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 16),
    ) {
        let folder = Folder::new();
        let written = write(&timeline, rows_per_chunk, predictors);
        for cut in cuts {
            check_cut(&folder, &timeline, &written, cut.index(written.bytes.len() + 1));
        }
        for piece in written.pieces.iter().step_by(5) {
            check_cut(&folder, &timeline, &written, piece.end);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_and_spoils_one_piece_at_most(
        timeline in support::timelines(50),
        rows_per_chunk in 5..60usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 16),
    ) {
        let folder = Folder::new();
        let written = write(&timeline, rows_per_chunk, false);
        for (at, bit) in flips {
            let at = at.index(written.bytes.len());
            let mut bytes = written.bytes.clone();
            bytes[at] ^= 1 << bit;
            check_flip(&folder, &timeline, &written, &bytes, at);
        }
    }
}

fn check_flip(folder: &Folder, timeline: &Timeline, written: &Written, bytes: &[u8], at: usize) {
    let path = folder.file("flipped.uspan", bytes);
    if at < 64 {
        assert!(read_timeline(&path).is_err(), "flip at {at}");
        assert!(verify(&path).is_err(), "flip at {at}");
        return;
    }
    let report = verify(&path).unwrap();
    assert!(!report.findings.is_empty(), "flip at {at} was not found");
    let hit = written.pieces.iter().find(|piece| piece.end > at).unwrap();
    let read = read_timeline(&path).unwrap();
    let loses_names = hit.content == Content::Head;
    for kind in event_tables() {
        let rows = written.rows(kind, |piece| !std::ptr::eq(piece, hit));
        assert!(
            is_subset((&read, timeline), kind, &rows, loses_names),
            "flip at {at}: {}",
            kind.name()
        );
    }
    if hit.content != Content::Tail {
        assert_eq!(read.problems.trust(), Trust::Damaged, "flip at {at}");
        assert!(!report.is_sound(), "flip at {at}");
    }
}

#[test]
fn a_small_file_survives_every_cut_and_every_flip() {
    let timeline = support::timeline(5, 4);
    let folder = Folder::new();
    let written = write(&timeline, 3, false);
    for len in (0..=written.bytes.len()).step_by(7) {
        check_cut(&folder, &timeline, &written, len);
    }
    for at in (0..written.bytes.len()).step_by(23) {
        let mut bytes = written.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        check_flip(&folder, &timeline, &written, &bytes, at);
    }
}

/// Writes a timeline packed.
fn packed(folder: &Folder, timeline: &Timeline) -> Vec<u8> {
    let path = folder.0.path().join("packed.uspan");
    let options =
        WriteOptions { pack_up_to_bytes: 1 << 20, rows_per_chunk: 400, ..WriteOptions::default() };
    write_timeline(&path, timeline, &options).unwrap();
    std::fs::read(&path).unwrap()
}

/// Whether every table of `found` is a part of that of `original`, names lost or right.
fn is_part(found: &Timeline, original: &Timeline) -> bool {
    event_tables().all(|kind| {
        let (table, whole) = (found.table(kind), original.table(kind));
        // Chunks are lost whole, so that what is left are runs of rows in their order.
        let mut rows = 0..whole.len();
        let columns: Vec<_> = table.columns().into_iter().zip(whole.columns()).collect();
        let is_value = |at: usize, row: usize| {
            let specs = whole.specs().iter();
            columns.iter().zip(specs).all(|((column, whole), spec)| {
                spec.reference != Reference::Nothing || bits(column, at) == bits(whole, row)
            })
        };
        (0..table.len()).all(|at| rows.any(|row| is_value(at, row)))
    })
}

#[test]
fn a_packed_file_that_was_cut_or_changed_says_so_and_says_nothing_wrong() {
    let mut timeline = support::timeline(21, 300);
    timeline.problems = ProblemLedger::new();
    let folder = Folder::new();
    let bytes = packed(&folder, &timeline);
    let n_saved = |bytes: &[u8]| {
        let path = folder.file("damaged.uspan", bytes);
        let report = verify(&path).unwrap();
        assert!(!report.findings.is_empty());
        let read = read_timeline(&path).unwrap();
        assert!(read.problems.trust() > timeline.problems.trust() || !report.is_finished);
        assert!(is_part(&read, &timeline));
        read.event_count()
    };
    let whole = timeline.event_count();
    let mut saved = Vec::new();
    for len in (64..bytes.len()).step_by(bytes.len() / 7) {
        saved.push(n_saved(&bytes[..len]));
    }
    for at in (64..bytes.len()).step_by(bytes.len() / 7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        saved.push(n_saved(&flipped));
    }
    assert!(saved.iter().all(|rows| *rows <= whole), "{saved:?} of {whole}");
    assert!(saved.iter().any(|rows| *rows > whole / 2), "{saved:?} of {whole}");
    assert!(read_timeline(&folder.file("cut.uspan", &bytes[..40])).is_err());
}

#[test]
fn chunks_taken_out_are_missed() {
    let timeline = support::timeline(9, 40);
    let folder = Folder::new();
    let written = write(&timeline, 10, false);
    let hole = written.pieces.iter().find(|p| matches!(p.content, Content::Rows(..))).unwrap();
    let mut bytes = written.bytes.clone();
    bytes.drain(hole.start..hole.end);
    let path = folder.file("hole.uspan", &bytes);
    assert!(!verify(&path).unwrap().is_sound());
    assert_eq!(read_timeline(&path).unwrap().problems.trust(), Trust::Damaged);
}

#[test]
fn recovering_gives_a_sound_file_with_what_was_whole() {
    let timeline = support::timeline(11, 80);
    let folder = Folder::new();
    let written = write(&timeline, 20, false);
    let cut = folder.file("cut.uspan", &written.bytes[..written.bytes.len() * 3 / 4]);
    let output = folder.0.path().join("recovered.uspan");
    let report = recover(&cut, &output, &WriteOptions::default()).unwrap();
    assert!(!report.findings.is_empty());
    let (before, after) = (read_timeline(&cut).unwrap(), read_timeline(&output).unwrap());
    assert!(before == after);
    assert_eq!(report.rows, after.event_count());
    let verified = verify(&output).unwrap();
    assert_eq!(verified.findings, []);
    assert!(verified.has_index && verified.is_finished);
}

#[test]
fn a_sound_file_has_nothing_to_find() {
    let folder = Folder::new();
    for seed in 0..8 {
        let timeline = support::timeline(seed, 100);
        let path = folder.file("sound.uspan", &write(&timeline, 30, seed % 2 == 0).bytes);
        let report = verify(Path::new(&path)).unwrap();
        assert_eq!(report.findings, []);
        assert!(report.is_finished && report.has_index);
        assert_eq!(report.rows, timeline.event_count());
    }
}
