//! How many spans a second a receiver takes, checks, keeps and sends on, over each transport.
//!
//! `cargo bench -p underspan-receiver`; items are spans. Clients, receiver and endpoint share the
//! machine. An export holds 512 spans, as exporters send them.

use divan::counter::{BytesCount, ItemsCount};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tempfile::TempDir;
use tonic::transport::Channel;
use underspan_receiver::{Limits, Receiver, ReceiverOptions, Signal, Upstream, Upstreams};

const SPANS: u64 = 512;
const CLIENTS: u64 = 4;
const EXPORTS_EACH: u64 = 25;

fn main() {
    divan::main();
}

/// An export like vLLM's: a span of a request with ten attributes.
fn export() -> ExportTraceServiceRequest {
    let attribute = |index: u64| KeyValue {
        key: format!("gen_ai.latency.part_{index}"),
        value: Some(AnyValue { value: Some(Value::DoubleValue(index as f64)) }),
        ..KeyValue::default()
    };
    let span = |index: u64| Span {
        trace_id: (u128::from(index) + 1).to_be_bytes().to_vec(),
        span_id: (index + 1).to_be_bytes().to_vec(),
        parent_span_id: vec![1; 8],
        name: "llm_request".to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000 + index,
        end_time_unix_nano: 1_700_000_000_000_000_000 + index + 1000,
        attributes: (0..10).map(attribute).collect(),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: (0..SPANS).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    receiver: Receiver,
    _endpoint: Option<Receiver>,
    _folders: [TempDir; 2],
}

impl Bench {
    fn start(has_endpoint: bool) -> Self {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let limits = || Limits { spool_bytes: 8 << 30, ..Limits::default() };
        let endpoint = has_endpoint.then(|| {
            let options = ReceiverOptions {
                limits: Limits { spool_bytes: 0, ..limits() },
                ..ReceiverOptions::new(folders[1].path())
            };
            Receiver::start(options).expect("an endpoint")
        });
        let mut upstreams = Upstreams::default();
        if let Some(endpoint) = &endpoint {
            let url = format!("http://127.0.0.1:{}/v1/traces", endpoint.http_port());
            upstreams.set(Signal::Traces, Upstream::new(url));
        }
        let options = ReceiverOptions {
            upstreams,
            limits: limits(),
            ..ReceiverOptions::new(folders[0].path())
        };
        let receiver = Receiver::start(options).expect("a receiver");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self { runtime, receiver, _endpoint: endpoint, _folders: folders }
    }

    fn grpc_clients(&self) -> Vec<TraceServiceClient<Channel>> {
        self.runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..CLIENTS {
                let endpoint = format!("http://127.0.0.1:{}", self.receiver.grpc_port());
                clients.push(TraceServiceClient::connect(endpoint).await.expect("a connection"));
            }
            clients
        })
    }

    fn send_grpc(
        &self,
        clients: &[TraceServiceClient<Channel>],
        export: &ExportTraceServiceRequest,
    ) {
        self.runtime.block_on(async {
            let sending: Vec<_> = clients
                .iter()
                .map(|client| {
                    let (mut client, export) = (client.clone(), export.clone());
                    tokio::spawn(async move {
                        for _ in 0..EXPORTS_EACH {
                            client.export(export.clone()).await.expect("taken");
                        }
                    })
                })
                .collect();
            for client in sending {
                client.await.expect("no panic");
            }
        });
    }
}

fn counted<'a, 'b>(bencher: divan::Bencher<'a, 'b>) -> divan::Bencher<'a, 'b> {
    let n_exports = CLIENTS * EXPORTS_EACH;
    bencher
        .counter(ItemsCount::new(n_exports * SPANS))
        .counter(BytesCount::new(n_exports * export().encoded_len() as u64))
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn grpc(bencher: divan::Bencher<'_, '_>) {
    let bench = Bench::start(false);
    let (clients, export) = (bench.grpc_clients(), export());
    counted(bencher).bench_local(|| bench.send_grpc(&clients, &export));
}

/// Sent on to a second receiver; what the endpoint has not taken at the end does not count.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn grpc_with_endpoint(bencher: divan::Bencher<'_, '_>) {
    let bench = Bench::start(true);
    let (clients, export) = (bench.grpc_clients(), export());
    counted(bencher).bench_local(|| {
        bench.send_grpc(&clients, &export);
        while bench.receiver.stats().traces.queued > 0 {
            std::thread::yield_now();
        }
    });
    let traces = bench.receiver.stats().traces;
    assert_eq!((traces.dropped(), traces.forwarded), (0, traces.exports));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn http(bencher: divan::Bencher<'_, '_>) {
    use std::io::{Read, Write};

    let bench = Bench::start(false);
    let body = export().encode_to_vec();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let port = bench.receiver.http_port();
    counted(bencher).bench_local(|| {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut stream =
                        std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
                    for _ in 0..EXPORTS_EACH {
                        stream.write_all(&request).expect("sent");
                        // The answer is short and comes in one piece.
                        let n = stream.read(&mut [0; 1024]).expect("an answer");
                        assert!(n > 0, "taken");
                    }
                });
            }
        });
    });
    let traces = bench.receiver.stats().traces;
    assert_eq!(traces.items, traces.exports * SPANS);
}
