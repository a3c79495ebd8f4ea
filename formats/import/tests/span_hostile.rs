//! Hostile and damaged files of spans, stamps and metrics: one clear line, bounded memory, never a
//! panic.

mod support;

use std::path::Path;

use proptest::prelude::*;
use underspan_import::{ImportOptions, NoProgress, import_path};
use underspan_model::{ProblemKind, Timeline, Trust};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, content: &[u8]) -> std::path::PathBuf {
        let path = self.0.path().join("f");
        std::fs::write(&path, content).expect("written");
        path
    }

    /// What importing this content says: a summary, or the error as the command line prints it.
    fn said(&self, content: &[u8]) -> String {
        match support::import(&self.write(content)) {
            Ok(timeline) => format!(
                "{} spans, {} samples, trust {}",
                timeline.spans.len(),
                timeline.counters.len(),
                timeline.problems.trust().as_str()
            ),
            Err(error) => support::message_in(self.0.path(), &error),
        }
    }

    fn import(&self, content: &[u8]) -> Timeline {
        support::import(&self.write(content)).unwrap_or_else(|e| panic!("{}", support::message(&e)))
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A length-delimited field.
fn field(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(body.len() as u64, &mut out);
    out.extend_from_slice(body);
    out
}

fn fixed64(number: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 1, &mut out);
    out.extend_from_slice(&value.to_le_bytes());
    out
}

/// `KeyValue` with a text.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

/// An export request with one span, and more fields in it.
fn request(more: &[u8]) -> Vec<u8> {
    let span = [
        field(1, &[7; 16]),
        field(2, &[9; 8]),
        field(5, b"llm_request"),
        fixed64(7, 1_772_006_400_000_000_000),
        fixed64(8, 1_772_006_400_500_000_000),
        more.to_vec(),
    ]
    .concat();
    let resource = field(1, &attribute("service.name", "s"));
    let scope_spans = [field(1, &field(1, b"vllm.x")), field(2, &span)].concat();
    field(1, &[field(1, &resource), field(2, &scope_spans)].concat())
}

#[test]
fn protobuf_cut_anywhere_is_an_error_that_says_where() {
    let folder = Folder::new();
    let whole = request(&field(9, &attribute("gen_ai.request.id", "r")));
    assert_eq!(folder.said(&whole), "1 spans, 0 samples, trust full");
    let two = [whole.clone(), whole.clone()].concat();
    // Before its first span shows its ids, the file could be anything.
    let known_from = whole.windows(8).position(|bytes| bytes == [9; 8]).expect("the id") + 8;
    for cut in 1..two.len() {
        let said = folder.said(&two[..cut]);
        if cut == whole.len() {
            assert_eq!(said, "1 spans, 0 samples, trust full");
        } else if cut >= known_from {
            let expected = format!(
                "f: at byte {cut}: expected the rest of the message, found the end of the file"
            );
            assert_eq!(said, expected);
        } else {
            assert!(said.starts_with("f: "), "{said}");
        }
    }
    // On demand, what lies before the cut is read, and the cut counted.
    let path = folder.write(&two[..two.len() - 3]);
    let mut options = ImportOptions::default();
    options.accept_truncated = true;
    let timeline = import_path(&path, &options, &NoProgress).expect("imports");
    assert_eq!((timeline.spans.len(), timeline.problems.trust()), (1, Trust::Damaged));
}

#[test]
fn absurd_lengths_and_numbers_cost_nothing() {
    let folder = Folder::new();
    let good = request(&[]);
    for (name, tail, said) in [
        (
            "a length of 2^62",
            [&[0x0a][..], &[0xff; 8], &[0x3f]].concat(),
            "one message of spans exceeds the limit of 1073741824",
        ),
        (
            "a varint without end",
            [&[0x0a][..], &[0xff; 30]].concat(),
            "expected the length of a field",
        ),
        (
            "a wire type there is not",
            [&[0x0f; 40][..]].concat(),
            "expected a field of a known wire type",
        ),
        ("field number 0", vec![0x02, 1, 0], "expected a field number"),
    ] {
        let message = folder.said(&[good.clone(), tail].concat());
        assert!(message.contains(said), "{name}: {message}");
    }
    // Inner lengths beyond their message.
    let inner = field(1, &[field(2, &[0x12, 0xff, 0xff, 0x03]), Vec::new()].concat());
    let message = folder.said(&[good.clone(), inner].concat());
    assert!(message.contains("expected a field that ends within its message"), "{message}");
}

