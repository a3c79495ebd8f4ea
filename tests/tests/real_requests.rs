//! Requests of real engines (`../shared/engines`), joined with their steps and accounted for, and
//! compared with what the engines' own processes wrote down. Skips, and says so, where that folder
//! is absent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use underspan_engine::{
    Analysis, AnalysisOptions, PartKind, Request, RequestOptions, RequestOrigin, Requests,
    StageKind,
};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::{
    Annotation, AnnotationKind, Phase, RequestIdentity, Rung, Step, StepKind, StepMember,
};
use underspan_model::{ProcessId, StringId, Timeline};

/// Folder of an engine's run; says why not where it is absent.
#[expect(clippy::print_stdout, reason = "a test says why it skips")]
fn engine(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/engines").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {name} of ../shared/engines is absent");
    None
}

fn import(path: &Path) -> Timeline {
    let imported = import_paths(&[path.to_owned()], &ImportOptions::default(), &NoProgress);
    imported.unwrap_or_else(|error| panic!("{error}")).timeline
}

fn requests_of(timeline: &Timeline) -> Requests {
    let analysis = Analysis::of(timeline, &AnalysisOptions::default());
    let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
    for request in &requests.requests {
        let sum: u64 = request.parts.iter().map(|part| part.ns).sum();
        assert_eq!(sum, request.duration().as_ns(), "{}", request.request_id);
        let stages = request.stages.iter().map(|stage| stage.interval.duration().as_ns());
        assert_eq!(stages.sum::<u64>(), sum, "{}", request.request_id);
    }
    requests
}

/// Lines of JSON, of a file that may be packed.
fn lines(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).expect("the file can be read");
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("text");
        }
        false => text = String::from_utf8(bytes).expect("text"),
    }
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("a whole number, not {value}"))
}

/// One step of vLLM's truth.
struct TrueStep {
    start_ns: i64,
    end_ns: i64,
    /// Internal id, tokens, tokens computed before, whether still in its prompt.
    members: Vec<(String, u32, u32, bool)>,
    preempted: Vec<String>,
}

fn vllm_truth(folder: &Path) -> Vec<TrueStep> {
    let mut prompt: HashMap<String, i64> = HashMap::new();
    lines(&folder.join("steps_truth.jsonl.gz"))
        .into_iter()
        .filter(|line| line.get("step").is_some() && line.get("members").is_some())
        .map(|line| {
            let (start_ns, mono) = (whole(&line["rt"]), whole(&line["mt"]));
            let members = line["members"].as_array().expect("members").iter().map(|member| {
                let id = string(&member[0]);
                if let Some(length) = member[4].as_i64() {
                    prompt.insert(id.clone(), length);
                }
                let (own, before) = (whole(&member[1]), whole(&member[2]));
                let is_prefill = before < prompt.get(&id).copied().unwrap_or(0);
                (id, own as u32, before as u32, is_prefill)
            });
            let members = members.collect();
            let preempted = line["preempted"].as_array().expect("a list").iter().map(string);
            TrueStep {
                start_ns,
                end_ns: start_ns + whole(&line["mt_end"]) - mono,
                members,
                preempted: preempted.collect(),
            }
        })
        .collect()
}

fn counts(step: &TrueStep) -> [u64; 4] {
    let of = |is_prefill: bool| step.members.iter().filter(move |member| member.3 == is_prefill);
    let tokens = |is_prefill| of(is_prefill).map(|member| u64::from(member.1)).sum();
    [of(true).count() as u64, tokens(true), of(false).count() as u64, tokens(false)]
}

/// What a capture holds of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Everything, as the hook writes it.
    Hook,
    /// Labels with counts, as the profiler's trace has them.
    Labels,
    /// When they ran, and nothing else.
    Time,
}

