//! Damaged, strange and hostile traces: one clear line, or everything sound that is in them with
//! the rest counted.

#[path = "support/kineto_json.rs"]
mod kineto_json;
#[path = "support/kineto_text.rs"]
mod kineto_text;

use expect_test::{Expect, expect};
use kineto_json::Layout;
use kineto_text::{Packing, import, import_bytes, pack, shown};
use proptest::prelude::*;
use underspan_import::{ImportError, ImportOptions, KinetoImporter};
use underspan_model::{ProblemKind, Timeline};

/// One sound kernel, to show that what stands beside it is not lost with it.
const KERNEL: &str = r#"{"ph": "X", "cat": "kernel", "name": "k", "pid": 0, "tid": 7, "ts": 10, "dur": 5, "args": {"device": 0, "stream": 7, "correlation": 1}}"#;

fn with_kernel(event: &str) -> String {
    format!("{{\"traceEvents\": [{event}, {KERNEL}]}}")
}

/// The line an error is shown as, without the folder.
fn line(error: &ImportError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "more than one line: {text}");
    let (_, tail) = text.split_once("trace.json").expect("the file is named");
    // The list of what can be read grows with every importer.
    let (tail, _) = tail.split_once("; expected an underspan").unwrap_or((tail, ""));
    format!("trace.json{tail}")
}

fn refused(document: &str, expected: Expect) {
    let error = import(document).expect_err("it is no sound trace");
    expected.assert_eq(&line(&error));
}

