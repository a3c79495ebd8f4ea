//! Damaged, hostile and foreign SQLite files: one clear line, or the rest of the rows with what is
//! wrong counted; never a panic.

#[path = "support/nsys_export.rs"]
mod nsys_export;
mod support;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use nsys_export::{OLD, RECENT, call, export, global_pid, kernel};
use proptest::prelude::*;
use underspan_import::{ImportOptions, Progress, import_path};
use underspan_model::{NONE_U32, NONE_U64, ProblemKind, Timeline, Trust};

/// Imports an export filled by `statements`, which must succeed.
fn import(statements: &str) -> Timeline {
    let folder = tempfile::tempdir().expect("a temporary folder");
    support::import(&export(folder.path(), RECENT, statements)).expect("the export imports")
}

/// What is said of a file with this name and content.
fn refusal(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a file can be written");
    let error = support::import(&path).expect_err("it cannot be imported");
    let message = support::message_in(folder.path(), &error);
    assert!(!message.contains('\n'), "one line: {message}");
    // The list of formats grows; that it is there is enough.
    match message.split_once("; expected an ") {
        Some((what, _)) => format!("{what}; expected FORMATS"),
        None => message,
    }
}

/// A small export that has everything, as bytes.
fn whole_export() -> Vec<u8> {
    static EXPORT: OnceLock<Vec<u8>> = OnceLock::new();
    EXPORT.get_or_init(make_export).clone()
}

fn make_export() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows: String = (0..400)
        .map(|at| kernel(1, at * 10, at * 10 + 5, at + 1) + &call(1, at, at + 1, at + 1))
        .collect();
    std::fs::read(export(folder.path(), RECENT, &rows)).expect("it can be read")
}

#[test]
fn a_header_of_zeros_is_an_interrupted_export() {
    let mut content = whole_export();
    content[..4096].fill(0);
    assert_eq!(
        refusal("a.sqlite", &content),
        "a.sqlite: at byte 0: expected a database header, found zeros; the export was interrupted"
    );
    // Under a name that promises nothing it is just unknown bytes.
    assert!(refusal("a.bin", &content).contains("bytes starting with 00 00"));
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let content = whole_export();
    let message = refusal("a.sqlite", &content[..content.len() / 2]);
    assert!(message.starts_with("a.sqlite: the database is cut off: expected "), "{message}");
    assert!(message.ends_with(&format!(
        "found {}; the export was interrupted or the copy is incomplete",
        content.len() / 2
    )));
    assert!(refusal("a.sqlite", &content[..50]).contains("found a file of 50"));
    for cut in [16, 99, 100, 101, 4095, 4096, 4097, content.len() - 1] {
        refusal("a.sqlite", &content[..cut]);
    }
}

#[test]
fn other_databases_are_named_by_their_tables() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = export(folder.path(), "CREATE TABLE urls (id); CREATE TABLE visits (id);", "");
    let content = std::fs::read(&path).expect("it can be read");
    assert_eq!(
        refusal("History.json", &content),
        "History.json: not a trace underspan can read: found an SQLite database with tables urls, \
         visits; expected FORMATS"
    );
    let path = export(folder.path(), "CREATE TABLE t (x); DROP TABLE t;", "");
    let content = std::fs::read(&path).expect("it can be read");
    assert_eq!(
        refusal("empty.sqlite", &content),
        "empty.sqlite: not a trace underspan can read: found an SQLite database without tables; \
         expected FORMATS"
    );
}

#[test]
fn a_compressed_export_is_recognised_and_refused() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&whole_export()).expect("memory takes it");
    let content = encoder.finish().expect("memory takes it");
    assert_eq!(
        refusal("a.sqlite.gz", &content),
        "a.sqlite.gz: this is a compressed Nsight Systems export; a database cannot be read that \
         way; decompress it first"
    );
}

