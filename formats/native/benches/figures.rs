//! Sizes and speeds of the format on serving-like streams, next to a plain read of the same bytes
//! in the same run. Times are of one thread unless said; machines differ, ratios less.
//!
//! `cargo bench -p underspan-native --bench figures [-- events]`
#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

mod support;

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use support::timing::{best, by_chunk};
use underspan_model::tables::KernelTable;
use underspan_model::{Interval, Timeline, TimestampNs};
use underspan_native::{
    ChunkKind, Pyramid, ReadOptions, Reader, RowQuery, TimelinePyramid, WriteOptions, Writer,
    describe, write_timeline,
};

fn main() {
    let n_events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(2_000_000);
    for (label, timeline) in [
        ("graph stream", support::graph_stream(n_events)),
        ("eager stream", support::eager_stream(n_events)),
    ] {
        println!(
            "{label}: {} events, {} kernels, {} shapes",
            timeline.event_count(),
            timeline.kernels.len(),
            timeline.shapes.len()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = read_loop(&timeline);
        show_rate("read loop over the kernel columns", read, timeline.kernels.len(), read);
        for predictors in [false, true] {
            println!(" {}", if predictors { "predictors" } else { "default" });
            let options = WriteOptions { predictors, ..WriteOptions::default() };
            format_figures(folder.path(), &timeline, &options, read);
        }
        println!(" level of detail");
        detail_figures(folder.path(), &timeline);
    }
}

fn show(what: &str, value: String) {
    println!("  {what:<46}{value}");
}

fn show_rate(what: &str, time: Duration, n_rows: usize, read: Duration) {
    let (seconds, n_rows) = (time.as_secs_f64(), n_rows as f64);
    let ratio = seconds / read.as_secs_f64();
    let (ns, millions) = (seconds * 1e9 / n_rows, n_rows / seconds / 1e6);
    show(what, format!("{ns:6.1} ns/row {millions:5.0} M/s {ratio:6.1}x the read loop"));
}

fn chunks(n_rows: usize) -> impl Iterator<Item = Range<usize>> {
    const CHUNK: usize = 1 << 16;
    (0..n_rows).step_by(CHUNK).map(move |start| start..(start + CHUNK).min(n_rows))
}

/// Sums all columns of the kernel table: what reading the decoded bytes once costs.
fn read_loop(timeline: &Timeline) -> Duration {
    fn sum<T: Copy>(column: &[T], rows: &Range<usize>, add: impl Fn(u64, T) -> u64) -> u64 {
        column[rows.clone()].iter().fold(0, |total, value| add(total, *value))
    }
    let kernels = &timeline.kernels;
    by_chunk(|lap| {
        for rows in chunks(kernels.len()) {
            let wide = [&kernels.duration_ns, &kernels.external_id, &kernels.graph_node_id]
                .map(|column| sum(column, &rows, u64::wrapping_add));
            let narrow =
                [&kernels.stream, &kernels.shape, &kernels.correlation_id, &kernels.graph_id]
                    .map(|column| sum(column, &rows, |a, b| a.wrapping_add(b.into())));
            let starts = sum(&kernels.start_ns, &rows, |a, b| a.wrapping_add(b as u64));
            std::hint::black_box((starts, wide, narrow));
            lap();
        }
    })
}

/// Size, writing and reading of a capture and of its kernel table alone.
fn format_figures(folder: &Path, timeline: &Timeline, options: &WriteOptions, read: Duration) {
    let n_events = timeline.event_count();
    let n_kernels = timeline.kernels.len();
    let path = folder.join("capture.uspan");
    let summary = write_timeline(&path, timeline, options).expect("written");
    show("whole capture", format!("{:6.2} B/event", summary.bytes as f64 / n_events as f64));

    let mut sink = Vec::new();
    let mut encode = |options: &WriteOptions| {
        by_chunk(|lap| {
            sink.clear();
            let mut writer = Writer::new(&mut sink, options).expect("a writer");
            for rows in chunks(n_kernels) {
                writer.write_rows(&timeline.kernels, rows).expect("written");
                lap();
            }
            writer.finish().expect("finished");
        })
    };
    let with_leaves = encode(options);
    let alone = encode(&WriteOptions { level_of_detail: false, ..*options });
    show("kernel table", format!("{:6.2} B/kernel", sink.len() as f64 / n_kernels as f64));
    show_rate("encode kernels", alone, n_kernels, read);
    show_rate("encode kernels and build the pyramid", with_leaves, n_kernels, read);
    show_rate(
        "push kernels one by one and encode",
        push_and_encode(timeline, options),
        n_kernels,
        read,
    );

    let path = folder.join("kernels.uspan");
    std::fs::write(&path, &sink).expect("written");
    let reader = Reader::open(&path, &ReadOptions::default()).expect("opened");
    let four = ["start_ns", "duration_ns", "stream", "shape"];
    for (what, columns) in [("all columns", &[][..]), ("four columns", &four[..])] {
        let query = RowQuery { columns, range: None };
        let decode = by_chunk(|lap| {
            let mut rows = reader.rows::<KernelTable>(&query).expect("columns");
            while let Some(chunk) = rows.next_chunk().expect("a whole chunk") {
                std::hint::black_box(chunk.table);
                lap();
            }
        });
        show_rate(&format!("decode chunk by chunk, {what}"), decode, n_kernels, read);
    }
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let decode = pool.install(|| {
            best(|| {
                std::hint::black_box(reader.read_timeline().expect("read").kernels.len());
            })
        });
        show_rate(&format!("read_timeline, {threads} threads"), decode, n_kernels, read);
    }
}

