//! What must hold for the requests of any capture, however odd: parts and stages sum to the span,
//! shares to the device time of the step; order of rows and number of threads change nothing, and
//! a request that is in no step with others changes nobody else.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, PartKind, RequestOptions, Requests, StageKind};
use underspan_model::span_facts::{self as fact, role};
use underspan_model::tables::{
    AnnotationKind, Counter, CounterTrack, MemcpyKind, Rung, Span, SpanAttribute, SpanKind, Step,
    StepKind, StepMember,
};
use underspan_model::{NONE_U32, Timeline};

/// One request's span and what it says of itself.
#[derive(Debug, Clone)]
struct SpanPlan {
    start: i64,
    length: u64,
    outer: Option<(i64, u64)>,
    facts: [Option<i64>; 5],
    output: i64,
}

/// One step, its members and its launches.
#[derive(Debug, Clone)]
struct StepPlan {
    start: i64,
    length: i64,
    /// Request, tokens, tokens before, phase.
    members: Vec<(usize, u32, u32, u8)>,
    /// Call, delay, length and sort of each launch.
    launches: Vec<(i64, i64, i64, u8)>,
}

#[derive(Debug, Clone)]
struct Plan {
    spans: Vec<SpanPlan>,
    steps: Vec<StepPlan>,
    told: Told,
}

/// How the capture tells of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Hook,
    Server,
    Labels,
    Ranges,
}

fn spans() -> impl Strategy<Value = SpanPlan> {
    let fact = || prop::option::of(0..6_000_i64);
    (
        0..9_000_i64,
        0..5_000_u64,
        prop::option::of((-400..400_i64, 0..6_000_u64)),
        [fact(), fact(), fact(), fact(), fact()],
        0..9_i64,
    )
        .prop_map(|(start, length, outer, facts, output)| SpanPlan {
            start,
            length,
            outer,
            facts,
            output,
        })
}

fn steps() -> impl Strategy<Value = StepPlan> {
    (
        0..10_000_i64,
        0..900_i64,
        prop::collection::vec((0..6_usize, 0..300_u32, 0..900_u32, 0..5_u8), 0..5),
        prop::collection::vec((0..900_i64, 0..400_i64, 0..500_i64, 0..4_u8), 0..5),
    )
        .prop_map(|(start, length, members, launches)| StepPlan {
            start,
            length,
            members,
            launches,
        })
}

fn plans() -> impl Strategy<Value = Plan> {
    let told = prop::sample::select(vec![Told::Hook, Told::Server, Told::Labels, Told::Ranges]);
    (prop::collection::vec(spans(), 0..7), prop::collection::vec(steps(), 0..12), told)
        .prop_map(|(spans, steps, told)| Plan { spans, steps, told })
}

/// Times are spread so that no two rows of a table start together: then only time orders them.
fn spread(time: i64, at: usize) -> i64 {
    time * 64 + at as i64
}

fn build(plan: &Plan, reversed: bool) -> Timeline {
    let mut trace = TraceBuilder::new();
    let mut order: Vec<usize> = (0..plan.steps.len()).collect();
    if reversed {
        order.reverse();
    }
    for at in order {
        add_step(&mut trace, plan.told, &plan.steps[at], at);
    }
    let mut order: Vec<usize> = (0..plan.spans.len()).collect();
    if reversed {
        order.reverse();
    }
    for at in order {
        add_span(trace.timeline_mut(), &plan.spans[at], at);
    }
    trace.build()
}

