//! `underspan explain` and `underspan export` as a user runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn underspan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_underspan")).args(args).output().expect("the command starts")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

const BASE_NS: i64 = 1_797_534_620_000_000_000;

/// A folder with two requests of a vLLM server and the profiler's trace of three steps.
fn investigation() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let attribute =
        |key: &str, seconds: f64| json!({"key": key, "value": {"doubleValue": seconds}});
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let count = |key: &str, n: i64| json!({"key": key, "value": {"intValue": n.to_string()}});
    let at = |us: i64| (BASE_NS + us * 1_000).to_string();
    let request = |n: i64, start: i64, end: i64, tokens: i64| {
        let decode = (tokens - 1) as f64 * 0.01;
        json!([
            {"traceId": format!("{n:032x}"), "spanId": format!("{:016x}", n * 16), "name": "POST",
             "kind": 2, "startTimeUnixNano": at(start - 500), "endTimeUnixNano": at(end + 700)},
            {"traceId": format!("{n:032x}"), "spanId": format!("{:016x}", n * 16 + 1),
             "parentSpanId": format!("{:016x}", n * 16), "name": "llm_request", "kind": 2,
             "startTimeUnixNano": at(start), "endTimeUnixNano": at(end),
             "attributes": [
                text("gen_ai.request.id", &format!("cmpl-{n}")),
                attribute("gen_ai.latency.time_in_queue", 0.002),
                attribute("gen_ai.latency.time_to_first_token", 0.013),
                attribute("gen_ai.latency.time_in_model_prefill", 0.01),
                attribute("gen_ai.latency.time_in_model_decode", decode),
                attribute("gen_ai.latency.time_in_model_inference", 0.01 + decode),
                attribute("gen_ai.latency.e2e", 0.013 + decode),
                count("gen_ai.usage.prompt_tokens", 40),
                count("gen_ai.usage.completion_tokens", tokens)]}
        ])
    };
    let mut spans = Vec::new();
    for list in [request(1, 7_000, 41_000, 3), request(2, 17_000, 41_000, 2)] {
        spans.extend(list.as_array().expect("a list").clone());
    }
    let resource = json!({"attributes": [text("service.name", "llm")]});
    let spans =
        json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    std::fs::write(folder.path().join("spans.json"), spans.to_string()).expect("a file");

    let mut events = Vec::new();
    let labels = [
        "execute_context_1(40)_generation_0(0)",
        "execute_context_1(40)_generation_1(1)",
        "execute_context_0(0)_generation_2(2)",
    ];
    for (step, label) in labels.iter().enumerate() {
        let start = 10_000 + step as i64 * 10_000;
        let id = step + 1;
        events.push(json!({"ph": "X", "cat": "user_annotation", "name": label, "pid": 1, "tid": 1,
            "ts": start, "dur": 500}));
        events.push(json!({"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 1,
            "tid": 1, "ts": start + 100, "dur": 10, "args": {"correlation": id}}));
        events.push(json!({"ph": "X", "cat": "kernel", "name": "ampere_sgemm_128x64_tn", "pid": 0,
            "tid": 7, "ts": start + 200, "dur": 9_700,
            "args": {"device": 0, "context": 1, "stream": 7, "correlation": id}}));
    }
    let trace = json!({"schemaVersion": 1, "baseTimeNanoseconds": BASE_NS, "deviceProperties": [],
        "traceEvents": events});
    std::fs::write(folder.path().join("trace.json"), trace.to_string()).expect("a file");
    let path = folder.path().to_owned();
    (folder, path)
}

fn explain(path: &std::path::Path, args: &[&str]) -> Output {
    let path = path.to_string_lossy();
    underspan(&[&["explain", &path], args].concat())
}

