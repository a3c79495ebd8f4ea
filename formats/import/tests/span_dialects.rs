//! What engines say about requests, read with each engine's own meaning.

mod support;

use std::collections::BTreeMap;

use underspan_model::tables::{AttributeKind, Rung, StepKind};
use underspan_model::{NONE_U32, StringId, Timeline, span_facts as fact};

const START_NS: i64 = 1_772_006_400_000_000_000;

/// Name, microseconds after the span's start, attributes.
type Event = (&'static str, i64, Vec<(&'static str, String)>);

/// A span to write as OTLP.
#[derive(Default)]
struct Made {
    id: u64,
    parent: u64,
    trace: u64,
    name: &'static str,
    scope: &'static str,
    service: &'static str,
    /// Microseconds after the start of the run.
    at_us: i64,
    length_us: i64,
    attributes: Vec<(&'static str, String)>,
    events: Vec<Event>,
    links: Vec<(u64, u64)>,
}

fn attributes(list: &[(&str, String)]) -> String {
    let written = list.iter().map(|(key, value)| {
        let kind = if value.parse::<i64>().is_ok() {
            format!(r#"{{"intValue": "{value}"}}"#)
        } else if value.parse::<f64>().is_ok() {
            format!(r#"{{"doubleValue": {value}}}"#)
        } else {
            format!(r#"{{"stringValue": {value:?}}}"#)
        };
        format!(r#"{{"key": "{key}", "value": {kind}}}"#)
    });
    format!("[{}]", written.collect::<Vec<_>>().join(","))
}

fn otlp(spans: &[Made]) -> String {
    let resources = spans.iter().map(|span| {
        let ns = |us: i64| START_NS + us * 1_000;
        let trace = |id: u64| format!("{:032x}", u128::from(id) << 64 | 7);
        let events = span.events.iter().map(|(name, at, list)| {
            let list = attributes(list);
            format!(r#"{{"name": "{name}", "timeUnixNano": "{}", "attributes": {list}}}"#, ns(*at))
        });
        let links = span.links.iter().map(|(of, id)| {
            format!(r#"{{"traceId": "{}", "spanId": "{id:016x}"}}"#, trace(*of))
        });
        let parent = if span.parent == 0 { String::new() } else { format!("{:016x}", span.parent) };
        format!(
            r#"{{"resource": {{"attributes": {}}}, "scopeSpans": [{{"scope": {{"name": "{}"}}, "spans": [
            {{"traceId": "{}", "spanId": "{:016x}", "parentSpanId": "{parent}", "name": "{}",
              "startTimeUnixNano": "{}", "endTimeUnixNano": "{}", "attributes": {},
              "events": [{}], "links": [{}]}}]}}]}}"#,
            attributes(&[("service.name", span.service.to_owned())]),
            span.scope,
            trace(span.trace),
            span.id,
            span.name,
            ns(span.at_us),
            ns(span.at_us + span.length_us),
            attributes(&span.attributes),
            events.collect::<Vec<_>>().join(","),
            links.collect::<Vec<_>>().join(","),
        )
    });
    let resources: Vec<_> = resources.collect();
    format!(r#"{{"resourceSpans": [{}]}}"#, resources.join(","))
}

fn import(spans: &[Made]) -> Timeline {
    import_text(&otlp(spans))
}

fn import_text(text: &str) -> Timeline {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("spans.json");
    std::fs::write(&path, text).expect("written");
    support::import(&path).unwrap_or_else(|error| panic!("{}", support::message(&error)))
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

/// The facts of the span with this id, without what the source said itself.
fn facts(timeline: &Timeline, span_id: u64) -> BTreeMap<String, String> {
    let id = timeline.spans.iter().find(|span| span.span_id == span_id).expect("the span").id;
    let rows =
        timeline.span_attributes.iter().filter(|row| row.span == id && row.event == NONE_U32);
    rows.filter_map(|row| {
        let key = text(timeline, row.key);
        let value = match row.attribute_kind() {
            AttributeKind::Text => text(timeline, row.text),
            AttributeKind::Whole => row.whole.to_string(),
            _ => row.real.to_string(),
        };
        Some((key.strip_prefix("underspan.")?.to_owned(), value))
    })
    .collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn said(key: &'static str, value: &str) -> (&'static str, String) {
    (key, value.to_owned())
}

#[test]
fn vllm_prefill_does_not_hold_the_queue() {
    let timeline = import(&[
        Made {
            id: 1,
            trace: 1,
            name: "llm_request",
            scope: "vllm.tracing.otel",
            length_us: 500_000,
            attributes: vec![
                said("gen_ai.latency.time_to_first_token", "0.25"),
                said("gen_ai.latency.e2e", "0.5"),
                said("gen_ai.latency.time_in_queue", "0.125"),
                said("gen_ai.latency.time_in_model_prefill", "0.0625"),
                said("gen_ai.latency.time_in_model_decode", "0.25"),
                said("gen_ai.latency.time_in_model_inference", "0.3125"),
                said("gen_ai.usage.prompt_tokens", "40"),
                said("gen_ai.usage.completion_tokens", "9"),
                said("gen_ai.request.max_tokens", "16"),
                said("gen_ai.request.id", "cmpl-a"),
            ],
            ..Made::default()
        },
        Made {
            id: 2,
            trace: 2,
            name: "Load model",
            scope: "vllm.loader",
            length_us: 5,
            ..Made::default()
        },
    ]);
    let found = facts(&timeline, 1);
    assert_eq!(
        found,
        expected(&[
            ("engine", "vllm"),
            ("role", "request"),
            ("ttft_ns", "250000000"),
            ("e2e_ns", "500000000"),
            ("queue_ns", "125000000"),
            ("prefill_ns", "62500000"),
            ("decode_ns", "250000000"),
            ("inference_ns", "312500000"),
            ("prompt_tokens", "40"),
            ("output_tokens", "9"),
            ("max_tokens", "16"),
            ("request_id", "cmpl-a"),
        ])
    );
    assert_eq!(facts(&timeline, 2), expected(&[("engine", "vllm"), ("role", "startup")]));
}

/// A request of SGLang: dispatched after 10 ms, queued for 40 ms, prefilled for 30 ms, then two
/// steps of decode.
fn sglang_request(trace: u64, rid: &'static str, bids: [&'static str; 3], n: &str) -> Vec<Made> {
    let id = |n: u64| trace * 100 + n;
    let made = |n: u64, parent: u64, name, at_us, length_us| Made {
        id: id(n),
        parent: if parent == 0 { 0 } else { id(parent) },
        trace,
        name,
        scope: "sglang server",
        service: "sglang",
        at_us,
        length_us,
        ..Made::default()
    };
    let schedule = |bid: &'static str, at_us, mode: &str| {
        let list =
            vec![said("bid", bid), ("batch_size", n.to_owned()), ("forward_mode", mode.to_owned())];
        vec![("schedule", at_us, list)]
    };
    vec![
        Made {
            attributes: vec![
                said("rid", rid),
                said("module", "sglang::request"),
                said("gen_ai.latency.time_in_model_prefill", "0.075"),
                said("gen_ai.latency.time_in_model_decode", "0.025"),
                said("gen_ai.latency.time_to_first_token", "0.085"),
                said("gen_ai.response.finish_reasons", "[\"length\"]"),
                said("gen_ai.usage.cached_tokens", "8"),
            ],
            ..made(1, 0, " Req abc", 0, 120_000)
        },
        made(2, 1, "Tokenizer", 0, 10_000),
        made(3, 2, "api_server_dispatch", 5_000, 5_000),
        Made {
            attributes: vec![said("pid", "6615"), said("thread_label", "Scheduler")],
            ..made(4, 1, "Scheduler [TP 0]", 12_000, 105_000)
        },
        made(5, 4, "prefill_waiting", 12_000, 40_000),
        Made {
            events: schedule(bids[0], 52_500, "prefill"),
            ..made(6, 4, "prefill_forward", 52_000, 30_000)
        },
        made(7, 4, "decode_forward", 85_000, 30_000),
        Made {
            events: schedule(bids[1], 86_000, "decode"),
            ..made(8, 7, "decode_loop", 85_000, 10_000)
        },
        Made {
            events: schedule(bids[2], 96_000, "decode"),
            ..made(9, 7, "decode_loop", 95_000, 10_000)
        },
    ]
}

#[test]
fn sglang_prefill_is_freed_of_the_queue_and_steps_are_rebuilt() {
    let mut spans = sglang_request(1, "aa", ["p1", "d1", "d2"], "2");
    spans.extend(sglang_request(2, "bb", ["p2", "d1", "d2"], "3"));
    let timeline = import(&spans);
    let found = facts(&timeline, 101);
    // Stated: 75 ms from the end of dispatch, of which 42 ms passed before scheduling.
    assert_eq!(found["prefill_ns"], "33000000");
    assert_eq!(found["queue_ns"], "40000000");
    assert_eq!(found["inference_ns"], "58000000");
    assert_eq!(found["finish_reason"], "length");
    assert_eq!(found["cached_tokens"], "8");
    assert_eq!((found["engine"].as_str(), found["request_id"].as_str()), ("sglang", "aa"));
    let role = |id: u64| facts(&timeline, id).get("role").cloned().unwrap_or_default();
    assert_eq!(
        [role(103), role(104), role(105), role(106), role(107), role(108)],
        ["frontend", "thread", "queue", "prefill", "decode", "step_part"]
    );
    // Every slice knows its request, and those of the scheduler its process.
    let slices: Vec<_> = timeline.spans.iter().filter(|span| span.trace_id_high == 1).collect();
    assert!(slices.iter().all(|span| text(&timeline, span.request) == "aa"));
    let pids: Vec<_> = slices
        .iter()
        .filter_map(|span| timeline.dimensions.processes.get(span.process as usize))
        .map(|process| process.pid)
        .collect();
    assert_eq!(pids, [6615; 6]);

    let steps: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| {
            let members: Vec<_> = timeline
                .step_members
                .iter()
                .filter(|m| (m.process, m.step_id) == (step.process, step.step_id))
                .map(|m| text(&timeline, m.request))
                .collect();
            assert_eq!(step.rung, Rung::ExactBatch.code());
            let size = step.context_requests + step.generation_requests;
            let at_us = (step.start_ns - START_NS) / 1_000;
            (
                text(&timeline, step.name),
                StepKind::from_code(step.kind),
                at_us,
                size,
                members.join(" "),
            )
        })
        .collect();
    let row = |bid: &str, kind, at, size, members: &str| {
        (bid.to_owned(), kind, at, size, members.to_owned())
    };
    assert_eq!(
        steps,
        [
            row("p1", StepKind::Prefill, 52_500, 2, "aa"),
            row("p2", StepKind::Prefill, 52_500, 3, "bb"),
            row("d1", StepKind::Decode, 86_000, 3, "aa bb"),
            row("d2", StepKind::Decode, 96_000, 3, "aa bb"),
        ]
    );
}

#[test]
fn sglang_prefill_without_its_slices_means_nothing() {
    let mut spans = sglang_request(1, "aa", ["p1", "d1", "d2"], "1");
    spans.truncate(1);
    let found = facts(&import(&spans), 101);
    assert!(!found.contains_key("prefill_ns") && !found.contains_key("queue_ns"));
    assert_eq!(found["ttft_ns"], "85000000");
}

#[test]
fn tgi_links_rebuild_its_steps() {
    let request = |trace: u64| Made {
        id: trace * 10,
        trace,
        name: "generate",
        service: "text-generation-inference.router",
        length_us: 400_000,
        attributes: vec![
            said("total_time", "400.5ms"),
            said("validation_time", "750µs"),
            said("queue_time", "12.25ms"),
            said("inference_time", "387ms"),
            said("time_per_token", "9.5ms"),
            said("seed", "None"),
        ],
        ..Made::default()
    };
    let infer = |trace: u64, id: u64, batch: u64| Made {
        id,
        parent: trace * 10,
        trace,
        name: "infer",
        service: "text-generation-inference.router",
        at_us: 20_000,
        length_us: 10_000,
        links: vec![(batch, batch * 10)],
        ..Made::default()
    };
    let batch = |trace: u64, work: &'static str, links| {
        let made = |id, parent, name, at_us, length_us, links| Made {
            id,
            parent,
            trace,
            name,
            service: "text-generation-inference.router",
            at_us,
            length_us,
            links,
            ..Made::default()
        };
        let at_us = trace as i64 * 1_000;
        [
            Made {
                attributes: vec![said("batch_size", "2")],
                ..made(trace * 10, 0, "batch", at_us, 9_000, links)
            },
            made(trace * 10 + 1, trace * 10, work, at_us + 100, 8_000, Vec::new()),
        ]
    };
    let mut spans = vec![
        request(1),
        request(2),
        infer(1, 11, 50),
        infer(2, 21, 50),
        // The second step is linked from the step only.
        Made { links: Vec::new(), ..infer(1, 12, 60) },
    ];
    spans.extend(batch(50, "prefill", Vec::new()));
    spans.extend(batch(60, "decode", vec![(1, 12)]));
    let timeline = import(&spans);
    assert_eq!(
        facts(&timeline, 10),
        expected(&[
            ("engine", "tgi"),
            ("role", "request"),
            ("e2e_ns", "400500000"),
            ("validation_ns", "750000"),
            ("queue_ns", "12250000"),
            ("inference_ns", "387000000"),
            ("tpot_ns", "9500000"),
        ])
    );
    let steps: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| {
            let members = timeline.step_members.iter().filter(|m| m.step_id == step.step_id);
            let requests: Vec<_> = members.map(|m| text(&timeline, m.request)).collect();
            (StepKind::from_code(step.kind), (step.start_ns - START_NS) / 1_000, requests)
        })
        .collect();
    let id = |trace: u64| format!("{trace:016x}{:016x}", 7);
    assert_eq!(
        steps,
        [(StepKind::Prefill, 50_100, vec![id(1), id(2)]), (StepKind::Decode, 60_100, vec![id(1)]),]
    );
}