fn add_step(trace: &mut TraceBuilder, told: Told, step: &StepPlan, at: usize) {
    let start = spread(step.start, at);
    let range = start..start + step.length * 64;
    for (n, (call, delay, length, sort)) in step.launches.iter().enumerate() {
        let call = start + call * 64 + 7 * n as i64;
        let run = call + delay * 64..call + (delay + length) * 64;
        let id = (at * 16 + n + 1) as u32;
        match sort {
            0 => trace.api_call("cudaStreamSynchronize", call..call + length * 64, id),
            1 => trace.api_call("cudaMemcpyAsync", call..call + 9, id).memcpy(
                MemcpyKind::HtoD,
                4096,
                run,
                id,
            ),
            2 => trace.api_call("cudaLaunchKernel", call..call + 9, id).kernel("nccl", run, id),
            _ => trace.api_call("cudaLaunchKernel", call..call + 9, id).kernel(
                "ampere_sgemm_128x64_tn",
                run,
                id,
            ),
        };
    }
    let n_context = step.members.iter().filter(|member| member.3 == 1).count();
    let n_generation = step.members.len() - n_context;
    match told {
        Told::Labels => {
            let label = format!("execute_context_{n_context}(9)_generation_{n_generation}(3)");
            trace.annotation(AnnotationKind::User, &label, range);
        }
        Told::Ranges => {
            trace.annotation(AnnotationKind::User, "predict", range);
        }
        Told::Hook | Told::Server => {
            let timeline = trace.timeline_mut();
            let is_hook = told == Told::Hook;
            timeline.steps.push(Step {
                start_ns: start,
                duration_ns: (step.length * 64) as u64,
                step_id: at as u64,
                process: 0,
                thread: if is_hook { 0 } else { NONE_U32 },
                kind: if is_hook { StepKind::Mixed } else { StepKind::Batch }.code(),
                rung: if is_hook { Rung::ExactHook } else { Rung::ExactBatch }.code(),
                ..Step::default()
            });
            for (request, own_tokens, computed_tokens, phase) in &step.members {
                let request = timeline.strings.intern(&format!("r-{request}")).raw();
                timeline.step_members.push(StepMember {
                    process: 0,
                    step_id: at as u64,
                    request,
                    own_tokens: *own_tokens,
                    computed_tokens: *computed_tokens,
                    phase: *phase,
                    ..StepMember::default()
                });
            }
        }
    }
}

fn add_span(timeline: &mut Timeline, plan: &SpanPlan, at: usize) {
    let start = spread(plan.start, 2 * at);
    let number = 10 + at as u32;
    let request = timeline.strings.intern(&format!("r-{at}")).raw();
    let span = Span {
        start_ns: start,
        duration_ns: plan.length * 64,
        trace_id_high: 7,
        trace_id_low: 100 + at as u64,
        span_id: 1,
        parent_span_id: u64::from(plan.outer.is_some()) * 2,
        request,
        kind: SpanKind::Server.code(),
        id: number,
        ..Span::default()
    };
    timeline.spans.push(span);
    if let Some((before, length)) = plan.outer {
        timeline.spans.push(Span {
            start_ns: start + before * 64 + 1,
            duration_ns: length * 64,
            span_id: 2,
            parent_span_id: 0,
            request: NONE_U32,
            kind: SpanKind::Client.code(),
            id: NONE_U32,
            ..span
        });
    }
    let key = timeline.strings.intern(fact::ROLE);
    let value = timeline.strings.intern(role::REQUEST);
    timeline.span_attributes.push(SpanAttribute::of_text(number, key, value));
    let keys =
        [fact::QUEUE_NS, fact::PREFILL_NS, fact::DECODE_NS, fact::TTFT_NS, fact::INFERENCE_NS];
    for (key, value) in keys.iter().zip(plan.facts) {
        if let Some(value) = value {
            let key = timeline.strings.intern(key);
            timeline.span_attributes.push(SpanAttribute::of_whole(number, key, value * 64));
        }
    }
    let key = timeline.strings.intern(fact::OUTPUT_TOKENS);
    timeline.span_attributes.push(SpanAttribute::of_whole(number, key, plan.output));
}

fn requests_of(timeline: &Timeline) -> Requests {
    let analysis = Analysis::of(timeline, &AnalysisOptions::default());
    Requests::of(timeline, &analysis, &RequestOptions::default())
}

