//! Files of every version keep opening, and writing is deterministic.
//!
//! `golden/v1.uspan` is never changed: it is what version 1 wrote. `golden/current.uspan` is what
//! this version writes; when the model gains a column or zstd a release, it is written anew with
//! `UNDERSPAN_BLESS=1 cargo test -p underspan-native --test golden`.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};

use support::fixture;
use underspan_model::tables::TableKind;
use underspan_native::{
    ChunkKind, Encoding, FORMAT_VERSION, Pyramid, ReadOptions, Reader, WriteOptions, describe,
    read_timeline, verify, write_timeline,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn written(threads: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fixture.uspan");
    let options =
        WriteOptions { predictors: true, rows_per_chunk: 3000, ..WriteOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| write_timeline(&path, &fixture::version_1(), &options)).unwrap();
    std::fs::read(&path).unwrap()
}

#[test]
fn version_1_opens_and_equals_its_fixture() {
    let path = golden("v1.uspan");
    let timeline = read_timeline(&path).unwrap();
    assert!(timeline == fixture::version_1());
    let report = verify(&path).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.version, report.is_finished, report.has_index), (1, true, true));
    let reader = Reader::open(&path, &ReadOptions::default()).unwrap();
    assert_eq!(reader.is_sorted(TableKind::Kernel), Some(true));
    let kernels = Pyramid::open(&reader).unwrap();
    let kernels = kernels.tracks().filter(|track| track.kind == TableKind::Kernel);
    assert_eq!(kernels.map(|track| track.events).sum::<u64>(), 8200);
}

#[test]
fn the_golden_file_has_every_kind_of_chunk_and_encoding() {
    let description = describe(&golden("v1.uspan")).unwrap();
    let kinds: Vec<ChunkKind> = description.chunks.keys().copied().collect();
    let expected = [
        ChunkKind::Rows,
        ChunkKind::Dimension,
        ChunkKind::Strings,
        ChunkKind::Shapes,
        ChunkKind::Info,
        ChunkKind::Problems,
        ChunkKind::End,
        ChunkKind::Lod,
        ChunkKind::Index,
    ];
    assert_eq!(kinds, expected);
    let columns = description.tables.iter().flat_map(|table| &table.columns);
    let used: std::collections::BTreeSet<Encoding> =
        columns.flat_map(|column| &column.encodings).map(|used| used.encoding).collect();
    assert!(used.iter().copied().eq(Encoding::ALL.iter().copied()), "{used:?}");
}

fn packed(threads: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.uspan");
    let options = WriteOptions { pack_up_to_bytes: 1 << 20, ..WriteOptions::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| write_timeline(&path, &fixture::version_1(), &options)).unwrap();
    std::fs::read(&path).unwrap()
}

/// `golden/v2-packed.uspan` is never changed: models, lists of columns and the primer of text must
/// stay as they were for it to open.
#[test]
fn version_2_packed_opens_and_is_written_the_same() {
    let path = golden("v2-packed.uspan");
    let bytes = packed(1);
    assert!(bytes == packed(2));
    if std::env::var_os("UNDERSPAN_BLESS").is_some() && !path.exists() {
        std::fs::write(&path, &bytes).unwrap();
    }
    let timeline = read_timeline(&path).unwrap();
    assert!(timeline == fixture::version_1());
    let report = verify(&path).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.version, report.is_finished, report.has_index), (2, true, false));
    let description = describe(&path).unwrap();
    assert_eq!(description.bytes, std::fs::metadata(&path).unwrap().len());
    let in_chunks: u64 = description.chunks.values().map(|(_, bytes)| bytes).sum();
    assert_eq!(in_chunks + 64, description.bytes);
}

#[test]
fn writing_gives_the_same_bytes_on_every_run_and_any_number_of_threads() {
    let bytes = written(1);
    assert!(bytes == written(2));
    let current = golden("current.uspan");
    if std::env::var_os("UNDERSPAN_BLESS").is_some() {
        std::fs::write(&current, &bytes).unwrap();
        if !golden("v1.uspan").exists() && FORMAT_VERSION == 1 {
            std::fs::write(golden("v1.uspan"), &bytes).unwrap();
        }
    }
    let committed = std::fs::read(&current).unwrap();
    assert!(
        bytes == committed,
        "what is written differs from {}; if that is meant, bless it",
        current.display()
    );
}
