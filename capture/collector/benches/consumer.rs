//! What the writer spends on a kernel: decoding it, making a row, encoding, compressing.

#[path = "../tests/support/serving.rs"]
mod serving;

use cupti_sys::{CUDA_11_8, CUDA_12_9, CUDA_13_5, Toolkit};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use fake_cupti::{Profile, Release};
use underspan_collector::writer::Rows;
use underspan_cupti::{Api, DecodeLedger, Library, Origin, Records};
use underspan_native::{WriteOptions, Writer};

/// As many as the writer writes at once.
const N: u64 = 1 << 16;

fn main() {
    divan::main();
}

#[expect(unsafe_code, reason = "loads the double")]
fn api(toolkit: Toolkit) -> &'static Api {
    let dir = tempfile::TempDir::new().expect("a folder");
    let profile = Profile::of(toolkit).expect("a compared release");
    let path = Release(profile).write(dir.path()).expect("a library");
    // SAFETY: the double; its initializers do nothing, and it has the interface of libcupti.
    let api = unsafe { Api::new(Library::open(&path, Origin::Environment).expect("it loads")) };
    Box::leak(Box::new(api))
}

/// Decoding and rows only.
#[divan::bench(args = [CUDA_11_8, CUDA_12_9, CUDA_13_5])]
fn rows(bencher: Bencher<'_, '_>, toolkit: Toolkit) {
    let api = api(toolkit);
    let layouts = serving::layouts(toolkit);
    let bytes = serving::buffer(&layouts, N);
    let mut all = Rows::new(1, "bench.uspan");
    bencher.counter(ItemsCount::new(N)).counter(BytesCount::of_slice(&bytes)).bench_local(|| {
        all.timeline.kernels.clear();
        let mut ledger = DecodeLedger::default();
        for record in Records::new(&layouts, black_box(&bytes), &mut ledger) {
            all.add(&record, api);
        }
    });
}

/// The whole way into a sink.
#[divan::bench(args = [CUDA_11_8, CUDA_12_9, CUDA_13_5])]
fn rows_and_file(bencher: Bencher<'_, '_>, toolkit: Toolkit) {
    let api = api(toolkit);
    let layouts = serving::layouts(toolkit);
    let bytes = serving::buffer(&layouts, N);
    let mut all = Rows::new(1, "bench.uspan");
    let mut writer =
        Writer::new(std::io::sink(), &WriteOptions::default()).expect("a sink takes all");
    bencher.counter(ItemsCount::new(N)).counter(BytesCount::of_slice(&bytes)).bench_local(|| {
        all.timeline.kernels.clear();
        let mut ledger = DecodeLedger::default();
        for record in Records::new(&layouts, black_box(&bytes), &mut ledger) {
            all.add(&record, api);
        }
        let timeline = &all.timeline;
        writer
            .write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions)
            .expect("a sink takes all");
        writer.write_rows(&timeline.kernels, 0..timeline.kernels.len()).expect("a sink takes all");
    });
}
