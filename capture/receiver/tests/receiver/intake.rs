//! What servers send is kept, what is no export is refused, and half of one harms nobody.

use std::io::Write;
use std::time::Duration;

use crate::support::{answer, grpc_client, imported, open, post, receiver, runtime, spans};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};
use underspan_receiver::{Keep, Limits, Receiver, ReceiverOptions};

const PROTOBUF: &str = "Content-Type: application/x-protobuf";
const JSON: &str = "Content-Type: application/json";

fn limited(folder: &std::path::Path, limits: Limits) -> Receiver {
    let options = ReceiverOptions { limits, ..ReceiverOptions::new(folder) };
    Receiver::start(options).expect("a receiver")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn json_spans(first: u64, n: u64) -> String {
    let spans: Vec<_> = (first..first + n)
        .map(|index| {
            format!(
                r#"{{"traceId":"{:032x}","spanId":"{:016x}","name":"InferRequest","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000001000"}}"#,
                index + 1,
                index + 1
            )
        })
        .collect();
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(",\n"))
}

#[test]
fn every_transport_and_encoding_is_kept_and_imports() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = receiver(folder.path());
    let (grpc, http) = (receiver.grpc_port(), receiver.http_port());
    runtime().block_on(async {
        let client = grpc_client(grpc).await;
        client.clone().export(spans(0, 10)).await.expect("taken");
        let mut gzipping = client.send_compressed(CompressionEncoding::Gzip);
        gzipping.export(spans(10, 10)).await.expect("taken compressed");
        // An export without a span is fine and leaves nothing.
        gzipping.export(spans(0, 0)).await.expect("taken");
        // Either port speaks either protocol.
        grpc_client(http).await.export(spans(20, 10)).await.expect("taken");
    });
    let body = spans(30, 10).encode_to_vec();
    let answer = post(http, "/v1/traces", &[PROTOBUF], &body);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b""[..]));
    assert!(answer.head.contains("content-type: application/x-protobuf"), "{}", answer.head);
    let body = gzip(&spans(40, 10).encode_to_vec());
    let headers = [PROTOBUF, "Content-Encoding: gzip"];
    assert_eq!(post(grpc, "/v1/traces/", &headers, &body).status, 200);
    let body = zstd::encode_all(spans(50, 10).encode_to_vec().as_slice(), 1).expect("memory");
    let headers = [PROTOBUF, "Content-Encoding: zstd"];
    assert_eq!(post(http, "/", &headers, &body).status, 200);
    let headers = ["Content-Type: application/json; charset=utf-8"];
    let answer = post(http, "/v1/traces", &headers, json_spans(60, 10).as_bytes());
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
    let body = gzip(json_spans(70, 10).as_bytes());
    assert_eq!(post(http, "/v1/traces", &[JSON, "Content-Encoding: gzip"], &body).status, 200);

    let summary = receiver.stop();
    let expected: Vec<u64> = (1..=80).collect();
    assert_eq!(imported(&summary.spool_files), expected);
    assert_eq!(summary.stats.spooled_spans, 80);
    assert_eq!(summary.stats.traces.items, 80);
    assert_eq!(summary.stats.traces.exports, 9);
    assert_eq!(summary.stats.traces.without_upstream, 9);
    let lengths = summary.spool_files.iter().map(|file| file.metadata().expect("a file").len());
    assert_eq!(summary.stats.spooled_bytes, lengths.sum::<u64>());
}

#[test]
fn chunked_bodies_and_connections_that_stay_open_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = receiver(folder.path());
    let body = spans(0, 3).encode_to_vec();
    let (one, other) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\n{PROTOBUF}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut stream = open(receiver.http_port(), &head);
    for part in [one, other] {
        write!(stream, "{:x}\r\n", part.len()).expect("sent");
        stream.write_all(part).expect("sent");
        stream.write_all(b"\r\n").expect("sent");
    }
    stream.write_all(b"0\r\n\r\n").expect("sent");
    let body = spans(3, 2).encode_to_vec();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\n{PROTOBUF}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&body).expect("sent");
    assert_eq!(answer(stream).status, 200);
    assert_eq!(imported(&receiver.stop().spool_files), [1, 2, 3, 4, 5]);
}

#[test]
fn metrics_and_logs_are_taken_and_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = receiver(folder.path());
    let metrics = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a"},{}]}]}]}"#;
    assert_eq!(post(receiver.http_port(), "/v1/metrics", &[JSON], metrics).status, 200);
    runtime().block_on(async {
        let endpoint = format!("http://127.0.0.1:{}", receiver.grpc_port());
        let mut client = LogsServiceClient::connect(endpoint).await.expect("a connection");
        client.export(ExportLogsServiceRequest::default()).await.expect("taken");
    });
    let summary = receiver.stop();
    assert_eq!((summary.stats.metrics.exports, summary.stats.metrics.items), (1, 2));
    assert_eq!((summary.stats.logs.exports, summary.stats.logs.without_upstream), (1, 1));
    assert!(summary.spool_files.is_empty());
}

