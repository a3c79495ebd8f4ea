//! Spans and stamps recorded from real engines (`../shared/engines`) import completely, and the
//! batches they tell of are the ones the engines ran.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use underspan_model::tables::{AttributeKind, Rung, Span, StepKind};
use underspan_model::{ClockDomain, ProblemKind, StringId, Timeline, Trust, span_facts};

/// A batch: model, and the request ids in it.
type Batch = (String, BTreeSet<String>);

fn engines() -> Option<PathBuf> {
    let engines = support::corpus()?.parent()?.join("engines");
    engines.is_dir().then_some(engines)
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

/// The content of a file, decompressed.
fn content(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("readable");
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated).expect("gzip");
    inflated
}

/// Lines of JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = String::from_utf8(content(path)).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn true_batches(folder: &Path) -> Vec<Batch> {
    let batch = |line: Value| {
        let ids = line["request_ids"].as_array().expect("a list").iter();
        let ids = ids.map(|id| id.as_str().expect("an id").to_owned()).collect();
        (line["model"].as_str().expect("a model").to_owned(), ids)
    };
    let mut batches: Vec<_> =
        lines(&folder.join("batches_truth.jsonl")).into_iter().map(batch).collect();
    batches.sort();
    batches
}

fn found_batches(timeline: &Timeline) -> Vec<Batch> {
    let mut members: BTreeMap<(u32, u64), BTreeSet<String>> = BTreeMap::new();
    for member in timeline.step_members.iter() {
        let request = text(timeline, member.request);
        assert!(members.entry((member.process, member.step_id)).or_default().insert(request));
    }
    let mut batches: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| {
            assert_eq!(step.rung, Rung::ExactBatch.code());
            let key = (step.process, step.step_id);
            (text(timeline, step.name), members.get(&key).cloned().unwrap_or_default())
        })
        .collect();
    batches.sort();
    batches
}

/// Whole-number facts of spans by key.
fn facts(timeline: &Timeline, key: &str) -> BTreeMap<u32, i64> {
    let key = timeline.strings.find(key).unwrap_or(StringId::NONE).raw();
    let rows = timeline.span_attributes.iter().filter(|row| row.key == key);
    rows.map(|row| {
        assert_eq!(row.attribute_kind(), AttributeKind::Whole);
        (row.span, row.whole)
    })
    .collect()
}

fn spans_of_role(timeline: &Timeline, role: &str) -> Vec<Span> {
    let key = timeline.strings.find(span_facts::ROLE).unwrap_or(StringId::NONE).raw();
    let role = timeline.strings.find(role).unwrap_or(StringId::NONE).raw();
    let rows = timeline.span_attributes.iter().filter(|row| row.key == key && row.text == role);
    let ids: BTreeSet<u32> = rows.map(|row| row.span).collect();
    timeline.spans.iter().filter(|span| ids.contains(&span.id)).collect()
}

