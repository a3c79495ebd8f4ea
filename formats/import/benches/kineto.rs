//! Speed of the Kineto importer on generated traces, with a generic JSON parser on the same bytes
//! as the yardstick. Throughput is of plain JSON.

#[path = "../tests/support/kineto_json.rs"]
mod kineto_json;

use std::path::PathBuf;
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::BytesCount;
use kineto_json::Layout;
use underspan_import::{ImportOptions, NoProgress, import_path};

const OPERATORS: usize = 150_000;

fn main() {
    divan::main();
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
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    bencher.counter(BytesCount::new(sample.bytes)).bench(|| {
        pool.install(|| import_path(&sample.path, &ImportOptions::default(), &NoProgress))
            .expect("the sample is sound")
    });
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
    bencher.counter(BytesCount::new(sample.bytes)).bench(|| {
        let text = std::fs::read(&sample.path).expect("the sample is there");
        serde_json::from_slice::<serde_json::Value>(&text).expect("the sample is sound")
    });
}
