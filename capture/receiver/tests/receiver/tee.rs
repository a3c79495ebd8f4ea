//! What the user's endpoint gets: everything, as it was, in its own protocol, late if need be.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{grpc_client, imported, local, post, receiver, runtime, spans, wait_for};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use underspan_receiver::{
    Limits, Receiver, ReceiverOptions, Signal, Upstream, UpstreamProtocol, Upstreams,
};

const PROTOBUF: &str = "Content-Type: application/x-protobuf";
const JSON: &str = "Content-Type: application/json";

fn tee(folder: &Path, upstream: Upstream, limits: Limits) -> Receiver {
    let mut upstreams = Upstreams::default();
    for signal in Signal::ALL {
        upstreams.set(signal, upstream.clone());
    }
    let options = ReceiverOptions { upstreams, limits, ..ReceiverOptions::new(folder) };
    Receiver::start(options).expect("a receiver")
}

fn quick() -> Limits {
    Limits { backoff_max: Duration::from_millis(50), ..Limits::default() }
}

/// A collector as others build it.
#[derive(Clone, Default)]
struct Collector {
    calls: Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>,
    /// Answers for the first calls; the last one is for all others.
    answers: Arc<Mutex<Vec<Result<i64, Status>>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let answer = {
            let mut answers = self.answers.lock().expect("no panic");
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers.first().cloned().unwrap_or(Ok(0))
            }
        };
        let rejected_spans = answer?;
        let (metadata, _, message) = request.into_parts();
        self.calls.lock().expect("no panic").push((metadata, message));
        let partial_success = (rejected_spans > 0)
            .then(|| ExportTracePartialSuccess { rejected_spans, error_message: "no".to_owned() });
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

impl Collector {
    /// Serves on a free port.
    fn serve(&self, runtime: &tokio::runtime::Runtime) -> u16 {
        let service =
            TraceServiceServer::new(self.clone()).accept_compressed(CompressionEncoding::Gzip);
        let _guard = runtime.enter();
        let incoming = tonic::transport::server::TcpIncoming::bind(([127, 0, 0, 1], 0).into())
            .expect("a port");
        let port = incoming.local_addr().expect("an address").port();
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        port
    }
}

#[test]
fn a_grpc_endpoint_gets_calls_as_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let collector = Collector::default();
    *collector.answers.lock().expect("no panic") = vec![Ok(3), Ok(0)];
    let mut upstream = local(collector.serve(&runtime));
    upstream.headers = vec![
        ("x-scope-orgid".to_owned(), "of the settings".to_owned()),
        ("x-api-key".to_owned(), "secret".to_owned()),
    ];
    let receiver = tee(folder.path(), upstream, quick());
    runtime.block_on(async {
        let client = grpc_client(receiver.grpc_port()).await;
        let mut request = Request::new(spans(0, 5));
        request.metadata_mut().insert("x-scope-orgid", "of the call".parse().expect("a value"));
        client.clone().export(request).await.expect("taken");
        let mut gzipping = client.send_compressed(CompressionEncoding::Gzip);
        gzipping.export(spans(5, 5)).await.expect("taken");
    });
    wait_for("both calls", || receiver.stats().traces.forwarded == 2);
    let stats = receiver.stop().stats.traces;
    assert_eq!((stats.rejected_items, stats.dropped(), stats.queued), (3, 0, 0));
    let mut calls = collector.calls.lock().expect("no panic").clone();
    calls.sort_by_key(|(_, message)| {
        message.resource_spans[0].scope_spans[0].spans[0].span_id.clone()
    });
    assert_eq!(calls[0].1, spans(0, 5));
    assert_eq!(calls[1].1, spans(5, 5));
    let header = |call: usize, name: &str| {
        calls[call].0.get(name).map(|value| value.to_str().expect("text").to_owned())
    };
    assert_eq!(header(0, "x-scope-orgid").as_deref(), Some("of the call"));
    assert_eq!(header(1, "x-scope-orgid").as_deref(), Some("of the settings"));
    assert_eq!(header(1, "x-api-key").as_deref(), Some("secret"));
    assert!(header(0, "user-agent").expect("a name").starts_with("tonic/"), "the exporter's own");
}

