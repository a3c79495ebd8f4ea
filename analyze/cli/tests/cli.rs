//! The command as a user runs it: what it prints, where, and how it exits.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-traces").join(name)
}

fn underspan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_underspan")).args(args).output().expect("the command starts")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

/// The one line an error prints.
fn error_line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "an error prints no data");
    let text = String::from_utf8(output.stderr.clone()).expect("messages are UTF-8");
    assert_eq!(text.lines().count(), 1, "an error is one line:\n{text}");
    text
}

fn file_with(content: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::File::create(&path).and_then(|mut f| f.write_all(content)).expect("a file");
    (folder, path)
}

#[test]
fn info_of_a_trace_and_of_the_capture_made_from_it_are_the_same_object() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trace = sample("continuous-batching.json.gz");
    let capture = folder.path().join("made.uspan");
    let (trace, capture) = (trace.to_string_lossy(), capture.to_string_lossy());
    let made = underspan(&["import", &trace, "-o", &capture]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let before = stdout(&underspan(&["info", &trace, "--format", "json"]));
    let after = stdout(&underspan(&["info", &capture, "--format", "json"]));
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("info prints JSON");
    assert_eq!(parse(&before), parse(&after));
    assert!(parse(&before)["kernel_count"].as_u64() > Some(1_000));
    let verified = underspan(&["verify", &capture]);
    assert_eq!(verified.status.code(), Some(0));
}

#[test]
fn thread_count_changes_no_byte_of_any_report() {
    let trace = sample("continuous-batching.json.gz");
    let trace = trace.to_string_lossy();
    for format in ["text", "json", "markdown"] {
        let with = |threads| {
            stdout(&underspan(&["analyze", &trace, "--format", format, "--threads", threads]))
        };
        assert_eq!(with("1"), with("2"), "{format}");
    }
}

#[test]
fn analyze_prints_no_escape_codes_into_a_pipe() {
    let trace = sample("continuous-batching.json.gz");
    let trace = trace.to_string_lossy();
    assert!(!stdout(&underspan(&["analyze", &trace])).contains('\x1b'));
    assert!(stdout(&underspan(&["analyze", &trace, "--color", "always"])).contains('\x1b'));
}

#[test]
fn several_ranks_join_into_one_capture() {
    let folder = sample("straggler-rank");
    let folder = folder.to_string_lossy();
    let text = stdout(&underspan(&["info", &folder, "--format", "json"]));
    let info: Value = serde_json::from_str(&text).expect("info prints JSON");
    assert_eq!(info["devices"].as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn what_is_no_trace_is_refused_in_one_line() {
    for (content, name) in [
        (&b""[..], "empty.json"),
        (b"hello", "note.txt"),
        (b"\x7fELF\x02\x01\x01", "binary.json"),
        (b"{\"schema\": \"1.0.1\", \"nodes\": []}", "execution_trace.json"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "cut.json.gz"),
        (b"{\"traceEvents\": [{\"ph\": \"X\", \"cat\": \"kernel\"", "cut.json"),
    ] {
        let (_folder, path) = file_with(content, name);
        for command in ["info", "analyze", "stats"] {
            let message = error_line(&underspan(&[command, &path.to_string_lossy()]));
            assert!(message.contains(name), "{message} names the file");
        }
    }
    let message = error_line(&underspan(&["analyze", "no-such-file.json"]));
    assert!(message.contains("no-such-file.json"), "{message}");
}

#[test]
fn a_cut_trace_is_read_up_to_the_cut_only_when_asked() {
    let event = r#"{"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": 1.0,
        "dur": 2.0, "args": {"device": 0, "stream": 7, "correlation": 3}}"#;
    let cut = format!("{{\"traceEvents\": [\n{event},\n{}", &event[..40]);
    let (_folder, path) = file_with(cut.as_bytes(), "cut.json");
    let path = path.to_string_lossy();
    error_line(&underspan(&["info", &path, "--format", "json"]));
    let text = stdout(&underspan(&["info", &path, "--format", "json", "--accept-truncated"]));
    let info: Value = serde_json::from_str(&text).expect("info prints JSON");
    assert_eq!(info["kernel_count"], 1);
    assert_eq!(info["trust"], "damaged");
    let problems = info["data_problems"].as_array().expect("a list");
    assert!(problems.iter().any(|problem| problem["kind"] == "truncated_input"), "{problems:?}");
}

#[test]
fn import_never_overwrites_unasked() {
    let (_folder, path) = file_with(b"mine", "kept.uspan");
    let trace = sample("launch-bound.json.gz");
    let (trace, kept) = (trace.to_string_lossy(), path.to_string_lossy());
    let message = error_line(&underspan(&["import", &trace, "-o", &kept]));
    assert!(message.contains("--force"), "{message}");
    assert_eq!(std::fs::read(&path).expect("still there"), b"mine");
    assert!(underspan(&["import", &trace, "-o", &kept, "--force"]).status.success());
    assert_ne!(std::fs::read(&path).expect("replaced"), b"mine");
}

#[test]
fn a_cut_capture_fails_verification_and_can_be_recovered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (whole, cut, saved) = (
        folder.path().join("whole.uspan"),
        folder.path().join("cut.uspan"),
        folder.path().join("saved.uspan"),
    );
    let trace = sample("launch-bound.json.gz");
    let made = underspan(&["import", &trace.to_string_lossy(), "-o", &whole.to_string_lossy()]);
    assert!(made.status.success());
    let bytes = std::fs::read(&whole).expect("the capture");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).expect("a shorter copy");
    assert_eq!(underspan(&["verify", &cut.to_string_lossy()]).status.code(), Some(1));
    let recovered = underspan(&["recover", &cut.to_string_lossy(), "-o", &saved.to_string_lossy()]);
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stderr));
    assert_eq!(underspan(&["verify", &saved.to_string_lossy()]).status.code(), Some(0));
    let (_folder, foreign) = file_with(b"not a capture at all", "foreign.uspan");
    error_line(&underspan(&["verify", &foreign.to_string_lossy()]));
}

#[test]
fn every_command_shows_examples_and_completions_name_it() {
    let script = stdout(&underspan(&["completions", "bash"]));
    for command in ["info", "analyze", "stats", "import", "verify", "recover", "completions"] {
        let help = stdout(&underspan(&[command, "--help"]));
        assert!(help.contains("EXAMPLES"), "{command} --help");
        assert!(script.contains(command));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let trace = sample("continuous-batching.json.gz");
    let line = format!(
        "'{}' analyze '{}' --format json | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_underspan"),
        trace.display()
    );
    let output = Command::new("bash").args(["-c", &line]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}