#[test]
fn triton_stamps_rebuild_every_execution() {
    let Some(engines) = engines() else { return };
    let folder = engines.join("triton");
    let timeline = support::import(&folder.join("trace.json.gz")).expect("imports");
    let (truth, found) = (true_batches(&folder), found_batches(&timeline));
    assert_eq!(truth.len(), 522);
    assert_eq!(found, truth);
    assert!(timeline.steps.iter().all(|step| step.kind == StepKind::Batch.code()));
    assert_eq!(timeline.info.clock, ClockDomain::Monotonic);
    assert_eq!(timeline.problems.trust(), Trust::Full);

    // Queue waits are the differences of the file's own stamps.
    let stamps: Vec<Value> =
        serde_json::from_slice(&content(&folder.join("trace.json.gz"))).expect("the file is JSON");
    let mut by_id: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
    for record in &stamps {
        for stamp in record["timestamps"].as_array().into_iter().flatten() {
            let name = stamp["name"].as_str().expect("a name").to_owned();
            let ns = stamp["ns"].as_i64().expect("a time");
            by_id.entry(record["id"].as_i64().expect("an id")).or_default().insert(name, ns);
        }
    }
    let ids = facts(&timeline, "triton.trace_id");
    let waits = facts(&timeline, span_facts::QUEUE_NS);
    let mut n_waits = 0;
    for (span, id) in &ids {
        let stamps = &by_id[id];
        let expected = stamps.get("COMPUTE_START").map(|start| start - stamps["QUEUE_START"]);
        assert_eq!(waits.get(span).copied(), expected, "id {id}");
        n_waits += usize::from(expected.is_some());
    }
    // Requests begin when they arrive, not when their slot began to wait.
    let requests = spans_of_role(&timeline, span_facts::role::REQUEST);
    assert_eq!(requests.len(), 600);
    let arrivals: BTreeSet<i64> = by_id
        .values()
        .filter_map(|s| s.get("HTTP_RECV_START").or_else(|| s.get("GRPC_WAITREAD_END")))
        .copied()
        .collect();
    assert!(requests.iter().all(|span| arrivals.contains(&span.start_ns)));
    assert!(requests.iter().all(|span| !text(&timeline, span.request).is_empty()));
    println!("triton: {} of {} executions exact, {n_waits} waits", found.len(), truth.len());
}

#[test]
fn triton_spans_rebuild_every_execution() {
    let Some(engines) = engines() else { return };
    let folder = engines.join("triton-otel");
    let timeline = support::import(&folder.join("otlp_traces.json.gz")).expect("imports");
    assert_eq!(timeline.spans.len(), 711);
    let (truth, found) = (true_batches(&folder), found_batches(&timeline));
    assert_eq!(truth.len(), 169);
    assert_eq!(found, truth);
    assert_eq!(timeline.info.clock, ClockDomain::Realtime);
    let requests = spans_of_role(&timeline, span_facts::role::REQUEST);
    assert_eq!(requests.len(), 200);
    assert!(requests.iter().all(|span| text(&timeline, span.request).starts_with("r5-")));
    println!("triton-otel: {} of {} executions exact", found.len(), truth.len());
}

#[test]
fn sglang_schedules_rebuild_every_step() {
    let Some(engines) = engines() else { return };
    let folder = engines.join("sglang");
    let timeline = support::import(&folder.join("otlp_traces.json.gz")).expect("imports");
    assert_eq!(timeline.spans.len(), 2950);
    let requests = spans_of_role(&timeline, span_facts::role::REQUEST);
    assert_eq!(requests.len(), 74);
    let traced: BTreeSet<String> =
        requests.iter().map(|span| text(&timeline, span.request)).collect();
    assert_eq!(traced.len(), 74);

    let mut truth = Vec::new();
    for line in lines(&folder.join("steps_truth.jsonl")) {
        let members = line["members"].as_array().expect("a list").iter();
        let ids = members.map(|member| member[0].as_str().expect("an id").to_owned());
        let ids: BTreeSet<String> = ids.filter(|id| traced.contains(id)).collect();
        if !ids.is_empty() {
            let is_decode = line["mode"].as_str().expect("a mode").eq_ignore_ascii_case("decode");
            truth.push((is_decode, ids));
        }
    }
    let mut found = Vec::new();
    for step in timeline.steps.iter() {
        let is_its = |member: &underspan_model::tables::StepMember| {
            (member.process, member.step_id) == (step.process, step.step_id)
        };
        let ids = timeline.step_members.iter().filter(is_its);
        let ids: BTreeSet<String> = ids.map(|member| text(&timeline, member.request)).collect();
        found.push((step.kind == StepKind::Decode.code(), ids));
    }
    assert_eq!(truth.len(), 994);
    let mut unexplained = found.clone();
    for step in &truth {
        let at = unexplained.iter().position(|found| found == step);
        unexplained.remove(at.unwrap_or_else(|| panic!("the step of {step:?} was not found")));
    }
    // One prefill of one request is in the spans and not in the log of the hook.
    assert_eq!(unexplained.len(), 1);
    assert_eq!(unexplained[0].1.len(), 1);
    // Members that were not sampled are counted by the step.
    let stated = timeline.steps.iter().map(|s| s.context_requests.max(s.generation_requests));
    let more = stated.zip(&found).filter(|(size, (_, ids))| *size as usize > ids.len()).count();
    assert_eq!(more, 151);

    // Stated prefill time holds the queue; the fact does not.
    let prefill = facts(&timeline, span_facts::PREFILL_NS);
    let queue = facts(&timeline, span_facts::QUEUE_NS);
    let first_token = facts(&timeline, span_facts::TTFT_NS);
    for span in &requests {
        let (prefill, queue, ttft) = (prefill[&span.id], queue[&span.id], first_token[&span.id]);
        assert!(prefill >= 0 && queue >= 0 && prefill + queue <= ttft, "{prefill} {queue} {ttft}");
    }
    println!("sglang: {} steps exact, {} requests", truth.len(), requests.len());
}