#[test]
fn a_grpc_endpoint_gets_http_and_json_in_protobuf() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let collector = Collector::default();
    let upstream = local(collector.serve(&runtime)).speaking(UpstreamProtocol::Grpc);
    let receiver = tee(folder.path(), upstream, quick());
    let port = receiver.http_port();
    assert_eq!(post(port, "/v1/traces", &[PROTOBUF], &spans(0, 2).encode_to_vec()).status, 200);
    wait_for("the first call", || receiver.stats().traces.forwarded == 1);
    let json = br#"{"resourceSpans":[{"scope_spans":[{"spans":[{
        "traceId":"00000000000000000000000000000001","spanId":"AAAAAAAAAAE=","parentSpanId":"",
        "name":"a\u0062","kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1700000000000000000",
        "endTimeUnixNano":1700000000000001000,"status":{"code":2},"unknown":[{"x":1}],
        "attributes":[{"key":"n","value":{"intValue":"-7"}},{"key":"r","value":{"doubleValue":2}},
        {"key":"l","value":{"arrayValue":{"values":[{"boolValue":true},{}]}}}]}]}]}]}"#;
    assert_eq!(post(port, "/v1/traces", &[JSON], json).status, 200);
    wait_for("the second call", || receiver.stats().traces.forwarded == 2);
    // JSON that stands for no message of protobuf is kept, and not sent on.
    let odd = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"not an id"}]}]}]}"#;
    assert_eq!(post(port, "/v1/traces", &[JSON], odd).status, 200);
    wait_for("the third call", || receiver.stats().traces.dropped_refused == 1);
    let calls = collector.calls.lock().expect("no panic").clone();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].1, spans(0, 2));
    let text = format!("{:?}", calls[1].1.resource_spans[0].scope_spans[0].spans);
    for part in [
        "trace_id: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
        "span_id: [0, 0, 0, 0, 0, 0, 0, 1]",
        r#"name: "ab""#,
        "kind: Server",
        "start_time_unix_nano: 1700000000000000000",
        "end_time_unix_nano: 1700000000000001000",
        "code: Error",
        "IntValue(-7)",
        "DoubleValue(2.0)",
        "BoolValue(true)",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_http_endpoint_gets_bodies_as_they_were() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let endpoint = receiver(folders[1].path());
    let upstream = Upstream::new(format!("http://127.0.0.1:{}/v1/traces", endpoint.http_port()))
        .speaking(UpstreamProtocol::Http);
    let options = ReceiverOptions {
        upstreams: Upstreams::default().with(Signal::Traces, upstream),
        ..ReceiverOptions::new(folders[0].path())
    };
    let receiver = Receiver::start(options).expect("a receiver");
    let json =
        br#"{ "resourceSpans": [{"scopeSpans":[{"spans":[{"spanId":"00000000000000ff"}]}]}]}"#;
    assert_eq!(post(receiver.http_port(), "/v1/traces", &[JSON], json).status, 200);
    let zstd = zstd::encode_all(spans(0, 4).encode_to_vec().as_slice(), 1).expect("memory");
    let headers = [PROTOBUF, "Content-Encoding: zstd"];
    assert_eq!(post(receiver.http_port(), "/v1/traces", &headers, &zstd).status, 200);
    runtime().block_on(async {
        grpc_client(receiver.grpc_port()).await.export(spans(4, 4)).await.expect("taken");
    });
    wait_for("all of it", || receiver.stats().traces.forwarded == 3);
    let (sent, got) = (receiver.stop(), endpoint.stop());
    assert_eq!(got.stats.traces.exports, 3);
    assert_eq!(imported(&got.spool_files), imported(&sent.spool_files));
    let kept = std::fs::read(folders[1].path().join("spans.otlp.jsonl")).expect("JSON");
    assert_eq!(kept, [&json[..], b"\n"].concat());
}