/// What is said of each request, without numbers of rows.
fn said(requests: &Requests) -> BTreeMap<String, String> {
    let describe = |at: &usize| {
        let request = &requests.requests[*at];
        let parts: Vec<(PartKind, u64)> =
            request.parts.iter().map(|part| (part.kind, part.ns)).collect();
        let steps: Vec<_> = request
            .steps
            .iter()
            .map(|m| (requests.steps[m.step as usize].window, m.own_tokens, m.phase, m.rung))
            .collect();
        let key = format!("{} {:?}", request.request_id, request.interval);
        let text = format!(
            "{parts:?} {:?} {steps:?} {:?} {:?} {:?}",
            request.stages, request.gpu_wall, request.gpu_share, request.ttft
        );
        (key, text)
    };
    (0..requests.requests.len()).collect::<Vec<_>>().iter().map(describe).collect()
}

fn assert_accounts(requests: &Requests) -> Result<(), TestCaseError> {
    for request in &requests.requests {
        let sum: u64 = request.parts.iter().map(|part| part.ns).sum();
        prop_assert_eq!(sum, request.duration().as_ns(), "{:?}", request);
        prop_assert!(request.parts.iter().all(|part| part.ns > 0));
        let mut at = request.interval.start();
        for stage in &request.stages {
            prop_assert_eq!(stage.interval.start(), at);
            at = stage.interval.end();
        }
        prop_assert_eq!(at, request.interval.end());
        prop_assert!(request.steps.is_sorted_by_key(|membership| membership.step));
    }
    prop_assert!(requests.requests.is_sorted_by_key(|request| request.interval));
    for (request, of) in requests.requests.iter().enumerate() {
        for membership in &of.steps {
            let members = &requests.steps[membership.step as usize].members;
            prop_assert!(members.iter().any(|member| member.request as usize == request));
        }
    }
    let mut given = 0;
    for step in &requests.steps {
        let sum: u64 = step.profile.iter().map(|(_, ns)| ns).sum();
        prop_assert_eq!(sum, step.window.duration().as_ns(), "{:?}", step);
        let shares: u64 = step.members.iter().map(|member| member.gpu_share.as_ns()).sum();
        let n_named = step.members.len() as u32;
        match step.n_members {
            Some(n) if n == n_named && n > 0 => prop_assert_eq!(shares, step.busy.as_ns()),
            _ => prop_assert!(shares <= step.busy.as_ns()),
        }
        given += shares;
    }
    let had: u64 = requests.requests.iter().map(|request| request.gpu_share.as_ns()).sum();
    prop_assert_eq!(had, given);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn parts_sum_to_the_span_and_shares_to_the_device_time(plan in plans()) {
        assert_accounts(&requests_of(&build(&plan, false)))?;
    }

    #[test]
    fn neither_order_nor_threads_change_anything(plan in plans()) {
        let forward = requests_of(&build(&plan, false));
        let backward = requests_of(&build(&plan, true));
        prop_assert_eq!(said(&forward), said(&backward));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
        let timeline = build(&plan, false);
        prop_assert_eq!(&forward, &pool.install(|| requests_of(&timeline)));
    }

    #[test]
    fn a_request_in_no_step_changes_nobody_else(plan in plans(), other in spans()) {
        // Ranges are given to whoever they fit: there another request may be the one.
        prop_assume!(plan.told != Told::Ranges);
        let before = said(&requests_of(&build(&plan, false)));
        let mut with = build(&plan, false);
        add_span(&mut with, &other, 50);
        with.sort();
        let with = requests_of(&with);
        let joined = with.requests.iter().find(|request| request.request_id == "r-50");
        prop_assume!(joined.is_some_and(|request| request.steps.is_empty()));
        let mut after = said(&with);
        after.retain(|key, _| !key.starts_with("r-50 "));
        // Without any other request, spans of callers may have been the requests.
        prop_assume!(!plan.spans.is_empty());
        prop_assert_eq!(before, after);
    }
}

