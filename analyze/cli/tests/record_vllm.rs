//! A real vLLM under `underspan record`: collector, hook and receiver at once, on the GPU double.
//! Runs where `python3 tests/engines/run_vllm.py DIR` has put vLLM into the cache before; otherwise it
//! says that it skips.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::Bench;
use underspan_engine::{Analysis, AnalysisOptions, PartKind, RequestOptions, Requests};
use underspan_model::tables::{Phase, Rung, StepKind};
use underspan_model::{StringId, Timeline};

/// What a recipe exits with when the machine cannot run its engine.
const SKIPPED: i32 = 77;
const N_REQUESTS: usize = 30;
/// Kernels of a forward pass, see `tests/engines/vllm_gpu`: four for each of two layers.
const N_KERNELS: usize = 8;

/// Runs the recipe; `None`, and why, where it cannot be run.
#[expect(clippy::print_stdout, reason = "a test says what ran, or why it skips")]
fn serve(bench: &Bench) -> Option<()> {
    let engines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/engines");
    let driver = fake_driver::built_library().expect("the double was built along with the test");
    let mut recipe = Command::new("python3");
    recipe
        .current_dir(&engines)
        .arg("run_vllm.py")
        .arg(bench.dir.path())
        .arg(N_REQUESTS.to_string())
        .env("UNDERSPAN_IF_INSTALLED", "1")
        .env("UNDERSPAN_PROGRAM", env!("CARGO_BIN_EXE_underspan"))
        .env("UNDERSPAN_DRIVER_DOUBLE", driver)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    // All that a recorded program is given on this double.
    recipe.envs(bench.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Ok(output) = recipe.output() else {
        println!("skipped: python3 is absent");
        return None;
    };
    print!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.code() == Some(SKIPPED) {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(bench.path("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{log}");
    Some(())
}

/// Requests and tokens, first of prompts and then of answers, of each iteration, by vLLM's own log.
fn iterations(bench: &Bench) -> Vec<[u64; 4]> {
    let log = std::fs::read_to_string(bench.path("server.log")).expect("a log");
    let lines = log.lines().filter_map(|line| line.split_once("Iteration("));
    lines
        .map(|(_, rest)| {
            let words = rest.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
            let numbers: Vec<u64> =
                words.take(5).map(|word| word.parse().expect("a number")).collect();
            [numbers[1], numbers[2], numbers[3], numbers[4]]
        })
        .collect()
}

/// Request, own tokens, and whether it decodes.
type Member = (u32, u64, bool);

/// The same of each step, from its members. vLLM counts a request among the prompts until it has
/// produced a token, and never again after that.
fn by_members(timeline: &Timeline) -> Vec<[u64; 4]> {
    let mut members: BTreeMap<(u32, u64), Vec<Member>> = BTreeMap::new();
    for row in timeline.step_members.iter() {
        let phase = Phase::from_code(row.phase);
        if matches!(phase, Phase::Prefill | Phase::Decode) {
            let member = (row.request, row.own_tokens.into(), phase == Phase::Decode);
            members.entry((row.process, row.step_id)).or_default().push(member);
        }
    }
    let mut has_output = std::collections::HashSet::new();
    let steps = timeline.steps.iter().filter(|step| step.kind != StepKind::Empty.code());
    steps
        .map(|step| {
            let mut counts = [0; 4];
            for (request, own, decodes) in &members[&(step.process, step.step_id)] {
                if *decodes {
                    has_output.insert(*request);
                }
                let at = if has_output.contains(request) { 2 } else { 0 };
                counts[at] += 1;
                counts[at + 1] += own;
            }
            counts
        })
        .collect()
}

fn clients(bench: &Bench) -> Vec<Value> {
    let text = std::fs::read_to_string(bench.path("client.jsonl")).expect("the clients' log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn every_request_of_a_recorded_vllm_is_explained() {
    let bench = Bench::new();
    let Some(()) = serve(&bench) else { return };
    let timeline = bench.capture();
    let problems = || timeline.problems.iter().collect::<Vec<_>>();
    assert!(
        timeline.steps.rung.iter().all(|rung| *rung == Rung::ExactHook.code()),
        "{:?}",
        problems()
    );

    // The collector was in the worker: it has the hook's notes, which otherwise go to a file.
    let name = |id: u32| timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
    let is_note = |id: &u32| name(*id).contains(r#""event":"process""#);
    assert!(timeline.annotations.name.iter().any(is_note), "no collector in the worker");

    // Members are those of the engine's own log, iteration by iteration.
    let (own, found) = (iterations(&bench), by_members(&timeline));
    assert!(own.len() > N_REQUESTS, "{} iterations", own.len());
    assert_eq!(found, own);

    // The named libcupti's records, though torch has a stand-in loaded, which is told of.
    assert_eq!(timeline.kernels.len(), own.len() * N_KERNELS, "{:?}", problems());
    let of = |key: &str| {
        let properties = timeline.dimensions.properties.iter();
        properties.filter(|row| name(row.key) == key).map(|row| name(row.value)).collect::<Vec<_>>()
    };
    assert_eq!(of("cupti.found"), ["named by the environment"]);
    assert!(
        of("cupti.other").iter().all(|told| told.contains("answers")),
        "{:?}",
        of("cupti.other")
    );
    assert!(!of("cupti.other").is_empty());

    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    let (mut n_spans, mut n_pairs) = (0, 0);
    for client in &clients(&bench) {
        let id = client["x_request_id"].as_str().expect("an id");
        let identity = timeline.request_identities.iter().find(|row| name(row.http_request) == id);
        let identity = identity.unwrap_or_else(|| panic!("{id} is not known"));
        let of =
            |request: &&underspan_engine::Request| request.request_id == name(identity.external);
        let request =
            requests.requests.iter().find(of).unwrap_or_else(|| panic!("{id}: no request"));
        assert_eq!(request.rung, Rung::ExactHook, "{id}");
        let sum: u64 = request.parts.iter().map(|part| part.ns).sum();
        assert_eq!(sum, request.duration().as_ns(), "{id}");
        assert!(request.gpu_share.as_ns() > 0, "{id}: no share of the device's time");
        // None of its time is without a place.
        let dark = request.of_kind(PartKind::Unexplained).as_ns();
        assert!(dark * 100 < sum, "{id}: {dark} of {sum} ns without evidence");
        // Every token of the answer came from a step.
        let output = client["usage"]["completion_tokens"].as_u64().expect("a count");
        assert_eq!(requests.token_gaps(request).len() as u64 + 1, output, "{id}");
        let is_sampled =
            client["traceparent"].as_str().is_some_and(|parent| parent.ends_with("-01"));
        assert!(!is_sampled || !request.chain.is_empty(), "{id}: its span is missing");
        n_spans += usize::from(!request.chain.is_empty());
        n_pairs += request.steps.len();
    }
    assert!(!requests.clock.is_refused && requests.clock.correction.is_none());
    println!(
        "{N_REQUESTS} of {N_REQUESTS} requests explained, {n_spans} with spans; {} iterations with the \
         members of vLLM's own log, {n_pairs} pairs of request and step",
        own.len(),
    );
}
