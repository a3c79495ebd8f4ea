//! `underspan classify`: one answer per name, stable JSON, any bytes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn classify(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_underspan"))
        .arg("classify")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the command ends");
    // With names as arguments nobody reads the pipe.
    writer.join().expect("the writer ends").ok();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("output is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

#[test]
fn names_as_arguments_and_lines_give_the_same_objects() {
    let names = ["volta_fp16_sgemm_fp16_32x128_nn", "ampere_bf16_s16816gemm_bf16_128x64_tn"];
    let by_argument = classify(&["--format", "json", names[0], names[1]], b"");
    let lines = format!("{}\r\n\n{}", names[0], names[1]);
    let by_line = classify(&["--format", "json"], lines.as_bytes());
    assert_eq!(by_argument.stdout, by_line.stdout);
    let rows = objects(&by_line);
    assert_eq!(rows.len(), 2, "an empty line is no name");
    for (row, name) in rows.iter().zip(names) {
        assert_eq!(row["name"], name);
        for key in ["operation", "role", "library", "confidence", "why"] {
            assert!(row[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {name}");
        }
    }
    assert_eq!(
        (&rows[0]["compute_dtype"], &rows[0]["tensor_core"]),
        (&"fp32".into(), &"no".into())
    );
    assert_eq!(
        (&rows[1]["compute_dtype"], &rows[1]["tensor_core"]),
        (&"bf16".into(), &"yes".into())
    );
    assert_eq!(rows[1]["role"], "gemm");
}

#[test]
fn unknown_is_an_answer() {
    let rows = objects(&classify(&["--format", "json", "zq"], b""));
    assert_eq!(rows[0]["role"], "other");
    assert_eq!(rows[0]["compute_dtype"], "unknown");
    assert_eq!(rows[0]["tensor_core"], "unknown");
}

#[test]
fn hostile_names_get_one_line_each() {
    let mut input = b"\xff\xfe gemm \"quoted\" \\ \x01\n".to_vec();
    input.extend(std::iter::repeat_n(b'<', 3 << 20));
    input.extend(b"\nlast\n");
    let rows = objects(&classify(&["--format", "json"], &input));
    assert_eq!(rows.len(), 3, "a line of 3 MiB is still one name");
    assert_eq!(rows[2]["name"], "last");
}

#[test]
fn text_is_an_aligned_table() {
    let output =
        classify(&["ncclDevKernel_AllReduce_Sum_bf16_RING_LL", "volta_sgemm_128x64_tn"], b"");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let starts: Vec<_> = text.lines().map(|line| line.find("  ").is_some()).collect();
    assert_eq!(starts.len(), 3, "a head and a row per name:\n{text}");
    let column = |line: &str, word: &str| line.find(word).expect(word);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(column(lines[0], "library"), column(lines[1], "nccl  "));
    assert!(lines[2].contains("gemm") && lines[2].contains("fp32"), "{text}");
}
