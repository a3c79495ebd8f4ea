//! Spans whose clock is 50 ms off: the verdict is what it was, or there is none, for that reason.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use underspan_detectors::{Case, Verdict, VerdictKind};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{BASELINE, ImportOptions, NoProgress, import_paths};
use underspan_model::Timeline;

const OFF_NS: i64 = 50_000_000;

#[derive(Debug, serde::Deserialize)]
struct Manifest {
    fault: Vec<Row>,
}

#[derive(Debug, serde::Deserialize)]
struct Row {
    path: String,
    verdict: Vec<String>,
    top_cause: Option<String>,
}

fn read(path: &Path) -> Timeline {
    let imported = import_paths(&[path.to_owned()], &ImportOptions::default(), &NoProgress);
    imported.unwrap_or_else(|error| panic!("{error}")).timeline
}

/// Adds to all times of an OpenTelemetry export.
fn move_times(value: &mut Value, off_ns: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, off_ns)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| match value {
            Value::String(text) if key.ends_with("TimeUnixNano") => {
                let time: i64 = text.parse().expect("a time");
                *text = (time + off_ns).to_string();
            }
            value => move_times(value, off_ns),
        }),
        _ => {}
    }
}

/// A copy of a folder whose OpenTelemetry spans are on a clock that is `off_ns` ahead.
fn moved(path: &Path, off_ns: i64) -> TempDir {
    const SPANS: &str = "spans.otlp.json.gz";
    let copy = TempDir::new().expect("a folder");
    for entry in std::fs::read_dir(path).expect("a folder").flatten() {
        let (from, name) = (entry.path(), entry.file_name());
        if from.is_file() && name != SPANS {
            std::fs::copy(from, copy.path().join(name)).expect("a copy");
        }
    }
    let file = std::fs::File::open(path.join(SPANS)).expect("spans");
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("text");
    let mut export: Value = serde_json::from_str(&text).expect("JSON");
    move_times(&mut export, off_ns);
    std::fs::write(copy.path().join("spans.json"), export.to_string()).expect("written");
    copy
}

/// The verdict on a folder whose spans are on a clock that is `off_ns` ahead.
fn verdict(path: &Path, off_ns: i64) -> (Verdict, Requests) {
    let before = path.join(BASELINE);
    let baseline = before.is_dir().then(|| read(&before));
    let copy = moved(path, off_ns);
    let timeline = read(copy.path());
    let analyzed = |timeline: &Timeline| {
        let analysis = Analysis::of(timeline, &AnalysisOptions::default());
        let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
        (analysis, requests)
    };
    let (analysis, requests) = analyzed(&timeline);
    let before = baseline.as_ref().map(analyzed);
    let mut case = Case::of(&timeline, &analysis, &requests);
    if let Some((baseline, (analysis, requests))) = baseline.as_ref().zip(before.as_ref()) {
        case = case.with_baseline(Case::of(baseline, analysis, requests));
    }
    let verdict = Verdict::of(&case);
    drop(case);
    (verdict, requests)
}

/// What contradicts the truth of a folder in a verdict, if anything.
fn objection(row: &Row, verdict: &Verdict) -> Option<String> {
    let told = |text: &String| text.contains("clock");
    if verdict.kind == VerdictKind::Inconclusive {
        let is_told = verdict.reasons.iter().any(told);
        return (!is_told).then(|| format!("refused for {:?}", verdict.reasons));
    }
    let first = verdict.causes.first().map(|cause| cause.finding.id);
    let is_right = row.verdict.iter().any(|kind| kind == verdict.kind.as_str())
        && row.top_cause.as_deref().is_none_or(|cause| first == Some(cause));
    // What was done to the clock is said beside it.
    let is_told = verdict.caveats.iter().any(told);
    (!is_right || !is_told).then(|| format!("{:?} {first:?} {:?}", verdict.kind, verdict.caveats))
}

#[test]
fn a_wrong_clock_never_gives_a_wrong_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-traces");
    let text = std::fs::read_to_string(folder.join("MANIFEST.toml")).expect("the manifest");
    let manifest: Manifest = toml::from_str(&text).expect("the manifest is TOML");
    let (mut judged, mut wrong) = (Vec::new(), Vec::new());
    for row in &manifest.fault {
        for off_ns in [OFF_NS, -OFF_NS] {
            let (verdict, requests) = verdict(&folder.join(&row.path), off_ns);
            if verdict.kind != VerdictKind::Inconclusive {
                judged.push(format!("{} {off_ns}", row.path));
            }
            if let Some(objection) = objection(row, &verdict) {
                wrong.push(format!("{} {off_ns}: {objection} {:?}", row.path, requests.clock));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} of {} with a verdict: {judged:?}", judged.len(), 2 * manifest.fault.len());
    assert!(judged.len() * 2 >= manifest.fault.len(), "{judged:?}");
}

#[test]
fn a_healthy_server_of_others_is_found_healthy_or_its_clock_is_doubted() {
    let shared = std::env::var_os("UNDERSPAN_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let folder = shared.join("captures/vllm");
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let row = Row {
        path: folder.display().to_string(),
        verdict: vec!["none".to_owned(), "model".to_owned()],
        top_cause: None,
    };
    for off_ns in [OFF_NS, -OFF_NS] {
        let (verdict, requests) = verdict(&folder, off_ns);
        assert_eq!(objection(&row, &verdict), None, "{off_ns}: {:?}", requests.clock);
    }
}