#[test]
fn vllm_spans_state_their_requests() {
    let Some(engines) = engines() else { return };
    let folder = engines.join("vllm");
    let timeline = support::import(&folder.join("otlp_traces.json.gz")).expect("imports");
    assert_eq!(timeline.spans.len(), 201);
    let requests = spans_of_role(&timeline, span_facts::role::REQUEST);
    assert_eq!(requests.len(), 190);
    assert_eq!(spans_of_role(&timeline, span_facts::role::STARTUP).len(), 11);
    let known: BTreeSet<String> = lines(&folder.join("requests_truth.jsonl"))
        .iter()
        .filter_map(|line| {
            let ids = line.as_object().expect("an object").values();
            ids.filter_map(Value::as_str).find(|id| id.contains("cmpl-")).map(str::to_owned)
        })
        .collect();
    assert!(requests.iter().all(|span| known.contains(&text(&timeline, span.request))));
    let queue = facts(&timeline, span_facts::QUEUE_NS);
    let prefill = facts(&timeline, span_facts::PREFILL_NS);
    let ttft = facts(&timeline, span_facts::TTFT_NS);
    // What is in neither queue nor prefill is the way through the server in front of the engine.
    let mut frontend: Vec<i64> =
        requests.iter().map(|s| ttft[&s.id] - queue[&s.id] - prefill[&s.id]).collect();
    frontend.sort_unstable();
    let p95 = frontend[frontend.len() * 95 / 100];
    assert!(p95 > 200_000_000, "{p95}");
    println!("vllm: {} requests, frontend p95 {} ms", requests.len(), p95 / 1_000_000);
}

#[test]
fn transformers_spans_state_their_requests() {
    let Some(engines) = engines() else { return };
    let timeline =
        support::import(&engines.join("hf-continuous-batching/otlp_traces.json")).expect("imports");
    assert_eq!(timeline.spans.len(), 150);
    assert_eq!(facts(&timeline, span_facts::TTFT_NS).len(), 75);
    assert_eq!(facts(&timeline, span_facts::PROMPT_TOKENS).len(), 75);
}

/// Bodies of export requests as a receiver stored them: `u64` time, `u8` transport (2 = JSON),
/// `u32` length, body.
fn bodies(path: &Path) -> Vec<(u8, Vec<u8>)> {
    let bytes = content(path);
    let mut rest = bytes.as_slice();
    let mut bodies = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<13>() {
        let length = u32::from_le_bytes([head[9], head[10], head[11], head[12]]) as usize;
        bodies.push((head[8], tail[..length].to_vec()));
        rest = &tail[length..];
    }
    assert!(rest.is_empty());
    bodies
}