#[test]
fn wrong_types_and_values_are_counted_and_the_rest_is_read() {
    let folder = Folder::new();
    // A key with a number, an event without a time, a link without ids, a kind of 10^18, text that
    // is not UTF-8, values nested beyond all use.
    let mut nested = field(1, b"x");
    for _ in 0..200 {
        nested = field(5, &field(1, &nested));
    }
    let mut kind = vec![0x30];
    varint(1_000_000_000_000_000_000, &mut kind);
    let odd = [
        field(9, &[0x08, 7]),
        field(11, &field(2, b"no time")),
        field(13, &field(1, b"short")),
        kind,
        field(9, &[field(1, b"rid"), field(2, &field(1, &[0xff, 0xfe]))].concat()),
        field(9, &[field(1, b"seed"), field(2, &nested)].concat()),
    ]
    .concat();
    let timeline = folder.import(&request(&odd));
    assert_eq!(timeline.spans.len(), 1);
    assert_eq!(timeline.problems.count(ProblemKind::MissingTimestamp), 1);
    assert_eq!(timeline.problems.count(ProblemKind::InvalidSpanId), 1);

    let json = r#"{"resourceSpans": [{"resource": 7, "scopeSpans": [{"scope": [], "spans": [
        {"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "name": "good",
         "startTimeUnixNano": "10", "endTimeUnixNano": "20"},
        {"traceId": 5, "spanId": true, "name": [], "kind": {}, "startTimeUnixNano": "30",
         "endTimeUnixNano": 4e1, "status": "bad", "attributes": {"a": 1}, "events": 9, "links": "x"},
        {"name": "no times"}, {"name": "no end", "startTimeUnixNano": "5"},
        {"name": "late", "startTimeUnixNano": "9223372036854775808", "endTimeUnixNano": "1"},
        {"name": "backwards", "traceId": "01", "spanId": "02", "startTimeUnixNano": "50", "endTimeUnixNano": "40"},
        17, null, "text", ["list"],
        {"traceId": "0102030405060708090a0b0c0d0e0f10", "traceId": "ff", "spanId": "03", "name": "twice",
         "startTimeUnixNano": 60, "endTimeUnixNano": 61, "attributes": [5, {"key": 4}, {"key": "seed"},
         {"key": "seed", "value": {"intValue": "x"}}, {"key": "seed", "value": {"doubleValue": "NaN"}}]}
        ]}]}]}"#;
    let timeline = folder.import(json.as_bytes());
    assert_eq!(timeline.spans.len(), 4);
    let count = |kind| timeline.problems.count(kind);
    assert_eq!(count(ProblemKind::MalformedEvent), 4);
    assert_eq!(count(ProblemKind::MissingTimestamp), 2);
    assert_eq!(count(ProblemKind::MissingDuration), 1);
    assert_eq!(count(ProblemKind::NegativeDuration), 1);
    assert_eq!(count(ProblemKind::InvalidSpanId), 1);
    assert_eq!(count(ProblemKind::DuplicateKey), 1);
    assert!(timeline.span_attributes.is_empty());
}

