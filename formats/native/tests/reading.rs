//! Reading parts of a file: some columns, some time, some tables, on any number of threads.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use support::written::{Content, Written, write};
use underspan_model::tables::{KernelTable, SpanTable, TableKind};
use underspan_model::{Interval, ProblemKind, Timeline, TimestampNs, Trust};
use underspan_native::{
    Error, FileAccess, ReadOptions, Reader, RowQuery, WriteOptions, read_timeline, write_timeline,
};

struct Capture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    timeline: Timeline,
}

fn capture(seed: u64, max_rows: usize, rows_per_chunk: u32) -> Capture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.uspan");
    let timeline = support::timeline(seed, max_rows);
    let options = WriteOptions { rows_per_chunk, ..WriteOptions::default() };
    write_timeline(&path, &timeline, &options).unwrap();
    Capture { _folder: folder, path, timeline }
}

fn open(path: &Path) -> Reader {
    Reader::open(path, &ReadOptions::default()).unwrap()
}

fn on_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn columns_that_are_not_asked_for_stay_empty() {
    let capture = capture(3, 900, 100);
    let reader = open(&capture.path);
    let columns = ["duration_ns", "shape"];
    let mut rows =
        reader.rows::<KernelTable>(&RowQuery { columns: &columns, range: None }).unwrap();
    let kernels = &capture.timeline.kernels;
    let mut next = 0;
    while let Some(chunk) = rows.next_chunk().unwrap() {
        assert_eq!(chunk.first_row, next as u64);
        let end = next + chunk.n_rows;
        assert_eq!(chunk.table.duration_ns, kernels.duration_ns[next..end]);
        assert_eq!(chunk.table.shape, kernels.shape[next..end]);
        assert!(chunk.table.start_ns.is_empty() && chunk.table.graph_node_id.is_empty());
        next = end;
    }
    assert_eq!(next, kernels.len());
    let unknown = RowQuery { columns: &["moon_phase"], range: None };
    let error = reader.rows::<KernelTable>(&unknown).unwrap_err();
    assert_eq!(error.to_string(), "table kernel has no column \"moon_phase\"");
}

/// Kernels a microsecond apart, in chunks of a hundred.
fn regular() -> (Timeline, Written) {
    let mut timeline = Timeline::new();
    for n in 0..2000 {
        timeline.kernels.push(underspan_model::tables::Kernel {
            start_ns: n * 1000,
            duration_ns: 700 + n as u64 % 13,
            ..Default::default()
        });
    }
    let written = write(&timeline, 100, false);
    (timeline, written)
}

#[test]
fn chunks_after_a_cancellation_are_left_out() {
    let (timeline, written) = regular();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("regular.uspan");
    std::fs::write(&path, &written.bytes).unwrap();
    let reader = open(&path);
    let n_chunks = |is_cancelled: &(dyn Fn() -> bool + Sync)| {
        let query = RowQuery::default();
        let rows = reader.map_rows_until::<KernelTable, _>(&query, is_cancelled, |of| of.n_rows);
        rows.unwrap().len()
    };
    assert_eq!(n_chunks(&|| false), timeline.kernels.len() / 100);
    assert_eq!(n_chunks(&|| true), 0);
}

