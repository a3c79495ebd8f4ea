//! Request spans as OTLP/JSON: an `ExportTraceServiceRequest` with one resource per service.

use serde_json::{Value, json};

use crate::load::Arrival;
use crate::served::{Served, Stages};
use crate::spans::{request_id, triton_request_id};

/// Which engine answered, for the names and attributes of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Vllm,
    /// The model that is asked for.
    Triton(&'static str),
    PyTorch,
}

/// The document of all requests in `keep`.
pub(crate) fn document(served: &[&Served], base_ns: u64, server: Server) -> Value {
    let context = Context { base_ns, server };
    let spans = |of: &dyn Fn(&Served) -> (u64, Value)| {
        // Exporters send spans as they end.
        let mut rows: Vec<(u64, Value)> = served.iter().map(|s| of(s)).collect();
        rows.sort_by_key(|(end_ns, _)| *end_ns);
        rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    let mut resources = vec![
        json!({
            "resource": {"attributes": context.resource("edge-gateway", &[
                ("host.name", "gw-1"), ("deployment.environment", "prod")])},
            "scopeSpans": [{
                "scope": {"name": "opentelemetry.instrumentation.asgi", "version": "0.56b0"},
                "spans": spans(&|s| context.gateway(s))}],
        }),
        json!({
            "resource": {"attributes": context.resource("chat-backend", &[("host.name", "app-3")])},
            "scopeSpans": [{
                "scope": {"name": "opentelemetry.instrumentation.httpx", "version": "0.56b0"},
                "spans": spans(&|s| context.client(s))}],
        }),
    ];
    match server {
        Server::Vllm => resources.push(json!({
            "resource": {"attributes": context.resource("vllm-server", &[
                ("vllm.instrumenting_module_name", "vllm.llm_engine"),
                ("vllm.process_id", "5941")])},
            "scopeSpans": [{
                "scope": {"name": "vllm.tracing.otel", "version": ""},
                "spans": spans(&|s| context.llm_request(s))}],
        })),
        Server::PyTorch => resources.push(json!({
            "resource": {"attributes": context.resource("inference-api", &[
                ("service.version", "1.8.2"), ("host.name", "inference-0")])},
            "scopeSpans": [{
                "scope": {"name": "opentelemetry.instrumentation.fastapi", "version": "0.56b0"},
                "spans": spans(&|s| context.handler(s))}],
        })),
        Server::Triton(_) => {}
    }
    json!({"resourceSpans": resources})
}

struct Context {
    base_ns: u64,
    server: Server,
}

impl Context {
    fn path(&self) -> String {
        match self.server {
            Server::Vllm => "/v1/completions".to_owned(),
            Server::Triton(model) => format!("/v2/models/{model}/infer"),
            Server::PyTorch => "/predict".to_owned(),
        }
    }

    fn resource(&self, service: &str, more: &[(&str, &str)]) -> Vec<Value> {
        let mut attributes = vec![
            text("telemetry.sdk.language", "python"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.version", "1.35.0"),
            text("service.name", service),
        ];
        attributes.extend(more.iter().map(|(key, value)| text(key, value)));
        attributes
    }

    fn span(&self, row: SpanRow<'_>) -> (u64, Value) {
        let mut span = json!({
            "traceId": format!("{:032x}", row.arrival.trace_id),
            "spanId": format!("{:016x}", row.arrival.span_ids[row.depth]),
            "name": row.name,
            "kind": row.kind,
            "startTimeUnixNano": (self.base_ns + row.start_ns).to_string(),
            "endTimeUnixNano": (self.base_ns + row.end_ns).to_string(),
            "attributes": row.attributes,
            "status": {},
            "flags": if row.depth == 0 { 1 } else { 257 },
        });
        if row.depth > 0 {
            span["parentSpanId"] = json!(format!("{:016x}", row.arrival.span_ids[row.depth - 1]));
        }
        (row.end_ns, span)
    }

    fn gateway(&self, served: &Served) -> (u64, Value) {
        let path = self.path();
        self.span(SpanRow {
            arrival: &served.arrival,
            depth: 0,
            name: format!("POST {path}"),
            kind: 2,
            start_ns: served.arrival.gateway_ns,
            end_ns: served.gateway_end_ns(),
            attributes: vec![
                text("http.request.method", "POST"),
                text("url.path", &path),
                text("http.route", &path),
                integer("http.response.status_code", 200),
                text("server.address", "gw-1.internal"),
                text("user_agent.original", "python-httpx/0.27.2"),
            ],
        })
    }

    fn client(&self, served: &Served) -> (u64, Value) {
        let address = served.arrival.server_address;
        let mut attributes = vec![
            text("http.request.method", "POST"),
            text("server.address", address),
            integer("server.port", 8_000),
            text("url.full", &format!("http://{address}:8000{}", self.path())),
            integer("http.response.status_code", 200),
        ];
        if matches!(self.server, Server::Triton(_)) {
            attributes.push(text("triton.request_id", &triton_request_id(&served.arrival)));
        }
        self.span(SpanRow {
            arrival: &served.arrival,
            depth: 1,
            name: "POST".to_owned(),
            kind: 3,
            start_ns: served.arrival.client_ns,
            end_ns: served.client_end_ns(),
            attributes,
        })
    }

    fn handler(&self, served: &Served) -> (u64, Value) {
        self.span(SpanRow {
            arrival: &served.arrival,
            depth: 2,
            name: "POST /predict".to_owned(),
            kind: 2,
            start_ns: served.arrival.server_ns,
            end_ns: served.server_end_ns,
            attributes: vec![
                text("http.request.method", "POST"),
                text("http.scheme", "http"),
                text("http.host", &format!("{}:8000", served.arrival.server_address)),
                text("http.route", "/predict"),
                text("http.target", "/predict"),
                integer("http.response.status_code", 200),
                text("http.flavor", "1.1"),
            ],
        })
    }

    fn llm_request(&self, served: &Served) -> (u64, Value) {
        let arrival = &served.arrival;
        let mut attributes = Vec::new();
        if let Stages::Llm { queued_ns, scheduled_ns, first_token_ns, last_token_ns } =
            served.stages
        {
            let seconds = |from_ns: u64, to_ns: u64| {
                (to_ns.saturating_sub(from_ns) as f64 / 100.0).round() / 1e7
            };
            let ttft = seconds(arrival.server_ns, first_token_ns + 150_000);
            let end_to_end = seconds(arrival.server_ns, served.server_end_ns - 80_000);
            attributes = vec![
                double("gen_ai.latency.time_to_first_token", ttft),
                double("gen_ai.latency.e2e", end_to_end),
                double("gen_ai.latency.time_in_queue", seconds(queued_ns, scheduled_ns)),
                integer("gen_ai.usage.prompt_tokens", arrival.prompt),
                integer("gen_ai.usage.completion_tokens", arrival.output),
                double(
                    "gen_ai.latency.time_in_model_prefill",
                    seconds(scheduled_ns, first_token_ns),
                ),
                double(
                    "gen_ai.latency.time_in_model_decode",
                    seconds(first_token_ns, last_token_ns),
                ),
                double(
                    "gen_ai.latency.time_in_model_inference",
                    seconds(scheduled_ns, last_token_ns),
                ),
                text("gen_ai.request.id", &request_id(arrival)),
                double("gen_ai.request.top_p", 1.0),
                integer("gen_ai.request.max_tokens", arrival.output),
                double("gen_ai.request.temperature", 0.7),
                integer("gen_ai.request.n", 1),
            ];
        }
        self.span(SpanRow {
            arrival,
            depth: 2,
            name: "llm_request".to_owned(),
            kind: 2,
            // vLLM starts the span at a time in float seconds: multiples of 256 ns.
            start_ns: (self.base_ns + arrival.server_ns) / 256 * 256 - self.base_ns,
            end_ns: served.server_end_ns,
            attributes,
        })
    }
}

struct SpanRow<'a> {
    arrival: &'a Arrival,
    depth: usize,
    name: String,
    kind: u32,
    start_ns: u64,
    end_ns: u64,
    attributes: Vec<Value>,
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn integer(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn double(key: &str, value: f64) -> Value {
    json!({"key": key, "value": {"doubleValue": value}})
}
