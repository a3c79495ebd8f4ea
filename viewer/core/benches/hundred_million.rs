//! What the viewer costs on a large capture: opening, queries, frames, memory, statistics.
//!
//! `cargo bench -p underspan-viewer-core --bench hundred_million [-- events]`; ten million events
//! when no number is given. Times are wall times of one run on this machine.
#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::time::{Duration, Instant};

use underspan_model::tables::{Kernel, KernelTable, Source};
use underspan_model::{KernelShape, Timeline};
use underspan_native::{WriteOptions, Writer};
use underspan_viewer_core::{Command, Document, OpenProgress, Stage, TimeRange, Viewer};

const N_STREAMS: usize = 40;
const N_NAMES: usize = 300;
const CHUNK_ROWS: usize = 1 << 16;
/// Zooms as parts of the whole: from everything to single events.
const ZOOMS: [f64; 6] = [1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5];

fn main() {
    let n_events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("synthetic.uspan");
    let (_, wrote) = timed(|| write(&path, n_events));
    let bytes = std::fs::metadata(&path).map_or(0, |of| of.len());
    println!("{n_events} kernels on {N_STREAMS} streams, {:.0} MB", bytes as f64 / 1e6);
    show("writing the file", ms(wrote));

    let before = anonymous_bytes();
    let paths = [path.clone()];
    let (document, took) =
        timed(|| underspan_viewer_core::open(&paths, &OpenProgress::default()).expect("it opens"));
    show("opening it", ms(took));
    let resident = anonymous_bytes().saturating_sub(before);
    show(
        "resident beside the mapping",
        format!("{:.2} B/event", resident as f64 / n_events as f64),
    );
    queries(&document);
    drop(document);

    let mut viewer = Viewer::inline();
    let mut stage = Stage::new([2210.0, 950.0], 1.0);
    let ((), took) = timed(|| {
        viewer.apply(Command::Open(paths.to_vec()));
        stage.frame(&mut viewer, Vec::new());
        stage.frame(&mut viewer, Vec::new());
    });
    show("from a path to the first useful view", ms(took));
    frames(&path, &mut stage);
    statistics(&mut viewer, n_events);
}

/// Draws all rows at every zoom in fifty places: pyramid and lanes, no painting.
fn queries(document: &Document) {
    let whole = document.bounds();
    for zoom in ZOOMS {
        let mut times = Vec::new();
        let mut bars = 0;
        for place in 0..50 {
            let window = part(whole, zoom, f64::from(place) / 50.0);
            // Chunks are decoded on the tile thread before; here they are at hand.
            document.count_bars(window, 2000, true);
            let (count, took) = timed(|| document.count_bars(window, 2000, false));
            bars = count.n_bars;
            times.push(took);
        }
        let name = format!("query {} of {:.3} ms", N_STREAMS, whole.len_ns() as f64 * zoom / 1e6);
        show(&name, format!("{}, {bars} bars", percentiles(&mut times)));
    }
}

/// Moves and zooms through the capture as a hand would, with tiles from the other thread.
fn frames(path: &Path, stage: &mut Stage) {
    let mut viewer = Viewer::new(|| {});
    viewer.apply(Command::Open(vec![path.to_owned()]));
    stage.settle(&mut viewer);
    let Some(whole) = viewer.document().map(Document::bounds) else { return };
    for zoom in ZOOMS {
        viewer.apply(Command::Show(part(whole, zoom, 0.37)));
        stage.settle(&mut viewer);
        let mut times = Vec::new();
        for at in 0..120 {
            let command = match at % 12 {
                0..5 => Command::Pan(0.05),
                5..8 => Command::Zoom { factor: 0.9, anchor_ns: None },
                8..11 => Command::Zoom { factor: 1.0 / 0.9, anchor_ns: None },
                _ => Command::Pan(-0.2),
            };
            viewer.apply(command);
            let ((), took) = timed(|| stage.frame(&mut viewer, Vec::new()));
            times.push(took);
        }
        let name = format!("frame, view of {:.3} ms", whole.len_ns() as f64 * zoom / 1e6);
        show(&name, percentiles(&mut times));
    }
    let (_, took) = timed(|| (0..100).for_each(|_| stage.frame(&mut viewer, Vec::new())));
    show("frame in which nothing changes", ms(took / 100));
}