#[test]
fn metrics_and_logs_go_on_too() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let endpoint = receiver(folders[1].path());
    let base = format!("http://127.0.0.1:{}", endpoint.http_port());
    let upstreams = Upstreams::default()
        .with(Signal::Metrics, Upstream::new(format!("{base}/v1/metrics")))
        .with(Signal::Logs, Upstream::new(format!("{base}/v1/logs")));
    let options = ReceiverOptions { upstreams, ..ReceiverOptions::new(folders[0].path()) };
    let receiver = Receiver::start(options).expect("a receiver");
    let metrics = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a"}]}]}]}"#;
    assert_eq!(post(receiver.http_port(), "/v1/metrics", &[JSON], metrics).status, 200);
    assert_eq!(post(receiver.http_port(), "/v1/logs", &[PROTOBUF], b"").status, 200);
    let stats = receiver.stop().stats;
    assert_eq!((stats.metrics.forwarded, stats.logs.forwarded), (1, 1), "stopping waits for both");
    let got = endpoint.stop().stats;
    assert_eq!((got.metrics.items, got.logs.exports), (1, 1));
}

#[test]
fn nothing_is_lost_while_the_endpoint_is_down() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    // A port that nobody listens on.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let receiver = tee(folders[0].path(), local(port), quick());
    let n_exports = 200;
    let runtime = runtime();
    runtime.block_on(async {
        let mut client = grpc_client(receiver.grpc_port()).await;
        for export in 0..n_exports {
            client.export(spans(export * 50, 50)).await.expect("taken all the same");
        }
    });
    wait_for("a second attempt", || receiver.stats().traces.retries > 8);
    let stats = receiver.stats().traces;
    assert_eq!((stats.queued, stats.forwarded, stats.dropped()), (n_exports, 0, 0));
    let error = stats.upstream_error.expect("a reason");
    assert!(error.contains("refused"), "{error}");
    // It comes back.
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let collector = Collector::default();
    runtime.spawn({
        let service = TraceServiceServer::new(collector.clone());
        listener.set_nonblocking(true).expect("a listener");
        let _guard = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming)
    });
    let stats = receiver.stop().stats.traces;
    assert_eq!((stats.forwarded, stats.queued, stats.dropped()), (n_exports, 0, 0));
    let calls = collector.calls.lock().expect("no panic");
    let mut got: Vec<_> = calls
        .iter()
        .flat_map(|(_, message)| &message.resource_spans[0].scope_spans[0].spans)
        .map(|span| u64::from_be_bytes(span.span_id[..].try_into().expect("eight bytes")))
        .collect();
    got.sort_unstable();
    assert_eq!(got, (1..=n_exports * 50).collect::<Vec<_>>());
}

#[test]
fn beyond_the_bound_exports_are_dropped_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    // An endpoint that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let limits = Limits {
        queue_bytes: 100_000,
        upstream_timeout: Duration::from_millis(50),
        drain: Duration::from_millis(100),
        ..quick()
    };
    let receiver = tee(folder.path(), local(port), limits);
    let n_exports = 300;
    let body = spans(0, 10).encode_to_vec();
    for _ in 0..n_exports {
        assert_eq!(post(receiver.http_port(), "/v1/traces", &[PROTOBUF], &body).status, 200);
    }
    let queued = receiver.stats().traces;
    assert!(queued.dropped_queue_full > 0 && queued.queued_bytes <= 100_000, "{queued:?}");
    let stats = receiver.stop().stats;
    assert_eq!(stats.traces.dropped_at_stop, queued.queued);
    assert_eq!(stats.traces.dropped(), n_exports);
    assert_eq!(stats.spooled_spans, n_exports * 10, "what is not sent on is kept all the same");
}

