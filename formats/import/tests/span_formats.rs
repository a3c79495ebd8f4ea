//! One trace, written as each of the formats writes it, reads as one trace.

mod support;

use underspan_model::tables::{SpanKind, SpanStatus};
use underspan_model::{ProblemKind, StringId, Timeline, span_facts};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const START_NS: i64 = 1_772_006_400_125_000_000;

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

fn import(content: &str) -> Timeline {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("spans");
    std::fs::write(&path, content).expect("written");
    support::import(&path).unwrap_or_else(|error| panic!("{}", support::message(&error)))
}

fn whole(timeline: &Timeline, span: u32, key: &str) -> Option<i64> {
    let key = timeline.strings.find(key)?.raw();
    timeline
        .span_attributes
        .iter()
        .find(|row| row.span == span && row.key == key)
        .map(|row| row.whole)
}

/// What every format must tell: a gateway's call and the engine's request under it.
fn check(timeline: &Timeline, format: &str) {
    assert_eq!(timeline.info.format, format);
    let spans: Vec<_> = timeline.spans.iter().collect();
    assert_eq!(spans.len(), 2, "{format}");
    let [outer, inner] = [&spans[0], &spans[1]];
    for span in [outer, inner] {
        let trace = (u128::from(span.trace_id_high) << 64) | u128::from(span.trace_id_low);
        assert_eq!(format!("{trace:032x}"), TRACE, "{format}");
    }
    assert_eq!(text(timeline, outer.name), "POST /v1/completions", "{format}");
    assert_eq!(text(timeline, outer.service), "gateway", "{format}");
    assert_eq!((outer.span_id, outer.parent_span_id), (0x00f0_67aa_0ba9_02b7, 0), "{format}");
    assert_eq!(outer.kind, SpanKind::Server.code(), "{format}");
    assert_eq!(outer.status, SpanStatus::Error.code(), "{format}");
    assert_eq!((outer.start_ns, outer.duration_ns), (START_NS, 250_000_000), "{format}");
    assert_eq!(text(timeline, inner.name), "llm_request", "{format}");
    assert_eq!(text(timeline, inner.service), "vllm", "{format}");
    assert_eq!((inner.span_id, inner.parent_span_id), (0x53ce_929d_0e0e_4736, outer.span_id));
    assert_eq!(
        (inner.start_ns, inner.duration_ns),
        (START_NS + 20_000_000, 200_000_000),
        "{format}"
    );
    // Facts, whatever type the format can hold.
    assert_eq!(whole(timeline, inner.id, span_facts::QUEUE_NS), Some(12_500_000), "{format}");
    assert_eq!(whole(timeline, inner.id, span_facts::PREFILL_NS), Some(30_000_000), "{format}");
    assert_eq!(whole(timeline, inner.id, span_facts::PROMPT_TOKENS), Some(324), "{format}");
    assert_eq!(text(timeline, inner.request), "cmpl-7", "{format}");
    // No prompt is kept, and it is said that there was one.
    assert!(timeline.strings.iter().all(|text| !text.contains("the secret")), "{format}");
    assert_eq!(timeline.problems.count(ProblemKind::WithheldAttribute), 1, "{format}");
}

#[test]
fn otlp_in_json() {
    let attributes = r#"[
      {"key": "gen_ai.request.id", "value": {"stringValue": "cmpl-7"}},
      {"key": "gen_ai.latency.time_in_queue", "value": {"doubleValue": 0.0125}},
      {"key": "gen_ai.latency.time_in_model_prefill", "value": {"doubleValue": 0.03}},
      {"key": "gen_ai.prompt", "value": {"stringValue": "the secret"}},
      {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": "324"}}]"#;
    let hex = format!(
        r#"{{"resourceSpans": [
        {{"resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue": "gateway"}}}}]}},
          "scopeSpans": [{{"spans": [{{"traceId": "{TRACE}", "spanId": "00f067aa0ba902b7",
            "name": "POST /v1/completions", "kind": 2, "startTimeUnixNano": "1772006400125000000",
            "endTimeUnixNano": "1772006400375000000", "status": {{"code": 2}}}}]}}]}},
        {{"scopeSpans": [{{"spans": [{{"traceId": "{TRACE}", "spanId": "53ce929d0e0e4736",
            "parentSpanId": "00f067aa0ba902b7", "name": "llm_request", "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": 1772006400145000000, "endTimeUnixNano": 1772006400345000000,
            "attributes": {attributes}}}], "scope": {{"name": "vllm.tracing.otel"}}}}],
          "resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue": "vllm"}}}}]}}}}
        ]}}"#
    );
    check(&import(&hex), "otlp_json");
    // A line each, as the Collector's file exporter writes; base64, as plain protobuf JSON does;
    // and the names Tempo uses.
    let flat = hex.replace('\n', " ");
    let base64 = flat
        .replace(TRACE, "S/kvNXezTaajzpKdDg5HNg==")
        .replace("00f067aa0ba902b7", "APBnqgupArc=")
        .replace("53ce929d0e0e4736", "U86SnQ4ORzY=");
    check(&import(&base64), "otlp_json");
    check(&import(&flat.replace("resourceSpans", "batches")), "otlp_json");
    check(&import(&format!("{{\"trace\": {flat}}}")), "otlp_json");
    check(&import(&format!("{{\"result\": {flat}}}")), "otlp_json");
    check(&import(&format!("[{flat}]")), "otlp_json");
    let old = flat
        .replace("scopeSpans", "instrumentationLibrarySpans")
        .replace("\"scope\"", "\"instrumentationLibrary\"");
    check(&import(&old), "otlp_json");
    let metrics = r#"{"resourceMetrics": []}"#;
    let lines = import(&format!("{flat}\n{flat}\n{metrics}\n"));
    assert_eq!(lines.spans.len(), 2);
    assert_eq!(lines.problems.count(ProblemKind::DuplicateSpan), 2);
    assert_eq!(lines.problems.count(ProblemKind::UnimportedTable), 1);
}

