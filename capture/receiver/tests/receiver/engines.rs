//! Exports of real servers, sent again.

use std::io::Read;
use std::path::PathBuf;

use crate::support::{import, post, receiver};

/// Exports as a bare receiver kept them: nanoseconds of the wall clock (8 bytes), transport (0:
/// gRPC, 1: HTTP, 2: HTTP with JSON), length (4 bytes), body; the lowest byte first.
fn exports(recording: &[u8]) -> Vec<(u8, &[u8])> {
    let mut rest = recording;
    let mut exports = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<13>() {
        let length = u32::from_le_bytes([head[9], head[10], head[11], head[12]]) as usize;
        exports.push((head[8], &after[..length]));
        rest = &after[length..];
    }
    exports
}

#[test]
fn spans_of_real_servers_come_through_whole() {
    let engines = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/engines"));
    if !engines.exists() {
        return eprintln!("skipped: the recordings of real servers are not here");
    }
    for (engine, recording, n_at_least) in [
        ("vllm", "otlp_traces.bin", 200),
        ("sglang", "otlp_traces.bin.gz", 2900),
        ("triton-otel", "otlp_traces.bin.gz", 500),
        ("hf-continuous-batching", "otlp_traces.bin", 80),
    ] {
        let file = std::fs::read(engines.join(engine).join(recording)).expect("a recording");
        let mut recording = Vec::new();
        if file.starts_with(&[0x1f, 0x8b]) {
            flate2::read::MultiGzDecoder::new(&file[..]).read_to_end(&mut recording).expect("gzip");
        } else {
            recording = file;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let receiver = receiver(folder.path());
        let exports = exports(&recording);
        for (transport, body) in &exports {
            let content_type = match transport {
                2 => "Content-Type: application/json",
                _ => "Content-Type: application/x-protobuf",
            };
            let answer = post(receiver.http_port(), "/v1/traces", &[content_type], body);
            assert_eq!(answer.status, 200, "{engine}: {:?}", String::from_utf8_lossy(&answer.body));
        }
        let summary = receiver.stop();
        assert_eq!(summary.stats.traces.exports, exports.len() as u64, "{engine}");
        let n_spans: usize = summary.spool_files.iter().map(|file| import(file).spans.len()).sum();
        assert!(n_spans >= n_at_least, "{engine}: {n_spans} spans");
        assert_eq!(n_spans as u64, summary.stats.spooled_spans, "{engine}: counted and read alike");
    }
}
