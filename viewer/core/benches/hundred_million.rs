//! What the viewer costs on a large capture: opening, queries, frames, memory, statistics, cancelling.
//!
//! `cargo bench -p underspan-viewer-core --bench hundred_million [-- EVENTS] [FILE …]`; ten million
//! events when no number is given. A FILE that is there is measured as it is; one that is not is
//! made with the events and kept. Times are of one run on this machine: `cpu` is what the thread
//! itself ran, the others are wall times.
#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use underspan_model::tables::{Kernel, KernelTable, Source};
use underspan_model::{KernelShape, Timeline};
use underspan_native::{WriteOptions, Writer};
use underspan_viewer_core::{Command, Document, OpenProgress, Stage, TimeRange, Viewer};

const N_STREAMS: usize = 40;
const N_NAMES: usize = 300;
const CHUNK_ROWS: usize = 1 << 16;
/// Zooms as parts of the whole: from everything to single events.
const ZOOMS: [f64; 7] = [1.0, 0.3, 0.1, 0.01, 1e-3, 1e-4, 1e-5];
/// Places in which each zoom is tried.
const N_PLACES: u32 = 8;
/// Queries of each place, once what it needs is decoded.
const N_QUERIES: usize = 5;
/// When the analysis is cancelled, after the first view.
const ANALYSIS_MOMENTS_MS: [u64; 16] =
    [1, 5, 10, 20, 50, 100, 150, 200, 300, 500, 700, 900, 1_100, 1_300, 1_500, 1_800];
/// After which a view that is not drawn is given up.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let n_events = arguments.iter().find_map(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    let is_file = |arg: &&String| !arg.starts_with('-') && arg.parse::<usize>().is_err();
    let files: Vec<PathBuf> = arguments.iter().filter(is_file).map(PathBuf::from).collect();
    if files.is_empty() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("synthetic.uspan");
        write_shown(&path, n_events);
        measure(&path);
    }
    for path in files {
        if !path.exists() {
            write_shown(&path, n_events);
        }
        measure(&path);
    }
}

fn write_shown(path: &Path, n_events: usize) {
    let ((), took) = timed(|| write(path, n_events));
    let bytes = std::fs::metadata(path).map_or(0, |of| of.len());
    println!("{n_events} kernels on {N_STREAMS} streams, {:.0} MB", bytes as f64 / 1e6);
    show("writing the file", ms(took));
}

fn measure(path: &Path) {
    println!("{}", path.display());
    let before = anonymous_bytes();
    let paths = [path.to_owned()];
    let (document, took) =
        timed(|| underspan_viewer_core::open(&paths, &OpenProgress::default()).expect("it opens"));
    show("opening it", ms(took));
    let n_events = document.n_events() as f64;
    let resident =
        |what: &str| show(what, format!("{:.2} B/event", beside(before) as f64 / n_events));
    resident("resident beside the mapping");
    queries(&document);
    resident("the same when all zooms were seen");
    drop(document);

    let mut stage = Stage::new([2210.0, 950.0], 1.0);
    let Some(mut viewer) = first_view(path, &mut stage) else { return };
    frames(&mut viewer, &mut stage);
    statistics(&mut viewer, &mut stage);
    cancelling(path, &mut viewer, &mut stage);
}

/// Draws all rows at every zoom in several places: pyramid and lanes, no painting.
fn queries(document: &Document) {
    let whole = document.bounds();
    for zoom in ZOOMS {
        let (mut times, mut cpu, mut decoding) = (Vec::new(), Vec::new(), Vec::new());
        let mut bars = 0;
        for place in 0..N_PLACES {
            let window = part(whole, zoom, f64::from(place) / f64::from(N_PLACES));
            // Chunks are decoded on the tile threads before; here they are at hand.
            let (_, took) = timed(|| document.count_bars(window, 2000, true));
            decoding.push(took);
            for _ in 0..N_QUERIES {
                let began = cpu_time();
                let (count, took) = timed(|| document.count_bars(window, 2000, false));
                cpu.push(cpu_time() - began);
                bars = count.n_bars;
                times.push(took);
            }
        }
        show(
            &format!("query of {:.3} ms", whole.len_ns() as f64 * zoom / 1e6),
            format!("{}, {bars} bars", percentiles(&mut times)),
        );
        show("", format!("cpu {}; decoding {}", percentiles(&mut cpu), percentiles(&mut decoding)));
    }
}

/// What a user waits for: from a path to a view with bars in every row, and to one that gets no
/// finer, with everything on the threads it runs on in a window.
fn first_view(path: &Path, stage: &mut Stage) -> Option<Viewer> {
    let here = std::thread::current();
    let mut viewer = Viewer::new(move || here.unpark());
    let began = Instant::now();
    viewer.apply(Command::Open(vec![path.to_owned()]));
    let drawn = until(stage, &mut viewer, Viewer::has_drawn_view)?;
    show("from a path to the first useful view", ms(drawn.0));
    show("longest frame until then", ms(drawn.1));
    until(stage, &mut viewer, Viewer::has_drawn_finest)?;
    show("from a path to the finest view", ms(began.elapsed()));
    until(stage, &mut viewer, |viewer| !viewer.is_busy())?;
    show("from a path to the last analysis", ms(began.elapsed()));
    Some(viewer)
}

