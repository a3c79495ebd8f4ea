//! The GPU acceptance kit (`tests/gpu/`) on the driver double: every case that needs no torch.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Bench, built, stderr};

/// The kit with its results in `results` of the bench's folder.
fn kit(bench: &Bench, words: &[&str]) -> Command {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/gpu/run");
    let programs = Path::new(env!("CARGO_BIN_EXE_underspan")).parent().expect("a folder");
    // The environment of `underspan` on this bench.
    let underspan = bench.command(&[]);
    let environment = underspan.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut kit = Command::new("bash");
    kit.arg(run)
        .args(["--out", "results", "--double", &built("deps/libfake_driver.so"), "--bin"])
        .arg(programs)
        .args(words)
        .current_dir(bench.dir.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(environment);
    kit
}

fn results(bench: &Bench) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(bench.path("results/results.json")).expect("results");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let cases = document["cases"].as_array().expect("cases").clone();
    cases
        .into_iter()
        .map(|case| (case["name"].as_str().expect("a name").to_owned(), case))
        .collect()
}

#[test]
fn every_case_passes_or_says_what_it_needs() {
    let bench = Bench::new();
    let output = kit(&bench, &["--records", "200000"]).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    let cases = results(&bench);
    for (name, case) in &cases {
        let needs_torch = ["kineto", "generate"].contains(&name.as_str());
        let expected = if needs_torch { "skipped" } else { "passed" };
        assert_eq!(case["state"], expected, "{name}: {case}");
        let n_checks = case["checks"].as_array().map_or(0, Vec::len);
        assert!(needs_torch || n_checks > 0, "{name} checked nothing");
    }
    assert_eq!(cases.len(), 12, "{:?}", cases.keys());
    let table = std::fs::read_to_string(bench.path("results/results.md")).expect("a table");
    assert!(cases.keys().all(|name| table.contains(&format!("| {name} |"))), "{table}");
}

#[test]
fn losses_fail_the_kit() {
    let bench = Bench::new().with("FAKE_CUPTI_SCRIPT", "times zero every 50");
    let output = kit(&bench, &["--only", "fidelity,streams"]).output().expect("bash runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for (name, case) in results(&bench) {
        assert_eq!(case["state"], "failed", "{name}: {case}");
        let checks = case["checks"].as_array().expect("checks");
        let failed = |what: &str| checks.iter().any(|c| c["what"] == what && c["passed"] == false);
        assert!(failed("losses") && failed("kernels"), "{name}: {case}");
    }
}