fn vllm_capture(folder: &Path, truth: &[TrueStep], told: Told) -> Timeline {
    let mut timeline = import(&folder.join("otlp_traces.json.gz"));
    let source = timeline.dimensions.add_source(Default::default());
    let process = timeline.dimensions.process_id(source, 23_504);
    let thread = timeline.dimensions.thread_id(process, 23_504);
    for (at, step) in truth.iter().enumerate() {
        let [context, context_tokens, generation, generation_tokens] = counts(step);
        let duration_ns = step.end_ns.abs_diff(step.start_ns);
        if told == Told::Labels {
            let label = format!(
                "execute_context_{context}({context_tokens})_generation_{generation}({generation_tokens})"
            );
            let name = timeline.strings.intern(&label).raw();
            timeline.annotations.push(Annotation {
                start_ns: step.start_ns,
                duration_ns,
                thread: thread.raw(),
                name,
                kind: AnnotationKind::User.code(),
                ..Annotation::default()
            });
            continue;
        }
        let mut row = Step {
            start_ns: step.start_ns,
            duration_ns,
            step_id: at as u64,
            process: process.raw(),
            rung: Rung::Inferred.code(),
            ..Step::default()
        };
        if told == Told::Hook {
            row.rung = Rung::ExactHook.code();
            row.kind = StepKind::Mixed.code();
            row.context_requests = context as u32;
            row.context_tokens = context_tokens;
            row.generation_requests = generation as u32;
            row.generation_tokens = generation_tokens;
            hook_members(&mut timeline, process, at as u64, step);
        }
        timeline.steps.push(row);
    }
    if told == Told::Hook {
        for line in lines(&folder.join("requests_truth.jsonl")) {
            let external = timeline.strings.intern(&string(&line["request_id"])).raw();
            let parent = string(&line["trace_headers"]["traceparent"]);
            let hex = |range: std::ops::Range<usize>| {
                parent.get(range).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
            };
            timeline.request_identities.push(RequestIdentity {
                time_ns: whole(&line["rt"]),
                external,
                trace_id_high: hex(3..19),
                trace_id_low: hex(19..35),
                parent_span_id: hex(36..52),
                process: process.raw(),
                ..RequestIdentity::default()
            });
        }
    }
    timeline.sort();
    timeline
}

fn hook_members(timeline: &mut Timeline, process: ProcessId, step_id: u64, step: &TrueStep) {
    for (id, own_tokens, computed_tokens, is_prefill) in &step.members {
        let phase = if *is_prefill { Phase::Prefill } else { Phase::Decode };
        let request = timeline.strings.intern(id).raw();
        timeline.step_members.push(StepMember {
            process: process.raw(),
            step_id,
            request,
            own_tokens: *own_tokens,
            computed_tokens: *computed_tokens,
            phase: phase.code(),
            ..StepMember::default()
        });
    }
    for id in &step.preempted {
        let request = timeline.strings.intern(id).raw();
        timeline.step_members.push(StepMember {
            process: process.raw(),
            step_id,
            request,
            phase: Phase::Preempted.code(),
            ..StepMember::default()
        });
    }
}

/// Every (request, start of step) pair; requests by the id that spans carry.
fn pairs(requests: &Requests) -> BTreeSet<(String, i64)> {
    requests
        .requests
        .iter()
        .flat_map(|request| {
            let start = |at: u32| requests.steps[at as usize].host.start().as_ns();
            request.steps.iter().map(move |m| (request.request_id.clone(), start(m.step)))
        })
        .collect()
}

fn true_pairs(truth: &[TrueStep]) -> BTreeSet<(String, i64)> {
    truth
        .iter()
        .flat_map(|step| {
            step.members.iter().map(|member| {
                // The worker's id is the span's with 8 digits behind it.
                let id = member.0.rsplit_once('-').expect("a suffix").0;
                (id.to_owned(), step.start_ns)
            })
        })
        .collect()
}

fn with_spans(requests: &Requests) -> Vec<&Request> {
    let all = requests.requests.iter();
    all.filter(|request| request.origin == RequestOrigin::EngineSpan).collect()
}

