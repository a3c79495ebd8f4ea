//! Sizes and speeds of the format on serving-like streams, next to a plain read of the same bytes
//! in the same run. Times are of one thread unless said; machines differ, ratios less.
//!
//! `cargo bench -p underspan-native --bench figures [-- events]`

mod support;

use std::time::{Duration, Instant};

use underspan_model::Timeline;
use underspan_model::tables::KernelTable;
use underspan_native::{ReadOptions, Reader, RowQuery, WriteOptions, Writer, write_timeline};

const RUNS: usize = 15;

/// The quickest of several runs: what else runs on the machine can only make it slower.
fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

fn per_event(time: Duration, n_events: u64) -> f64 {
    time.as_nanos() as f64 / n_events as f64
}

fn show(what: &str, value: String) {
    println!("  {what:<46}{value}");
}

/// Sums eight columns as wide as a kernel row: what reading the decoded bytes once costs.
fn read_loop(timeline: &Timeline) -> Duration {
    let kernels = &timeline.kernels;
    best(|| {
        let starts: i64 = kernels.start_ns.iter().fold(0, |a, b| a.wrapping_add(*b));
        let durations: u64 = kernels.duration_ns.iter().fold(0, |a, b| a.wrapping_add(*b));
        let external: u64 = kernels.external_id.iter().fold(0, |a, b| a.wrapping_add(*b));
        let nodes: u64 = kernels.graph_node_id.iter().fold(0, |a, b| a.wrapping_add(*b));
        let narrow = [&kernels.stream, &kernels.shape, &kernels.correlation_id, &kernels.graph_id]
            .map(|column| column.iter().fold(0u32, |a, b| a.wrapping_add(*b)));
        std::hint::black_box((starts, durations, external, nodes, narrow));
    })
}

fn report(label: &str, timeline: &Timeline) {
    let n_events = timeline.event_count();
    let n_kernels = timeline.kernels.len() as u64;
    println!("{label}: {n_events} events, {n_kernels} kernels, {} shapes", timeline.shapes.len());
    let read = read_loop(timeline);
    show(
        "read loop over the kernel columns",
        format!("{:.2} ns/kernel", per_event(read, n_kernels)),
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, predictors) in [("default", false), ("predictors", true)] {
        println!(" {name}");
        let options = WriteOptions { predictors, ..WriteOptions::default() };
        let path = folder.path().join("capture.uspan");
        let summary = write_timeline(&path, timeline, &options).expect("written");
        show("whole capture", format!("{:.2} B/event", summary.bytes as f64 / n_events as f64));

        let mut kernels_only = Timeline::new();
        kernels_only.kernels = timeline.kernels.clone();
        let mut sink = Vec::new();
        let encode = best(|| {
            sink.clear();
            let mut writer = Writer::new(&mut sink, &options).expect("a writer");
            writer.write_rows(&kernels_only.kernels, 0..n_kernels as usize).expect("written");
            writer.finish().expect("finished");
        });
        show("kernel table", format!("{:.2} B/kernel", sink.len() as f64 / n_kernels as f64));
        show(
            "encode kernels",
            format!(
                "{:.1} ns/kernel, {:.1}x the read loop",
                per_event(encode, n_kernels),
                encode.as_secs_f64() / read.as_secs_f64()
            ),
        );

        let kernel_path = folder.path().join("kernels.uspan");
        std::fs::write(&kernel_path, &sink).expect("written");
        let reader = Reader::open(&kernel_path, &ReadOptions::default()).expect("opened");
        let four = ["start_ns", "duration_ns", "stream", "shape"];
        for (what, columns) in [("all columns", &[][..]), ("four columns", &four[..])] {
            let query = RowQuery { columns, range: None };
            let decode = best(|| {
                let mut rows = reader.rows::<KernelTable>(&query).expect("columns");
                while let Some(chunk) = rows.next_chunk().expect("a whole chunk") {
                    std::hint::black_box(chunk.table);
                }
            });
            show(
                &format!("decode chunk by chunk, {what}"),
                format!(
                    "{:.1} ns/kernel, {:.0} M/s, {:.1}x the read loop",
                    per_event(decode, n_kernels),
                    n_kernels as f64 / decode.as_secs_f64() / 1e6,
                    decode.as_secs_f64() / read.as_secs_f64()
                ),
            );
        }
        for threads in [1, 2] {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let decode = pool.install(|| {
                best(|| {
                    std::hint::black_box(reader.read_timeline().expect("read").kernels.len());
                })
            });
            show(
                &format!("read_timeline of kernels, {threads} threads"),
                format!(
                    "{:.1} ns/kernel, {:.0} M/s, {:.1}x the read loop",
                    per_event(decode, n_kernels),
                    n_kernels as f64 / decode.as_secs_f64() / 1e6,
                    decode.as_secs_f64() / read.as_secs_f64()
                ),
            );
        }
    }
}

fn main() {
    let n_events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(2_000_000);
    report("graph stream", &support::graph_stream(n_events));
    report("eager stream", &support::eager_stream(n_events));
}
