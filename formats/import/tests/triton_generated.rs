//! Triton traces made with known batches: whatever the order of the records, the batches come
//! back exactly, and every wait in the queue to the nanosecond.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use proptest::prelude::*;
use underspan_model::{StringId, Timeline, span_facts};

/// A small generator of numbers, the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A run with what is true about it.
struct Run {
    records: Vec<String>,
    /// Model and ids of each execution.
    batches: Vec<(String, BTreeSet<String>)>,
    /// Wait in the queue by Triton's number.
    waits: BTreeMap<i64, i64>,
    /// Arrival of the requests that came over the network, by their id.
    arrivals: BTreeMap<String, i64>,
}

/// A run of `n` requests to models with several instances, some through an ensemble, some without
/// a request id, over HTTP, gRPC or from within the server.
fn run(n: usize, seed: u64) -> Run {
    let mut dice = Dice(seed);
    let mut run = Run {
        records: Vec::new(),
        batches: Vec::new(),
        waits: BTreeMap::new(),
        arrivals: BTreeMap::new(),
    };
    let mut now = 1_000_000_000_i64;
    let mut id = 0_u64;
    let mut made = 0;
    while made < n {
        now += 1 + dice.roll(3_000_000) as i64;
        let size = (1 + dice.roll(8) as usize).min(n - made);
        let model = ["alpha", "beta", "gamma"][dice.roll(3) as usize];
        // Several instances begin at one instant now and then.
        let start = now + 500_000 + dice.roll(4) as i64 * 250_000;
        let input_end = start + 1 + dice.roll(50_000) as i64;
        let output_start = input_end + 1 + dice.roll(5_000_000) as i64;
        let end = output_start + dice.roll(100_000) as i64;
        let mut members = BTreeSet::new();
        for _ in 0..size {
            id += 1;
            made += 1;
            let arrival = now + dice.roll(100_000) as i64;
            let queued = arrival + 20_000 + dice.roll(300_000) as i64;
            let has_id = dice.roll(10) > 0;
            let mut name = if has_id { format!("req-{id}") } else { format!("triton-{id}") };
            let mut number = id;
            let transport = dice.roll(3);
            let is_ensemble = dice.roll(5) == 0;
            let request_id =
                if has_id { format!(r#","request_id":"{name}""#) } else { String::new() };
            let mut stamps = Vec::new();
            match transport {
                0 => {
                    stamps.push((id, "HTTP_RECV_START", arrival));
                    stamps.push((id, "HTTP_RECV_END", arrival + 5_000));
                    stamps.push((id, "HTTP_SEND_START", output_start + 1_000));
                    stamps.push((id, "HTTP_SEND_END", output_start + 9_000));
                }
                1 => {
                    stamps.push((id, "GRPC_WAITREAD_START", arrival - 800_000_000));
                    stamps.push((id, "GRPC_WAITREAD_END", arrival));
                    stamps.push((id, "GRPC_SEND_START", output_start + 1_000));
                    stamps.push((id, "GRPC_SEND_END", output_start + 9_000));
                }
                _ => {}
            }
            stamps.push((id, "REQUEST_START", arrival + 10_000));
            stamps.push((id, "REQUEST_END", end + 40_000));
            if is_ensemble {
                run.records.push(format!(
                    r#"{{"id":{id},"model_name":"ensemble","model_version":1{request_id}}}"#
                ));
                stamps.push((id, "QUEUE_START", arrival + 12_000));
                let parent = id;
                id += 1;
                number = id;
                run.records.push(format!(
                    r#"{{"id":{id},"model_name":"{model}","model_version":1,"parent_id":{parent}{request_id}}}"#
                ));
                if !has_id {
                    name = format!("triton-{parent}");
                }
                stamps.push((id, "REQUEST_START", arrival + 15_000));
                stamps.push((id, "REQUEST_END", end + 30_000));
            } else {
                run.records.push(format!(
                    r#"{{"id":{id},"model_name":"{model}","model_version":1{request_id}}}"#
                ));
            }
            stamps.push((number, "QUEUE_START", queued));
            stamps.push((number, "COMPUTE_START", start));
            stamps.push((number, "COMPUTE_INPUT_END", input_end));
            stamps.push((number, "COMPUTE_OUTPUT_START", output_start));
            stamps.push((number, "COMPUTE_END", end));
            stamps.push((number, "INFER_RESPONSE_COMPLETE", output_start + 500));
            for (id, stamp, ns) in stamps {
                run.records.push(format!(
                    r#"{{"id":{id},"timestamps":[{{"name":"{stamp}","ns":{ns}}}]}}"#
                ));
            }
            run.waits.insert(number as i64, start - queued);
            if transport < 2 {
                run.arrivals.insert(name.clone(), arrival);
            }
            members.insert(name);
        }
        run.batches.push((model.to_owned(), members));
    }
    run.batches.sort();
    run
}

fn scramble(records: &mut [String], seed: u64) {
    let mut dice = Dice(seed ^ 0x5eed);
    for at in (1..records.len()).rev() {
        records.swap(at, dice.roll(at as u64 + 1) as usize);
    }
}

fn write(records: &[String]) -> String {
    let mut text = String::from("[");
    for (at, record) in records.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{record}").expect("writing to memory");
    }
    text + "]"
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

fn batches(timeline: &Timeline) -> Vec<(String, BTreeSet<String>)> {
    let mut members: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for member in timeline.step_members.iter() {
        members.entry(member.step_id).or_default().insert(text(timeline, member.request));
    }
    let mut batches: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| (text(timeline, step.name), members.remove(&step.step_id).unwrap_or_default()))
        .collect();
    batches.sort();
    batches
}

fn facts(timeline: &Timeline, key: &str) -> BTreeMap<u32, i64> {
    let key = timeline.strings.find(key).unwrap_or(StringId::NONE).raw();
    let rows = timeline.span_attributes.iter().filter(|row| row.key == key);
    rows.map(|row| (row.span, row.whole)).collect()
}

/// Two batches of one model may begin and end at one instant by chance; then the stamps cannot
/// tell them apart, and the run does not serve as a truth.
fn is_unambiguous(run: &Run) -> bool {
    let names: Vec<_> = run.batches.iter().flat_map(|(_, ids)| ids).collect();
    names.len() == names.iter().collect::<BTreeSet<_>>().len()
}

fn check(run: &Run, timeline: &Timeline) {
    assert!(is_unambiguous(run));
    assert_eq!(batches(timeline), run.batches);
    let numbers = facts(timeline, "triton.trace_id");
    let waits = facts(timeline, span_facts::QUEUE_NS);
    let found: BTreeMap<i64, i64> =
        waits.iter().map(|(span, wait)| (numbers[span], *wait)).collect();
    assert_eq!(found, run.waits);
    let request = timeline.strings.find("InferRequest").map_or(u32::MAX, |id| id.raw());
    let arrivals: BTreeMap<String, i64> = timeline
        .spans
        .iter()
        .filter(|span| span.name == request)
        .map(|span| (text(timeline, span.request), span.start_ns))
        .collect();
    assert_eq!(arrivals, run.arrivals);
}

fn import(dir: &std::path::Path, content: &str) -> Timeline {
    let path = dir.join("trace.json");
    std::fs::write(&path, content).expect("written");
    support::import(&path).expect("imports")
}

#[test]
fn ten_thousand_scrambled_requests_come_back_exactly() {
    let dir = tempfile::tempdir().expect("a folder");
    for seed in 1..=3 {
        let mut run = run(10_000, seed);
        scramble(&mut run.records, seed);
        let timeline = import(dir.path(), &write(&run.records));
        check(&run, &timeline);
        println!("seed {seed}: {} batches, {} waits exact", run.batches.len(), run.waits.len());
    }
}

#[test]
fn files_of_one_run_need_not_be_whole_lists() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = run(200, 9);
    let (a, b) = run.records.split_at(run.records.len() / 2);
    let timeline = import(dir.path(), &format!("{}\n{}", write(a), write(b)));
    check(&run, &timeline);
    let cut = write(&run.records);
    let path = dir.path().join("cut.json");
    std::fs::write(&path, &cut[..cut.len() - 40]).expect("written");
    let error = support::import(&path).expect_err("cut off");
    assert!(error.to_string().contains("found the end of the file"), "{error}");
}

#[test]
fn tensors_are_never_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut run = run(20, 4);
    run.records.push(
        r#"{"id":1,"activity":"TENSOR_QUEUE_INPUT","tensor":{"name":"PROMPT","data":"a secret"}}"#
            .to_owned(),
    );
    let timeline = import(dir.path(), &write(&run.records));
    check(&run, &timeline);
    assert!(timeline.strings.iter().all(|text| !text.contains("secret")));
    let withheld = underspan_model::ProblemKind::WithheldAttribute;
    assert_eq!(timeline.problems.count(withheld), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn order_never_matters(n in 1_usize..200, seed: u64, order: u64) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = run(n, seed);
        scramble(&mut run.records, order);
        check(&run, &import(dir.path(), &write(&run.records)));
    }
}
