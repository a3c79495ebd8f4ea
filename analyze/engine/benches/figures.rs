//! Speed of every analysis on serving-like streams, next to a plain read of the columns it needs
//! in the same run. Machines differ and are shared, so ratios say more than times; each time is
//! the best of several runs.
//!
//! `cargo bench -p underspan-engine --bench figures [-- events]`

#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

mod support;

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use support::Kind;
use underspan_engine::{
    Analysis, AnalysisOptions, Correlation, KernelStats, Occupancy, Steps, WorkAttribution,
    busy_unions, idle_of,
};
use underspan_model::{DurationNs, Interval, Timeline};

const RUNS: usize = 9;

fn main() {
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse::<usize>().ok());
    let n_events = asked.unwrap_or(10_000_000);
    for kind in [Kind::Graph, Kind::Eager] {
        let timeline = support::timeline(kind, n_events);
        for n_threads in [1, 2] {
            pool(n_threads).install(|| parts(kind, &timeline, n_threads));
        }
        pool(2).install(|| attribution(&timeline));
    }
    pool(2).install(|| scale(n_events));
}

fn pool(n_threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads can be started")
}

/// The quickest of several runs, in seconds: whatever else runs can only make it slower.
fn best<T>(runs: usize, mut run: impl FnMut() -> T) -> f64 {
    let times = (0..runs).map(|_| {
        let begin = Instant::now();
        black_box(run());
        begin.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Adds up columns: what any pass over them costs at least.
fn read_work(t: &Timeline) -> u64 {
    let columns =
        t.kernels.start_ns.par_chunks(1 << 17).zip(t.kernels.duration_ns.par_chunks(1 << 17));
    columns
        .zip(t.kernels.stream.par_chunks(1 << 17))
        .map(|((starts, durations), streams)| {
            let rows = starts.iter().zip(durations).zip(streams);
            rows.fold(0_u64, |sum, ((start, duration), stream)| {
                sum.wrapping_add(*start as u64)
                    .wrapping_add(*duration)
                    .wrapping_add((*stream).into())
            })
        })
        .reduce(|| 0, u64::wrapping_add)
}

/// The same for the columns of the launch join.
fn read_ids(t: &Timeline) -> u64 {
    let sum = |ids: &[u32]| ids.iter().fold(0_u64, |sum, id| sum.wrapping_add((*id).into()));
    let read = |ids: &[u32], others: &[u32]| {
        let parts = ids.par_chunks(1 << 17).zip(others.par_chunks(1 << 17));
        parts.map(|(a, b)| sum(a).wrapping_add(sum(b))).reduce(|| 0, u64::wrapping_add)
    };
    let kernels = read(&t.kernels.correlation_id, &t.kernels.stream);
    // Starts of kernels, as the first start of each launch needs them.
    let starts = t
        .kernels
        .start_ns
        .par_chunks(1 << 17)
        .map(|starts| starts.iter().fold(0_u64, |sum, start| sum.wrapping_add(*start as u64)));
    kernels
        .wrapping_add(starts.reduce(|| 0, u64::wrapping_add))
        .wrapping_add(read(&t.api_calls.correlation_id, &t.api_calls.thread))
}

fn parts(kind: Kind, t: &Timeline, n_threads: usize) {
    let n_events = t.event_count();
    println!(
        "\n{kind:?}: {n_events} events ({} kernels, {} API calls, {} copies), {n_threads} thread(s)",
        t.kernels.len(),
        t.api_calls.len(),
        t.memcpys.len()
    );
    let read_work = best(RUNS, || read_work(t));
    let read_ids = best(RUNS, || read_ids(t));
    let line = |name: &str, seconds: f64, read: f64| {
        println!(
            "  {name:<34} {:>8.2} ms {:>7.2} ns/event {:>6.2} x read",
            seconds * 1e3,
            seconds * 1e9 / n_events as f64,
            seconds / read
        );
    };
    line("plain read: start, length, stream", read_work, read_work);
    line("plain read: ids and starts", read_ids, read_ids);
    line("busy union per device", best(RUNS, || busy_unions(t)), read_work);
    line("occupancy, all of it", best(RUNS, || Occupancy::of(t)), read_work);
    line("launch join", best(RUNS, || Correlation::of(t)), read_ids);
    let correlation = Correlation::of(t);
    let occupancy = Occupancy::of(t);
    line("gaps by class", best(RUNS, || idle_of(t, &correlation, &occupancy, 20)), read_work);
    let both = || idle_of(t, &correlation, &Occupancy::of(t), 20);
    line("occupancy and gaps by class", best(RUNS, both), read_work);
    line("launch to start, percentiles", best(RUNS, || correlation.launch_to_start(t)), read_ids);
    line("statistics by name and shape", best(RUNS, || KernelStats::of(t)), read_work);
    line("steps", best(RUNS, || Steps::of(t, &correlation)), read_work);
    let options = AnalysisOptions::default();
    line("everything (Analysis::of)", best(RUNS, || Analysis::of(t, &options)), read_work);
}

/// 100,000 overlapping spans, 16 categories.
fn attribution(t: &Timeline) {
    let category = |item: &underspan_engine::WorkItem| Some((item.row % 16) as u8);
    let index = WorkAttribution::of_durations(t, 16, category);
    let build = best(3, || WorkAttribution::of_durations(t, 16, category));
    let n_spans = 100_000_u64;
    let (first, last) = (t.kernels.start_ns[0], t.kernels.start_ns[t.kernels.len() - 1]);
    let length = (last - first) as u64;
    let spans: Vec<Interval> = (0..n_spans)
        .map(|at| {
            let start = first + (length / n_spans * at) as i64;
            let duration = DurationNs::from_ns(length / 20_000 + at * 7_919 % (length / 200));
            Interval::from_start_and_duration(
                underspan_model::TimestampNs::from_ns(start),
                duration,
            )
        })
        .collect();
    let seconds = best(5, || index.within_each(&spans));
    let one = pool(1).install(|| best(3, || index.within_each(&spans)));
    println!(
        "  attribution: index {:.1} ms, {n_spans} overlapping spans x 16 categories {:.1} ms = \
         {:.2} µs/span (one thread {:.2})",
        build * 1e3,
        seconds * 1e3,
        seconds * 1e6 / n_spans as f64,
        one * 1e6 / n_spans as f64
    );
}

/// Cost per event over sizes.
fn scale(n_events: usize) {
    println!("\nscale (graph, 2 threads): events, seconds, ns/event, x read");
    for n_events in [n_events / 10, n_events / 2, n_events, 5 * n_events] {
        let t = support::timeline(Kind::Graph, n_events);
        let options = AnalysisOptions::default();
        let read = best(RUNS, || read_work(&t));
        let seconds = best(5, || Analysis::of(&t, &options));
        let n = t.event_count();
        println!(
            "  {n:>10} {seconds:>9.4} {:>7.2} {:>6.2}",
            seconds * 1e9 / n as f64,
            seconds / read
        );
    }
}
