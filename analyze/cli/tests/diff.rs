//! `underspan diff` and the precision part of `underspan analyze` as a user runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn underspan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_underspan")).args(args).output().expect("the command starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A Kineto trace of some layers, with the given kernel as their GEMM.
fn trace(folder: &Path, name: &str, gemm: &str, length_us: u32) -> PathBuf {
    let events: Vec<String> = (0..20)
        .map(|at| {
            format!(
                r#"{{"ph":"X","cat":"kernel","name":"{gemm}","pid":0,"tid":7,"ts":{},"dur":{length_us},
                    "args":{{"device":0,"stream":7,"correlation":{at}}}}}"#,
                at * 1000
            )
        })
        .collect();
    let path = folder.join(name);
    let text = format!(r#"{{"schemaVersion":1,"traceEvents":[{}]}}"#, events.join(","));
    std::fs::write(&path, text).expect("a file");
    path
}

const BF16: &str = "ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn";
const FP32: &str = "ampere_sgemm_128x64_tn";

#[test]
fn a_gate_fails_on_a_fallback_and_passes_on_no_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let fast = trace(folder.path(), "fast.json", BF16, 50);
    let slow = trace(folder.path(), "slow.json", FP32, 200);
    let (fast, slow) = (fast.to_string_lossy(), slow.to_string_lossy());
    assert_eq!(underspan(&["diff", &fast, &fast, "--gate"]).status.code(), Some(0));
    let informed = underspan(&["diff", &fast, &slow, "--format", "json"]);
    assert_eq!(informed.status.code(), Some(0), "without a gate a change is no failure");
    let gated = underspan(&["diff", &fast, &slow, "--gate", "--format", "json"]);
    assert_eq!(gated.status.code(), Some(1));
    let object = json(&gated);
    assert_eq!(object["precision_changes"][0]["before"]["compute_dtype"], "bf16");
    assert_eq!(object["precision_changes"][0]["after"]["compute_dtype"], "fp32");
    assert_eq!(object["precision_changes"][0]["cost_ns"], 3_000_000);
    assert_eq!(object["gate_failures"].as_array().map(Vec::len), Some(2));
    let lenient =
        ["diff", &fast, &slow, "--gate", "--max-slowdown", "1000", "--max-fallback", "100"];
    assert_eq!(underspan(&lenient).status.code(), Some(0));
    let text = underspan(&["diff", &fast, &slow]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("PRECISION CHANGES"));
}

#[test]
fn a_damaged_capture_passes_no_gate() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = trace(folder.path(), "whole.json", BF16, 50);
    let (whole, broken) = (folder.path().join("whole.uspan"), folder.path().join("broken.uspan"));
    let import = ["import", &source.to_string_lossy(), "-o", &whole.to_string_lossy()];
    assert_eq!(underspan(&import).status.code(), Some(0));
    let mut bytes = std::fs::read(&whole).expect("the capture");
    // Some byte of the first chunk of kernels: any that is noticed does.
    let is_noticed = (bytes.len() / 4..bytes.len()).any(|at| {
        bytes[at] ^= 0xff;
        std::fs::write(&broken, &bytes).expect("a copy");
        bytes[at] ^= 0xff;
        let info = underspan(&["info", &broken.to_string_lossy(), "--format", "json"]);
        info.status.code() == Some(0) && json(&info)["trust"] == "damaged"
    });
    assert!(is_noticed);
    let (whole, broken) = (whole.to_string_lossy(), broken.to_string_lossy());
    let gated = underspan(&["diff", &whole, &broken, "--gate"]);
    assert_eq!(gated.status.code(), Some(1));
    let text = String::from_utf8_lossy(&gated.stdout);
    assert!(text.contains("broken.uspan: Trust: damaged"), "{text}");
    assert!(text.contains("broken.uspan is damaged"), "{text}");
    assert_eq!(underspan(&["diff", &whole, &whole, "--gate"]).status.code(), Some(0));
}

#[test]
fn both_sides_are_needed() {
    assert_eq!(underspan(&["diff", "only-one.json"]).status.code(), Some(2));
    assert_eq!(underspan(&["diff"]).status.code(), Some(2));
}

#[test]
fn a_declared_type_turns_the_census_into_a_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let slow = trace(folder.path(), "slow.json", FP32, 200);
    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"torch_dtype": "bfloat16", "hidden_size": 64}"#).expect("a file");
    let (slow, config) = (slow.to_string_lossy(), config.to_string_lossy());
    let verdict = |extra: &[&str]| {
        let mut args = vec!["analyze", &slow, "--format", "json"];
        args.extend(extra);
        json(&underspan(&args))["precision"]["verdict"].as_str().map(str::to_owned)
    };
    assert_eq!(verdict(&[]).as_deref(), Some("cannot_tell"));
    assert_eq!(verdict(&["--declared", "bf16"]).as_deref(), Some("fallback"));
    assert_eq!(verdict(&["--declared", &config]).as_deref(), Some("fallback"));
    assert_eq!(verdict(&["--declared", "fp32"]).as_deref(), Some("as_declared"));
    let wrong = underspan(&["analyze", &slow, "--declared", "no-such-type"]);
    assert_eq!(wrong.status.code(), Some(2));
    for report in ["roles", "precision"] {
        let table = json(&underspan(&["stats", &slow, "--report", report, "--format", "json"]));
        assert_eq!(table[0]["role"], "gemm");
        assert_eq!(table[0]["total_ns"], 4_000_000);
    }
}

/// The parts of one TensorRT engine, when the shared corpus is there.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn engine(prefix: &str) -> Option<Vec<String>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared =
        std::env::var_os("UNDERSPAN_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(shared.join("corpus/trt")) else {
        println!("skipped: ../shared absent");
        return None;
    };
    let mut paths: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    paths.sort();
    Some(paths)
}

#[test]
fn engines_of_three_precisions_are_told_apart() {
    for (prefix, dtypes) in [("x01", &["fp16"][..]), ("x02", &["fp32", "tf32"]), ("x03", &["int8"])]
    {
        let Some(paths) = engine(prefix) else { return };
        let mut args = vec!["analyze", "--format", "json"];
        args.extend(paths.iter().map(String::as_str));
        let object = json(&underspan(&args));
        let convs: Vec<&Value> = object["precision"]["kernels"]
            .as_array()
            .expect("kernels")
            .iter()
            .filter(|kernel| kernel["role"] == "conv")
            .collect();
        assert_eq!(convs.len(), 21, "{prefix}");
        for conv in convs {
            let dtype = conv["compute_dtype"].as_str().expect("a type");
            assert!(dtypes.contains(&dtype), "{prefix}: {conv}");
        }
    }
}

#[test]
fn the_layers_that_fell_to_fp32_are_named_with_their_cost() {
    let (Some(before), Some(after)) = (engine("x01"), engine("x02")) else { return };
    let mut args = vec!["diff", "--gate", "--format", "json"];
    for path in &before {
        args.extend(["--before", path]);
    }
    for path in &after {
        args.extend(["--after", path]);
    }
    let output = underspan(&args);
    assert_eq!(output.status.code(), Some(1));
    let object = json(&output);
    let changes = object["precision_changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 21);
    assert_eq!(changes[0]["after"]["name"], "Conv_0 + Relu_1");
    assert_eq!(changes[0]["cost_ns"], 522_240 - 111_616);
    assert!(changes.iter().all(|change| change["fell_back"] == true));
    assert_eq!(object["latencies"][0]["quantiles"][0]["is_significant"], true);
}