#[test]
fn json_faults_are_one_line_with_a_place() {
    let folder = Folder::new();
    let deep = format!(r#"{{"resourceSpans": [{{"x": {}"#, "[".repeat(100_000));
    for (name, content, said) in [
        (
            "cut off",
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"na"#,
            "at byte 50: expected the rest of the spans, found the end of the file",
        ),
        ("no list", r#"{"resourceSpans": 7}"#, "at byte 18: expected a list, found '7'"),
        ("no objects", r#"{"resourceSpans": [7]}"#, "at byte 19: expected an object, found '7'"),
        (
            "broken inside",
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"a" 1}]}]}]}"#,
            "at byte 51: expected ':', found",
        ),
        ("deep", deep.as_str(), "the nesting of JSON values exceeds the limit of 512"),
        (
            "deep in a span",
            &format!(
                r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{}{}]}}]}}]}}"#,
                "[".repeat(300),
                "]".repeat(300)
            ),
            "expected less nesting",
        ),
        (
            "a span of 65 MB",
            &format!(
                r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{"name": "{}"}}]}}]}}]}}"#,
                "x".repeat(65 << 20)
            ),
            "one JSON value exceeds the limit of 67108864",
        ),
        (
            "stamps cut off",
            r#"[{"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 5}]},"#,
            "expected the rest of the list, found the end of the file",
        ),
        (
            "stamps of another kind",
            r#"[{"id": 1, "timestamps": [{"name": "REQUEST_START", "ns": 5}]} {"id"}]"#,
            "expected ',' or a closing bracket",
        ),
        (
            "a clock without a reading",
            r#"{"realtime_ns": "soon", "monotonic_ns": 1}"#,
            "expected a clock reading in nanoseconds at \"realtime_ns\", found a text",
        ),
        (
            "a clock that is cut off",
            r#"{"realtime_ns": 5, "monotonic_ns": 1"#,
            "found the end of the file",
        ),
        (
            "no spans",
            r#"{"data": [{"processes": {}, "spans": []}]}"#,
            "expected at least one span with an id and times, found none",
        ),
    ] {
        let message = folder.said(content.as_bytes());
        assert!(message.starts_with("f: ") && message.contains(said), "{name}: {message}");
        assert_eq!(message.lines().count(), 1, "{name}");
        assert!(message.len() < 300, "{name}: {message}");
    }
}

#[test]
fn a_span_with_a_hundred_thousand_attributes_is_one_span() {
    let folder = Folder::new();
    let attribute = r#"{"key": "seed", "value": {"intValue": "1"}}"#;
    let unknown: Vec<_> = (0..100_000)
        .map(|n| format!(r#"{{"key": "k{n}", "value": {{"stringValue": "v"}}}}"#))
        .collect();
    let json = format!(
        r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{{"traceId": "01", "spanId": "02",
        "name": "n", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [{attribute},{}]}}]}}]}}]}}"#,
        unknown.join(",")
    );
    let timeline = folder.import(json.as_bytes());
    assert_eq!((timeline.spans.len(), timeline.span_attributes.len()), (1, 1));
    assert_eq!(timeline.problems.count(ProblemKind::WithheldAttribute), 100_000);
    // The names of those keys are examples, not a copy of them all.
    assert!(timeline.strings.len() < 100 && timeline.strings.text_bytes() < 10_000);
}

#[test]
fn metrics_that_are_partly_broken_keep_the_rest() {
    let folder = Folder::new();
    let text = "# TYPE a gauge\na 1 1772006400\nnot a line\na{x=\"1} 2\na 3 1e99\na NaN 1772006401\na 4 1772006402\na 5";
    let timeline = folder.import(text.as_bytes());
    assert_eq!(timeline.counters.value, [1.0, 4.0]);
    let count = |kind| timeline.problems.count(kind);
    assert_eq!(count(ProblemKind::MalformedEvent), 2);
    assert_eq!(count(ProblemKind::NumberOutOfRange), 1);
    assert_eq!(count(ProblemKind::UnusableField), 1);
    assert_eq!(count(ProblemKind::MissingTimestamp), 1);
    let none = folder.said(b"# TYPE a gauge\nwhat is this\n");
    assert_eq!(none, "f: at byte 15: expected a number as value, found what is this");
    let long = format!("# TYPE a gauge\na{{x=\"{}\"}} 1", "y".repeat(2 << 20));
    assert!(folder.said(long.as_bytes()).contains("one line exceeds the limit of 1048576"));
}

