//! Every real trace of `../shared/corpus` says exactly what an independent computation says
//! (`facts.json`), as the file it is and as the `.uspan` made from it.

use std::path::PathBuf;

use serde_json::Value;
use underspan_engine::{Analysis, AnalysisOptions, CaptureSummary};
use underspan_import::{ImportOptions, NoProgress, import_path};
use underspan_model::Timeline;
use underspan_native::WriteOptions;

/// The shared material, beside the checkout or where `UNDERSPAN_SHARED` says.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("UNDERSPAN_SHARED").map(PathBuf::from);
    let shared = shared
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")));
    let corpus = shared.join("corpus");
    corpus.join("facts.json").is_file().then_some(corpus)
}

/// Keys of `facts.json` that `info --format json` promises to reproduce.
const CONTRACT: [&str; 11] = [
    "format",
    "kernel_count",
    "kernel_time_ns",
    "distinct_kernel_names",
    "devices",
    "memcpy",
    "correlation",
    "graphs",
    "annotations",
    "distinct_annotations",
    "top5_kernels",
];

/// Keys inside those that describe the source file or a method, not the capture.
const NOT_PROMISED: [&str; 4] = [
    "window_start_ns",
    "correlated_kernels_by_id_only",
    "process_aware",
    "kernels_external_id_matches_cpu_op",
];

fn info_of(timeline: &Timeline) -> Value {
    let summary = CaptureSummary::of(timeline);
    let text = underspan_report::info_json(timeline, &summary);
    serde_json::from_str(&text).expect("info prints JSON")
}

/// Differences between what facts say and what we say, as `path: expected …, found …`.
fn differences(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                if NOT_PROMISED.contains(&key.as_str()) {
                    continue;
                }
                let found = found.get(key).unwrap_or(&Value::Null);
                differences(&format!("{path}.{key}"), value, found, out);
            }
        }
        (Value::Array(expected), Value::Array(found)) if path.ends_with(".streams") => {
            let sorted = |values: &[Value]| {
                let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
                texts.sort();
                texts
            };
            if sorted(expected) != sorted(found) {
                out.push(format!("{path}: expected {expected:?}, found {found:?}"));
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                differences(&format!("{path}[{at}]"), expected, found, out);
            }
        }
        _ if expected == found => {}
        _ => out.push(format!("{path}: expected {expected}, found {found}")),
    }
}

#[test]
fn the_comparison_sees_a_difference() {
    let facts = serde_json::json!({"devices": {"0": {"streams": ["7", "13"], "window_ns": 5}}});
    let mut out = Vec::new();
    differences("", &facts, &facts, &mut out);
    assert!(out.is_empty());
    let other = serde_json::json!({"devices": {"0": {"streams": ["13"], "window_ns": 6}}});
    differences("", &facts, &other, &mut out);
    assert_eq!(out.len(), 2);
}

#[test]
fn every_real_trace_says_what_facts_say() {
    let Some(corpus) = corpus() else {
        println!("skipped: ../shared absent");
        return;
    };
    let facts = std::fs::read_to_string(corpus.join("facts.json")).expect("facts are readable");
    let facts: serde_json::Map<String, Value> =
        serde_json::from_str(&facts).expect("facts are JSON");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut wrong = Vec::new();
    let mut n_files = 0;
    let mut stored_bytes = [0; 2];
    println!("{:<62} {:>9} {:>14} {:>7}", "file", "kernels", "kernel ns", "wrong");
    for (file, expected) in &facts {
        if !matches!(expected["format"].as_str(), Some("kineto_json" | "nsys_sqlite")) {
            continue;
        }
        n_files += 1;
        let timeline = import_path(&corpus.join(file), &ImportOptions::default(), &NoProgress)
            .unwrap_or_else(|error| panic!("{error}"));
        let info = info_of(&timeline);
        let mut out = Vec::new();
        for key in CONTRACT {
            let Some(expected) = expected.get(key) else { continue };
            differences(key, expected, info.get(key).unwrap_or(&Value::Null), &mut out);
        }
        // As the collector writes, and as `underspan import` packs what is small.
        for pack_up_to_bytes in [0, 64 << 10] {
            let stored = folder.path().join("stored.uspan");
            let options = WriteOptions { pack_up_to_bytes, ..WriteOptions::default() };
            let written = underspan_native::write_timeline(&stored, &timeline, &options)
                .unwrap_or_else(|error| panic!("{error}"));
            let read = import_path(&stored, &ImportOptions::default(), &NoProgress)
                .unwrap_or_else(|error| panic!("{error}"));
            if info_of(&read) != info {
                out.push("the .uspan made from it says something else".to_owned());
            }
            stored_bytes[usize::from(pack_up_to_bytes > 0)] += written.bytes;
        }
        println!(
            "{file:<62} {:>9} {:>14} {:>7}",
            info["kernel_count"].to_string(),
            info["kernel_time_ns"].to_string(),
            out.len()
        );
        wrong.extend(out.into_iter().map(|difference| format!("{file}: {difference}")));
    }
    assert!(n_files > 0, "facts.json lists no trace");
    println!("bytes of all files, not packed and packed where small: {stored_bytes:?}");
    assert!(stored_bytes[1] < stored_bytes[0]);
    assert!(wrong.is_empty(), "{} of our numbers differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn steps_of_real_engines_have_their_sizes_and_tokens() {
    let Some(corpus) = corpus() else {
        println!("skipped: ../shared absent");
        return;
    };
    // Of one step each: requests, and tokens of prompts and of answers, as the traces' labels say.
    let steps = [
        ("kineto/k03_1782799835.6885648-TP-0-DECODE.trace.json.gz", 16, 0, 16),
        ("kineto/k16_eager_trace.json.gz", 1, 888, 0),
        ("kineto/k18_graph_execution.json.gz", 32, 0, 32),
        ("kineto/k19_sglang_Qwen3-8B_decode.json.gz", 32, 0, 32),
    ];
    for (file, requests, prompt, answer) in steps {
        let path = corpus.join(file);
        let timeline = import_path(&path, &ImportOptions::default(), &NoProgress)
            .unwrap_or_else(|error| panic!("{error}"));
        let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
        let labels: Vec<_> = analysis
            .steps
            .serving
            .iter()
            .map(|step| {
                let label = &step.label;
                (label.requests, label.context_tokens, label.generation_tokens)
            })
            .collect();
        assert_eq!(labels, [(Some(requests), Some(prompt), Some(answer))], "{file}");
    }
}
