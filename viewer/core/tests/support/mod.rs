//! A small server with a planted cause: twelve requests, one of which met a step whose multiply
//! took forty times as long as every other.
#![allow(dead_code, reason = "every test file uses a part of it")]

use underspan_engine::trace_builder::TraceBuilder;
use underspan_model::tables::{Phase, Rung, Span, SpanKind, Step, StepKind, StepMember};
use underspan_model::{NONE_U32, Timeline};
use underspan_native::{WriteOptions, write_timeline};

/// Name of the kernel that is to blame.
pub(crate) const CULPRIT: &str = "ampere_sgemm_128x64_nn";
/// Request that met it.
pub(crate) const SLOW_REQUEST: &str = "req-7";

const STEP_NS: i64 = 1_000_000;
const N_REQUESTS: i64 = 12;
const STEPS_EACH: i64 = 4;

/// The capture.
pub(crate) fn planted_server() -> Timeline {
    let mut trace = TraceBuilder::new();
    let mut steps = Vec::new();
    let mut spans = Vec::new();
    let mut at = 1_000_000_i64;
    for request in 0..N_REQUESTS {
        let begin = at;
        for step in 0..STEPS_EACH {
            let is_planted = request == 7 && step == 2;
            let (name, len) = match is_planted {
                true => (CULPRIT, 40 * 500_000),
                false => ("nvjet_hsh_128x256_64x4_2x1_v_bz_TNT", 500_000),
            };
            let start = at;
            trace.launch(name, at + 10_000..at + 20_000, at + 30_000..at + 30_000 + len);
            let end = at + 30_000 + len;
            trace.launch(
                "void softmax_warp_forward<float, 9>(float*)",
                at + 40_000..at + 45_000,
                end + 2_000..end + 80_000,
            );
            at = end + 100_000;
            steps.push((request, start, at - 10_000));
            at = at.max(start + STEP_NS);
        }
        spans.push((request, begin - 200_000, at + 50_000));
        at += 400_000;
    }
    let mut timeline = trace.build();
    let service = timeline.strings.intern("server").raw();
    let span_name = timeline.strings.intern("POST /v1/completions").raw();
    for (request, start, end) in spans {
        let id = timeline.strings.intern(&format!("req-{request}")).raw();
        timeline.spans.push(Span {
            start_ns: start,
            duration_ns: (end - start) as u64,
            trace_id_high: 1,
            trace_id_low: request as u64 + 1,
            span_id: request as u64 + 100,
            name: span_name,
            service,
            request: id,
            kind: SpanKind::Server.code(),
            ..Span::default()
        });
    }
    for (number, (request, start, end)) in steps.into_iter().enumerate() {
        let id = timeline.strings.intern(&format!("req-{request}")).raw();
        timeline.steps.push(Step {
            start_ns: start,
            duration_ns: (end - start) as u64,
            step_id: number as u64,
            process: 0,
            thread: 0,
            name: NONE_U32,
            kind: StepKind::Decode.code(),
            rung: Rung::ExactHook.code(),
            ..Step::default()
        });
        timeline.step_members.push(StepMember {
            process: 0,
            step_id: number as u64,
            request: id,
            own_tokens: 1,
            phase: Phase::Decode.code(),
            ..StepMember::default()
        });
    }
    timeline.sort();
    timeline
}

/// The capture as a file in a folder of its own.
pub(crate) fn planted_file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("planted.uspan");
    write_timeline(&path, &planted_server(), &WriteOptions::default())
        .expect("the file is written");
    (folder, path)
}