/// What the collector does: rows pushed into columns, written every 65536.
fn push_and_encode(timeline: &Timeline, options: &WriteOptions) -> Duration {
    let options = WriteOptions { level_of_detail: false, ..*options };
    let mut open = KernelTable::default();
    by_chunk(|lap| {
        let mut writer = Writer::new(std::io::sink(), &options).expect("a writer");
        for rows in chunks(timeline.kernels.len()) {
            open.clear();
            for row in rows {
                open.push(timeline.kernels.get(row).expect("a row"));
            }
            writer.write_rows(&open, 0..open.len()).expect("written");
            lap();
        }
        writer.finish().expect("finished");
    })
}

/// What a viewer waits for.
fn detail_figures(folder: &Path, timeline: &Timeline) {
    let n_events = timeline.event_count();
    let path = folder.join("detail.uspan");
    write_timeline(&path, timeline, &WriteOptions::default()).expect("written");
    let stored = describe(&path).expect("described").chunks[&ChunkKind::Lod].1;
    show("stored pyramid", format!("{:6.3} B/event", stored as f64 / n_events as f64));
    let open = best(|| {
        let reader = Reader::open(&path, &ReadOptions::default()).expect("opened");
        std::hint::black_box(Pyramid::open(&reader).expect("a pyramid").tracks().len());
    });
    show("open to level-of-detail data", format!("{:6.2} ms", open.as_secs_f64() * 1e3));

    let reader = Reader::open(&path, &ReadOptions::default()).expect("opened");
    let pyramid = Pyramid::open(&reader).expect("a pyramid");
    let (at, track) = pyramid
        .tracks()
        .enumerate()
        .max_by_key(|(_, track)| track.events)
        .map(|(at, track)| (at, track.clone()))
        .expect("a track");
    let range = interval(track.start_ns, track.end_ns);
    let mut cells = Vec::new();
    let (mut worst_load, mut n_loaded) = (Duration::ZERO, 0);
    let worst = worst_query(range, |range| {
        let began = Instant::now();
        let coverage = pyramid.cells(at, range, 2000, 1, &mut cells);
        if !coverage.is_complete() {
            n_loaded = n_loaded.max(coverage.missing.len());
            for chunk in coverage.missing {
                pyramid.load(&reader, chunk).expect("a whole chunk");
            }
            pyramid.cells(at, range, 2000, 1, &mut cells);
            worst_load = worst_load.max(began.elapsed());
        }
    });
    show("worst of 16 zooms at 2000 pixels, file", worst);
    let load = format!("{:6.1} ms, {n_loaded} chunks at most", worst_load.as_secs_f64() * 1e3);
    show("the same with chunks to decode first", load);

    let build = best(|| {
        std::hint::black_box(TimelinePyramid::new(timeline).tracks().len());
    });
    let per_event = build.as_nanos() as f64 / n_events as f64;
    show("build in memory, all threads", format!("{per_event:6.1} ns/event"));
    let pyramid = TimelinePyramid::new(timeline);
    let track = pyramid.tracks().iter().max_by_key(|track| track.track().events).expect("a track");
    let worst = worst_query(range, |range| track.cells(timeline, range, 2000, &mut cells));
    show("worst of 16 zooms at 2000 pixels, memory", worst);
}

/// Sixteen zooms of a track, nine places each: the median place of the worst zoom.
fn worst_query(range: Interval, mut draw: impl FnMut(Interval)) -> String {
    let (start, length) = (range.start().as_ns(), range.duration().as_ns() as i64);
    let zooms = (0..16u32).map(|zoom| {
        let shown = (length >> zoom).max(2000);
        let mut times: Vec<Duration> = (0..9)
            .map(|place| {
                let from = start + (length - shown) / 8 * place;
                let range = interval(from, from + shown);
                draw(range);
                let times = (0..5).map(|_| {
                    let began = Instant::now();
                    draw(range);
                    began.elapsed()
                });
                times.min().unwrap_or_default()
            })
            .collect();
        times.sort();
        (times[4], zoom)
    });
    let (worst, zoom) = zooms.max().unwrap_or_default();
    format!("{:6.0} us (zoom 2^{zoom})", worst.as_secs_f64() * 1e6)
}

fn interval(start: i64, end: i64) -> Interval {
    Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end))
}