#[test]
fn tensorrt_llm_and_others_claim_no_prefill_time() {
    let request = |id: u64, scope, more: Vec<(&'static str, String)>| {
        let mut attributes = vec![
            said("gen_ai.latency.time_to_first_token", "0.25"),
            said("gen_ai.latency.time_in_queue", "0.125"),
            said("gen_ai.request.id", "7"),
        ];
        attributes.extend(more);
        Made {
            id,
            trace: id,
            name: "llm_request",
            scope,
            length_us: 9,
            attributes,
            ..Made::default()
        }
    };
    let timeline = import(&[
        Made {
            events: vec![
                ("kv_cache_transfer_start", 3, Vec::new()),
                ("kv_cache_transfer_end", 10, Vec::new()),
            ],
            ..request(1, "trt.llm", Vec::new())
        },
        request(2, "", vec![said("gen_ai.latency.kv_cache_transfer_time", "0.5")]),
        Made {
            name: "generate",
            events: vec![("first_token", 5, Vec::new())],
            attributes: vec![said("gen_ai.usage.input_tokens", "600")],
            ..request(3, "my server", Vec::new())
        },
    ]);
    let facts_of = |id| {
        let mut facts = facts(&timeline, id);
        facts.retain(|key, _| key.ends_with("_ns") || key == "engine" || key.ends_with("tokens"));
        facts
    };
    assert_eq!(
        facts_of(1),
        expected(&[
            ("engine", "tensorrt_llm"),
            ("ttft_ns", "250000000"),
            ("queue_ns", "125000000"),
            ("kv_transfer_ns", "7000"),
        ])
    );
    assert_eq!(facts_of(2)["engine"], "tensorrt_llm");
    assert_eq!(facts_of(2)["kv_transfer_ns"], "500000000");
    assert_eq!(
        facts_of(3),
        expected(&[("engine", "gen_ai"), ("ttft_ns", "5000"), ("prompt_tokens", "600")])
    );
}

