//! Steps of requests whose spans tell only how many tokens they had, in an engine that computes
//! prompts apart from the rest and whose labels tell only of sizes.

use std::collections::BTreeSet;

use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::span_facts as fact;
use underspan_model::tables::{AnnotationKind, Span, SpanAttribute, SpanKind};

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const N: usize = 60;

/// What a simulated engine did.
struct Run {
    trace: TraceBuilder,
    /// The steps of each request, and when the first and the last of its tokens came.
    steps: Vec<BTreeSet<usize>>,
    tokens: Vec<(i64, i64)>,
    arrivals: Vec<i64>,
    outputs: Vec<u32>,
}

/// Prompts first, in steps of their own; then one token for everybody.
fn run() -> Run {
    let mut trace = TraceBuilder::new();
    trace.timeline_mut().info.clock = underspan_model::ClockDomain::Realtime;
    let mut random = 7_u64;
    let mut draw = move |below: i64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((random >> 33) as i64) % below
    };
    let mut at = 0;
    let arrivals: Vec<i64> = (0..N)
        .map(|_| {
            at += draw(16 * MS);
            at
        })
        .collect();
    let outputs: Vec<u32> = (0..N).map(|_| 1 + draw(12) as u32).collect();
    let mut steps = vec![BTreeSet::new(); N];
    let mut tokens = vec![(0, 0); N];
    let mut left = outputs.clone();
    let (mut next, mut now, mut n_steps) = (0, 0, 0);
    let mut running: Vec<usize> = Vec::new();
    while next < N || !running.is_empty() {
        let new: Vec<usize> = (next..N).take_while(|at| arrivals[*at] <= now).collect();
        if new.is_empty() && running.is_empty() {
            now = arrivals[next];
            continue;
        }
        next += new.len();
        let is_prompt = !new.is_empty();
        let members = if is_prompt { new.clone() } else { running.clone() };
        let (label, length) = match is_prompt {
            true => (format!("step[EXTEND bs={} toks={}]", new.len(), 100 * new.len()), 9 * MS),
            false => (format!("step[DECODE bs={}]", running.len()), 4 * MS + draw(MS)),
        };
        let start = now;
        trace.annotation(AnnotationKind::User, &label, start..start + 200 * US);
        trace.launch("gemm", start + 10 * US..start + 20 * US, start + 30 * US..start + length);
        now = start + length;
        for member in &members {
            steps[*member].insert(n_steps);
            tokens[*member].1 = now;
            if is_prompt {
                tokens[*member].0 = now;
            }
            left[*member] -= 1;
        }
        running.extend(new);
        running.retain(|at| left[*at] > 0);
        n_steps += 1;
        now += 300 * US;
    }
    Run { trace, steps, tokens, arrivals, outputs }
}

/// Pairs of request and step that were found, those of them that are true, and all true ones.
fn pairs(tells_first_token: bool) -> (usize, usize, usize) {
    let Run { mut trace, steps, tokens, arrivals, outputs } = run();
    let t = trace.timeline_mut();
    for at in 0..N {
        let id = at as u32;
        t.spans.push(Span {
            start_ns: arrivals[at] - 400 * US,
            duration_ns: (tokens[at].1 + 250 * US - arrivals[at] + 400 * US) as u64,
            trace_id_low: 1 + at as u64,
            span_id: 1,
            request: t.strings.intern(&format!("request-{at:02}")).raw(),
            kind: SpanKind::Internal.code(),
            id,
            ..Span::default()
        });
        let first = tokens[at].0 + 150 * US - arrivals[at] + 400 * US;
        let mut facts = vec![(fact::OUTPUT_TOKENS, i64::from(outputs[at]))];
        facts.push((fact::PROMPT_TOKENS, 100));
        if tells_first_token {
            facts.push((fact::TTFT_NS, first));
        }
        for (key, value) in facts {
            let key = t.strings.intern(key);
            t.span_attributes.push(SpanAttribute::of_whole(id, key, value));
        }
        let (role, request) = (t.strings.intern(fact::ROLE), t.strings.intern("request"));
        t.span_attributes.push(SpanAttribute::of_text(id, role, request));
    }
    let timeline = trace.build();
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    let (mut found, mut right) = (0, 0);
    for request in &requests.requests {
        let at = arrivals
            .iter()
            .position(|arrival| request.interval.start().as_ns() == arrival - 400 * US);
        let truth = &steps[at.expect("a request that was sent")];
        found += request.steps.len();
        right += request.steps.iter().filter(|m| truth.contains(&(m.step as usize))).count();
    }
    (found, right, steps.iter().map(BTreeSet::len).sum())
}

#[test]
fn with_the_time_of_the_first_token_every_step_is_right() {
    let (found, right, all) = pairs(true);
    assert_eq!((right, found), (all, all));
}

#[test]
fn without_it_the_end_and_the_number_of_tokens_do() {
    let (found, right, all) = pairs(false);
    assert!(right as f64 >= 0.98 * all as f64, "{right} of {all}");
    assert!(right as f64 >= 0.98 * found as f64, "{right} of {found} that were found");
}