#[test]
fn one_request_is_one_object_of_the_contract() {
    let (_folder, path) = investigation();
    let trace = format!("{:032x}", 1);
    let by_trace = stdout(&explain(&path, &["--trace-id", &trace, "--format", "json"]));
    let object: Value = serde_json::from_str(&by_trace).expect("JSON");
    let keys: Vec<&str> =
        object.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected =
        ["request", "trace_id", "span", "parts", "steps", "rung", "clock_uncertainty_ns"];
    assert!(expected.iter().all(|key| keys.contains(key)), "{keys:?}");
    assert_eq!(object["request"], "cmpl-1");
    assert_eq!(object["trace_id"], trace);
    assert_eq!(object["rung"], 3);
    let (start, end) = (&object["span"]["start_ns"], &object["span"]["end_ns"]);
    assert_eq!(start.as_i64(), Some(BASE_NS + 6_500_000));
    let length = end.as_i64().zip(start.as_i64()).map(|(end, start)| end - start);
    let parts = object["parts"].as_array().expect("parts");
    let sum: i64 = parts.iter().filter_map(|part| part["ns"].as_i64()).sum();
    assert_eq!(Some(sum), length);
    let of = |kind: &str| {
        parts.iter().find(|part| part["kind"] == kind).and_then(|part| part["ns"].as_i64())
    };
    assert_eq!(of("frontend"), Some(1_000_000));
    assert_eq!(of("queue").or(of("queue_capacity")), Some(2_000_000));
    let steps = object["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[1]["members"], json!(["cmpl-1", "cmpl-2"]));
    assert_eq!(steps[2]["own_tokens"], 1);
    // Its tokens came as its steps ended.
    let end = |at: usize| steps[at]["end_ns"].as_i64().expect("an end");
    let gaps = json!([end(1) - end(0), end(2) - end(1)]);
    assert_eq!(object["itl"]["series_ns"], gaps);
    assert_eq!(object["itl"]["n"], 2);
    assert_eq!(object["itl"]["p99_ns"], Value::Null, "two values have no 99th percentile");
    let phases = object["phases"].as_array().expect("phases");
    assert_eq!(
        (&phases[0]["start_ns"], &phases[phases.len() - 1]["end_ns"]),
        (start, &object["span"]["end_ns"])
    );
    assert!(phases.windows(2).all(|pair| pair[0]["end_ns"] == pair[1]["start_ns"]));
    assert_eq!((&steps[1]["batch_size"], &steps[1]["phase"]), (&json!(2), &json!("decode")));
    assert_eq!(object["clock_offset_ns"], 0);
    // Any other name leads to the same request.
    let parent = format!("00-{trace}-{:016x}-01", 16);
    let span = format!("{:016x}", 17);
    for name in [["--trace-id", &parent], ["--span-id", &span], ["--request-id", "cmpl-1"]] {
        let same = stdout(&explain(&path, &[&name[..], &["--format", "json"]].concat()));
        assert_eq!(same, by_trace, "{name:?}");
    }
}

#[test]
fn the_slowest_come_as_a_list() {
    let (_folder, path) = investigation();
    for (asked, n) in [("1", 1), ("2", 2), ("1%", 1), ("100%", 2)] {
        let text = stdout(&explain(&path, &["--slowest", asked, "--format", "json"]));
        let list: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(list.as_array().map(Vec::len), Some(n), "{asked}");
        assert_eq!(list[0]["request"], "cmpl-1", "{asked}");
    }
}

#[test]
fn text_and_markdown_say_where_the_time_went() {
    let (_folder, path) = investigation();
    for format in ["text", "markdown"] {
        let text = stdout(&explain(&path, &["--request-id", "cmpl-2", "--format", format]));
        for words in [
            "REQUEST cmpl-2",
            "kernel",
            "NEIGHBOURS",
            "cmpl-1",
            "estimated",
            "clocks",
            "inter-token",
        ] {
            assert!(text.contains(words), "{format}: no {words:?} in\n{text}");
        }
    }
}

#[test]
fn what_is_not_whole_is_explained_with_a_warning() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample-traces/recorded-server.uspan");
    let whole = stdout(&underspan(&["explain", sample, "--slowest", "1"]));
    assert!(!whole.contains("Trust:"), "{whole}");
    // Its largest part is less than half.
    assert!(whole.contains("in all, the largest part of it"), "{whole}");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = folder.path().join("broken.uspan");
    let mut bytes = std::fs::read(sample).expect("the sample");
    bytes[50_000..50_004].fill(0xff);
    std::fs::write(&broken, bytes).expect("a copy");
    let text = stdout(&underspan(&["explain", &broken.to_string_lossy(), "--slowest", "1"]));
    assert!(text.trim_start().starts_with("Trust: damaged"), "{text}");
}

#[test]
fn requests_without_spans_get_a_verdict_that_says_why_there_is_none() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample-traces/recorded-server.uspan");
    let text = stdout(&underspan(&["analyze", sample]));
    assert!(text.contains("INCONCLUSIVE"), "{text}");
    assert!(text.contains("No request spans"), "{text}");
}

#[test]
fn members_are_exported_once_per_step() {
    let (_folder, path) = investigation();
    let path = path.to_string_lossy();
    let text = stdout(&underspan(&["export", &path, "--to", "json", "--what", "members"]));
    let object: Value = serde_json::from_str(&text).expect("JSON");
    let rows = object["members"].as_array().expect("a list").iter();
    let pairs: Vec<_> = rows
        .map(|row| (row["request"].as_str().unwrap_or(""), row["step"].as_i64(), &row["phase"]))
        .collect();
    let (prefill, decode) = (json!("prefill"), json!("decode"));
    let expected = [
        ("cmpl-1", Some(0), &prefill),
        ("cmpl-1", Some(1), &decode),
        ("cmpl-2", Some(1), &prefill),
        ("cmpl-1", Some(2), &decode),
        ("cmpl-2", Some(2), &decode),
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn what_names_no_request_is_an_error_of_one_line() {
    let (_folder, path) = investigation();
    for args in [
        ["--request-id", "nobody"],
        ["--trace-id", "xyz"],
        ["--span-id", "ffff"],
        ["--slowest", "0"],
        ["--slowest", "200%"],
        ["--slowest", "few"],
    ] {
        let output = explain(&path, &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(message.lines().count(), 1, "{args:?}: {message}");
    }
    // None and two of the names are mistakes of use.
    assert_eq!(explain(&path, &[]).status.code(), Some(2));
    assert_eq!(explain(&path, &["--slowest", "1", "--span-id", "1"]).status.code(), Some(2));
}