#[test]
fn triton_spans_with_jitter_are_one_batch_and_the_idle_wait_is_no_part_of_a_request() {
    let request = |trace: u64, jitter: i64, compute: i64| {
        let id = |n: u64| trace * 10 + n;
        let made = |n: u64, parent: u64, name, at_us, length_us| Made {
            id: id(n),
            parent: if parent == 0 { 999 } else { id(parent) },
            trace,
            name,
            scope: "triton-server",
            at_us,
            length_us,
            ..Made::default()
        };
        [
            Made {
                events: vec![
                    ("GRPC_WAITREAD_START", -900_000, Vec::new()),
                    ("GRPC_WAITREAD_END", -40, Vec::new()),
                ],
                ..made(1, 0, "InferRequest", 0, 9_000)
            },
            Made {
                attributes: vec![
                    said("triton.model_name", "bert"),
                    said("triton.model_version", "1"),
                    said("triton.request_id", if trace == 1 { "r-1" } else { "r-x" }),
                ],
                events: vec![("QUEUE_START", 100, Vec::new())],
                ..made(2, 1, "bert", 50, 8_000)
            },
            Made {
                events: vec![
                    ("COMPUTE_START", compute + jitter, Vec::new()),
                    ("COMPUTE_INPUT_END", compute + 10 + jitter, Vec::new()),
                    ("COMPUTE_OUTPUT_START", compute + 90, Vec::new()),
                    ("COMPUTE_END", compute + 95, Vec::new()),
                ],
                ..made(3, 2, "compute", compute, 100)
            },
        ]
    };
    let spans: Vec<Made> = request(1, 0, 1_000)
        .into_iter()
        .chain(request(2, 1, 1_000))
        .chain(request(3, 0, 1_005))
        .collect();
    let timeline = import(&spans);
    // One microsecond apart is one batch, five are two.
    assert_eq!(timeline.steps.len(), 2);
    let sizes: Vec<_> = [12, 22, 32].map(|id| facts(&timeline, id)["batch_size"].clone()).to_vec();
    assert_eq!(sizes, ["2", "2", "1"]);
    assert_eq!(facts(&timeline, 12)["queue_ns"], "900000");
    let root = timeline.spans.iter().find(|span| span.span_id == 11).expect("the request");
    assert_eq!((root.start_ns, text(&timeline, root.request).as_str()), (START_NS, "r-1"));
    assert_eq!(facts(&timeline, 11)["role"], fact::role::REQUEST);
}