#[test]
fn every_member_of_a_real_vllm_with_the_hook() {
    let Some(folder) = engine("vllm") else { return };
    let truth = vllm_truth(&folder);
    let timeline = vllm_capture(&folder, &truth, Told::Hook);
    let requests = requests_of(&timeline);
    assert_eq!(truth.len(), 2432);
    let (found, expected) = (pairs(&requests), true_pairs(&truth));
    assert_eq!(expected.len(), 12_088);
    assert_eq!(found, expected);
    assert_eq!(requests.rung, Rung::ExactHook);
    // Every request with a span is in steps; those that the caller did not sample are requests too.
    let spans = with_spans(&requests);
    assert!(spans.len() > 150, "{}", spans.len());
    assert!(spans.iter().all(|request| !request.steps.is_empty()));
    assert_eq!(requests.requests.len(), 220);
    assert_eq!(requests.requests.iter().map(|r| r.n_preemptions).sum::<u32>(), 26);
    for request in requests.requests.iter().filter(|request| request.n_preemptions > 0) {
        assert!(request.of_kind(PartKind::Preempted).as_ns() > 0, "{}", request.request_id);
    }
}

#[test]
fn the_frontend_delay_of_a_real_vllm_is_a_part_of_its_own() {
    let Some(folder) = engine("vllm") else { return };
    let truth = vllm_truth(&folder);
    let timeline = vllm_capture(&folder, &truth, Told::Hook);
    let requests = requests_of(&timeline);
    // The second load, 45 requests a second.
    let mut delays: Vec<u64> = with_spans(&requests)
        .iter()
        .filter(|request| {
            request.request_id.starts_with("cmpl-req-12-") && request.n_preemptions == 0
        })
        .map(|request| request.of_kind(PartKind::Frontend).as_ns() / 1_000_000)
        .collect();
    delays.sort_unstable();
    let p95 = delays[delays.len() * 95 / 100];
    assert!((280..=330).contains(&p95), "p95 {p95} ms of {}", delays.len());
    // The queue is what the engine itself says it was, without that delay.
    for request in with_spans(&requests) {
        let stated = request_fact(&timeline, request, "gen_ai.latency.time_in_queue");
        let queue = request.of_stage(StageKind::Queue).as_ns() as f64 / 1e9;
        assert!((queue - stated).abs() < 1e-3, "{}: {queue} {stated}", request.request_id);
    }
}

fn request_fact(timeline: &Timeline, request: &Request, key: &str) -> f64 {
    let row = *request.chain.last().expect("a span") as usize;
    let key = timeline.strings.find(key).expect("the key").raw();
    let attributes = &timeline.span_attributes;
    let of_span = |at: &usize| attributes.span[*at] == timeline.spans.id[row];
    let mut rows = (0..attributes.len()).filter(of_span);
    let at = rows.find(|at| attributes.key[*at] == key).expect("the attribute");
    attributes.real[at]
}

/// Recall and precision of guessed pairs over the requests that have a span.
fn score(requests: &Requests, truth: &[TrueStep]) -> (f64, f64) {
    let ids: BTreeSet<&str> = with_spans(requests).iter().map(|r| r.request_id.as_str()).collect();
    let of_spans = |pairs: BTreeSet<(String, i64)>| -> BTreeSet<(String, i64)> {
        pairs.into_iter().filter(|(id, _)| ids.contains(id.as_str())).collect()
    };
    let (found, expected) = (of_spans(pairs(requests)), of_spans(true_pairs(truth)));
    let hits = found.intersection(&expected).count() as f64;
    (hits / expected.len() as f64, hits / found.len() as f64)
}

#[test]
fn most_members_of_a_real_vllm_without_the_hook() {
    let Some(folder) = engine("vllm") else { return };
    let truth = vllm_truth(&folder);
    for (told, rung) in [(Told::Labels, Rung::Counts), (Told::Time, Rung::Inferred)] {
        let requests = requests_of(&vllm_capture(&folder, &truth, told));
        let (recall, precision) = score(&requests, &truth);
        println!("{told:?}: recall {recall:.3}, precision {precision:.3}");
        assert_eq!(requests.rung, rung);
        assert!(recall >= 0.9, "{told:?}: recall {recall}, precision {precision}");
        assert!(precision >= 0.8, "{told:?}: recall {recall}, precision {precision}");
    }
}