#[test]
fn queries_that_are_partly_broken_keep_the_rest() {
    let folder = Folder::new();
    let text = "timestamp, index, power.draw [W]\n2026/12/18 07:55:46.880, 0, 27.5 W\n\
        2026/12/18 07:55:47.880, 0\nUnable to determine the device handle\nsoon, 0, 28.5 W\n\
        2026/12/18 07:55:48.880, 0, [Unknown Error]\n2026/12/18 07:55:49.880, 0, [N/A]\n2026/12/18 07:55";
    let timeline = folder.import(text.as_bytes());
    assert_eq!(timeline.counters.value, [27.5]);
    let count = |kind| timeline.problems.count(kind);
    assert_eq!(count(ProblemKind::MalformedEvent), 2);
    assert_eq!(count(ProblemKind::MissingTimestamp), 1);
    assert_eq!(count(ProblemKind::UnusableField), 1);
    assert_eq!(count(ProblemKind::TruncatedInput), 1);
    let nothing = folder.said(b"timestamp, index, power.draw [W]\n");
    assert_eq!(nothing, "f: at byte 0: expected at least one sample, found none");
}

fn reads_or_says_why(path: &Path) -> Result<(), TestCaseError> {
    if let Err(error) = support::import(path) {
        let message = support::message(&error);
        prop_assert_eq!(message.lines().count(), 1);
        prop_assert!(message.len() < 4096, "{}", message);
    }
    Ok(())
}

const STARTS: [&str; 14] = [
    r#"{"resourceSpans":[{"scopeSpans":[{"spans":["#,
    r#"[{"id":1,"timestamps":[{"name":"A","ns":1}]},"#,
    r#"{"data":[{"traceID":"1","processes":{},"spans":["#,
    r#"[{"traceId":"1","id":"2","kind":"SERVER"},"#,
    r#"[[{"trace_id":1,"span_id":2,"start":1,"duration":1},"#,
    r#"{"hits":{"hits":[{"_source":{"trace":{"id":"1"}}},"#,
    r#"[{"columns":["DurationNano"],"events":[["#,
    r#"{"realtime_ns":1,"monotonic_ns":2"#,
    r#"{"model":{"name":"#,
    "# TYPE a gauge\na ",
    "timestamp, index, power.draw [W]\n",
    "# gpu pid type sm command\n",
    "#Date Time gpu pid type sm command\n",
    "\n\u{12}\n\u{10}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_behind_any_start(start in 0..STARTS.len(), tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = Folder::new();
        let path = folder.write(&[STARTS[start].as_bytes(), &tail].concat());
        reads_or_says_why(&path)?;
    }

    #[test]
    fn any_likely_text_behind_any_start(
        start in 0..STARTS.len(),
        tail in "[\\[\\]{}\",:a-e0-9 .\\-\n#/|=_%]{0,200}",
    ) {
        let folder = Folder::new();
        let path = folder.write(format!("{}{tail}", STARTS[start]).as_bytes());
        reads_or_says_why(&path)?;
    }

    #[test]
    fn any_change_of_a_good_message(at in 0_usize..400, byte: u8, cut in 0_usize..400) {
        let folder = Folder::new();
        let mut message = [request(&field(9, &attribute("rid", "r"))), request(&[])].concat();
        let at = at % message.len();
        message[at] = byte;
        message.truncate(message.len() - cut % message.len());
        reads_or_says_why(&folder.write(&message))?;
        let framed = [&(message.len() as u32).to_be_bytes()[..], &message].concat();
        reads_or_says_why(&folder.write(&framed))?;
    }

    #[test]
    fn any_bytes_as_protobuf(tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = Folder::new();
        let content = [request(&[]), tail].concat();
        reads_or_says_why(&folder.write(&content))?;
    }
}
