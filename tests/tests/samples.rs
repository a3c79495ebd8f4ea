//! Every file of `sample-traces/` is what MANIFEST.toml says: made by the simulator from the seed
//! given there, or recorded by `underspan demo`, and showing what it is there to show.

use std::path::{Path, PathBuf};

use underspan_engine::CaptureSummary;
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;
use underspan_simulator::{Recording, Scenario, to_timeline, write_kineto};

#[derive(Debug, serde::Deserialize)]
struct Manifest {
    sample: Vec<Sample>,
    fault: Vec<Fault>,
}

/// Labelled cases have a test of their own.
#[derive(Debug, serde::Deserialize)]
struct Fault {
    path: String,
}

#[derive(Debug, serde::Deserialize)]
struct Sample {
    path: String,
    /// The simulator's scenario; none of what was recorded.
    scenario: Option<String>,
    format: String,
    what: String,
    /// At least so many.
    kernels: u64,
    /// Range that every device's idle fraction lies in.
    idle: [f64; 2],
    top_kernel: Option<String>,
}

/// Seed of every committed sample.
const SEED: u64 = 1;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-traces")
}

fn manifest() -> Manifest {
    let text = std::fs::read_to_string(folder().join("MANIFEST.toml")).expect("the manifest");
    toml::from_str(&text).expect("the manifest is TOML")
}

fn samples() -> Vec<Sample> {
    manifest().sample
}

fn read(path: &Path) -> Timeline {
    let paths = [path.to_owned()];
    let imported = import_paths(&paths, &ImportOptions::default(), &NoProgress);
    let imported = imported.unwrap_or_else(|error| panic!("{error}"));
    assert!(imported.skipped.is_empty(), "{:?}", imported.skipped);
    imported.timeline
}

#[test]
fn every_sample_shows_what_it_is_there_to_show() {
    for sample in samples() {
        let path = folder().join(&sample.path);
        let summary = CaptureSummary::of(&read(&path));
        assert_eq!(summary.format, sample.format, "{}", sample.path);
        assert_eq!(summary.trust.as_str(), "full", "{}", sample.path);
        assert!(
            summary.kernel_count >= sample.kernels,
            "{}: {}",
            sample.path,
            summary.kernel_count
        );
        assert_eq!(summary.correlation.correlated_kernels, summary.kernel_count, "{}", sample.path);
        for device in &summary.devices {
            let idle = device.idle_fraction.expect("a window with length");
            assert!((sample.idle[0]..=sample.idle[1]).contains(&idle), "{}: {idle}", sample.path);
        }
        if let Some(name) = &sample.top_kernel {
            assert_eq!(&summary.top_kernels[0].name, name, "{}", sample.path);
        }
        assert!(sample.what.len() > 40, "{} says what it is", sample.path);
    }
}

#[test]
fn every_sample_is_made_again_from_its_seed() {
    for sample in samples() {
        // What was recorded happened once.
        let Some(name) = &sample.scenario else { continue };
        let scenario = Scenario::from_name(name).expect("a scenario of the simulator");
        let recordings = scenario.run(SEED);
        let path = folder().join(&sample.path);
        if sample.format == "uspan" {
            let same = read(&path) == to_timeline(&recordings);
            assert!(same, "{} is not what the simulator makes", sample.path);
        } else if path.is_dir() {
            for (rank, recording) in recordings.iter().enumerate() {
                same_trace(&path.join(format!("trace.rank{rank}.json.gz")), recording);
            }
        } else {
            same_trace(&path, &recordings[0]);
        }
    }
}

fn same_trace(path: &Path, recording: &Recording) {
    let file = std::fs::File::open(path).expect("the sample");
    let stored = std::io::read_to_string(flate2::read::GzDecoder::new(file)).expect("gzip");
    let mut made = Vec::new();
    write_kineto(recording, &mut made).expect("a trace");
    assert!(stored.as_bytes() == made, "{} is not what the simulator makes", path.display());
}

#[test]
fn no_sample_is_missing_from_the_manifest_or_too_large() {
    let manifest = manifest();
    let samples = manifest.sample.into_iter().map(|sample| sample.path);
    let faults = manifest.fault.into_iter().map(|fault| fault.path);
    let listed: Vec<String> = samples.chain(faults).collect();
    for entry in std::fs::read_dir(folder()).expect("the folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "MANIFEST.toml" || name == "README.md" {
            continue;
        }
        assert!(listed.contains(&name), "{name} is not in MANIFEST.toml");
        let size = entry.metadata().expect("its size").len();
        assert!(size < 400 << 10, "{name} has {size} bytes");
    }
}
