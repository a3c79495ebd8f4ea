//! Exports spans by OTLP over HTTP, where the environment configures it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(400);

/// A request that was answered.
#[derive(Clone, Debug)]
pub(super) struct RequestSpan {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) parent_id: u64,
    pub(super) request: String,
    pub(super) start_ns: u64,
    pub(super) scheduled_ns: u64,
    pub(super) first_token_ns: u64,
    pub(super) end_ns: u64,
    pub(super) prompt_tokens: u32,
    pub(super) output_tokens: u32,
}

/// Sends spans from a thread of its own.
#[derive(Debug)]
pub(super) struct Exporter {
    spans: Option<Sender<RequestSpan>>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Where `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` say; nowhere
    /// when neither is set or it is not plain HTTP.
    pub(super) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
            let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            Some(format!("{}/v1/traces", base.trim_end_matches('/')))
        });
        let target = url.as_deref().and_then(|url| {
            let url = url.strip_prefix("http://")?;
            let (authority, path) = url.split_once('/').unwrap_or((url, ""));
            Some((authority.to_owned(), format!("/{path}")))
        });
        let Some((authority, path)) = target else { return Self { spans: None, thread: None } };
        let (spans, inbox) = channel();
        let thread = std::thread::spawn(move || send_all(&inbox, &authority, &path));
        Self { spans: Some(spans), thread: Some(thread) }
    }

    /// Hands a span over.
    pub(super) fn export(&self, span: RequestSpan) {
        if let Some(spans) = &self.spans {
            let _ = spans.send(span);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.spans.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send_all(inbox: &Receiver<RequestSpan>, authority: &str, path: &str) {
    while let Ok(first) = inbox.recv() {
        std::thread::sleep(GATHER);
        let spans: Vec<_> = std::iter::once(first).chain(inbox.try_iter()).collect();
        // A server does not end because its spans cannot be sent.
        let _ = send(&spans, authority, path);
    }
}

fn send(spans: &[RequestSpan], authority: &str, path: &str) -> std::io::Result<()> {
    let body = document(spans);
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// `ExportTraceServiceRequest` in OTLP's JSON.
fn document(spans: &[RequestSpan]) -> String {
    let service = attribute("service.name", &text("fake-server"));
    let spans: Vec<_> = spans.iter().map(span).collect();
    format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{service}]}},\"scopeSpans\":[{{\
         \"scope\":{{\"name\":\"vllm.llm_engine\"}},\"spans\":[{}]}}]}}]}}",
        spans.join(",")
    )
}

fn span(span: &RequestSpan) -> String {
    let seconds = |from: u64, to: u64| {
        format!("{{\"doubleValue\":{:.9}}}", to.saturating_sub(from) as f64 / 1e9)
    };
    let whole = |n: u32| format!("{{\"intValue\":\"{n}\"}}");
    let attributes = [
        attribute("gen_ai.request.id", &text(&span.request)),
        attribute("gen_ai.usage.prompt_tokens", &whole(span.prompt_tokens)),
        attribute("gen_ai.usage.completion_tokens", &whole(span.output_tokens)),
        attribute("gen_ai.latency.time_in_queue", &seconds(span.start_ns, span.scheduled_ns)),
        attribute(
            "gen_ai.latency.time_to_first_token",
            &seconds(span.start_ns, span.first_token_ns),
        ),
        attribute("gen_ai.latency.e2e", &seconds(span.start_ns, span.end_ns)),
    ];
    format!(
        "{{\"traceId\":\"{:032x}\",\"spanId\":\"{:016x}\",\"parentSpanId\":\"{:016x}\",\
         \"name\":\"llm_request\",\"kind\":2,\"startTimeUnixNano\":\"{}\",\
         \"endTimeUnixNano\":\"{}\",\"attributes\":[{}],\"status\":{{}}}}",
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.start_ns,
        span.end_ns,
        attributes.join(",")
    )
}

fn attribute(key: &str, value: &str) -> String {
    format!("{{\"key\":\"{key}\",\"value\":{value}}}")
}

/// The texts that are sent are this program's own and need no escapes.
fn text(text: &str) -> String {
    format!("{{\"stringValue\":\"{text}\"}}")
}