#[test]
fn a_signature_alone_is_not_a_database() {
    let mut content = b"SQLite format 3\0".to_vec();
    content.resize(4096, 0x55);
    // Not the counter the size is valid for, so that the size says nothing.
    content[24] = 0;
    let message = refusal("a.sqlite", &content);
    assert!(message.starts_with("a.sqlite: at byte 16: expected a page size"), "{message}");
    content[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    let message = refusal("a.sqlite", &content);
    assert!(message.starts_with("a.sqlite: the database cannot be read: "), "{message}");
}

#[test]
fn an_export_without_rows_is_an_empty_capture() {
    let timeline = import("");
    assert_eq!(timeline.event_count(), 0);
    assert_eq!(timeline.problems.trust(), Trust::Full);
}

#[test]
fn rows_that_cannot_be_kept_are_counted_and_the_rest_is_read() {
    let process = global_pid(1);
    let row = |start: &str, end: &str, device: &str, correlation: &str| {
        format!(
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ({start}, {end}, {device}, 1, NULL, 7,
             {correlation}, {process}, 1, 1, 1, 32, 8, 1, 1, 128, 1, 1, 0, 4096, NULL, NULL);"
        )
    };
    let timeline = import(
        &[
            row("10", "20", "0", "1"),
            row("NULL", "20", "0", "1"),
            row("30", "NULL", "0", "1"),
            row("'soon'", "20", "0", "1"),
            row("1e999", "20", "0", "1"),
            row("40", "35", "0", "1"),
            row("-50", "-40", "0", "1"),
            row("60.0", "70.0", "0", "1"),
            row("60.5", "70", "0", "1"),
            row("80", "90", "-7", "1"),
            row("80", "90", "4294967296", "1"),
            row("80", "90", "NULL", "1"),
            row("9223372036854775807", "-9223372036854775808", "0", "1"),
            row("-9223372036854775808", "9223372036854775807", "0", "1"),
            row("100", "110", "0", "5000000000"),
            row("120", "130", "0", "5000000000"),
            row("140", "150", "0", "NULL"),
            row("X'00'", "150", "0", "1"),
        ]
        .concat(),
    );
    let count = |kind| timeline.problems.count(kind);
    assert_eq!(count(ProblemKind::MissingTimestamp), 1);
    assert_eq!(count(ProblemKind::MissingDuration), 1);
    assert_eq!(count(ProblemKind::MalformedEvent), 3);
    assert_eq!(count(ProblemKind::NonFiniteNumber), 1);
    assert_eq!(count(ProblemKind::NumberOutOfRange), 2);
    assert_eq!(count(ProblemKind::NegativeDuration), 2);
    assert_eq!(count(ProblemKind::UnresolvedStream), 1);
    assert_eq!(count(ProblemKind::RenumberedCorrelation), 2);
    assert_eq!(timeline.kernels.len(), 18 - 8);
    assert_eq!(timeline.problems.trust(), Trust::Partial);

    let find =
        |start: i64| timeline.kernels.iter().find(|row| row.start_ns == start).expect("kept");
    assert_eq!(find(40).duration_ns, 0);
    assert_eq!(find(-50).duration_ns, 10);
    assert_eq!(find(60).duration_ns, 10);
    assert_eq!(find(i64::MIN).duration_ns, u64::MAX);
    assert_eq!(find(100).correlation_id, find(120).correlation_id);
    assert_ne!(find(100).correlation_id, NONE_U32);
    assert_eq!(find(140).correlation_id, NONE_U32);
    let example = timeline
        .problems
        .iter()
        .find(|problem| problem.kind == ProblemKind::MissingTimestamp)
        .expect("it is counted")
        .example;
    assert_eq!(example, "CUPTI_ACTIVITY_KIND_KERNEL, row 2");
}

#[test]
fn copies_without_size_or_direction_are_kept_and_counted() {
    let process = global_pid(1);
    let timeline = import(&format!(
        "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (1, 2, 0, 1, 7, 1, {process}, NULL, 1, 1, 2,
          NULL), (3, 4, 0, 1, 7, 1, {process}, 8, 99, 7, 300, NULL), (5, 6, 0, 1, 7, 1, {process},
          -8, 1, 1, 2, NULL), (7, 8, 0, 1, 7, 1, {process}, 0, NULL, NULL, NULL, NULL);"
    ));
    assert_eq!(timeline.memcpys.bytes, [NONE_U64, 8, 0]);
    assert_eq!(timeline.problems.count(ProblemKind::MissingBytes), 1);
    assert_eq!(timeline.problems.count(ProblemKind::UnknownMemcpyKind), 2);
    assert_eq!(timeline.problems.count(ProblemKind::NumberOutOfRange), 1);
}

#[test]
fn text_that_is_not_utf8_is_replaced_and_counted() {
    let timeline = import(&format!(
        "INSERT INTO StringIds VALUES (90, CAST(X'C466FC7273' AS TEXT));
         INSERT INTO NVTX_EVENTS VALUES (1, 2, 59, CAST(X'6EE4' AS TEXT), {0}, NULL, 0),
          (3, 4, 59, NULL, {0}, 90, 0);",
        global_pid(1)
    ));
    let names: Vec<_> = timeline
        .annotations
        .iter()
        .map(|row| timeline.strings.resolve_or_empty(underspan_model::StringId::from_raw(row.name)))
        .collect();
    assert_eq!(names, ["n\u{fffd}", "\u{fffd}f\u{fffd}rs"]);
    assert_eq!(timeline.problems.count(ProblemKind::InvalidUtf8), 2);
}

#[test]
fn a_journal_beside_the_file_makes_it_doubtful_and_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = export(folder.path(), RECENT, &kernel(1, 1, 2, 3));
    let journal = folder.path().join("export.sqlite-journal");
    std::fs::write(&journal, [0xd9; 512]).expect("a file can be written");
    let timeline = support::import(&path).expect("the export imports");
    assert_eq!(timeline.problems.trust(), Trust::Damaged);
    assert_eq!(std::fs::read(&journal).expect("it is still there"), [0xd9; 512]);
}

