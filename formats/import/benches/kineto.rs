//! Speed of the Kineto importer on generated traces, with a generic JSON parser on the same bytes
//! as the yardstick. Throughput is of plain JSON. Where a Python has Holistic Trace Analysis
//! installed (`python3`, or the one that `UNDERSPAN_HTA_PYTHON` names), its parser runs too.

#[path = "../tests/support/kineto_json.rs"]
mod kineto_json;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use divan::Bencher;
use divan::counter::BytesCount;
use kineto_json::Layout;
use underspan_import::{ImportOptions, NoProgress, import_path};
use underspan_model::Timeline;

const OPERATORS: usize = 150_000;

fn main() {
    divan::main();
    print_ratios();
}

/// The best of some rounds against the best of the yardstick, taken in turns: these machines vary
/// too much from minute to minute for anything else.
#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn print_ratios() {
    const ROUNDS: usize = 5;
    let sample = sample(Layout::Kineto);
    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        for (best, threads) in best.iter_mut().zip([0, 1, 2]) {
            let begin = Instant::now();
            match threads {
                0 => drop(divan::black_box(parse_generically(sample))),
                threads => drop(divan::black_box(import_with(sample, threads))),
            }
            *best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    let [generic, one, two] = best.map(|seconds| sample.bytes as f64 / 1e6 / seconds);
    println!("serde_json::Value {generic:.0} MB/s");
    println!("import, 1 thread  {one:.0} MB/s, {:.1} times as fast", one / generic);
    println!("import, 2 threads {two:.0} MB/s, {:.1} times as fast", two / generic);
    match seconds_of_hta(sample) {
        Some(seconds) => {
            let hta = sample.bytes as f64 / 1e6 / seconds;
            println!("HTA {hta:.1} MB/s; import on 2 threads is {:.0} times as fast", two / hta);
        }
        None => println!("HTA is not installed (pip install HolisticTraceAnalysis)"),
    }
}

/// How long the parser of Holistic Trace Analysis takes, as it says itself: without the start of
/// Python. `None` when it is not installed.
fn seconds_of_hta(sample: &Sample) -> Option<f64> {
    const SCRIPT: &str = "\
import sys, time
from hta.configs.parser_config import ParserConfig
from hta.common.trace_parser import parse_trace_dataframe
config = ParserConfig.get_default_cfg()
begin = time.perf_counter()
parse_trace_dataframe(sys.argv[1], config)
print('seconds', time.perf_counter() - begin)
";
    let python = std::env::var("UNDERSPAN_HTA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = std::process::Command::new(python).arg("-c").arg(SCRIPT).arg(&sample.path).output();
    let said = String::from_utf8(run.ok()?.stdout).ok()?;
    said.lines().find_map(|line| line.strip_prefix("seconds ")?.parse().ok())
}

fn import_with(sample: &Sample, threads: usize) -> Timeline {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| import_path(&sample.path, &ImportOptions::default(), &NoProgress))
        .expect("the sample is sound")
}

fn parse_generically(sample: &Sample) -> serde_json::Value {
    let text = std::fs::read(&sample.path).expect("the sample is there");
    serde_json::from_slice(&text).expect("the sample is sound")
}

struct Sample {
    _folder: tempfile::TempDir,
    path: PathBuf,
    bytes: usize,
}

fn sample(layout: Layout) -> &'static Sample {
    static SAMPLES: [OnceLock<Sample>; 4] = [const { OnceLock::new() }; 4];
    SAMPLES[layout as usize].get_or_init(|| {
        let text = kineto_json::trace(OPERATORS, layout);
        let folder = tempfile::tempdir().expect("a folder for the sample");
        let path = folder.path().join("sample.json");
        std::fs::write(&path, &text).expect("the sample is written");
        Sample { _folder: folder, path, bytes: text.len() }
    })
}

fn import(bencher: Bencher<'_, '_>, layout: Layout, threads: usize) {
    let sample = sample(layout);
    bencher.counter(BytesCount::new(sample.bytes)).bench(|| import_with(sample, threads));
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn import_kineto_layout(bencher: Bencher<'_, '_>, threads: usize) {
    import(bencher, Layout::Kineto, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn import_one_line(bencher: Bencher<'_, '_>, threads: usize) {
    import(bencher, Layout::OneLine, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn import_minified(bencher: Bencher<'_, '_>, threads: usize) {
    import(bencher, Layout::Minified, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn import_indented(bencher: Bencher<'_, '_>, threads: usize) {
    import(bencher, Layout::Indented, threads);
}

/// The yardstick: `serde_json::Value` of the same file, parsed only.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn serde_json_value(bencher: Bencher<'_, '_>) {
    let sample = sample(Layout::Kineto);
    bencher.counter(BytesCount::new(sample.bytes)).bench(|| parse_generically(sample));
}
