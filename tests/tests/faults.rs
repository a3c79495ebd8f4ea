//! Every labelled case of `sample-traces/` is what MANIFEST.toml says: made by the simulator, and
//! getting the verdict that is written there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use underspan_detectors::{Case, Verdict};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;
use underspan_simulator::{SAMPLES, SampleCase};

#[derive(Debug, serde::Deserialize)]
struct Manifest {
    fault: Vec<Row>,
}

#[derive(Debug, serde::Deserialize)]
struct Row {
    path: String,
    what: String,
    /// What may be concluded.
    verdict: Vec<String>,
    /// The cause to be named first; whatever it is on healthy servers.
    top_cause: Option<String>,
}

/// Largest file that is kept.
const MOST_BYTES: u64 = 400 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-traces")
}

fn rows() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(folder().join("MANIFEST.toml")).expect("the manifest");
    let manifest: Manifest = toml::from_str(&text).expect("the manifest is TOML");
    manifest.fault.into_iter().map(|row| (row.path.clone(), row)).collect()
}

fn read(path: &Path) -> Timeline {
    let paths = [path.to_owned()];
    let imported = import_paths(&paths, &ImportOptions::default(), &NoProgress);
    let imported = imported.unwrap_or_else(|error| panic!("{error}"));
    assert!(imported.skipped.is_empty(), "{:?}", imported.skipped);
    imported.timeline
}

/// A run and everything the verdict asks of it.
struct Run {
    timeline: Timeline,
    analysis: Analysis,
    requests: Requests,
}

impl Run {
    fn of(path: &Path) -> Self {
        let timeline = read(path);
        let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
        let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
        Self { timeline, analysis, requests }
    }

    fn case(&self) -> Case<'_> {
        Case::of(&self.timeline, &self.analysis, &self.requests)
    }
}

#[test]
fn every_case_gets_the_verdict_of_the_manifest() {
    let mut wrong = Vec::new();
    for row in rows().values() {
        let path = folder().join(&row.path);
        let run = Run::of(&path);
        let before = path.join(underspan_import::BASELINE);
        let before = before.is_dir().then(|| Run::of(&before));
        let mut case = run.case();
        if let Some(before) = &before {
            case = case.with_baseline(before.case());
        }
        let verdict = Verdict::of(&case);
        let (kind, top) = (verdict.kind.as_str(), verdict.top_cause);
        let names_cause = row.top_cause.is_none() || top == row.top_cause.as_deref();
        if !names_cause || !row.verdict.iter().any(|may_be| may_be == kind) {
            wrong.push(format!("{}: {kind} {top:?}, {:?}", row.path, verdict.reasons));
        }
        assert!(row.what.len() > 40, "{} says what it is", row.path);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_case_is_in_the_manifest_and_small() {
    let rows = rows();
    let listed: Vec<&str> = rows.keys().map(String::as_str).collect();
    let mut made: Vec<&str> = SAMPLES.iter().map(|sample| sample.path).collect();
    made.sort_unstable();
    assert_eq!(listed, made);
    for path in listed {
        for file in files(&folder().join(path)) {
            let size = file.metadata().expect("its size").len();
            assert!(size < MOST_BYTES, "{} has {size} bytes", file.display());
        }
    }
}

#[test]
fn every_case_is_made_again_from_its_seed() {
    let made = tempfile::tempdir().expect("a temporary folder");
    for SampleCase { path, case, container } in SAMPLES {
        case.write_into(&made.path().join(path), *container).expect("the case");
        let (kept, new) = (folder().join(path), made.path().join(path));
        let names = |root: &Path| -> Vec<PathBuf> {
            let relative = |file: &PathBuf| file.strip_prefix(root).expect("inside").to_owned();
            files(root).iter().map(relative).collect()
        };
        assert_eq!(names(&kept), names(&new), "{path}");
        for name in names(&kept) {
            let is_same = if name.extension().is_some_and(|ending| ending == "uspan") {
                read(&kept.join(&name)) == read(&new.join(&name))
            } else {
                content(&kept.join(&name)) == content(&new.join(&name))
            };
            assert!(is_same, "{path}/{} is not what the simulator makes", name.display());
        }
    }
}

/// A file's bytes, unpacked: compressors may change.
fn content(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("the file");
    if path.extension().is_none_or(|ending| ending != "gz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
    std::io::Read::read_to_end(&mut decoder, &mut unpacked).expect("gzip");
    unpacked
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