#[test]
fn what_the_profiler_says_it_missed_is_a_loss() {
    let timeline = import(
        "CREATE TABLE DIAGNOSTIC_EVENT (timestamp, timestampType, source, severity, text);
         INSERT INTO DIAGNOSTIC_EVENT VALUES (1, 0, 1, 2, 'Not all CUDA events might have been
          collected.'), (1, 0, 1, 1, 'CUDA events lost: 0'), (1, 0, 1, 2, 'Some CPU samples lost');",
    );
    assert_eq!(timeline.problems.count(ProblemKind::RecordDropped), 1);
    assert_eq!(timeline.problems.trust(), Trust::Partial);
}

#[test]
fn nothing_is_written_beside_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path =
        export(folder.path(), &format!("PRAGMA journal_mode = WAL; {RECENT}"), &kernel(1, 1, 2, 3));
    let before = std::fs::read(&path).expect("it can be read");
    assert_eq!(support::import(&path).expect("the export imports").kernels.len(), 1);
    assert_eq!(std::fs::read(&path).expect("it can be read"), before);
    let files: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(files, [path]);
}

#[test]
fn names_of_files_may_hold_what_uris_may_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a b?immutable=0#100%ä.sqlite");
    std::fs::rename(export(folder.path(), OLD, &call(1, 1, 2, 3)), &path).expect("it can be moved");
    assert_eq!(support::import(&path).expect("the export imports").api_calls.len(), 1);
}

#[test]
fn the_import_stops_when_it_is_told_to() {
    struct Stop;
    impl Progress for Stop {
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let many = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME SELECT i, i + 1, 0, {}, i, 3, 0, NULL FROM n;",
        global_pid(1)
    );
    let path = export(folder.path(), RECENT, &many);
    let error = import_path(&path, &ImportOptions::default(), &Stop).expect_err("it is cancelled");
    assert!(matches!(error, underspan_import::ImportError::Cancelled { .. }), "{error}");
}

/// Pages of an SQLite file (<https://www.sqlite.org/fileformat.html> §1.6).
struct Pages(Vec<u8>);

impl Pages {
    /// Two tables of 60,000 rows each, so that both have an interior page at the root.
    fn of_two_tables() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let many = format!(
            "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS
              (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) SELECT i FROM n;
             INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME SELECT i, i + 1, 0, {0}, i, 3, 0, NULL FROM n;
             INSERT INTO PROFILER_OVERHEAD SELECT i, i + 1, {0}, 3, 0 FROM n;",
            global_pid(1)
        );
        let path = export(folder.path(), RECENT, &many);
        Self(std::fs::read(path).expect("it can be read"))
    }

    fn page_bytes(&self) -> usize {
        self.u16(16)
    }

    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_be_bytes([self.0[at], self.0[at + 1]]))
    }

    /// Numbers of all interior table pages, counted from 1.
    fn interior(&self) -> Vec<usize> {
        let bytes = self.page_bytes();
        (2..=self.0.len() / bytes).filter(|page| self.0[(page - 1) * bytes] == 5).collect()
    }

    /// Makes every child of an interior page the same page.
    fn set_children(&mut self, page: usize, child: usize) {
        let at = (page - 1) * self.page_bytes();
        let child = u32::try_from(child).expect("a small file").to_be_bytes();
        for cell in 0..self.u16(at + 3) {
            let pointer = at + self.u16(at + 12 + 2 * cell);
            self.0[pointer..pointer + 4].copy_from_slice(&child);
        }
    }
}

#[test]
fn pages_that_lead_round_in_a_circle_are_refused() {
    let mut pages = Pages::of_two_tables();
    for page in pages.interior() {
        pages.set_children(page, page);
    }
    assert_eq!(
        refusal("a.sqlite", &pages.0),
        "a.sqlite: the database cannot be read: database disk image is malformed"
    );
}

#[test]
fn pages_that_are_used_again_and_again_do_not_yield_rows_for_ever() {
    let mut pages = Pages::of_two_tables();
    let interior = pages.interior();
    assert_eq!(interior.len(), 2);
    pages.set_children(interior[0], interior[1]);
    let message = refusal("a.sqlite", &pages.0);
    assert!(message.ends_with("found more: pages are used twice"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_damage_ends_in_an_answer(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
    ) {
        let mut content = whole_export();
        for (at, value) in flips {
            let at = at.index(content.len());
            content[at] = value;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.sqlite");
        std::fs::write(&path, &content).expect("a file can be written");
        match support::import(&path) {
            Ok(timeline) => prop_assert!(timeline.kernels.len() <= content.len() / 5),
            Err(error) => prop_assert!(!support::message(&error).contains('\n')),
        }
    }
}
