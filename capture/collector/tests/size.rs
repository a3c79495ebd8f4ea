//! What a kernel takes on disk.

#[path = "support/serving.rs"]
mod serving;

use std::path::Path;

use cupti_sys::{CUDA_12_9, Toolkit};
use fake_cupti::{Profile, Release};
use underspan_collector::writer::Rows;
use underspan_cupti::{Api, DecodeLedger, Library, Origin, Records};
use underspan_native::{WriteOptions, Writer};

#[expect(unsafe_code, reason = "loads the double")]
fn api(toolkit: Toolkit, dir: &Path) -> Api {
    let profile = Profile::of(toolkit).expect("a compared release");
    let path = Release(profile).write(dir).expect("a library");
    // SAFETY: the double; its initializers do nothing, and it has the interface of libcupti.
    unsafe { Api::new(Library::open(&path, Origin::Environment).expect("it loads")) }
}

#[test]
fn a_kernel_of_a_serving_stream_takes_at_most_six_bytes() {
    const N: u64 = 130_000;
    let dir = tempfile::TempDir::new().expect("a folder");
    let api = api(CUDA_12_9, dir.path());
    let layouts = serving::layouts(CUDA_12_9);
    let bytes = serving::buffer(&layouts, N);
    let mut rows = Rows::new(1, "size.uspan");
    let mut ledger = DecodeLedger::default();
    for record in Records::new(&layouts, &bytes, &mut ledger) {
        rows.add(&record, &api);
    }
    assert!(ledger.is_clean(), "{ledger:?}");
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &WriteOptions::default()).expect("a writer");
    let timeline = &rows.timeline;
    writer
        .write_dictionaries(&timeline.strings, &timeline.shapes, &timeline.dimensions)
        .expect("written");
    let kernels = &timeline.kernels;
    assert_eq!((kernels.len() as u64, timeline.shapes.len()), (N, 9));
    writer.write_rows(kernels, 0..kernels.len()).expect("written");
    // The index and overviews of a finished file come on top once; rows are what grows.
    let per_kernel = writer.len_bytes() as f64 / N as f64;
    println!("{per_kernel:.2} bytes per kernel");
    assert!(per_kernel <= 6.0, "{per_kernel} bytes per kernel");
}
