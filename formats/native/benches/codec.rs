//! Writing, reading and drawing, each by itself.

mod support;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use underspan_model::tables::KernelTable;
use underspan_model::{Interval, Timeline, TimestampNs};
use underspan_native::{
    Pyramid, ReadOptions, Reader, RowQuery, TimelinePyramid, WriteOptions, Writer, verify,
    write_timeline,
};

const N_EVENTS: usize = 500_000;
const PREDICTORS: [bool; 2] = [false, true];

fn main() {
    divan::main();
}

/// A capture on disk, removed with this value.
struct Stored {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    timeline: Timeline,
}

fn stored(predictors: bool) -> Stored {
    let timeline = support::graph_stream(N_EVENTS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("capture.uspan");
    let options = WriteOptions { predictors, ..WriteOptions::default() };
    write_timeline(&path, &timeline, &options).expect("written");
    Stored { _folder: folder, path, timeline }
}

fn open(stored: &Stored) -> Reader {
    Reader::open(&stored.path, &ReadOptions::default()).expect("opened")
}

#[divan::bench(args = PREDICTORS)]
fn encode_kernels(bencher: Bencher<'_, '_>, predictors: bool) {
    let kernels = support::graph_stream(N_EVENTS).kernels;
    let options = WriteOptions { predictors, level_of_detail: false, ..WriteOptions::default() };
    bencher.counter(ItemsCount::new(kernels.len())).bench_local(|| {
        let mut writer = Writer::new(std::io::sink(), &options).expect("a writer");
        writer.write_rows(&kernels, 0..kernels.len()).expect("written");
        writer.finish().expect("finished")
    });
}

fn decode(bencher: Bencher<'_, '_>, predictors: bool, columns: &[&str]) {
    let stored = stored(predictors);
    let reader = open(&stored);
    let query = RowQuery { columns, range: None };
    bencher.counter(ItemsCount::new(stored.timeline.kernels.len())).bench_local(|| {
        let mut rows = reader.rows::<KernelTable>(&query).expect("columns");
        while let Some(chunk) = rows.next_chunk().expect("a whole chunk") {
            black_box(chunk.table);
        }
    });
}

#[divan::bench(args = PREDICTORS)]
fn decode_all_columns(bencher: Bencher<'_, '_>, predictors: bool) {
    decode(bencher, predictors, &[]);
}

#[divan::bench(args = PREDICTORS)]
fn decode_four_columns(bencher: Bencher<'_, '_>, predictors: bool) {
    decode(bencher, predictors, &["start_ns", "duration_ns", "stream", "shape"]);
}

#[divan::bench]
fn read_a_timeline(bencher: Bencher<'_, '_>) {
    let stored = stored(false);
    let reader = open(&stored);
    let n_events = stored.timeline.event_count();
    bencher
        .counter(ItemsCount::new(n_events))
        .bench_local(|| reader.read_timeline().expect("read"));
}

#[divan::bench]
fn write_a_timeline(bencher: Bencher<'_, '_>) {
    let stored = stored(false);
    let n_events = stored.timeline.event_count();
    bencher.counter(ItemsCount::new(n_events)).bench_local(|| {
        write_timeline(&stored.path, &stored.timeline, &WriteOptions::default()).expect("written")
    });
}

#[divan::bench]
fn verify_a_file(bencher: Bencher<'_, '_>) {
    let stored = stored(false);
    let n_events = stored.timeline.event_count();
    bencher.counter(ItemsCount::new(n_events)).bench_local(|| verify(&stored.path).expect("read"));
}

#[divan::bench]
fn open_a_pyramid(bencher: Bencher<'_, '_>) {
    let stored = stored(false);
    bencher.bench_local(|| Pyramid::open(&open(&stored)).expect("a pyramid"));
}

#[divan::bench]
fn build_a_pyramid_in_memory(bencher: Bencher<'_, '_>) {
    let timeline = support::graph_stream(N_EVENTS);
    let n_events = timeline.event_count();
    bencher.counter(ItemsCount::new(n_events)).bench_local(|| TimelinePyramid::new(&timeline));
}

/// The largest track on 2000 pixels, from all of it to a thousandth.
#[divan::bench(args = [1, 8, 64, 1000])]
fn draw_a_track(bencher: Bencher<'_, '_>, zoom: i64) {
    let timeline = support::graph_stream(N_EVENTS);
    let pyramid = TimelinePyramid::new(&timeline);
    let track = pyramid.tracks().iter().max_by_key(|track| track.track().events).expect("a track");
    let (start, end) = (track.track().start_ns, track.track().end_ns);
    let middle = start + (end - start) / 2;
    let range = Interval::new(
        TimestampNs::from_ns(middle - (end - start) / 2 / zoom),
        TimestampNs::from_ns(middle + (end - start) / 2 / zoom),
    );
    let mut cells = Vec::new();
    bencher.bench_local(|| {
        track.cells(&timeline, range, 2000, &mut cells);
        cells.len()
    });
}