#[test]
fn an_empty_capture_has_no_requests() {
    let requests = requests_of(&TraceBuilder::new().build());
    assert!(requests.requests.is_empty() && requests.steps.is_empty());
    assert_eq!(requests.rung, Rung::None);
}

/// A request with a prompt of 100 tokens joins a batch that decodes.
fn interfered() -> Timeline {
    let mut trace = TraceBuilder::new();
    let us = 1_000;
    for step in 0..10_i64 {
        let at = step * 100 * us;
        let (label, run) = match step {
            4 => ("execute_context_1(9)_generation_1(1)", 40),
            6 => ("execute_context_1(100)_generation_1(1)", 90),
            _ => ("execute_context_0(0)_generation_1(1)", 40),
        };
        trace.annotation(AnnotationKind::User, label, at..at + 10 * us).launch(
            "ampere_sgemm_128x64_tn",
            at + us..at + 2 * us,
            at + 5 * us..at + (5 + run) * us,
        );
    }
    let timeline = trace.timeline_mut();
    timeline.info.clock = underspan_model::ClockDomain::Realtime;
    let plan = SpanPlan { start: 0, length: 0, outer: None, facts: [None; 5], output: 5 };
    add_span(timeline, &plan, 0);
    let facts = [
        (fact::QUEUE_NS, 0),
        (fact::PREFILL_NS, 45 * us),
        (fact::DECODE_NS, 400 * us),
        (fact::TTFT_NS, 45 * us),
    ];
    timeline.spans.start_ns[0] = 400 * us;
    timeline.spans.duration_ns[0] = 480 * us as u64;
    for (key, ns) in facts {
        let key = timeline.strings.intern(key);
        timeline.span_attributes.push(SpanAttribute::of_whole(10, key, ns));
    }
    trace.build()
}

#[test]
fn the_prompt_of_another_is_interference_and_sums_stay() {
    let requests = requests_of(&interfered());
    let request = &requests.requests[0];
    assert_eq!(request.rung, Rung::Counts);
    // The step with the prompt ran 50 µs longer than a decode step.
    assert_eq!(request.of_kind(PartKind::Interference).as_ns(), 50_000);
    assert!(request.of_stage(StageKind::Decode).as_ns() > 0);
    assert_accounts(&requests).expect("sums");
}

/// A request that waited for 300 µs while the engine was at work for 100 µs of that.
fn queued(scrapes: &[(i64, f64, f64)]) -> Requests {
    let mut trace = TraceBuilder::new();
    let us = 1_000;
    let label = "execute_context_0(0)_generation_1(1)";
    for start in [100 * us, 300 * us] {
        trace.annotation(AnnotationKind::User, label, start..start + 100 * us);
    }
    let timeline = trace.timeline_mut();
    timeline.info.clock = underspan_model::ClockDomain::Realtime;
    let plan = SpanPlan { start: 0, length: 0, outer: None, facts: [None; 5], output: 1 };
    add_span(timeline, &plan, 0);
    timeline.spans.start_ns[0] = 0;
    timeline.spans.duration_ns[0] = 400 * us as u64;
    let facts = [
        (fact::QUEUE_NS, 300),
        (fact::PREFILL_NS, 100),
        (fact::DECODE_NS, 0),
        (fact::TTFT_NS, 400),
    ];
    for (key, value) in facts {
        let key = timeline.strings.intern(key);
        timeline.span_attributes.push(SpanAttribute::of_whole(10, key, value * us));
    }
    for (at, deferred, capacity) in scrapes {
        for (reason, value) in [("deferred", *deferred), ("capacity", *capacity)] {
            let name = format!("vllm:num_requests_waiting_by_reason{{reason=\"{reason}\"}}");
            let name = timeline.strings.intern(&name).raw();
            let track = CounterTrack { name, ..CounterTrack::default() };
            let track = timeline.dimensions.counter_track(track).raw();
            timeline.counters.push(Counter { time_ns: at * us, track, value });
        }
    }
    requests_of(&trace.build())
}

