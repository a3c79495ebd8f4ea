//! Real serving engines, without a GPU: run by the recipes of `tests/engines`, imported, and
//! compared with what the engines themselves say was in each step.
//!
//! Triton is installed into the cache (60 MB) when the package registry can be reached. vLLM runs
//! when it is in the cache: `python3 tests/engines/run_vllm.py DIR` puts it there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::{Phase, Rung, StepKind};
use underspan_model::{StringId, Timeline};

/// What a recipe exits with when the machine cannot run its engine.
const SKIPPED: i32 = 77;

fn engines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

fn python(script: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("python3")
        .current_dir(engines())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("UNDERSPAN_IF_INSTALLED", "1")
        .arg(script)
        .args(arguments)
        .output();
    output.ok()
}

/// Runs a recipe and its own check; says why not where that cannot be.
#[expect(clippy::print_stdout, reason = "a test says what ran, or why it skips")]
fn run(recipe: &str, check: &str, arguments: &[&str]) -> Option<TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("a path of text");
    let Some(output) = python(recipe, &[&[path], arguments].concat()) else {
        println!("skipped: python3 is absent");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    if output.status.code() == Some(SKIPPED) {
        return None;
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{recipe}: {said}{complaint}");
    let output = python(check, &[path]).expect("python3 was there");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{check}: {said}{complaint}");
    Some(folder)
}

fn import(files: &[PathBuf]) -> Timeline {
    let imported = import_paths(files, &ImportOptions::default(), &NoProgress);
    imported.unwrap_or_else(|error| panic!("{error}")).timeline
}

fn files_of(folder: &TempDir, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path()).expect("the folder can be listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| is_wanted(&name.to_string_lossy())));
    paths.sort();
    paths
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a text file");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

/// Model and members of each execution, by the models' own log.
fn executions(folder: &TempDir) -> Vec<(String, Vec<String>)> {
    let logs = files_of(folder, |name| name.starts_with("executions."));
    let mut found: Vec<_> = logs
        .iter()
        .flat_map(|path| lines(path))
        .map(|line| {
            let members = line["members"].as_array().expect("members").iter();
            let mut members: Vec<_> =
                members.map(|name| name.as_str().expect("a name").to_owned()).collect();
            members.sort();
            (line["model"].as_str().expect("a model").to_owned(), members)
        })
        .collect();
    found.sort();
    found
}

fn batches(timeline: &Timeline) -> Vec<(String, Vec<String>)> {
    let mut members: BTreeMap<(u32, u64), Vec<String>> = BTreeMap::new();
    for row in timeline.step_members.iter() {
        let name = text(timeline, row.request);
        members.entry((row.process, row.step_id)).or_default().push(name);
    }
    let mut found: Vec<_> = timeline
        .steps
        .iter()
        .map(|step| {
            let mut members = members.remove(&(step.process, step.step_id)).unwrap_or_default();
            members.sort();
            (text(timeline, step.name), members)
        })
        .collect();
    found.sort();
    found
}

fn triton(mode: &str, trace: &str) {
    let Some(folder) = run("run_triton.py", "check_triton.py", &[mode, "300"]) else { return };
    let timeline = import(&files_of(&folder, |name| name.starts_with(trace)));
    assert!(timeline.steps.rung.iter().all(|rung| *rung == Rung::ExactBatch.code()));
    assert_eq!(batches(&timeline), executions(&folder));
}

#[test]
fn every_batch_of_a_real_triton_in_its_own_traces() {
    triton("json", "trace.json");
}

#[test]
fn every_batch_of_a_real_triton_in_its_opentelemetry_spans() {
    triton("otel", "otlp.jsonl");
}

#[test]
fn every_iteration_of_a_real_vllm() {
    let Some(folder) = run("run_vllm.py", "check_vllm.py", &["30"]) else { return };
    let timeline = import(&files_of(&folder, |name| name.ends_with(".uhook")));
    assert!(timeline.problems.is_empty(), "{:?}", timeline.problems.iter().collect::<Vec<_>>());
    assert!(timeline.steps.rung.iter().all(|rung| *rung == Rung::ExactHook.code()));

    // As many steps with members as vLLM logged iterations, and the same tokens in all.
    let log = std::fs::read_to_string(folder.path().join("server.log")).expect("a log");
    let numbers: Vec<Vec<u64>> = log
        .lines()
        .filter_map(|line| line.split_once("Iteration("))
        .map(|(_, rest)| {
            let words = rest.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
            words.take(5).map(|word| word.parse().expect("a number")).collect()
        })
        .collect();
    let steps = timeline.steps.iter().filter(|step| step.kind != StepKind::Empty.code());
    let (mut n_steps, mut tokens) = (0, 0);
    for step in steps {
        n_steps += 1;
        tokens += step.context_tokens + step.generation_tokens;
    }
    assert_eq!(n_steps, numbers.len());
    assert_eq!(tokens, numbers.iter().map(|numbers| numbers[2] + numbers[4]).sum::<u64>());

    // Every request is joined to its caller and finished.
    let clients = lines(&folder.path().join("client.jsonl"));
    assert_eq!(timeline.request_identities.len(), clients.len());
    for client in &clients {
        let id = client["x_request_id"].as_str().expect("an id");
        let row = timeline
            .request_identities
            .iter()
            .find(|row| text(&timeline, row.http_request) == id)
            .unwrap_or_else(|| panic!("{id} is not known"));
        let trace = format!("{:016x}{:016x}", row.trace_id_high, row.trace_id_low);
        let expected = client["traceparent"].as_str().map_or("0".repeat(32), |t| t[3..35].into());
        assert_eq!(trace, expected, "{id}");
        let phases: Vec<Phase> = timeline
            .step_members
            .iter()
            .filter(|member| member.request == row.request)
            .map(|member| Phase::from_code(member.phase))
            .collect();
        assert_eq!(phases.first(), Some(&Phase::Prefill), "{id}");
        assert_eq!(phases.last(), Some(&Phase::Finished), "{id}");
    }
}