#[test]
fn every_step_of_a_real_sglang() {
    let Some(folder) = engine("sglang") else { return };
    let requests = requests_of(&import(&folder.join("otlp_traces.json.gz")));
    let traced: BTreeSet<String> =
        requests.requests.iter().map(|request| request.request_id.clone()).collect();
    let mut expected: BTreeMap<(bool, BTreeSet<String>), i64> = BTreeMap::new();
    for line in lines(&folder.join("steps_truth.jsonl")) {
        let members = line["members"].as_array().expect("members").iter();
        let members: BTreeSet<String> =
            members.map(|member| string(&member[0])).filter(|id| traced.contains(id)).collect();
        if !members.is_empty() {
            *expected.entry((line["mode"] == "DECODE", members)).or_default() += 1;
        }
    }
    assert_eq!(expected.values().sum::<i64>(), 994);
    for step in &requests.steps {
        let id = |at: u32| requests.requests[at as usize].request_id.clone();
        let members = step.members.iter().map(|member| id(member.request)).collect();
        *expected.entry((step.kind == StepKind::Decode, members)).or_default() -= 1;
    }
    expected.retain(|_, n| *n != 0);
    // One prefill of one request is in the spans and not in the log of the hook.
    let left: Vec<(usize, i64)> = expected.iter().map(|(step, n)| (step.1.len(), *n)).collect();
    assert_eq!(left, [(1, -1)]);
    assert_eq!(requests.rung, Rung::ExactBatch);
    assert!(requests.requests.iter().all(|request| !request.steps.is_empty()));
}

fn triton_executions(folder: &Path) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = lines(&folder.join("batches_truth.jsonl"))
        .iter()
        .map(|line| {
            let mut ids: Vec<String> =
                line["request_ids"].as_array().expect("ids").iter().map(string).collect();
            ids.sort();
            ids
        })
        .collect();
    found.sort();
    found
}