/// Draws frames until something is so: how long that took, and the longest frame.
fn until(
    stage: &mut Stage,
    viewer: &mut Viewer,
    is_so: impl Fn(&Viewer) -> bool,
) -> Option<(Duration, Duration)> {
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while began.elapsed() < PATIENCE {
        let ((), took) = timed(|| stage.frame(viewer, Vec::new()));
        longest = longest.max(took);
        if is_so(viewer) {
            return Some((began.elapsed(), longest));
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    show("given up after", ms(PATIENCE));
    None
}

/// Moves and zooms through the capture as a hand would, with tiles from the other threads.
fn frames(viewer: &mut Viewer, stage: &mut Stage) {
    let Some(whole) = viewer.document().map(Document::bounds) else { return };
    for zoom in ZOOMS {
        viewer.apply(Command::Show(part(whole, zoom, 0.37)));
        stage.frame(viewer, Vec::new());
        let finest = until(stage, viewer, Viewer::has_drawn_finest);
        let (mut times, mut cpu) = (Vec::new(), Vec::new());
        for at in 0..120 {
            let command = match at % 12 {
                0..5 => Command::Pan(0.05),
                5..8 => Command::Zoom { factor: 0.9, anchor_ns: None },
                8..11 => Command::Zoom { factor: 1.0 / 0.9, anchor_ns: None },
                _ => Command::Pan(-0.2),
            };
            viewer.apply(command);
            let began = cpu_time();
            let ((), took) = timed(|| stage.frame(viewer, Vec::new()));
            cpu.push(cpu_time() - began);
            times.push(took);
        }
        show(
            &format!("frame, view of {:.3} ms", whole.len_ns() as f64 * zoom / 1e6),
            percentiles(&mut times),
        );
        let finest = finest.map_or("never".to_owned(), |of| ms(of.0));
        show("", format!("cpu {}; finest after {finest}", percentiles(&mut cpu)));
    }
    until(stage, viewer, |viewer| !viewer.is_busy());
    let (_, took) = timed(|| (0..100).for_each(|_| stage.frame(viewer, Vec::new())));
    show("frame in which nothing changes", ms(took / 100));
}

fn statistics(viewer: &mut Viewer, stage: &mut Stage) {
    let Some((whole, n_events)) = viewer.document().map(|of| (of.bounds(), of.n_events())) else {
        return;
    };
    let range = part(whole, (1e6 / n_events as f64).min(1.0), 0.4);
    viewer.apply(Command::SelectRange(range));
    let taken = until(stage, viewer, |viewer| viewer.range_statistics().is_some());
    let n = viewer.range_statistics().map_or(0, |of| of.n_events);
    if let Some((took, frame)) = taken {
        show(
            &format!("statistics of {n} events"),
            format!("{}, longest frame {}", ms(took), ms(frame)),
        );
    }
}

/// How long it takes until jobs that were cancelled have ended.
fn cancelling(path: &Path, viewer: &mut Viewer, stage: &mut Stage) {
    let Some(whole) = viewer.document().map(Document::bounds) else { return };
    viewer.apply(Command::SelectRange(whole));
    cancel(viewer, "cancelling statistics of everything", Command::ClearSelection);
    viewer.apply(Command::Open(vec![path.to_owned()]));
    cancel(viewer, "cancelling an opening", Command::CancelOpening);
    // The analysis, wherever it is when the capture is closed.
    let (mut times, mut rests) = (Vec::new(), Vec::new());
    let n_threads = n_threads();
    for after_ms in ANALYSIS_MOMENTS_MS {
        viewer.apply(Command::Close);
        viewer.apply(Command::Open(vec![path.to_owned()]));
        until(stage, viewer, Viewer::has_drawn_view);
        wait(Duration::from_millis(after_ms));
        if viewer.n_jobs() > 0 {
            let since = Instant::now();
            times.push(ended(viewer, Command::Close));
            while self::n_threads() > n_threads && since.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
            rests.push(since.elapsed());
        }
    }
    if !times.is_empty() {
        let n = times.len();
        show(
            "cancelling the analysis by closing",
            format!("{}, {n} times", percentiles(&mut times)),
        );
        let rest = "its threads at rest, memory given back";
        show(rest, percentiles(&mut rests));
    }
}

/// Threads of this process, where the system tells.
fn n_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn cancel(viewer: &mut Viewer, what: &str, command: Command) {
    // It is to be under way.
    wait(Duration::from_millis(5));
    show(what, ms(ended(viewer, command)));
}

/// Waits for all of a time: a wake-up that came late for a frame ends a park at once.
fn wait(length: Duration) {
    let end = Instant::now() + length;
    while let Some(rest) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(rest);
    }
}

/// How long all jobs take to end after a command that cancels them.
fn ended(viewer: &mut Viewer, command: Command) -> Duration {
    let ((), took) = timed(|| {
        viewer.apply(command);
        while viewer.n_jobs() > 0 {
            std::thread::yield_now();
        }
    });
    took
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

/// What this thread ran so far.
fn cpu_time() -> Duration {
    let of = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = of.split_whitespace().next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

fn beside(before: u64) -> u64 {
    anonymous_bytes().saturating_sub(before)
}

/// Memory of this process that no file stands behind.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