/// Sizes of the executions of requests that are on the wall clock by nanoseconds: when each began
/// to compute, and its other stamps after that.
fn sizes_of_executions(requests: &[(i64, [i64; 3])]) -> Vec<usize> {
    let stamped = ["COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END"];
    let event = |name: &str, at: i64| {
        format!(r#"{{"name": "{name}", "timeUnixNano": "{}"}}"#, START_NS + at)
    };
    let model = attributes(&[("triton.model_name", "bert".to_owned())]);
    let span = |(id, (start, times)): (usize, &(i64, [i64; 3]))| {
        let mut events = vec![event("COMPUTE_START", *start)];
        events.extend(stamped.iter().zip(times).map(|(name, time)| event(name, start + time)));
        format!(
            r#"{{"traceId": "{id:032x}", "spanId": "{id:016x}", "name": "bert", "attributes": {model},
            "startTimeUnixNano": "{START_NS}", "endTimeUnixNano": "{}", "events": [{}]}}"#,
            START_NS + 1_000_000_000,
            events.join(",")
        )
    };
    let spans: Vec<_> = (1..).zip(requests).map(span).collect();
    let timeline = import_text(&format!(
        r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{}]}}]}}]}}"#,
        spans.join(",")
    ));
    let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
    for step in &timeline.step_members.step_id {
        *sizes.entry(*step).or_default() += 1;
    }
    let mut sizes: Vec<_> = sizes.into_values().collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn a_triton_request_whose_offset_between_clocks_is_off_stays_in_its_batch() {
    let times = [10_001, 90_017, 95_003];
    // A thread was interrupted for four milliseconds between its readings of two clocks.
    let late = (4_000_000, times);
    let other = (40_000_000, [9, 8_001, 9_000]);
    assert_eq!(sizes_of_executions(&[(0, times), (300, times), late, other]), [1, 3]);
    // An execution that begins after any interruption is another, and so is one of other times.
    assert_eq!(sizes_of_executions(&[(0, times), (40_000_000, times)]), [1, 1]);
    assert_eq!(sizes_of_executions(&[(0, times), (4_000_000, [10_002, 90_017, 95_003])]), [1, 1]);
    // Times that come back tell nothing, nor those that may be rounded.
    assert_eq!(sizes_of_executions(&[(0, times), late, (900_000_000, times)]), [1, 1, 1]);
    let rounded = [10_000, 90_000, 95_000];
    assert_eq!(sizes_of_executions(&[(0, rounded), (4_000_000, rounded)]), [1, 1]);
}

