//! What an exporter notices of an endpoint that is down for a minute, and what the endpoint gets
//! when it is back.
//!
//! `cargo bench -p underspan-receiver --bench outage [-- SECONDS]`. Four clients export 512 spans
//! ten times a second each, first while the endpoint is there, then while it is gone.

#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use underspan_receiver::{
    Limits, Receiver, ReceiverOptions, Signal, Upstream, UpstreamProtocol, Upstreams,
};

const SPANS: u64 = 512;
const CLIENTS: u64 = 4;
const EVERY: Duration = Duration::from_millis(100);

fn main() {
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let outage = Duration::from_secs(asked.unwrap_or(60));
    let roomy = Limits::default().queue_bytes;
    println!("endpoint gone for {outage:?}; times are of one export, as its exporter sees it");
    for queue_bytes in [roomy, 8 << 20] {
        through_an_outage(outage, queue_bytes);
    }
}

fn through_an_outage(outage: Duration, queue_bytes: usize) {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let limits = Limits { queue_bytes, drain: Duration::from_secs(60), ..Limits::default() };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let beside = with_endpoint(folders[0].path(), &limits, &runtime);

    // A port that nobody listens on until the endpoint is back.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr());
    let port = port.expect("a port").port();
    let receiver = receiver(folders[1].path(), port, limits.clone());
    let (n, times) = export(&runtime, receiver.grpc_port(), outage);
    let down = receiver.stats().traces;
    let back = Instant::now();
    let got = runtime.block_on(async { counting_endpoint(port) });
    // Stopping waits for what is to be sent on.
    let stats = receiver.stop().stats;
    let drained = back.elapsed();
    let spans = got.load(Ordering::Relaxed);
    let traces = &stats.traces;
    println!("queue of {} MiB", queue_bytes >> 20);
    println!("  endpoint there: {}", percentiles(beside));
    println!("  endpoint gone:  {}", percentiles(times));
    println!(
        "  {n} exports: {} waiting when it came back, {} forwarded within {drained:.2?}, {} dropped \
         for lack of room, {} retries",
        down.queued, traces.forwarded, traces.dropped_queue_full, traces.retries
    );
    println!("  {} spans kept in the capture, {spans} at the endpoint", stats.spooled_spans);
    assert_eq!(traces.forwarded + traces.dropped(), n, "every export is accounted for");
    assert_eq!(spans, traces.forwarded * SPANS, "the endpoint has what was forwarded, once");
    assert_eq!(stats.spooled_spans, n * SPANS);
}

fn receiver(folder: &Path, port: u16, limits: Limits) -> Receiver {
    let url = format!("http://127.0.0.1:{port}");
    let upstream = Upstream::new(url).speaking(UpstreamProtocol::Grpc);
    let upstreams = Upstreams::default().with(Signal::Traces, upstream);
    let options = ReceiverOptions { upstreams, limits, ..ReceiverOptions::new(folder) };
    Receiver::start(options).expect("a receiver")
}

/// Times while the endpoint is there, for comparison.
fn with_endpoint(
    folder: &Path,
    limits: &Limits,
    runtime: &tokio::runtime::Runtime,
) -> Vec<Duration> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr());
    let port = port.expect("a port").port();
    runtime.block_on(async { counting_endpoint(port) });
    let receiver = receiver(folder, port, limits.clone());
    export(runtime, receiver.grpc_port(), Duration::from_secs(5)).1
}

/// Exports for a while; returns how many were taken and how long each took.
fn export(runtime: &tokio::runtime::Runtime, port: u16, during: Duration) -> (u64, Vec<Duration>) {
    let clients = (0..CLIENTS).map(|client| {
        runtime.spawn(async move {
            let uri = format!("http://127.0.0.1:{port}");
            let mut exporter = TraceServiceClient::connect(uri).await.expect("a connection");
            let mut times = Vec::new();
            let mut next = tokio::time::interval(EVERY);
            let since = Instant::now();
            while since.elapsed() < during {
                next.tick().await;
                let request = spans(client << 32 | times.len() as u64);
                let sent = Instant::now();
                exporter.export(request).await.expect("taken");
                times.push(sent.elapsed());
            }
            times
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(runtime.block_on(client).expect("no panic"));
    }
    (times.len() as u64, times)
}

/// An endpoint that counts the spans it gets.
#[derive(Clone, Default)]
struct Endpoint(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Endpoint {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let scopes = resources.iter().flat_map(|resource| &resource.scope_spans);
        let n: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(n as u64, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Serves on a port, on the runtime that this runs in, and returns the count.
fn counting_endpoint(port: u16) -> Arc<AtomicU64> {
    let endpoint = Endpoint::default();
    let count = Arc::clone(&endpoint.0);
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], port).into()).expect("the port is free");
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(endpoint));
    tokio::spawn(server.serve_with_incoming(incoming));
    count
}

fn spans(export: u64) -> ExportTraceServiceRequest {
    let span = |index: u64| Span {
        trace_id: (u128::from(export) + 1).to_be_bytes().to_vec(),
        span_id: (index + 1).to_be_bytes().to_vec(),
        name: "llm_request".to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000 + index,
        end_time_unix_nano: 1_700_000_000_000_000_000 + index + 1000,
        ..Span::default()
    };
    let spans = (0..SPANS).map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    format!("p50 {:.2?}, p99 {:.2?}, longest {:.2?}", at(0.5), at(0.99), at(1.0))
}
