//! Joining and accounting for requests: 1 M spans, 10 M kernels, with members stated by a hook and
//! with members guessed from labels. Times are the median and the best of several runs on two threads.
//!
//! `cargo bench -p underspan-engine --bench requests [-- kernels]`

#![allow(clippy::print_stdout, reason = "figures are what this bench is for")]

use std::hint::black_box;
use std::time::Instant;

use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::Timeline;
use underspan_model::span_facts::{self as fact, engine, role};
use underspan_model::tables::{
    Annotation, AnnotationKind, ApiCall, ApiDomain, Kernel, Phase, Rung, Span, SpanAttribute,
    SpanKind, Step, StepKind, StepMember,
};
use underspan_model::{KernelShape, NONE_U32};

const RUNS: usize = 5;
/// Spans of a request: gateway, client, engine.
const SPANS: usize = 3;
const KERNELS_PER_STEP: usize = 30;
/// Steps a request is in; as many requests are in a step.
const STEPS_PER_REQUEST: usize = 8;
const STEP_NS: i64 = 3_000_000;

fn main() {
    let asked = std::env::args().skip(1).find_map(|arg| arg.parse::<usize>().ok());
    let n_kernels = asked.unwrap_or(10_000_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.expect("threads can be started");
    for is_hooked in [true, false] {
        let timeline = serving(n_kernels / KERNELS_PER_STEP, is_hooked);
        let analysis = pool.install(|| Analysis::of(&timeline, &AnalysisOptions::default()));
        let mut times = Vec::new();
        let mut n_members = 0;
        for _ in 0..RUNS {
            let begin = Instant::now();
            let requests = pool.install(|| {
                black_box(Requests::of(&timeline, &analysis, &RequestOptions::default()))
            });
            times.push(begin.elapsed().as_secs_f64());
            n_members = requests.requests.iter().map(|request| request.steps.len()).sum();
        }
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "{}: {} spans, {} kernels, {} steps, {n_members} memberships: {:.2} s, best {:.2} s",
            if is_hooked { "by hook" } else { "by labels" },
            timeline.spans.len(),
            timeline.kernels.len(),
            timeline.steps.len().max(timeline.annotations.len()),
            times[times.len() / 2],
            times[0],
        );
    }
}

fn serving(n_steps: usize, is_hooked: bool) -> Timeline {
    let mut trace = TraceBuilder::new();
    let names =
        ["nvjet_tst_64x8_64x16_4x1_v_bz_TNT", "fused_add_rms_norm_kernel", "flash_fwd_kernel"];
    let names = names.map(|name| trace.intern(name));
    // The builder's own process, thread and stream are used below.
    trace.api_call("cudaGraphLaunch", 0..1, 0);
    let t = trace.timeline_mut();
    let launch = t.api_calls.name[0];
    t.api_calls = Default::default();
    let shapes = names.map(|name| t.shapes.intern(KernelShape::named(name)).raw());
    for step in 0..n_steps {
        add_step(t, step, n_steps, launch, &shapes, is_hooked);
    }
    let keys = [
        fact::ROLE,
        fact::ENGINE,
        fact::QUEUE_NS,
        fact::PREFILL_NS,
        fact::DECODE_NS,
        fact::TTFT_NS,
        fact::OUTPUT_TOKENS,
        fact::PROMPT_TOKENS,
    ];
    let keys = keys.map(|key| t.strings.intern(key));
    let texts = [role::REQUEST, engine::VLLM].map(|text| t.strings.intern(text));
    // One request begins with each step and stays for the same number of steps.
    for request in 0..n_steps {
        let scheduled = request as i64 * STEP_NS;
        let end = scheduled + STEPS_PER_REQUEST as i64 * STEP_NS;
        let id = t.strings.intern(&format!("cmpl-{request:08x}")).raw();
        for level in 0..SPANS {
            let before = 900_000 - 200_000 * level as i64;
            t.spans.push(Span {
                start_ns: scheduled - before,
                duration_ns: (end - scheduled + 2 * before) as u64,
                trace_id_high: 1,
                trace_id_low: request as u64 + 1,
                span_id: (request * SPANS + level + 1) as u64,
                parent_span_id: if level == 0 { 0 } else { (request * SPANS + level) as u64 },
                request: if level + 1 == SPANS { id } else { NONE_U32 },
                kind: SpanKind::Server.code(),
                id: (request * SPANS + level) as u32,
                ..Span::default()
            });
        }
        let span = (request * SPANS + SPANS - 1) as u32;
        let whole = [300_000, STEP_NS, STEP_NS * (STEPS_PER_REQUEST as i64 - 1), STEP_NS + 500_000];
        for (key, text) in keys.iter().zip(texts) {
            t.span_attributes.push(SpanAttribute::of_text(span, *key, text));
        }
        let numbers = whole.into_iter().chain([STEPS_PER_REQUEST as i64, 100]);
        for (key, number) in keys[2..].iter().zip(numbers) {
            t.span_attributes.push(SpanAttribute::of_whole(span, *key, number));
        }
    }
    t.sort();
    trace.build()
}

fn add_step(
    t: &mut Timeline,
    step: usize,
    n_steps: usize,
    launch: u32,
    shapes: &[u32; 3],
    is_hooked: bool,
) {
    let at = step as i64 * STEP_NS;
    let id = step as u32 + 1;
    t.api_calls.push(ApiCall {
        start_ns: at + 20_000,
        duration_ns: 10_000,
        thread: 0,
        name: launch,
        correlation_id: id,
        domain: ApiDomain::Runtime.code(),
        ..ApiCall::default()
    });
    for kernel in 0..KERNELS_PER_STEP {
        t.kernels.push(Kernel {
            start_ns: at + 50_000 + kernel as i64 * 95_000,
            duration_ns: 92_000,
            stream: 0,
            shape: shapes[kernel % 3],
            correlation_id: id,
            ..Kernel::default()
        });
    }
    let first = (step + 1).saturating_sub(STEPS_PER_REQUEST);
    let n_decode = step - first;
    if !is_hooked {
        let label = format!("execute_context_1(100)_generation_{n_decode}({n_decode})");
        let name = t.strings.intern(&label).raw();
        t.annotations.push(Annotation {
            start_ns: at + 10_000,
            duration_ns: 100_000,
            thread: 0,
            name,
            kind: AnnotationKind::User.code(),
            ..Annotation::default()
        });
        return;
    }
    t.steps.push(Step {
        start_ns: at + 10_000,
        duration_ns: 100_000,
        step_id: step as u64,
        process: 0,
        thread: 0,
        kind: StepKind::Mixed.code(),
        rung: Rung::ExactHook.code(),
        context_requests: 1,
        context_tokens: 100,
        generation_requests: n_decode as u32,
        generation_tokens: n_decode as u64,
        ..Step::default()
    });
    for request in first..=step.min(n_steps - 1) {
        let request_id = t.strings.intern(&format!("cmpl-{request:08x}")).raw();
        let is_prefill = request == step;
        t.step_members.push(StepMember {
            process: 0,
            step_id: step as u64,
            request: request_id,
            own_tokens: if is_prefill { 100 } else { 1 },
            computed_tokens: if is_prefill { 0 } else { 100 },
            phase: if is_prefill { Phase::Prefill } else { Phase::Decode }.code(),
            ..StepMember::default()
        });
    }
}