#[test]
fn jaeger() {
    let spans = format!(
        r#"[{{"traceID": "{TRACE}", "spanID": "53ce929d0e0e4736", "operationName": "llm_request",
          "references": [{{"refType": "CHILD_OF", "traceID": "{TRACE}", "spanID": "00f067aa0ba902b7"}}],
          "startTime": 1772006400145000, "duration": 200000, "processID": "p2", "logs": [],
          "tags": [{{"key": "gen_ai.latency.time_in_queue", "type": "float64", "value": 0.0125}},
            {{"key": "gen_ai.latency.time_in_model_prefill", "type": "float64", "value": 0.03}},
            {{"key": "gen_ai.usage.prompt_tokens", "type": "int64", "value": 324}},
            {{"key": "gen_ai.prompt", "type": "string", "value": "the secret"}},
            {{"key": "otel.scope.name", "type": "string", "value": "vllm.tracing.otel"}},
            {{"key": "span.kind", "type": "string", "value": "server"}},
            {{"key": "gen_ai.request.id", "type": "string", "value": "cmpl-7"}}]}},
         {{"traceID": "{TRACE}", "spanID": "00f067aa0ba902b7", "operationName": "POST /v1/completions",
          "references": [], "startTime": 1772006400125000, "duration": 250000, "processID": "p1",
          "tags": [{{"key": "span.kind", "type": "string", "value": "server"}},
            {{"key": "error", "type": "bool", "value": true}}]}}]"#
    );
    let processes = r#"{"p1": {"serviceName": "gateway", "tags": []}, "p2": {"serviceName": "vllm", "tags": []}}"#;
    let trace = format!(r#"{{"traceID": "{TRACE}", "spans": {spans}, "processes": {processes}}}"#);
    check(&import(&format!(r#"{{"data": [{trace}], "total": 0, "errors": null}}"#)), "jaeger_json");
    check(&import(&trace), "jaeger_json");
    let turned =
        format!(r#"[{{"processes": {processes}, "traceID": "{TRACE}", "spans": {spans}}}]"#);
    check(&import(&turned), "jaeger_json");
}

#[test]
fn zipkin() {
    let spans = format!(
        r#"{{"traceId": "{TRACE}", "id": "00f067aa0ba902b7", "kind": "SERVER",
          "name": "POST /v1/completions", "timestamp": 1772006400125000, "duration": 250000,
          "localEndpoint": {{"serviceName": "gateway", "ipv4": "10.0.0.1"}}, "tags": {{"error": "boom"}}}}
        ,{{"traceId": "{TRACE}", "parentId": "00f067aa0ba902b7", "id": "53ce929d0e0e4736",
          "kind": "SERVER", "name": "llm_request", "timestamp": 1772006400145000, "duration": 200000,
          "localEndpoint": {{"serviceName": "vllm"}},
          "tags": {{"gen_ai.request.id": "cmpl-7", "gen_ai.latency.time_in_queue": "0.0125",
            "gen_ai.latency.time_in_model_prefill": "0.03", "gen_ai.prompt": "the secret",
            "gen_ai.usage.prompt_tokens": "324"}}}}"#
    );
    // The tag of the error is a message: withheld like the prompt.
    let spans = spans.replace(r#""error": "boom""#, r#""otel.status_code": "ERROR""#);
    check(&import(&format!("[{spans}]")), "zipkin_json");
    check(&import(&format!("[[{spans}]]")), "zipkin_json");
}

#[test]
fn datadog() {
    let (high, low) = (&TRACE[..16], u64::from_str_radix(&TRACE[16..], 16).expect("hex"));
    let (outer, inner) = (0x00f0_67aa_0ba9_02b7_u64, 0x53ce_929d_0e0e_4736_u64);
    let agent = format!(
        r#"[[{{"trace_id": {low}, "span_id": {outer}, "parent_id": 0, "name": "server.request",
          "resource": "POST /v1/completions", "service": "gateway", "type": "web", "error": 1,
          "start": 1772006400125000000, "duration": 250000000,
          "meta": {{"span.kind": "server", "_dd.p.tid": "{high}"}}}},
         {{"trace_id": {low}, "span_id": {inner}, "parent_id": {outer}, "name": "vllm.request",
          "resource": "llm_request", "service": "vllm", "error": 0,
          "start": 1772006400145000000, "duration": 200000000,
          "meta": {{"span.kind": "server", "_dd.p.tid": "{high}", "gen_ai.request.id": "cmpl-7",
            "gen_ai.prompt": "the secret"}},
          "metrics": {{"gen_ai.latency.time_in_queue": 0.0125, "gen_ai.usage.prompt_tokens": 324,
            "gen_ai.latency.time_in_model_prefill": 0.03}}}}]]"#
    );
    let agent = agent
        .replace(&format!(r#""_dd.p.tid": "{high}", "#), r#""_dd.p.tid": "HIGH", "#)
        .replace("HIGH", high);
    let timeline = import(&agent);
    // The upper half of the trace id is a tag of its own, and is not stored as one.
    assert_eq!(timeline.problems.count(ProblemKind::WithheldAttribute), 3);
    let answer = format!(
        r#"{{"data": [
        {{"id": "a", "type": "spans", "attributes": {{"trace_id": "{TRACE}", "span_id": "{outer}",
          "parent_id": "0", "start_timestamp": "2026-02-25T08:00:00.125Z",
          "end_timestamp": "2026-02-25T08:00:00.375Z", "service": "gateway", "status": "error",
          "resource_name": "POST /v1/completions", "operation_name": "server.request",
          "custom": {{"span": {{"kind": "server"}}}}}}}},
        {{"id": "b", "type": "spans", "attributes": {{"trace_id": "{TRACE}", "span_id": "{inner}",
          "parent_id": "{outer}", "start_timestamp": "2026-02-25T08:00:00.145Z",
          "end_timestamp": "2026-02-25T08:00:00.999Z", "service": "vllm",
          "resource_name": "llm_request", "operation_name": "vllm.request",
          "custom": {{"gen_ai": {{"request": {{"id": "cmpl-7"}}, "prompt": "the secret",
            "latency": {{"time_in_queue": 0.0125, "time_in_model_prefill": 0.03}},
            "usage": {{"prompt_tokens": 324}}}}, "span": {{"kind": "server"}}}},
          "attributes": {{"duration": 200000000}}}}}}]}}"#
    );
    let timeline = import(&answer);
    assert_eq!(timeline.problems.count(ProblemKind::WithheldAttribute), 2);
    for mut timeline in [import(&agent), timeline] {
        timeline.problems = Default::default();
        timeline.problems.record(ProblemKind::WithheldAttribute, "spans", 1, String::new);
        check(&timeline, "datadog_json");
    }
}