#[test]
fn what_is_no_export_gets_the_status_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = receiver(folder.path());
    let port = receiver.http_port();
    let spans = spans(0, 2).encode_to_vec();
    let cut = &spans[..spans.len() - 1];
    let traces = "/v1/traces";
    for (what, status, path, headers, body) in [
        ("another path", 404, "/v1/profiles", &[PROTOBUF][..], &spans[..]),
        ("no content type", 415, traces, &[], &spans),
        ("another content type", 415, traces, &["Content-Type: text/plain"], &spans),
        ("another encoding", 415, traces, &[PROTOBUF, "Content-Encoding: br"], &spans),
        ("a cut-off message", 400, traces, &[PROTOBUF], cut),
        ("text as protobuf", 400, traces, &[PROTOBUF], b"hello, world"),
        ("protobuf as JSON", 400, traces, &[JSON], &spans),
        ("half a document", 400, traces, &[JSON], br#"{"resourceSpans":[{"#),
        ("no body as JSON", 400, traces, &[JSON], b""),
        ("metrics as spans", 400, traces, &[JSON], br#"{"resourceSpans":{}}"#),
        ("no gzip", 400, traces, &[PROTOBUF, "Content-Encoding: gzip"], &spans),
    ] {
        assert_eq!(post(port, path, headers, body).status, status, "{what}");
    }
    let get = "GET /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let refused = answer(open(port, get));
    assert_eq!(refused.status, 405);
    assert!(refused.head.contains("allow: post"), "{}", refused.head);
    // What is wrong is said in the encoding that was sent: a `google.rpc.Status`.
    let refused = post(port, traces, &[JSON], b"[]");
    let message = String::from_utf8(refused.body).expect("text");
    assert!(message.starts_with(r#"{"code":3,"message":""#), "{message}");
    let refused = post(port, traces, &[PROTOBUF], cut);
    assert_eq!(refused.body[..3], [8, 3, 0x12], "code 3, then the message");

    let summary = receiver.stop();
    assert_eq!(summary.stats.refused_malformed, 14);
    assert_eq!(summary.stats.traces.exports, 0);
    assert!(summary.spool_files.is_empty(), "nothing of it was kept");
}

#[test]
fn calls_that_are_no_export_get_the_status_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { body_bytes: 10_000, ..Limits::default() };
    let receiver = limited(folder.path(), limits);
    let endpoint = format!("http://127.0.0.1:{}", receiver.grpc_port());
    let status = runtime().block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(endpoint).expect("an endpoint");
        let channel = channel.connect().await.expect("a connection");
        let mut codes = Vec::new();
        let mut grpc = tonic::client::Grpc::new(channel);
        let services = ["trace.v1.TraceService", "profiles.v1development.ProfilesService"];
        for (service, bytes) in [(0, &b"\x0a\x05abc"[..]), (0, &[0; 20_000]), (1, b"")] {
            grpc.ready().await.expect("a connection");
            let path = format!("/opentelemetry.proto.collector.{}/Export", services[service]);
            let path = path.parse().expect("a path");
            let call = Request::new(bytes.to_vec());
            let outcome = grpc.unary(call, path, RawCodec).await;
            codes.push(outcome.map(|_: tonic::Response<Vec<u8>>| ()).expect_err("refused"));
        }
        codes
    });
    let codes: Vec<_> = status.iter().map(tonic::Status::code).collect();
    assert_eq!(codes, [Code::InvalidArgument, Code::ResourceExhausted, Code::Unimplemented]);
    assert_eq!(status[0].message(), "at byte 0: expected a field that ends within its message");
    let stats = receiver.stop().stats;
    assert_eq!((stats.refused_malformed, stats.refused_too_large), (2, 1));
}

/// Sends and receives bytes as they are.
struct RawCodec;

impl tonic::codec::Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Vec<u8>,
        out: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put(out, item.as_slice());
        Ok(())
    }
}

impl tonic::codec::Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        bytes: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Vec<u8>>, tonic::Status> {
        let n = bytes::Buf::remaining(bytes);
        Ok(Some(bytes::Buf::copy_to_bytes(bytes, n).to_vec()))
    }
}

