//! How large the `.uspan` of every real trace of `../shared/corpus` is beside the file it was made
//! from, how long it takes to open, and where its bytes go.
//!
//! `cargo bench -p underspan-tests --bench corpus_size [-- --detail]`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use underspan_import::{ImportOptions, NoProgress, import_path};
use underspan_model::Timeline;
use underspan_native::{Description, WriteOptions, describe, read_timeline, write_timeline};

const RUNS: usize = 5;
/// What `underspan import` packs up to.
const PACK_UP_TO_BYTES: u64 = 64 << 10;

fn main() {
    let is_detailed = std::env::args().any(|arg| arg == "--detail");
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus"));
    let Some(files) = traces(corpus) else {
        println!("skipped: ../shared absent");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!(
        "{:<28} {:>7} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>8} {:>8} {:>8}",
        "file",
        "events",
        "source",
        "gz",
        "unpacked",
        "imported",
        "B/event",
        "x plain",
        "x gz",
        "open ms",
        "packed",
        "import"
    );
    for file in files {
        let import = || import_path(&file, &ImportOptions::default(), &NoProgress);
        let Ok(timeline) = import() else { continue };
        let unpacked = write(folder.path(), &timeline, 0);
        let imported = write(folder.path(), &timeline, PACK_UP_TO_BYTES);
        assert!(read(&imported.0) == read(&unpacked.0), "{}: tables differ", file.display());
        let (plain, gz) = source_sizes(&file);
        let events = timeline.event_count();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "{:<28} {events:>7} {plain:>9} {gz:>8} {:>8} {:>8} {:>7.2} {:>7.1} {:>6.2} {:>8.2} {:>8.2} {:>8.2}",
            name.chars().take(28).collect::<String>(),
            unpacked.1,
            imported.1,
            imported.1 as f64 / events.max(1) as f64,
            plain as f64 / imported.1 as f64,
            gz as f64 / imported.1 as f64,
            best_ms(|| read(&unpacked.0)),
            best_ms(|| read(&imported.0)),
            best_ms(import),
        );
        if is_detailed {
            show(&describe(&unpacked.0).unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

fn traces(corpus: &Path) -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["kineto", "nsys"] {
        let entries = std::fs::read_dir(corpus.join(folder)).ok()?;
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    Some(files)
}

fn write(folder: &Path, timeline: &Timeline, pack_up_to_bytes: u64) -> (PathBuf, u64) {
    let path = folder.join(format!("{pack_up_to_bytes}.uspan"));
    let options = WriteOptions { pack_up_to_bytes, ..WriteOptions::default() };
    let summary = write_timeline(&path, timeline, &options);
    (path, summary.unwrap_or_else(|error| panic!("{error}")).bytes)
}

fn read(path: &Path) -> Timeline {
    read_timeline(path).unwrap_or_else(|error| panic!("{error}"))
}

fn best_ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let run = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    (0..RUNS).map(run).min().unwrap_or(Duration::ZERO).as_secs_f64() * 1e3
}

/// Lengths of the source decompressed and as gzip: as the corpus has it, or at level 6.
fn source_sizes(file: &Path) -> (u64, u64) {
    let bytes = std::fs::read(file).expect("the corpus is readable");
    if file.extension().is_some_and(|ending| ending == "gz") {
        let mut plain = Vec::new();
        let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
        decoder.read_to_end(&mut plain).expect("the corpus decompresses");
        return (plain.len() as u64, bytes.len() as u64);
    }
    let mut encoder = flate2::read::GzEncoder::new(&bytes[..], flate2::Compression::default());
    let packed = std::io::copy(&mut encoder, &mut std::io::sink()).expect("memory is readable");
    (bytes.len() as u64, packed)
}

/// Bytes by kind of chunk, and by table and column where they are many.
fn show(description: &Description) {
    let kinds: Vec<String> = description
        .chunks
        .iter()
        .map(|(kind, (chunks, bytes))| format!("{} {bytes} in {chunks}", kind.name()))
        .collect();
    println!("    {}", kinds.join(", "));
    for table in &description.tables {
        let name = table.kind.map_or("?", |kind| kind.name());
        let stored: u64 = table.columns.iter().map(|column| column.stored_bytes).sum();
        let columns = table.columns.iter().filter(|column| column.stored_bytes > 0);
        let columns: Vec<String> =
            columns.map(|column| format!("{} {}", column.name, column.stored_bytes)).collect();
        println!(
            "    {name}: {} rows, {} B, heads {}: {}",
            table.rows,
            table.bytes,
            table.bytes - stored,
            columns.join(", ")
        );
    }
}