#[test]
fn a_time_range_touches_its_chunks_alone() {
    let (_, written) = regular();
    let mut bytes = written.bytes.clone();
    // Everything before row 1000 and from 1200 on is spoilt.
    for piece in &written.pieces {
        if let Content::Rows(_, rows) = &piece.content
            && !(1000..1200).contains(&rows.start)
        {
            bytes[piece.start + 80] ^= 0xff;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spoilt.uspan");
    std::fs::write(&path, &bytes).unwrap();
    let range =
        Some(Interval::new(TimestampNs::from_ns(1_000_800), TimestampNs::from_ns(1_199_001)));
    let reader = open(&path);
    let query = RowQuery { columns: &["start_ns"], range };
    let starts: Vec<i64> = reader
        .map_rows(&query, |chunk: &_| KernelTable::clone(chunk.table).start_ns)
        .unwrap()
        .concat();
    assert_eq!(starts, (1000..1200).map(|n| n * 1000).collect::<Vec<i64>>());
    let options = ReadOptions { range, ..ReadOptions::default() };
    let part = Reader::open(&path, &options).unwrap().read_timeline().unwrap();
    assert_eq!(part.kernels.start_ns, starts);
    assert_eq!(part.problems.trust(), Trust::Full);

    let all = RowQuery::default();
    let error = reader.map_rows(&all, |chunk: &_| KernelTable::clone(chunk.table)).unwrap_err();
    assert!(matches!(error, Error::Malformed { what: "checksum of a chunk", .. }));
    // Chunk by chunk, what is behind the damage can still be read.
    let mut rows = reader.rows::<KernelTable>(&all).unwrap();
    let (mut n_whole, mut n_damaged) = (0, 0);
    loop {
        match rows.next_chunk() {
            Ok(Some(_)) => n_whole += 1,
            Ok(None) => break,
            Err(_) => n_damaged += 1,
        }
    }
    assert_eq!((n_whole, n_damaged), (2, 18));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_time_range_misses_no_row_in_it(seed: u64, at in 0.0..1.0f64, share in 0.0..1.0f64) {
        let capture = capture(seed, 400, 30);
        let spans = &capture.timeline.spans;
        let Some((first, last)) = underspan_model::tables::Table::time_bounds(spans) else {
            return Ok(());
        };
        let length = last.abs_diff(first);
        let start = first.saturating_add_unsigned((length as f64 * at) as u64);
        let end = start.saturating_add_unsigned((length as f64 * share) as u64);
        let range = Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end));
        let reader = open(&capture.path);
        let query = RowQuery { columns: &[], range: Some(range) };
        let mut found = std::collections::BTreeSet::new();
        let mut rows = reader.rows::<SpanTable>(&query).unwrap();
        while let Some(chunk) = rows.next_chunk().unwrap() {
            found.extend(chunk.first_row..chunk.first_row + chunk.n_rows as u64);
        }
        for (row, span) in spans.iter().enumerate() {
            let is_in_range = span.interval().intersection(range).is_some();
            prop_assert!(!is_in_range || found.contains(&(row as u64)));
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let capture = capture(8, 3000, 70);
    let one = on_threads(1, || read_timeline(&capture.path).unwrap());
    assert!(one == capture.timeline);
    for threads in [2, 5] {
        assert!(on_threads(threads, || read_timeline(&capture.path).unwrap()) == one);
        let reader = open(&capture.path);
        let parts: Vec<(u64, u64)> = on_threads(threads, || {
            let sum = |chunk: &underspan_native::RowChunk<'_, KernelTable>| {
                let total = chunk.table.duration_ns.iter().fold(0, |a: u64, b| a.wrapping_add(*b));
                (chunk.first_row, total)
            };
            reader.map_rows(&RowQuery::default(), sum).unwrap()
        });
        assert!(parts.is_sorted());
        let total = parts.iter().fold(0u64, |sum, (_, part)| sum.wrapping_add(*part));
        let expected = one.kernels.duration_ns.iter().fold(0u64, |a, b| a.wrapping_add(*b));
        assert_eq!(total, expected);
    }
}

#[test]
fn some_tables_or_none() {
    let capture = capture(4, 300, 100);
    let tables = Some(vec![TableKind::Memcpy, TableKind::Counter]);
    let options = ReadOptions { tables, ..ReadOptions::default() };
    let part = Reader::open(&capture.path, &options).unwrap().read_timeline().unwrap();
    assert_eq!(part.memcpys, capture.timeline.memcpys);
    assert_eq!(part.counters, capture.timeline.counters);
    assert_eq!(part.kernels.len() + part.spans.len(), 0);
    assert_eq!(part.problems, capture.timeline.problems);

    let reader = open(&capture.path);
    let head = reader.head().unwrap();
    assert_eq!(head.event_count(), 0);
    assert_eq!(head.strings, capture.timeline.strings);
    assert_eq!(head.shapes, capture.timeline.shapes);
    assert_eq!(head.dimensions, capture.timeline.dimensions);
}

#[test]
fn a_file_cut_while_it_is_open_is_an_error_and_no_signal() {
    let mut capture = capture(2, 30_000, 1000);
    let len = std::fs::metadata(&capture.path).unwrap().len();
    assert!(len > 1 << 20, "large enough to be mapped");
    let reader = open(&capture.path);
    let file = std::fs::File::options().write(true).open(&capture.path).unwrap();
    file.set_len(len / 2).unwrap();
    let read = reader.read_timeline().unwrap();
    assert!(read.problems.count(ProblemKind::CorruptChunk) > 0);
    assert_eq!(read.event_count(), 0);

    // Read at once, it does not matter what happens to the file later.
    file.set_len(0).unwrap();
    write_timeline(&capture.path, &capture.timeline, &WriteOptions::default()).unwrap();
    let options = ReadOptions { access: FileAccess::Read, ..ReadOptions::default() };
    let reader = Reader::open(&capture.path, &options).unwrap();
    std::fs::write(&capture.path, b"").unwrap();
    let read = reader.read_timeline().unwrap();
    capture.timeline.problems = read.problems.clone();
    assert!(read == capture.timeline);
}