/// An endpoint that answers one request for each status, and hands out what it got.
fn scripted(answers: Vec<&'static str>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let thread = std::thread::spawn(move || {
        answers
            .into_iter()
            .map(|answer| {
                let (mut stream, _) = listener.accept().expect("a connection");
                let request = read_request(&mut stream);
                let answer =
                    format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("answered");
                request
            })
            .collect()
    });
    (port, thread)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).expect("text").to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).expect("a length");
    let length: usize = length.split("\r\n").next().expect("a line").parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    head
}

#[test]
fn busy_endpoints_are_asked_again_and_refusals_are_final() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, endpoint) = scripted(vec![
        "503 Service Unavailable",
        "429 Too Many Requests\r\nRetry-After: 0",
        "502 Bad Gateway",
        "200 OK",
        "401 Unauthorized",
    ]);
    let receiver =
        tee(folder.path(), Upstream::new(format!("http://127.0.0.1:{port}/x/v1/traces")), quick());
    let headers = [JSON, "Authorization: Bearer abc", "X-Team: gpu"];
    assert_eq!(post(receiver.http_port(), "/v1/traces", &headers, b"{}").status, 200);
    wait_for("the first to go through", || receiver.stats().traces.forwarded == 1);
    assert_eq!(post(receiver.http_port(), "/v1/traces", &headers, b"{}").status, 200);
    let stats = receiver.stop().stats.traces;
    assert_eq!((stats.forwarded, stats.retries, stats.dropped_refused), (1, 3, 1));
    assert_eq!(stats.upstream_error.as_deref(), Some("401 Unauthorized: "));
    for request in endpoint.join().expect("five requests") {
        assert!(request.starts_with("post /x/v1/traces http/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: bearer abc\r\n"), "{request}");
        assert!(request.contains("x-team: gpu\r\n"), "{request}");
        assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
    }
}

#[test]
fn calls_that_may_succeed_later_are_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime();
    let collector = Collector::default();
    *collector.answers.lock().expect("no panic") = vec![
        Err(Status::unavailable("starting")),
        Err(Status::resource_exhausted("full")),
        Ok(0),
        Err(Status::unauthenticated("who are you?")),
    ];
    let receiver = tee(folder.path(), local(collector.serve(&runtime)), quick());
    runtime.block_on(async {
        let mut client = grpc_client(receiver.grpc_port()).await;
        client.export(spans(0, 1)).await.expect("taken");
        wait_for("the first to go through", || receiver.stats().traces.forwarded == 1);
        client.export(spans(1, 1)).await.expect("taken");
    });
    let stats = receiver.stop().stats.traces;
    assert_eq!((stats.forwarded, stats.retries, stats.dropped_refused), (1, 2, 1));
    assert_eq!(stats.upstream_error.as_deref(), Some("gRPC status 16: who are you?"));
}

#[test]
fn endpoints_that_are_none_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |upstream: Upstream| {
        let upstreams = Upstreams::default().with(Signal::Logs, upstream);
        let options = ReceiverOptions { upstreams, ..ReceiverOptions::new(folder.path()) };
        Receiver::start(options).map(drop).expect_err("no endpoint").to_string()
    };
    assert_eq!(
        start(Upstream::new("localhost:4317")),
        r#"the endpoint "localhost:4317" for logs: not an http or https URL"#
    );
    let mut upstream = Upstream::new("https://127.0.0.1:1");
    upstream.certificate = Some(folder.path().join("absent.pem"));
    assert!(start(upstream).contains("absent.pem"));
    let absent = folder.path().join("absent");
    let error = Receiver::start(ReceiverOptions::new(&absent)).map(drop).expect_err("no folder");
    assert!(error.to_string().ends_with("absent: spans cannot be kept here"), "{error}");
}