/// Everything about the spans that both encodings carry, one line a span.
fn told(timeline: &Timeline) -> Vec<String> {
    let mut about: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in timeline.span_attributes.iter() {
        let (key, value) = (text(timeline, row.key), text(timeline, row.text));
        let line = format!("{} {key}={} {value} {} {}", row.event, row.kind, row.whole, row.real);
        about.entry(row.span).or_default().push(line);
    }
    for row in timeline.span_events.iter() {
        let line = format!("event {} {} {}", row.ordinal, row.time_ns, text(timeline, row.name));
        about.entry(row.span).or_default().push(line);
    }
    for row in timeline.span_links.iter() {
        let line = format!("link {:x}{:x} {:x}", row.trace_id_high, row.trace_id_low, row.span_id);
        about.entry(row.span).or_default().push(line);
    }
    let line = |span: Span| {
        let names =
            [span.name, span.service, span.request, span.scope].map(|id| text(timeline, id));
        let span_numbers = Span { name: 0, service: 0, request: 0, scope: 0, process: 0, ..span };
        let mut rest = about.remove(&span.id).unwrap_or_default();
        rest.sort();
        format!("{:?} {names:?} {rest:?}", Span { id: 0, ..span_numbers })
    };
    let mut lines: Vec<_> = timeline.spans.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn protobuf_and_json_of_one_run_are_one() {
    let Some(engines) = engines() else { return };
    for (name, n_spans) in
        [("vllm", 201), ("sglang", 2950), ("hf-continuous-batching", 150), ("triton-otel", 711)]
    {
        let folder = engines.join(name);
        let file = |names: [&str; 2]| {
            names.map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
        };
        let json = file(["otlp_traces.json.gz", "otlp_traces.json"]).expect("a JSON file");
        let bin = file(["otlp_traces.bin.gz", "otlp_traces.bin"]).expect("a binary file");
        let json = support::import(&json).expect("imports");
        let bodies = bodies(&bin);
        let is_json = bodies.iter().all(|(transport, _)| *transport == 2);
        let dir = tempfile::tempdir().expect("a folder");
        let mut bare = Vec::new();
        let mut framed = Vec::new();
        let mut zipped = Vec::new();
        for (_, body) in &bodies {
            bare.extend_from_slice(body);
            framed.extend_from_slice(&(body.len() as u32).to_be_bytes());
            framed.extend_from_slice(body);
            let packed = zstd::bulk::compress(body, 1).expect("compresses");
            zipped.extend_from_slice(&(packed.len() as u32).to_be_bytes());
            zipped.extend_from_slice(&packed);
        }
        for (kind, bytes) in [("bare", bare), ("framed", framed), ("zipped", zipped)] {
            let path = dir.path().join(kind);
            std::fs::write(&path, bytes).expect("written");
            let read = support::import(&path).unwrap_or_else(|e| panic!("{name} {kind}: {e}"));
            let format = if is_json { "otlp_json" } else { "otlp_protobuf" };
            assert_eq!(read.info.format, format, "{name} {kind}");
            assert_eq!(read.spans.len(), n_spans, "{name} {kind}");
            assert_eq!(told(&read), told(&json), "{name} {kind}");
            assert_eq!(read.steps.len(), json.steps.len());
        }
        // Both files of one run together are still one run.
        let joined = dir.path().join("joined");
        std::fs::create_dir(&joined).expect("a folder");
        std::fs::copy(dir.path().join("bare"), joined.join("a")).expect("copied");
        std::fs::copy(dir.path().join("framed"), joined.join("b")).expect("copied");
        let imported = underspan_import::import_paths(
            &[joined],
            &underspan_import::ImportOptions::default(),
            &underspan_import::NoProgress,
        )
        .expect("imports");
        assert_eq!(imported.timeline.spans.len(), n_spans, "{name}");
        assert_eq!(imported.timeline.steps.len(), json.steps.len(), "{name}");
        let dropped = imported.timeline.problems.count(ProblemKind::DuplicateSpan);
        assert_eq!(dropped, n_spans as u64);
    }
}