#[test]
fn elastic() {
    let documents = [
        format!(
            r#"{{"@timestamp": "2026-02-25T08:00:00.125Z", "timestamp": {{"us": 1772006400125000}},
            "processor": {{"event": "transaction"}}, "trace": {{"id": "{TRACE}"}},
            "transaction": {{"id": "00f067aa0ba902b7", "name": "POST /v1/completions",
              "duration": {{"us": 250000}}}},
            "event": {{"outcome": "failure"}}, "service": {{"name": "gateway"}}}}"#
        ),
        format!(
            r#"{{"@timestamp": "2026-02-25T08:00:00.145Z", "timestamp.us": 1772006400145000,
            "processor.event": "span", "trace.id": "{TRACE}", "transaction.id": "00f067aa0ba902b7",
            "parent.id": "00f067aa0ba902b7", "span.id": "53ce929d0e0e4736",
            "span.name": "llm_request", "span.duration.us": 200000, "service.name": "vllm",
            "labels": {{"gen_ai_request_id": "cmpl-7", "gen_ai_prompt": "the secret"}},
            "numeric_labels": {{"gen_ai_latency_time_in_queue": 0.0125,
              "gen_ai_latency_time_in_model_prefill": 0.03, "gen_ai_usage_prompt_tokens": 324}}}}"#
        ),
    ];
    let hits: Vec<_> =
        documents.iter().map(|d| format!(r#"{{"_index": "traces", "_source": {d}}}"#)).collect();
    let search = format!(
        r#"{{"took": 3, "hits": {{"total": {{"value": 2}}, "hits": [{}]}}}}"#,
        hits.join(",")
    );
    check(&import(&search), "elastic_apm_json");
    check(&import(&hits.join("\n")), "elastic_apm_json");
    check(&import(&documents.join("\n")), "elastic_apm_json");
    let intake = format!(
        r#"{{"metadata": {{"service": {{"name": "gateway"}}}}}}
{{"transaction": {{"id": "00f067aa0ba902b7", "trace_id": "{TRACE}", "name": "POST /v1/completions",
  "type": "request", "timestamp": 1772006400125000, "duration": 250, "outcome": "failure"}}}}
{{"metadata": {{"service": {{"name": "vllm"}}}}}}
{{"span": {{"id": "53ce929d0e0e4736", "trace_id": "{TRACE}", "parent_id": "00f067aa0ba902b7",
  "transaction_id": "00f067aa0ba902b7", "name": "llm_request", "type": "app",
  "timestamp": 1772006400145000, "duration": 200.0, "otel": {{"span_kind": "SERVER",
  "attributes": {{"gen_ai.request.id": "cmpl-7", "gen_ai.prompt": "the secret",
    "gen_ai.latency.time_in_queue": 0.0125, "gen_ai.latency.time_in_model_prefill": 0.03,
    "gen_ai.usage.prompt_tokens": 324}}}}}}}}"#
    );
    check(&import(&intake), "elastic_apm_json");
}

#[test]
fn signoz() {
    let table = format!(
        r#"[{{"columns": ["__time", "SpanId", "TraceId", "ServiceName", "Name", "Kind", "DurationNano",
        "TagsKeys", "TagsValues", "References", "HasError"], "events": [
        [1772006400125, "00f067aa0ba902b7", "{TRACE}", "gateway", "POST /v1/completions", "2",
         "250000000", [], [], ["{{TraceId={TRACE}, SpanId=, RefType=CHILD_OF}}"], true],
        [1772006400145, "53ce929d0e0e4736", "{TRACE}", "vllm", "llm_request", "2", "200000000",
         ["gen_ai.request.id", "gen_ai.latency.time_in_queue", "gen_ai.latency.time_in_model_prefill",
          "gen_ai.usage.prompt_tokens", "gen_ai.prompt"],
         ["cmpl-7", "0.0125", "0.03", "324", "the secret"],
         ["{{TraceId={TRACE}, SpanId=00f067aa0ba902b7, RefType=CHILD_OF}}"], false]]}}]"#
    );
    check(&import(&table), "signoz_json");
    let waterfall = format!(
        r#"{{"status": "success", "data": {{"startTimestampMillis": 1, "spans": [
        {{"timestamp": 1772006400125, "durationNano": 250000000, "spanId": "00f067aa0ba902b7",
          "traceId": "{TRACE}", "parentSpanId": "", "name": "POST /v1/completions", "kind": 2,
          "serviceName": "gateway", "hasError": true, "tagMap": {{}}, "children": [
          {{"timestamp": 1772006400145, "durationNano": 200000000, "spanId": "53ce929d0e0e4736",
            "traceId": "{TRACE}", "references": [{{"traceId": "{TRACE}", "spanId": "00f067aa0ba902b7",
              "refType": "CHILD_OF"}}], "name": "llm_request", "kind": 2, "serviceName": "vllm",
            "hasError": false, "children": null, "tagMap": {{"gen_ai.request.id": "cmpl-7",
              "gen_ai.latency.time_in_queue": "0.0125", "gen_ai.prompt": "the secret",
              "gen_ai.latency.time_in_model_prefill": "0.03", "gen_ai.usage.prompt_tokens": "324"}}}}]}}
        ]}}}}"#
    );
    check(&import(&waterfall), "signoz_json");
}

#[test]
fn formats_are_told_apart_by_content_alone() {
    let Some(corpus) = support::corpus() else { return };
    let shared = corpus.parent().expect("a folder");
    for (file, format) in [
        ("engines/triton/trace.json.gz", "triton_json"),
        ("corpus/triton/t00_triton-trace_docs_example.json", "triton_json"),
        ("engines/vllm/otlp_traces.json.gz", "otlp_json"),
        ("captures/vllm/spans.otlp.json.gz", "otlp_json"),
        ("captures/vllm/metrics.prom", "prometheus_text"),
        ("captures/vllm/nvml.csv", "nvidia_smi_csv"),
        ("captures/vllm/pmon.txt", "nvidia_smi_table"),
        ("captures/triton/clock.json", "clock_json"),
        ("captures/triton/declared.json", "declared_json"),
        ("captures/vllm/trace.json.gz", "kineto_json"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let plain = dir.path().join("file");
        std::fs::copy(shared.join(file), &plain).expect("copied");
        let timeline = support::import(&plain).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(timeline.info.format, format, "{file}");
    }
}