/// Problems and the number of kernels of a document that is read.
fn counted(document: &str, expected: Expect) {
    let timeline = import(document).expect("it is read");
    let mut text = format!("{} kernels", timeline.kernels.len());
    for problem in timeline.problems.iter() {
        if problem.kind != ProblemKind::MissingDeviceProperties {
            text += &format!("\n{} × {}: {}", problem.count, problem.kind.name(), problem.example);
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn what_is_no_trace_is_refused_by_place() {
    refused(
        "",
        expect![
            "trace.json: at byte 0: expected more of the trace, found the end of the file: it is cut off"
        ],
    );
    refused(
        "   \n ",
        expect![
            "trace.json: at byte 5: expected more of the trace, found the end of the file: it is cut off"
        ],
    );
    refused(
        "kernel,start,duration\n",
        expect![[r#"trace.json: at byte 0: expected '{' or '[', found "kernel,start,duration\n""#]],
    );
    refused(
        "{}",
        expect![[
            r#"trace.json: not a trace underspan can read: found a JSON object without "traceEvents""#
        ]],
    );
    refused(
        "[]",
        expect![
            "trace.json: not a trace underspan can read: found a JSON array without a trace event among 0 values"
        ],
    );
    refused(
        "[1, 2, {\"a\": 3}]",
        expect![
            "trace.json: not a trace underspan can read: found a JSON array without a trace event among 3 values"
        ],
    );
    refused(
        "{\"spans\": [{\"ph\": 1}]}",
        expect![[
            r#"trace.json: not a trace underspan can read: found a JSON object without "traceEvents""#
        ]],
    );
    refused(
        "{\"traceEvents\": {\"a\": []}}",
        expect![[
            r#"trace.json: at byte 16: expected the array of trace events, found "{\"a\": []}}""#
        ]],
    );
    refused(
        "{\"traceEvents\": null}",
        expect![[r#"trace.json: at byte 16: expected the array of trace events, found "null}""#]],
    );
    refused(
        "{\"schema\": \"1.0.1\", \"nodes\": [{\"name\": \"x\"}], \"pid\": 1}",
        expect![
            "trace.json: this is a PyTorch execution trace (a graph of operators without GPU activity); import the Kineto trace that was recorded with it"
        ],
    );
}

#[test]
fn what_is_no_json_is_refused_by_place() {
    refused(
        &with_kernel(r#"{"ph" "X"}"#),
        expect![[
            r#"trace.json: at byte 23: expected ':', found "\"X\"}, {\"ph\": \"X\", \"cat\":""#
        ]],
    );
    refused(
        &with_kernel(r#"{"ph": "X" "cat": "kernel"}"#),
        expect![[
            r#"trace.json: at byte 28: expected ',' or '}', found "\"cat\": \"kernel\"}, {\"ph\":""#
        ]],
    );
    refused(
        &with_kernel(r#"{ph: "X"}"#),
        expect![[
            r#"trace.json: at byte 18: expected a key in quotes, found "ph: \"X\"}, {\"ph\": \"X\", \"c""#
        ]],
    );
    refused(
        &with_kernel(r#"{"ph": ,}"#),
        expect![[
            r#"trace.json: at byte 24: expected a value, found ",}, {\"ph\": \"X\", \"cat\": \"""#
        ]],
    );
    refused(
        &with_kernel(r#"{"args": {"a": [1}}"#),
        expect![[
            r#"trace.json: at byte 34: expected a matching bracket, found "}}, {\"ph\": \"X\", \"cat\": \"""#
        ]],
    );
    refused(
        "{\"traceEvents\": [] \"x\": 1}",
        expect![[r#"trace.json: at byte 19: expected ',' or '}', found "\"x\": 1}""#]],
    );
    refused("{\"x\": }", expect![[r#"trace.json: at byte 6: expected a value, found "}""#]]);
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let event = |n| with_kernel(&format!("{{\"ph\": \"X\", \"x\": {}}}", deep(n)));
    assert_eq!(import(&event(500)).expect("deep, but read").kernels.len(), 1);
    refused(
        &event(100_000),
        expect!["trace.json: at byte 546: the depth of nested values exceeds the limit of 512"],
    );
    refused(
        &format!("{{\"x\": {}}}", deep(100_000)),
        expect!["trace.json: at byte 518: the depth of nested values exceeds the limit of 512"],
    );
    refused(
        &format!("{{\"deviceProperties\": {}}}", deep(100_000)),
        expect!["trace.json: at byte 533: the depth of nested values exceeds the limit of 512"],
    );
    refused(
        &"[".repeat(1_000_000),
        expect!["trace.json: at byte 513: the depth of nested values exceeds the limit of 512"],
    );
    refused(
        &"{\"a\":".repeat(1_000_000),
        expect!["trace.json: at byte 2565: the depth of nested values exceeds the limit of 512"],
    );
}

#[test]
fn strange_events_are_counted_and_the_rest_is_kept() {
    let event = |fields: &str| {
        with_kernel(&format!(
            "{{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"bad\", \"pid\": 0, \"tid\": 7, {fields}}}"
        ))
    };
    counted(
        &event(r#""ts": 1"#),
        expect![[r#"
        1 kernels
        1 × missing_duration: at byte 17: bad"#]],
    );
    counted(
        &event(r#""dur": 1"#),
        expect![[r#"
        1 kernels
        1 × missing_timestamp: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": NaN, "dur": 1"#),
        expect![[r#"
        1 kernels
        1 × non_finite_number: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": -Infinity"#),
        expect![[r#"
        1 kernels
        1 × non_finite_number: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": -5"#),
        expect![[r#"
        2 kernels
        1 × negative_duration: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1e40, "dur": 1"#),
        expect![[r#"
        1 kernels
        1 × number_out_of_range: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 99999999999999999999999"#),
        expect![[r#"
        1 kernels
        1 × number_out_of_range: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1.23456, "dur": 1.0001"#),
        expect![[r#"
        2 kernels
        2 × rounded_time: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": {"a": 1}, "dur": 1"#),
        expect![[r#"
        1 kernels
        1 × malformed_event: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": "soon", "dur": 1"#),
        expect![[r#"
        1 kernels
        1 × malformed_event: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 1, "args": 7"#),
        expect![[r#"
        1 kernels
        1 × malformed_event: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 1, "args": {"grid": [99999999999, 1, 1]}"#),
        expect![[r#"
        1 kernels
        1 × number_out_of_range: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 1, "args": {"stream": 7, "device": 99999999999}"#),
        expect![[r#"
        1 kernels
        1 × number_out_of_range: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 1, "args": {"correlation": "x"}"#),
        expect![[r#"
        1 kernels
        1 × malformed_event: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "dur": 1, "args": {"device": 0, "blocks per SM": nan, "note": N/A}"#),
        expect![[r#"
        2 kernels
        2 × unusable_field: at byte 17: bad"#]],
    );
    counted(
        &event(r#""ts": 1, "ts": 2, "dur": 1, "dur": 2"#),
        expect![[r#"
        2 kernels
        2 × duplicate_key: at byte 17: bad"#]],
    );
    counted(
        &with_kernel("null, 5, [], {}, \"x\""),
        expect![[r#"
            1 kernels
            5 × malformed_event: at byte 17"#]],
    );
    counted(
        &with_kernel(r#"{"ph": "X", "cat": "kernel", "name": 5, "ts": 1, "dur": 1}"#),
        expect![[r#"
        1 kernels
        1 × malformed_event: at byte 17: kernel"#]],
    );
    counted(
        &with_kernel(KERNEL),
        expect![[r#"
        2 kernels
        1 × duplicate_event: kernel rows"#]],
    );
    counted(
        &with_kernel(
            r#"{"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy", "ts": 1, "dur": 1, "args": {"bytes": -1}}"#,
        ),
        expect![[r#"
            1 kernels
            1 × missing_bytes: at byte 17: Memcpy
            1 × unknown_memcpy_kind: at byte 17: Memcpy
            1 × unresolved_stream: at byte 17: Memcpy"#]],
    );
}

#[test]
fn the_last_of_two_values_counts() {
    let text = shown(&with_kernel(
        r#"{"ph": "X", "cat": "cpu_op", "name": "a", "name": "b", "pid": 1, "tid": 1, "ts": 5, "ts": 6, "dur": 1, "args": {"External id": 1, "External id": 2}, "args": {}}"#,
    ));
    assert!(text.contains("operator 6000+1000 \"b\" thread 1/1 ext - "), "{text}");
    let twice = format!("{{\"traceEvents\": [{KERNEL}, {KERNEL}], \"traceEvents\": [{KERNEL}]}}");
    counted(
        &twice,
        expect![[r#"
        1 kernels
        1 × duplicate_key: at byte 307: traceEvents"#]],
    );
}

#[test]
fn strange_facts_are_counted() {
    let document = |facts: &str| format!("{{{facts}, \"traceEvents\": [{KERNEL}]}}");
    counted(
        &document(r#""baseTimeNanoseconds": 99999999999999999999"#),
        expect![[r#"
        1 kernels
        1 × unusable_field: at byte 24: baseTimeNanoseconds"#]],
    );
    counted(
        &document(r#""baseTimeNanoseconds": [1]"#),
        expect![[r#"
        1 kernels
        1 × unusable_field: at byte 24: baseTimeNanoseconds"#]],
    );
    counted(
        &document(r#""deviceProperties": {"id": 0}"#),
        expect![[r#"
        1 kernels
        1 × unusable_field: at byte 21: deviceProperties"#]],
    );
    counted(
        &document(r#""deviceProperties": [{"id": -1, "name": "x"}, 7, {"id": 0, "name": 5}]"#),
        expect![[r#"
            1 kernels
            1 × unusable_field: at byte 21: deviceProperties"#]],
    );
    counted(
        &document(r#""distributedInfo": 7"#),
        expect![[r#"
        1 kernels
        1 × unusable_field: at byte 20: distributedInfo"#]],
    );
    counted(
        &document(r#""distributedInfo": {"rank": "x", "world_size": [1]}"#),
        expect![[r#"
            1 kernels
            1 × unusable_field: at byte 20: distributedInfo"#]],
    );
}

#[test]
fn what_follows_the_document_is_counted() {
    let sound = with_kernel("{}");
    counted(
        &format!("{sound}\n  \n"),
        expect![[r#"
            1 kernels
            1 × malformed_event: at byte 17"#]],
    );
    counted(
        &format!("{sound}\n]}}"),
        expect![[r#"
            1 kernels
            1 × trailing_text: from byte 159
            1 × malformed_event: at byte 17"#]],
    );
    counted(
        &format!("{sound}{sound}"),
        expect![[r#"
            1 kernels
            1 × trailing_text: from byte 158
            1 × malformed_event: at byte 17"#]],
    );
    counted(
        &format!("\u{feff}{sound}\0\0\0"),
        expect![[r#"
            1 kernels
            1 × trailing_text: from byte 161
            1 × malformed_event: at byte 20"#]],
    );
    counted(
        &format!("[{KERNEL},\n{KERNEL},\n] x"),
        expect![[r#"
        2 kernels
        1 × duplicate_event: kernel rows
        1 × trailing_text: from byte 277"#]],
    );
}

#[test]
fn padding_after_gzip_data_is_counted_and_garbage_in_it_refused() {
    let options = ImportOptions::default();
    let mut packed = pack(with_kernel("{}").as_bytes(), Packing::Gzip);
    packed.extend_from_slice(&[0; 100]);
    let timeline = import_bytes(&packed, KinetoImporter::new(), &options).expect("padded");
    assert_eq!(timeline.problems.count(ProblemKind::TrailingText), 1);
    let mut packed = pack(kineto_json::trace(400, Layout::Kineto).as_bytes(), Packing::Gzip);
    let middle = packed.len() / 2;
    packed[middle..middle + 64].fill(0xff);
    let error = import_bytes(&packed, KinetoImporter::new(), &options).expect_err("damaged");
    assert!(line(&error).contains("expected gzip data, found damage"), "{error}");
    let last = packed.len() - 6;
    let mut packed = pack(with_kernel("{}").as_bytes(), Packing::Gzip);
    assert!(last > packed.len());
    let checksum = packed.len() - 6;
    packed[checksum] ^= 1;
    let error = import_bytes(&packed, KinetoImporter::new(), &options).expect_err("damaged");
    assert!(line(&error).contains("expected gzip data, found damage"), "{error}");
}

/// Imports the first `cut` bytes, as an error or up to the cut.
fn cut(bytes: &[u8], cut: usize) -> (Result<Timeline, ImportError>, Result<Timeline, ImportError>) {
    let mut options = ImportOptions::default();
    let strict = import_bytes(&bytes[..cut], KinetoImporter::new(), &options);
    options.accept_truncated = true;
    (strict, import_bytes(&bytes[..cut], KinetoImporter::new(), &options))
}

#[test]
fn a_trace_that_is_cut_off_is_refused_unless_asked_for() {
    let text = format!("{{\"schemaVersion\": 1, \"traceEvents\": [{KERNEL}, {KERNEL}, {KERNEL}]}}");
    let (strict, accepted) = cut(text.as_bytes(), text.len() - 40);
    expect!["trace.json: at byte 408: expected more of the trace, found the end of the file: it is cut off"].assert_eq(&line(&strict.expect_err("cut off")));
    let accepted = accepted.expect("asked for");
    assert_eq!(accepted.kernels.len(), 2);
    assert_eq!(accepted.problems.count(ProblemKind::TruncatedInput), 1);
    assert_eq!(accepted.problems.trust(), underspan_model::Trust::Damaged);
    for packing in [Packing::Gzip, Packing::Zstd] {
        let packed = pack(kineto_json::trace(2_000, Layout::Kineto).as_bytes(), packing);
        let (strict, accepted) = cut(&packed, packed.len() * 3 / 4);
        let strict = line(&strict.expect_err("cut off"));
        assert!(
            strict.ends_with("the end of the compressed data: the file is cut off"),
            "{strict}"
        );
        let accepted = accepted.expect("asked for");
        assert!(accepted.kernels.len() > 500, "{packing:?}: {}", accepted.kernels.len());
    }
}

#[test]
fn an_inflated_size_beyond_the_limit_is_refused() {
    let mut options = ImportOptions::default();
    options.inflated_limit_bytes = 100_000;
    let packed = pack(kineto_json::trace(1_000, Layout::Kineto).as_bytes(), Packing::Gzip);
    let error = import_bytes(&packed, KinetoImporter::new(), &options).expect_err("too large");
    assert!(matches!(error, ImportError::TooLarge { limit: 100_000, .. }), "{error}");
}

/// No list is searched for each event: a document in which everything differs is read as fast as
/// one in which everything repeats.
#[test]
fn many_different_things_cost_no_more_than_their_number() {
    let n = 60_000_u32;
    let mut document = String::from("{\"deviceProperties\": [{}");
    for i in 0..n {
        document += &format!(", {{\"id\": {i}}}");
    }
    document += "], \"traceEvents\": [";
    for i in 0..n {
        document += &format!(
            "{{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": \"k{i}\", \"pid\": {i}, \"tid\": {i}, \"ts\": 1, \
             \"dur\": 1, \"args\": {{\"a{i}\": 1, \"correlation\": {}}}}},\n\
             {{\"ph\": \"X\", \"cat\": \"cuda_runtime\", \"pid\": \"p{i}\", \"tid\": {i}, \"ts\": 1, \"dur\": 1, \
             \"args\": {{\"correlation\": {}}}}},\n\
             {{\"ph\": \"X\", \"cat\": \"c{i}\"}}, {{\"ph\": \"C\", \"name\": \"n{i}\", \"ts\": 1, \"args\": {{\"v\": 1}}}},",
            u64::from(i) << 32,
            u64::from(i) << 32
        );
    }
    document += KERNEL;
    document += "]}";
    let timeline = import(&document).expect("it is read");
    assert_eq!(timeline.kernels.len(), n as usize + 1);
    assert_eq!(timeline.dimensions.streams.len(), n as usize + 1);
    assert_eq!(timeline.dimensions.processes.len(), n as usize);
    assert_eq!(timeline.dimensions.counter_tracks.len(), n as usize);
    assert_eq!(timeline.problems.count(ProblemKind::UnknownCategory), u64::from(n));
}

#[test]
fn many_ranges_that_never_close_cost_no_more_than_their_number() {
    let mut document = String::from("[");
    for i in 0..100_000 {
        document += &format!(
            "{{\"ph\": \"B\", \"cat\": \"cpu_op\", \"name\": \"r\", \"pid\": 1, \"tid\": 1, \"ts\": {i}}},"
        );
    }
    document += KERNEL;
    document += "]";
    let timeline = import(&document).expect("it is read");
    assert_eq!(timeline.cpu_ops.len(), 0);
    assert_eq!(timeline.problems.count(ProblemKind::OpenRange), 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Every cut of a document is refused, and read up to the cut when asked for.
    #[test]
    fn every_cut_is_noticed(at in any::<prop::sample::Index>(), gzip in any::<bool>()) {
        static WHOLE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let text = WHOLE.get_or_init(|| kineto_json::trace(30, Layout::OneLine)).trim_end();
        let packing = if gzip { Packing::Gzip } else { Packing::Plain };
        let bytes = pack(text.as_bytes(), packing);
        let at = at.index(bytes.len());
        let (strict, accepted) = cut(&bytes, at);
        prop_assert!(strict.is_err(), "cut at {} of {}", at, bytes.len());
        if let Ok(accepted) = accepted {
            prop_assert_eq!(accepted.problems.count(ProblemKind::TruncatedInput), 1);
        }
    }

    /// Nothing at all makes the importer panic.
    #[test]
    fn bytes_of_any_kind_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..600), packing in 0..3) {
        let packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][packing as usize];
        let _ = import_bytes(&pack(&bytes, packing), KinetoImporter::new(), &ImportOptions::default());
        let _ = import_bytes(&bytes, KinetoImporter::new(), &ImportOptions::default());
    }
}
