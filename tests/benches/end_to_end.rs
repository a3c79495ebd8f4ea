//! From a `.uspan` file to a finished analysis, on serving-like streams of several sizes.
//!
//! `cargo bench -p underspan-tests --bench end_to_end [-- MILLIONS…]` prints, per size: seconds to
//! read and decode, to analyze, both per event, and against a plain loop that reads the same
//! columns once in the same run. Machines vary; the ratios and the flatness over sizes do not.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use underspan_engine::{Analysis, AnalysisOptions};
use underspan_model::tables::Table;
use underspan_model::{ColumnMut, ColumnRef, NONE_U32, Timeline};
use underspan_native::WriteOptions;
use underspan_simulator::{Scenario, to_timeline};

const RUNS: usize = 3;

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1, 10] } else { sizes };
    let template = to_timeline(&Scenario::ContinuousBatching.run(1));
    let folder = std::env::temp_dir().join(format!("underspan-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    println!(
        "{:>9} {:>8} {:>9} {:>9} {:>9} {:>11} {:>11} {:>12}",
        "events",
        "B/event",
        "decode s",
        "analyze s",
        "both s",
        "decode ns/e",
        "analyze ns/e",
        "x read loop"
    );
    for millions in sizes {
        let timeline = repeated(&template, millions * 1_000_000);
        let path = folder.join(format!("{millions}.uspan"));
        underspan_native::write_timeline(&path, &timeline, &WriteOptions::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let bytes = std::fs::metadata(&path).expect("the file").len();
        let events = timeline.event_count();
        let read_loop = best(|| black_box(sum_of_all_columns(&timeline)));
        drop(timeline);
        let decode = best(|| read(&path));
        let timeline = read(&path);
        let analyze = best(|| Analysis::of(&timeline, &AnalysisOptions::default()));
        let per_event = |time: Duration| time.as_secs_f64() * 1e9 / events as f64;
        println!(
            "{events:>9} {:>8.2} {:>9.3} {:>9.3} {:>9.3} {:>11.1} {:>11.1} {:>12.1}",
            bytes as f64 / events as f64,
            decode.as_secs_f64(),
            analyze.as_secs_f64(),
            (decode + analyze).as_secs_f64(),
            per_event(decode),
            per_event(analyze),
            (decode + analyze).as_secs_f64() / read_loop.as_secs_f64(),
        );
        let _ = std::fs::remove_file(&path);
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn read(path: &std::path::Path) -> Timeline {
    underspan_native::read_timeline(path).unwrap_or_else(|error| panic!("{error}"))
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// The template over and over, each copy later than the one before and with correlation ids of
/// its own.
fn repeated(template: &Timeline, at_least: u64) -> Timeline {
    let bounds = template
        .tables()
        .iter()
        .filter_map(|t| t.time_bounds())
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (first, last) = bounds.expect("the template has events");
    let period_ns = last - first + 50_000;
    let ids_per_copy = template.api_calls.len() as u32 + 10_000;
    let copies = at_least.div_ceil(template.event_count());
    let mut whole = template.clone();
    for copy in 1..copies {
        let mut part = template.clone();
        for table in part.tables_mut() {
            let mut noise = Noise(copy);
            shift(table, copy as i64 * period_ns, copy as u32 * ids_per_copy, &mut noise);
        }
        append_rows(&mut whole, &mut part);
    }
    whole.sort();
    whole
}

/// Timer noise: without it a repeated stream would compress to nothing.
struct Noise(u64);

impl Noise {
    /// Uniform in `0..64`: two ticks of a GPU's 32 ns timer.
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 58
    }
}

fn shift(table: &mut dyn Table, by_ns: i64, ids_by: u32, noise: &mut Noise) {
    let specs = table.specs();
    for (spec, column) in specs.iter().zip(table.columns_mut()) {
        match (spec.name, column) {
            ("start_ns" | "time_ns", ColumnMut::I64(values)) => {
                values.iter_mut().for_each(|value| *value += by_ns + noise.next() as i64);
            }
            ("duration_ns", ColumnMut::U64(values)) => {
                values.iter_mut().for_each(|value| *value += noise.next());
            }
            ("correlation_id", ColumnMut::U32(values)) => {
                values.iter_mut().filter(|id| **id != NONE_U32).for_each(|id| *id += ids_by);
            }
            _ => {}
        }
    }
}

fn append_rows(whole: &mut Timeline, part: &mut Timeline) {
    whole.kernels.append(&mut part.kernels);
    whole.memcpys.append(&mut part.memcpys);
    whole.memsets.append(&mut part.memsets);
    whole.api_calls.append(&mut part.api_calls);
    whole.annotations.append(&mut part.annotations);
    whole.cpu_ops.append(&mut part.cpu_ops);
}

/// Reads every byte of every column once: what no analysis can beat.
fn sum_of_all_columns(timeline: &Timeline) -> u64 {
    let mut sum = 0_u64;
    for table in timeline.tables() {
        for column in table.columns() {
            sum = sum.wrapping_add(match column {
                ColumnRef::U8(values) => values.iter().map(|v| u64::from(*v)).sum(),
                ColumnRef::U32(values) => values.iter().map(|v| u64::from(*v)).sum(),
                ColumnRef::U64(values) => values.iter().fold(0, |a, v| a.wrapping_add(*v)),
                ColumnRef::I64(values) => values.iter().fold(0, |a, v| a.wrapping_add(*v as u64)),
                ColumnRef::F64(values) => {
                    values.iter().map(|v| v.to_bits()).fold(0, u64::wrapping_add)
                }
            });
        }
    }
    sum
}