/// The folders of one run's files, each with some of its spans.
fn import_parts(parts: &[&[Made]]) -> Timeline {
    let dir = tempfile::tempdir().expect("a folder");
    for (at, spans) in parts.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{at}.json")), otlp(spans)).expect("written");
    }
    let paths = [dir.path().to_owned()];
    let options = underspan_import::ImportOptions::default();
    let imported = underspan_import::import_paths(&paths, &options, &underspan_import::NoProgress);
    imported.unwrap_or_else(|error| panic!("{}", support::message(&error))).timeline
}

#[test]
fn spans_that_were_exported_in_parts_are_one_run() {
    let mut spans = sglang_request(1, "aa", ["p1", "d1", "d2"], "2");
    spans.extend(sglang_request(2, "bb", ["p2", "d1", "d2"], "2"));
    let whole = import(&spans);
    // The span of the request is exported last, the slices of its steps as they end.
    let is_late = |made: &Made| matches!(made.id % 100, 1 | 2 | 4);
    let (late, early): (Vec<_>, Vec<_>) = spans.into_iter().partition(is_late);
    let (first, second) = early.split_at(early.len() / 2);
    let parts = import_parts(&[first, second, &late]);
    for id in [101, 106, 108, 201, 209] {
        assert_eq!(facts(&parts, id), facts(&whole, id), "{id}");
    }
    let steps = |timeline: &Timeline| {
        let mut steps: Vec<_> = timeline
            .steps
            .iter()
            .map(|step| {
                let members = timeline
                    .step_members
                    .iter()
                    .filter(|m| (m.process, m.step_id) == (step.process, step.step_id))
                    .map(|m| text(timeline, m.request))
                    .collect::<Vec<_>>();
                (text(timeline, step.name), step.start_ns, step.duration_ns, members)
            })
            .collect();
        steps.sort();
        steps
    };
    assert_eq!(steps(&parts), steps(&whole));
    assert_eq!(parts.span_attributes.len(), whole.span_attributes.len());
}