fn batches(requests: &Requests) -> Vec<Vec<String>> {
    let id = |at: u32| requests.requests[at as usize].request_id.clone();
    let mut found: Vec<Vec<String>> = requests
        .steps
        .iter()
        .map(|step| {
            let mut ids: Vec<String> = step.members.iter().map(|m| id(m.request)).collect();
            ids.sort();
            ids
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_execution_of_a_real_triton() {
    for (name, file, n) in
        [("triton", "trace.json.gz", 522), ("triton-otel", "otlp_traces.json.gz", 169)]
    {
        let Some(folder) = engine(name) else { return };
        let timeline = import(&folder.join(file));
        let requests = requests_of(&timeline);
        let expected = triton_executions(&folder);
        assert_eq!(expected.len(), n, "{name}");
        assert_eq!(batches(&requests), expected, "{name}");
        assert_eq!(requests.rung, Rung::ExactBatch, "{name}");
        starts_when_the_request_came(&timeline, &requests);
    }
}

/// No request starts with the idle wait of a gRPC slot before it.
fn starts_when_the_request_came(timeline: &Timeline, requests: &Requests) {
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id));
    let mut n_grpc = 0;
    for event in timeline.span_events.iter().filter(|e| text(e.name) == "GRPC_WAITREAD_END") {
        let row = timeline.spans.id.iter().position(|id| *id == event.span).expect("its span");
        let request =
            requests.requests.iter().find(|r| r.chain.contains(&(row as u32))).expect("a request");
        let early = event.time_ns - request.serving.start().as_ns();
        assert!(early < 1_000_000, "{}: {early} ns before it came", request.request_id);
        n_grpc += 1;
    }
    assert!(n_grpc > 50, "{n_grpc}");
}

#[test]
fn queue_waits_of_a_real_triton_are_exact() {
    let Some(folder) = engine("triton") else { return };
    let timeline = import(&folder.join("trace.json.gz"));
    let requests = requests_of(&timeline);
    let text = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
    // Stamps by span.
    let mut stamps: HashMap<(u32, String), i64> = HashMap::new();
    for event in timeline.span_events.iter() {
        stamps.insert((event.span, text(event.name)), event.time_ns);
    }
    let mut expected: HashMap<String, u64> = HashMap::new();
    for span in timeline.spans.iter() {
        let at = |name: &str| stamps.get(&(span.id, name.to_owned())).copied();
        if let (Some(queued), Some(begun)) = (at("QUEUE_START"), at("COMPUTE_START")) {
            *expected.entry(text(span.request)).or_default() += begun.abs_diff(queued);
        }
    }
    let mut n_compared = 0;
    for request in &requests.requests {
        let Some(expected) = expected.get(&request.request_id) else { continue };
        let queue = request.of_kinds(PartKind::is_queue).as_ns();
        // An ensemble's second model may be queued before the first has ended: that time is the
        // first one's.
        if request.steps.len() > 1 {
            assert!(queue <= *expected, "{}: {queue} of {expected}", request.request_id);
            continue;
        }
        assert_eq!(queue, *expected, "{}", request.request_id);
        n_compared += 1;
    }
    assert!(n_compared > 300, "{n_compared}");
}

#[test]
fn every_request_of_a_real_transformers_server() {
    let Some(folder) = engine("hf-continuous-batching") else { return };
    let mut timeline = import(&folder.join("otlp_traces.json"));
    let source = timeline.dimensions.add_source(Default::default());
    let process = timeline.dimensions.process_id(source, 30_854);
    let mut expected = BTreeSet::new();
    for (at, line) in lines(&folder.join("steps_truth.jsonl")).iter().enumerate() {
        let start_ns = whole(&line["rt"]);
        let duration_ns = whole(&line["mt_end"]).abs_diff(whole(&line["mt"]));
        timeline.steps.push(Step {
            start_ns,
            duration_ns,
            step_id: at as u64,
            process: process.raw(),
            kind: StepKind::Mixed.code(),
            rung: Rung::ExactHook.code(),
            ..Step::default()
        });
        for member in line["members"].as_array().expect("members") {
            let id = string(&member[0]);
            let is_prefill = whole(&member[3]) == 0 && whole(&member[2]) < whole(&member[4]);
            let request = timeline.strings.intern(&id).raw();
            timeline.step_members.push(StepMember {
                process: process.raw(),
                step_id: at as u64,
                request,
                own_tokens: whole(&member[1]) as u32,
                computed_tokens: whole(&member[2]) as u32,
                phase: if is_prefill { Phase::Prefill } else { Phase::Decode }.code(),
                ..StepMember::default()
            });
            expected.insert((id, start_ns));
        }
    }
    timeline.sort();
    let requests = requests_of(&timeline);
    assert_eq!(pairs(&requests), expected);
    assert_eq!(requests.requests.len(), 80);
    // Five callers asked for no spans.
    assert_eq!(with_spans(&requests).len(), 75);
}

/// An investigation folder as an operator hands it over.
#[expect(clippy::print_stdout, reason = "a test says why it skips")]
fn capture(name: &str) -> Option<Timeline> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures").join(name);
    if !folder.is_dir() {
        println!("skipped: {name} of ../shared/captures is absent");
        return None;
    }
    Some(import(&folder))
}

#[test]
fn healthy_folders_leave_next_to_nothing_unexplained() {
    for (name, rung, n_requests) in [
        ("vllm", Rung::Counts, 400),
        ("triton", Rung::ExactBatch, 440),
        ("pytorch", Rung::Inferred, 400),
    ] {
        let Some(timeline) = capture(name) else { return };
        let requests = requests_of(&timeline);
        assert_eq!(requests.requests.len(), n_requests, "{name}");
        assert_eq!(requests.rung, rung, "{name}");
        assert!(!requests.clock.is_refused, "{name}: {:?}", requests.clock);
        let sum = |kinds: &[PartKind]| -> f64 {
            let of = |request: &Request| request.of_kinds(|kind| kinds.contains(&kind)).as_ns();
            requests.requests.iter().map(|request| of(request) as f64).sum()
        };
        let total: f64 = requests.requests.iter().map(|r| r.duration().as_ns() as f64).sum();
        let dark = sum(&[PartKind::Unexplained, PartKind::Scheduled]) / total;
        let n_without = requests.requests.iter().filter(|r| r.steps.is_empty()).count();
        println!("{name}: {:.2} % without evidence, {n_without} in no step", dark * 100.0);
        assert!(dark < 0.03, "{name}: {dark}");
        assert!(n_without <= 8, "{name}: {n_without}");
        // Outermost spans are the gateway's.
        assert!(requests.requests.iter().all(|request| request.chain.len() == 3), "{name}");
    }
}

