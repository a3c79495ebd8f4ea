//! The Python hook, end to end: stand-in engines run under it, its files are imported, and who was
//! in each step is compared with the engines' own logs. The hook's own tests run here too.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::{Phase, Rung, StepKind};
use underspan_model::{ClockDomain, StringId, Timeline};
use underspan_tests::python::{python, unittests};

fn engines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

/// Runs a stand-in engine under the hook and imports what the hook left.
fn run(engine: &str, arguments: &[&str]) -> Option<(TempDir, Timeline)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hook = engines().join("../../capture/hook");
    let path = std::env::join_paths([hook, engines().join("standin")]).expect("a search path");
    let output = python(&engines())?
        .arg("drive_standin.py")
        .arg(engine)
        .arg(folder.path())
        .args(arguments)
        .env("PYTHONPATH", path)
        .env("UNDERSPAN_HOOK_DIR", folder.path())
        .env_remove("UNDERSPAN_COLLECTOR")
        .env_remove("CUDA_INJECTION64_PATH")
        .env_remove("VLLM_PLUGINS")
        .output()
        .expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<PathBuf> = std::fs::read_dir(folder.path())
        .expect("the folder can be listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "uhook"))
        .collect();
    assert!(!files.is_empty(), "the hook left no file");
    let imported = import_paths(&files, &ImportOptions::default(), &NoProgress)
        .unwrap_or_else(|error| panic!("{error}"));
    Some((folder, imported.timeline))
}

fn truth(folder: &TempDir) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("truth.jsonl")).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

type Members = Vec<(String, u64, u64)>;

fn members_in(line: &Value) -> Members {
    let members = line["members"].as_array().expect("members");
    let mut members: Members = members
        .iter()
        .map(|member| {
            let text = |at: usize| member[at].as_str().expect("a name").to_owned();
            let number = |at: usize| member[at].as_u64().expect("a number");
            (text(0), number(1), number(2))
        })
        .collect();
    members.sort();
    members
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

/// Members and the names in one other phase, step by step.
fn members_of(timeline: &Timeline, other: Phase) -> Vec<(Members, Vec<String>)> {
    let place: HashMap<(u32, u64), usize> = timeline
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| ((step.process, step.step_id), at))
        .collect();
    let mut steps = vec![(Members::new(), Vec::new()); timeline.steps.len()];
    for row in timeline.step_members.iter() {
        let step = &mut steps[place[&(row.process, row.step_id)]];
        let name = text(timeline, row.request);
        match Phase::from_code(row.phase) {
            Phase::Prefill | Phase::Decode => {
                step.0.push((name, row.own_tokens.into(), row.computed_tokens.into()));
            }
            phase if phase == other => step.1.push(name),
            _ => {}
        }
    }
    for (members, others) in &mut steps {
        members.sort();
        others.sort();
    }
    steps
}

#[track_caller]
fn same_members(timeline: &Timeline, truth: &[Value]) -> usize {
    let found = members_of(timeline, Phase::Preempted);
    assert_eq!(found.len(), truth.len(), "as many steps");
    for (at, (line, (members, _))) in truth.iter().zip(&found).enumerate() {
        assert_eq!(*members, members_in(line), "step {at}");
    }
    assert!(timeline.steps.rung.iter().all(|rung| *rung == Rung::ExactHook.code()));
    assert_eq!(timeline.info.clock, ClockDomain::Realtime);
    assert!(timeline.problems.is_empty(), "{:?}", timeline.problems.iter().collect::<Vec<_>>());
    found.iter().map(|(members, _)| members.len()).sum()
}

#[test]
fn every_member_of_every_step_of_the_stand_in_vllm() {
    for (seed, options) in [
        ("1", &["method=spawn", "ending=exit"][..]),
        ("2", &["method=fork", "ending=kill"]),
        ("3", &["drafts=3"]),
        ("4", &["second_runner=1", "worker_class=cpu"]),
    ] {
        let arguments = [&[seed, "80"], options].concat();
        let Some((folder, timeline)) = run("vllm", &arguments) else { return };
        let truth = truth(&folder);
        let pairs = same_members(&timeline, &truth);
        println!("{options:?}: {} steps, {pairs} pairs of request and step", truth.len());
        for (phase, key) in [(Phase::Preempted, "preempted"), (Phase::Finished, "finished")] {
            for (line, (_, found)) in truth.iter().zip(members_of(&timeline, phase)) {
                let names = line[key].as_array().expect("names");
                let expected: Vec<_> =
                    names.iter().map(|name| name.as_str().expect("a name")).collect();
                assert_eq!(found, expected);
            }
        }
        for (line, step) in truth.iter().zip(timeline.steps.iter()) {
            let is_empty = StepKind::from_code(step.kind) == StepKind::Empty;
            assert_eq!(is_empty, line["members"].as_array().is_some_and(Vec::is_empty));
            assert!(step.duration_ns > 0);
        }
    }
}

#[test]
fn requests_of_the_stand_in_vllm_are_joined_to_their_callers() {
    let Some((_folder, timeline)) = run("vllm", &["5", "60"]) else { return };
    assert_eq!(timeline.request_identities.len(), 60);
    let members: HashMap<String, usize> =
        timeline.step_members.iter().map(|row| (text(&timeline, row.request), 1)).collect();
    let mut scheduled = 0;
    for (n, row) in timeline.request_identities.iter().enumerate() {
        assert_eq!(text(&timeline, row.external), format!("cmpl-req-5-{n:04}-0"));
        assert_eq!((row.trace_id_low, row.parent_span_id), (n as u64 + 1, n as u64 + 7));
        assert_eq!(u64::from(row.is_sampled), n as u64 % 2);
        scheduled += members.get(&text(&timeline, row.request)).copied().unwrap_or_default();
    }
    assert_eq!(scheduled, members.len(), "every member is named by a request");
}

#[test]
fn every_member_of_every_step_of_the_other_stand_ins() {
    for engine in ["sglang", "batching"] {
        let Some((folder, timeline)) = run(engine, &["7", "60"]) else { return };
        let pairs = same_members(&timeline, &truth(&folder));
        println!("{engine}: {} steps, {pairs} pairs of request and step", timeline.steps.len());
    }
}

#[test]
fn the_hook_passes_its_tests_in_stand_in_engines() {
    unittests(&engines(), "test_standin");
}

#[test]
fn the_hook_passes_its_tests_of_large_batches() {
    unittests(&engines(), "test_members");
}

#[test]
fn the_hook_passes_its_tests_of_failures() {
    unittests(&engines(), "test_failures");
}

#[test]
fn the_hook_passes_its_tests_with_a_collector() {
    unittests(&engines(), "test_collector");
}