#[test]
fn huge_bodies_are_refused_before_they_take_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { body_bytes: 1 << 20, in_flight_bytes: 3 << 20, ..Limits::default() };
    let receiver = limited(folder.path(), limits);
    let port = receiver.http_port();
    // Announced: refused without a byte of it.
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\n{PROTOBUF}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        1_u64 << 40
    );
    assert_eq!(answer(open(port, &head)).status, 413);
    // Not announced.
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\n{PROTOBUF}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let mut stream = open(port, &head);
    let chunk = [&b"10000\r\n"[..], &vec![0; 0x10000], b"\r\n"].concat();
    for _ in 0..17 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(answer(stream).status, 413);
    // Small, and huge when inflated.
    let bomb = gzip(&vec![0; 8 << 20]);
    assert!(bomb.len() < 100_000);
    let headers = [PROTOBUF, "Content-Encoding: gzip"];
    assert_eq!(post(port, "/v1/traces", &headers, &bomb).status, 413);
    assert_eq!(receiver.stop().stats.refused_too_large, 3);
}

#[test]
fn what_does_not_fit_into_memory_is_asked_to_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { in_flight_bytes: 1000, ..Limits::default() };
    let receiver = limited(folder.path(), limits);
    let refused = post(receiver.http_port(), "/v1/traces", &[JSON], json_spans(0, 20).as_bytes());
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    let taken = post(receiver.http_port(), "/v1/traces", &[JSON], json_spans(0, 1).as_bytes());
    assert_eq!(taken.status, 200, "what was refused left room");
    let stats = receiver.stop().stats;
    assert_eq!((stats.refused_busy, stats.spooled_spans), (1, 1));
}

#[test]
fn half_sent_bodies_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { body_time: Duration::from_millis(300), ..Limits::default() };
    let receiver = limited(folder.path(), limits);
    let port = receiver.http_port();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\n{PROTOBUF}\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
    );
    // One that stands still, and one whose sender goes away.
    let stalled = open(port, &format!("{head}half"));
    drop(open(port, &format!("{head}half")));
    assert_eq!(answer(stalled).status, 408);
    // The next export is served.
    assert_eq!(post(port, "/v1/traces", &[JSON], json_spans(0, 1).as_bytes()).status, 200);
    crate::support::wait_for("the end of both", || receiver.stats().refused_incomplete == 2);
    assert_eq!(imported(&receiver.stop().spool_files), [1]);
}

#[test]
fn a_full_disk_does_not_stop_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { spool_bytes: 3000, ..Limits::default() };
    let receiver = limited(folder.path(), limits);
    let n_exports = 40;
    for export in 0..n_exports {
        let body = spans(export, 1).encode_to_vec();
        let answer = post(receiver.http_port(), "/v1/traces", &[PROTOBUF], &body);
        assert_eq!(answer.status, 200, "export {export}");
    }
    let summary = receiver.stop();
    let kept = imported(&summary.spool_files).len() as u64;
    assert!(kept > 0 && kept < n_exports);
    assert_eq!(summary.stats.spooled_spans, kept);
    assert_eq!(summary.stats.unspooled_spans, n_exports - kept);
    assert!(summary.stats.spooled_bytes <= 3000);
    assert!(summary.stats.spool_error.is_some());
}

#[test]
fn exports_are_passed_on_after_the_spans_are_no_longer_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = receiver(folder.path());
    let export = |index| {
        let body = spans(index, 1).encode_to_vec();
        assert_eq!(post(receiver.http_port(), "/v1/traces", &[PROTOBUF], &body).status, 200);
    };
    export(0);
    assert_eq!(imported(&receiver.stop_keeping()), [1]);
    export(1);
    let summary = receiver.stop();
    assert_eq!(imported(&summary.spool_files), [1]);
    assert_eq!((summary.stats.traces.items, summary.stats.spooled_spans), (2, 1));
    assert_eq!(summary.stats.unspooled_spans, 0, "nothing that should have been kept");
}

#[test]
fn the_last_spans_can_be_looked_at_while_more_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let keep = Keep::Last(Duration::from_secs(3600));
    let options = ReceiverOptions { keep, ..ReceiverOptions::new(folder.path()) };
    let receiver = Receiver::start(options).expect("a receiver");
    let export = |index| {
        let body = spans(index, 1).encode_to_vec();
        assert_eq!(post(receiver.http_port(), "/v1/traces", &[PROTOBUF], &body).status, 200);
    };
    assert!(receiver.whole_files().is_empty());
    export(0);
    export(1);
    let whole = receiver.whole_files();
    export(2);
    assert_eq!(imported(&whole), [1, 2]);
    assert_eq!(imported(&receiver.whole_files()), [1, 2, 3]);
    assert_eq!(imported(&receiver.stop().spool_files), [1, 2, 3]);
}
