//! Spans and stamps per second.
//!
//! The files are made here: 200,000 `llm_request` spans as vLLM exports them, 512 in a request, in
//! JSON and in protobuf; 100,000 requests to Triton, 14 records each, in no order.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use underspan_import::{ImportOptions, NoProgress, import_path};

const SPANS: u64 = 200_000;
const BATCH: u64 = 512;
const REQUESTS: u64 = 100_000;
const STAMPS: [&str; 12] = [
    "HTTP_RECV_START",
    "HTTP_RECV_END",
    "REQUEST_START",
    "QUEUE_START",
    "COMPUTE_START",
    "COMPUTE_INPUT_END",
    "COMPUTE_OUTPUT_START",
    "COMPUTE_END",
    "INFER_RESPONSE_COMPLETE",
    "HTTP_SEND_START",
    "HTTP_SEND_END",
    "REQUEST_END",
];

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 5)]
fn otlp_json(bencher: Bencher<'_, '_>) {
    import(bencher, &files().json, SPANS);
}

#[divan::bench(sample_count = 5)]
fn otlp_protobuf(bencher: Bencher<'_, '_>) {
    import(bencher, &files().protobuf, SPANS);
}

#[divan::bench(sample_count = 5)]
fn triton_json(bencher: Bencher<'_, '_>) {
    import(bencher, &files().triton, REQUESTS);
}

fn import(bencher: Bencher<'_, '_>, path: &PathBuf, items: u64) {
    let bytes = std::fs::metadata(path).expect("the file is there").len();
    bencher.counter(ItemsCount::new(items)).counter(BytesCount::new(bytes)).bench(|| {
        import_path(path, &ImportOptions::default(), &NoProgress).expect("the file imports")
    });
}

struct Files {
    json: PathBuf,
    protobuf: PathBuf,
    triton: PathBuf,
    _folder: tempfile::TempDir,
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("written");
            path
        };
        Files {
            json: write("spans.jsonl", json().as_bytes()),
            protobuf: write("spans.pb", &protobuf()),
            triton: write("triton.json", triton().as_bytes()),
            _folder: folder,
        }
    })
}

/// Times and counts of one request, in the order of their keys.
const REALS: [&str; 8] = [
    "gen_ai.latency.time_to_first_token",
    "gen_ai.latency.e2e",
    "gen_ai.latency.time_in_queue",
    "gen_ai.latency.time_in_model_prefill",
    "gen_ai.latency.time_in_model_decode",
    "gen_ai.latency.time_in_model_inference",
    "gen_ai.request.top_p",
    "gen_ai.request.temperature",
];
const WHOLES: [&str; 4] = [
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.completion_tokens",
    "gen_ai.request.max_tokens",
    "gen_ai.request.n",
];

fn start_ns(span: u64) -> u64 {
    1_772_006_400_000_000_000 + span * 1_000_000
}

fn json() -> String {
    let mut text = String::new();
    for first in (0..SPANS).step_by(BATCH as usize) {
        text.push_str(r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"vllm"}}]},"scopeSpans":[{"scope":{"name":"vllm.tracing.otel"},"spans":["#);
        for span in first..(first + BATCH).min(SPANS) {
            let comma = if span == first { "" } else { "," };
            let (start, end) = (start_ns(span), start_ns(span) + 400_000_000);
            write!(text, r#"{comma}{{"traceId":"{span:032x}","spanId":"{:016x}","parentSpanId":"00f067aa0ba902b7","name":"llm_request","kind":2,"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}","attributes":[{{"key":"gen_ai.request.id","value":{{"stringValue":"cmpl-{span}-0"}}}}"#, span + 1).expect("memory");
            for (at, key) in REALS.iter().enumerate() {
                let value = (span % 97 + at as u64) as f64 / 512.0 + 1e-9;
                write!(text, r#",{{"key":"{key}","value":{{"doubleValue":{value}}}}}"#)
                    .expect("memory");
            }
            for (at, key) in WHOLES.iter().enumerate() {
                let value = span % 300 + at as u64;
                write!(text, r#",{{"key":"{key}","value":{{"intValue":"{value}"}}}}"#)
                    .expect("memory");
            }
            text.push_str(r#"],"status":{},"flags":768}"#);
        }
        text.push_str("]}]}]}\n");
    }
    text
}

fn field(number: u64, body: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(body.len() as u64, out);
    out.extend_from_slice(body);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn fixed64(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3 | 1, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn attribute(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let mut pair = Vec::new();
    field(1, key.as_bytes(), &mut pair);
    field(2, value, &mut pair);
    field(9, &pair, out);
}

fn protobuf() -> Vec<u8> {
    let mut content = Vec::new();
    for first in (0..SPANS).step_by(BATCH as usize) {
        let mut scope_spans = Vec::new();
        let mut scope = Vec::new();
        field(1, b"vllm.tracing.otel", &mut scope);
        field(1, &scope, &mut scope_spans);
        for span in first..(first + BATCH).min(SPANS) {
            let mut message = Vec::new();
            field(1, &u128::from(span + 1).to_be_bytes(), &mut message);
            field(2, &(span + 1).to_be_bytes(), &mut message);
            field(4, &7_u64.to_be_bytes(), &mut message);
            field(5, b"llm_request", &mut message);
            message.extend_from_slice(&[0x30, 2]);
            fixed64(7, start_ns(span), &mut message);
            fixed64(8, start_ns(span) + 400_000_000, &mut message);
            let mut value = Vec::new();
            field(1, format!("cmpl-{span}-0").as_bytes(), &mut value);
            attribute("gen_ai.request.id", &value, &mut message);
            for (at, key) in REALS.iter().enumerate() {
                let real = (span % 97 + at as u64) as f64 / 512.0 + 1e-9;
                let mut value = Vec::new();
                fixed64(4, real.to_bits(), &mut value);
                attribute(key, &value, &mut message);
            }
            for (at, key) in WHOLES.iter().enumerate() {
                let mut value = vec![0x18];
                varint(span % 300 + at as u64, &mut value);
                attribute(key, &value, &mut message);
            }
            field(2, &message, &mut scope_spans);
        }
        let mut resource_spans = Vec::new();
        field(2, &scope_spans, &mut resource_spans);
        field(1, &resource_spans, &mut content);
    }
    content
}

fn triton() -> String {
    let mut records = Vec::new();
    for request in 1..=REQUESTS {
        // Batches of eight.
        let batch = request / 8;
        records.push(format!(
            r#"{{"id":{request},"model_name":"m","model_version":1,"request_id":"r-{request}"}}"#
        ));
        for (at, stamp) in STAMPS.iter().enumerate() {
            let own = if stamp.starts_with("COMPUTE") { 0 } else { request % 8 };
            let ns = 4_700_000_000_000 + batch * 5_000_000 + at as u64 * 100_000 + own;
            records.push(format!(
                r#"{{"id":{request},"timestamps":[{{"name":"{stamp}","ns":{ns}}}]}}"#
            ));
        }
    }
    // In no order, the same on every machine.
    let mut dice = 7_u64;
    for at in (1..records.len()).rev() {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        records.swap(at, (dice >> 33) as usize % (at + 1));
    }
    format!("[{}]", records.join(","))
}
