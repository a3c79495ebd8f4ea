//! What the tests of the receiver share: exports, an HTTP client on a bare socket, an endpoint.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::transport::Channel;
use underspan_import::{ImportOptions, NoProgress};
use underspan_model::Timeline;
use underspan_receiver::{Receiver, ReceiverOptions, Upstream};

/// No step of a test takes that long unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A runtime for clients and endpoints.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A receiver that keeps spans in `folder`.
pub(crate) fn receiver(folder: &Path) -> Receiver {
    Receiver::start(ReceiverOptions::new(folder)).expect("a receiver")
}

/// A client over gRPC.
pub(crate) async fn grpc_client(port: u16) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(format!("http://127.0.0.1:{port}")).await.expect("a connection")
}

/// An export of spans `first..first + n`, whose ids and times say which they are.
pub(crate) fn spans(first: u64, n: u64) -> ExportTraceServiceRequest {
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let span = |index: u64| Span {
        trace_id: (u128::from(index) + 1).to_be_bytes().to_vec(),
        span_id: (index + 1).to_be_bytes().to_vec(),
        name: "llm_request".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + index,
        end_time_unix_nano: 1_700_000_000_000_000_000 + index + 1000,
        attributes: vec![
            attribute("gen_ai.request.id", Value::StringValue(format!("cmpl-{index}"))),
            attribute("gen_ai.usage.prompt_tokens", Value::IntValue(17)),
            attribute("gen_ai.latency.time_in_queue", Value::DoubleValue(0.25)),
        ],
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: (first..first + n).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// An answer over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends the head of a request and returns the open connection.
pub(crate) fn open(port: u16, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream
}

/// Reads an answer whose connection is closed behind it.
pub(crate) fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let outcome = stream.read_to_end(&mut bytes);
    assert!(outcome.is_ok() || !bytes.is_empty(), "{outcome:?}");
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, head, body: bytes[head_end + 4..].to_vec() }
}

/// Exports a body over HTTP. `headers` are whole lines.
pub(crate) fn post(port: u16, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    let mut stream = open(port, &head);
    // A refusal may come before the body is through.
    let _ = stream.write_all(body);
    answer(stream)
}

/// The span ids in spool files, sorted.
pub(crate) fn imported(files: &[PathBuf]) -> Vec<u64> {
    let mut ids: Vec<u64> = files.iter().flat_map(|file| import(file).spans.span_id).collect();
    ids.sort_unstable();
    ids
}

/// Imports a file.
pub(crate) fn import(file: &Path) -> Timeline {
    underspan_import::import_path(file, &ImportOptions::default(), &NoProgress)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Waits until `is_so`, which something else brings about.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let (_never, tick) = mpsc::channel::<()>();
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        let _ = tick.recv_timeout(Duration::from_millis(2));
    }
}

/// An endpoint at a port of this machine.
pub(crate) fn local(port: u16) -> Upstream {
    Upstream::new(format!("http://127.0.0.1:{port}"))
}