#[test]
fn a_request_that_the_engine_put_off_did_not_wait_for_room() {
    let of = |requests: &Requests, kind| requests.requests[0].of_kind(kind).as_ns() / 1_000;
    let queue = [PartKind::QueueDeferred, PartKind::QueueCapacity, PartKind::Queue];
    // Put off from 50 µs to 250 µs, in which the engine ran a step from 100 µs to 200 µs.
    let put_off = queued(&[(50, 1.0, 0.0), (250, 1.0, 0.0), (320, 0.0, 0.0)]);
    assert_eq!(of(&put_off, PartKind::QueueDeferred), 200);
    let rest = queue.map(|kind| of(&put_off, kind)).iter().sum::<u64>();
    assert_eq!(rest, 300);
    assert_accounts(&put_off).expect("sums");
    // While another waits for room, nothing says which of the two this is.
    for scrapes in [&[][..], &[(50, 1.0, 2.0), (250, 1.0, 2.0)], &[(50, 0.0, 1.0), (250, 0.0, 1.0)]]
    {
        assert_eq!(of(&queued(scrapes), PartKind::QueueDeferred), 0, "{scrapes:?}");
    }
}

/// Ten requests in ranges of their own; `add` launches the work of each at its start.
fn ranges(mut add: impl FnMut(&mut TraceBuilder, i64, i64)) -> Requests {
    let mut trace = TraceBuilder::new();
    for at in 0..10_i64 {
        let start = at * 1_000_000;
        trace.annotation(AnnotationKind::User, "predict", start..start + 500_000);
        add(&mut trace, at, start);
        trace.timeline_mut().spans.push(Span {
            start_ns: start - 1_000,
            duration_ns: 600_000,
            trace_id_low: 1 + at as u64,
            span_id: 1,
            kind: SpanKind::Server.code(),
            id: at as u32,
            ..Span::default()
        });
    }
    requests_of(&trace.build())
}

#[test]
fn kernels_at_low_clocks_show_what_the_clocks_cost() {
    let requests = ranges(|trace, at, start| {
        let is_down = at >= 7;
        let run = if is_down { 150_000 } else { 100_000 };
        trace
            .launch("ampere_sgemm_128x64_tn", start + 10..start + 20, start + 30..start + 30 + run)
            .launch("copy_like", start + 21..start + 25, start + 200_000..start + 230_000);
        let t = trace.timeline_mut();
        let samples = [
            ("clocks.current.sm", if is_down { 1_200.0 } else { 1_980.0 }),
            ("clocks_event_reasons.active", if is_down { 64.0 } else { 0.0 }),
        ];
        for (name, value) in samples {
            let name = t.strings.intern(name).raw();
            let track = CounterTrack { name, ..CounterTrack::default() };
            let track = t.dimensions.counter_track(track).raw();
            t.counters.push(Counter { time_ns: start - 5_000, track, value });
        }
    });
    let excess: Vec<u64> =
        requests.requests.iter().map(|r| r.of_kind(PartKind::ClockExcess).as_ns()).collect();
    // The last sample says nothing of what comes after it.
    assert_eq!(excess, [0, 0, 0, 0, 0, 0, 0, 50_000, 50_000, 0]);
    assert_accounts(&requests).expect("sums");
}

#[test]
fn a_gap_behind_a_wait_inside_the_step_is_the_wait_s() {
    let requests = ranges(|trace, at, start| {
        let id = 100 + at as u32;
        trace
            .launch("a", start + 10..start + 20, start + 30..start + 100_030)
            .api_call("cudaStreamSynchronize", start + 30..start + 100_035, id)
            .launch("b", start + 140_000..start + 140_010, start + 150_000..start + 400_000)
            .api_call("cudaStreamSynchronize", start + 140_020..start + 400_005, id + 50);
    });
    for request in &requests.requests {
        // From the end of the first kernel to the second; and 5 ns until the last wait returned.
        assert_eq!(request.of_kind(PartKind::Sync).as_ns(), 49_970 + 5, "{request:?}");
    }
}