#[test]
fn guessed_batches_are_about_as_large_as_their_labels_say() {
    let Some(timeline) = capture("vllm") else { return };
    let requests = requests_of(&timeline);
    let (mut n_right, mut apart, mut all) = (0, 0, 0);
    for step in &requests.steps {
        let stated =
            step.label.context_requests.unwrap_or(0) + step.label.generation_requests.unwrap_or(0);
        let guessed = step.members.len() as u64;
        n_right += usize::from(stated == guessed);
        apart += stated.abs_diff(guessed);
        all += stated;
    }
    let n = requests.steps.len();
    println!("{n_right} of {n} batches have the stated size; {apart} of {all} members differ");
    assert!(n_right * 10 >= n * 8, "{n_right} of {n}");
    assert!(apart * 20 <= all, "{apart} of {all}");
}

/// Every (request, step) pair by the names and numbers of the capture, whatever clock they are on.
fn numbered_pairs(requests: &Requests) -> BTreeSet<(String, u64)> {
    let of = |request: &'_ Request| -> Vec<(String, u64)> {
        let number = |at: u32| requests.steps[at as usize].number;
        request.steps.iter().map(|m| (request.request_id.clone(), number(m.step))).collect()
    };
    requests.requests.iter().flat_map(of).collect()
}

/// Clocks that are `offset` apart are put right to within what is said of it, with the members that
/// clocks which agree give, or refused. Returns which, in words.
#[track_caller]
fn put_right_or_refused(name: &str, offset: i64, moved: &Requests, healthy: &Requests) -> String {
    let clock = moved.clock;
    let Some(correction) = clock.correction else {
        assert!(clock.is_refused, "{name} {offset}: {clock:?}");
        let apart = clock.uncertainty_ns.expect("a bound");
        assert!(apart.abs_diff(offset.unsigned_abs()) < 10_000_000, "{name} {offset}: {apart}");
        return format!("{name}, {offset} ns apart: refused");
    };
    assert!(!clock.is_refused);
    let (error, bound) =
        (correction.offset_ns.abs_diff(offset), clock.uncertainty_ns.expect("a bound"));
    assert!(error <= bound, "{name} {offset}: {clock:?}");
    let (found, expected) = (numbered_pairs(moved), numbered_pairs(healthy));
    let hits = found.intersection(&expected).count() as f64;
    let (recall, precision) = (hits / expected.len() as f64, hits / found.len() as f64);
    assert!(recall > 0.98 && precision > 0.98, "{name} {offset}: {recall} {precision}");
    format!(
        "{name}, {offset} ns apart: {error} ns off, said to be within {bound}, by {}; recall {recall:.4}, \
         precision {precision:.4}",
        correction.evidence.as_str()
    )
}

#[test]
fn clocks_that_are_apart_are_put_right_or_refused() {
    for name in ["vllm", "triton", "pytorch"] {
        let Some(capture) = capture(name) else { return };
        let healthy = requests_of(&capture);
        for offset in [-50_000_000_i64, 50_000_000, 300_000_000] {
            let mut timeline = capture.clone();
            let device = [
                &mut timeline.kernels.start_ns,
                &mut timeline.memcpys.start_ns,
                &mut timeline.api_calls.start_ns,
                &mut timeline.annotations.start_ns,
            ];
            for column in device {
                column.iter_mut().for_each(|start| *start += offset);
            }
            println!("{}", put_right_or_refused(name, offset, &requests_of(&timeline), &healthy));
        }
    }
}

#[test]
fn spans_of_a_real_vllm_on_another_clock_than_its_hook_are_put_right_or_refused() {
    let Some(folder) = engine("vllm") else { return };
    let truth = vllm_truth(&folder);
    for told in [Told::Hook, Told::Labels] {
        let capture = vllm_capture(&folder, &truth, told);
        let healthy = requests_of(&capture);
        assert_eq!(healthy.clock.correction, None);
        for offset in [-50_000_000_i64, 50_000_000] {
            let mut timeline = capture.clone();
            timeline.spans.start_ns.iter_mut().for_each(|start| *start -= offset);
            let moved = requests_of(&timeline);
            println!("{}", put_right_or_refused(&format!("{told:?}"), offset, &moved, &healthy));
        }
    }
}
