//! Annotations and engine steps end up in the same file as the GPU's work.

mod support;

use std::path::Path;
use std::process::Command;

use cupti_sys::CUDA_12_9;
use support::{Bench, built, problems};
use underspan_model::tables::{AnnotationKind, Phase, StepKind};
use underspan_model::{ProblemKind, StringId};

#[test]
fn nvtx_ranges_marks_domains_and_thread_names_are_recorded() {
    let bench = Bench::of(CUDA_12_9);
    let outcome = bench.run(&["init", "nvtx"]);
    outcome.assert_well();
    for line in ["nvtx 1", "depths (0, 1, 1, 0, -1)", "domain 0"] {
        assert!(outcome.lines.iter().any(|found| found == line), "{line}: {:?}", outcome.lines);
    }
    let capture = bench.capture();
    let text = |id: u32| capture.strings.resolve_or_empty(StringId::from_raw(id));
    let mut found: Vec<_> = capture
        .annotations
        .iter()
        .map(|row| (row.annotation_kind(), text(row.name), text(row.domain)))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (AnnotationKind::NvtxPushPop, "inner", ""),
            (AnnotationKind::NvtxPushPop, "outer", ""),
            (AnnotationKind::NvtxPushPop, "registered", "engine"),
            (AnnotationKind::NvtxStartEnd, "apart", ""),
            (AnnotationKind::NvtxMark, "here", ""),
        ]
    );
    let thread = capture.annotations.thread[0] as usize;
    assert_eq!(text(capture.dimensions.threads.name[thread]), "loop");
    assert_eq!(capture.problems.count(ProblemKind::OpenRange), 1, "{:?}", problems(&capture));
}

#[test]
fn a_dormant_collector_takes_no_annotations() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_MODE", "dormant");
    bench.run(&["init", "nvtx", "steps=3"]).assert_well();
    assert!(!bench.path("cap.uspan").exists());
}

#[test]
fn steps_and_their_members_are_recorded() {
    let bench = Bench::of(CUDA_12_9);
    let outcome = bench.run(&["init", "steps=4"]);
    outcome.assert_well();
    let answers: Vec<_> = outcome.lines.iter().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(answers, ["step 1 0", "step 0 0", "step 0 0", "step 0 0"], "a keyframe first");
    let capture = bench.capture();
    let steps: Vec<_> = capture
        .steps
        .iter()
        .map(|step| (step.step_id, StepKind::from_code(step.kind), step.context_tokens))
        .collect();
    assert_eq!(
        steps,
        [
            (0, StepKind::Prefill, 8),
            (1, StepKind::Decode, 0),
            (2, StepKind::Decode, 0),
            (3, StepKind::Decode, 0)
        ]
    );
    let members: Vec<_> = capture
        .step_members
        .iter()
        .map(|m| {
            let name = capture.strings.resolve_or_empty(StringId::from_raw(m.request));
            (m.step_id, name, m.computed_tokens, m.own_tokens, Phase::from_code(m.phase))
        })
        .collect();
    assert_eq!(
        members,
        [
            (0, "req-a", 0, 8, Phase::Prefill),
            (1, "req-a", 8, 1, Phase::Decode),
            (2, "req-a", 9, 1, Phase::Decode),
            (3, "req-a", 10, 1, Phase::Decode)
        ]
    );
}

#[test]
fn the_hooks_own_encoder_and_this_decoder_agree() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bench = Bench::of(CUDA_12_9);
    let output = Command::new("python3")
        .arg(crate_dir.join("tests/python_hook.py"))
        .arg(built("libunderspan_collector.so"))
        .arg(crate_dir.join("../hook"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("UNDERSPAN_MODE", "stream")
        .env("UNDERSPAN_OUTPUT", bench.path("cap.uspan"))
        .env("UNDERSPAN_EXIT_MS", "30000")
        .env("UNDERSPAN_CUPTI", bench.path("libcupti.so.12"))
        .output();
    let Ok(output) = output else {
        println!("skipped: there is no python3");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let capture = bench.capture();
    let mut lines: Vec<_> = capture
        .step_members
        .iter()
        .filter(|m| matches!(Phase::from_code(m.phase), Phase::Prefill | Phase::Decode))
        .map(|m| {
            let name = capture.strings.resolve_or_empty(StringId::from_raw(m.request));
            let phase = Phase::from_code(m.phase).as_str();
            format!("{} {name} {} {} {phase}", m.step_id, m.computed_tokens, m.own_tokens)
        })
        .collect();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut expected: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(expected.len() > 1000 && capture.steps.len() == 400, "{}", expected.len());
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);

    let identities: Vec<_> = capture.request_identities.iter().collect();
    let [request] = identities.as_slice() else { panic!("{} requests", identities.len()) };
    let name = capture.strings.resolve_or_empty(StringId::from_raw(request.request));
    assert_eq!((name, request.trace_id_low, request.parent_span_id), ("req-0", 0xabc, 0xdef));
    // The hook's lengths are of the monotonic clock, its moment is of the wall clock.
    assert_eq!(request.time_ns, 1_790_000_000_000_000_000);
    assert_eq!((request.frontend_ns, request.duration_ns), (300, 1_000));
}