fn statistics(viewer: &mut Viewer, n_events: usize) {
    let Some(whole) = viewer.document().map(Document::bounds) else { return };
    let range = part(whole, (1e6 / n_events as f64).min(1.0), 0.4);
    let ((), took) = timed(|| {
        viewer.apply(Command::SelectRange(range));
        viewer.receive();
    });
    let n = viewer.range_statistics().map_or(0, |of| of.n_events);
    show(&format!("statistics of {n} events"), ms(took));
}

fn part(whole: TimeRange, zoom: f64, place: f64) -> TimeRange {
    let start = whole.at_fraction(place * (1.0 - zoom));
    TimeRange::from_ns(start, start.saturating_add((whole.len_ns() as f64 * zoom) as i64))
}

/// Kernels in bursts, each stream with names of its own, in order of start over all streams.
fn write(path: &Path, n_events: usize) {
    let mut timeline = Timeline::new();
    let name = timeline.strings.intern("synthetic").raw();
    let source = timeline.dimensions.add_source(Source { name, ..Source::default() });
    let process = timeline.dimensions.process_id(source, 1);
    let streams: Vec<u32> = (0..N_STREAMS)
        .map(|at| {
            let device = timeline.dimensions.device_id(source, (at / 5) as u32);
            timeline.dimensions.stream_id(process, device, 1, at as u64).raw()
        })
        .collect();
    let shapes: Vec<u32> = (0..N_NAMES)
        .map(|at| {
            let name = match at % 5 {
                0 => format!("nvjet_hsh_{at}x256_64x4_2x1_v_bz_TNT"),
                1 => format!("flash_fwd_kernel_{at}"),
                2 => format!("rms_norm_kernel_{at}"),
                3 => format!("ampere_sgemm_{at}x64_nn"),
                _ => format!("elementwise_kernel_{at}"),
            };
            let name = timeline.strings.intern(&name);
            timeline.shapes.intern(KernelShape::named(name)).raw()
        })
        .collect();
    let mut writer = Writer::create(path, &WriteOptions::default()).expect("the file is made");
    writer.write_info(&timeline.info).expect("info");
    writer
        .write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions)
        .expect("names");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut queue: BinaryHeap<Reverse<(i64, usize)>> =
        (0..N_STREAMS).map(|at| Reverse((at as i64 * 100, at))).collect();
    let mut rows = KernelTable::default();
    for number in 0..n_events {
        let Some(Reverse((start_ns, at))) = queue.pop() else { break };
        let bits = next();
        let duration_ns = 800 + bits % 9_000;
        // A step's worth of kernels, then the host catches up.
        let gap = if bits.is_multiple_of(400) { 400_000 } else { 300 + (bits >> 20) % 900 };
        rows.push(Kernel {
            start_ns,
            duration_ns,
            stream: streams[at],
            shape: shapes[(at * 7 + (bits >> 40) as usize % 12) % N_NAMES],
            correlation_id: number as u32,
            ..Kernel::default()
        });
        queue.push(Reverse((start_ns.saturating_add_unsigned(duration_ns + gap), at)));
        if rows.len() == CHUNK_ROWS {
            writer.write_rows(&rows, 0..rows.len()).expect("rows");
            rows.clear();
        }
    }
    writer.write_rows(&rows, 0..rows.len()).expect("rows");
    writer.finish().expect("the file is finished");
}

fn timed<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let began = Instant::now();
    let result = f();
    (result, began.elapsed())
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    format!("p50 {} p95 {} max {}", ms(at(0.5)), ms(at(0.95)), ms(at(1.0)))
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn show(what: &str, value: String) {
    println!("  {what:<40}{value}");
}

/// Memory of this process that no file stands behind.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
