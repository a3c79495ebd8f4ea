//! What each engine's spans mean, put into one vocabulary
//! ([`span_facts`](underspan_model::span_facts)), and engine steps rebuilt where spans hold them.
//!
//! One module an engine. An engine's module reads its own words from a [`View`] of all spans and
//! writes [`Findings`]; it never changes what the source said.

mod findings;
mod gen_ai;
mod rejoin;
mod sglang;
mod stamps;
mod tensorrt_llm;
mod tgi;
mod triton;
mod view;
mod vllm;

use std::collections::HashSet;

use underspan_model::{StringId, Timeline};

use findings::Findings;
pub(crate) use gen_ai::LATENCY_KEYS;
pub(crate) use stamps::{is_stamp, own_stamp, stamp};
use view::View;

/// How far apart the stamps of one execution may lie when they went through a conversion between
/// clocks: 451 ns was the most in 169 executions of a real server.
pub(crate) const CONVERTED_STAMPS_NS: u64 = 1_000;

/// Engine whose dialect a span is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Vllm,
    Sglang,
    Tgi,
    TensorrtLlm,
    Triton,
    GenAi,
}

/// Adds facts in the one vocabulary, request ids and engine steps to a timeline of one source.
/// `stamp_tolerance_ns` is how far apart equal stamps of a batch may lie.
pub(crate) fn normalise(timeline: &mut Timeline, stamp_tolerance_ns: u64) {
    normalise_some(timeline, stamp_tolerance_ns, |_| true);
}

/// Does the same anew for the spans of several sources that were joined: what one file tells about
/// a request may be explained by another, as when a run's spans were exported in parts.
pub(crate) fn normalise_joined(timeline: &mut Timeline) {
    let sources: HashSet<u32> = timeline.spans.source.iter().copied().collect();
    let format = |source: &u32| {
        let format = timeline.dimensions.sources.format.get(*source as usize).copied();
        let format = format.map_or(StringId::NONE, StringId::from_raw);
        timeline.strings.resolve_or_empty(format).to_owned()
    };
    // Stamps of Triton's own files are exact and never leave their file.
    let sources: HashSet<u32> =
        sources.into_iter().filter(|source| format(source) != crate::triton::FORMAT).collect();
    if sources.len() > 1 {
        rejoin::forget(timeline, &sources);
        normalise_some(timeline, CONVERTED_STAMPS_NS, |source| sources.contains(&source));
    }
}

/// Does it for the spans of some sources.
fn normalise_some(
    timeline: &mut Timeline,
    stamp_tolerance_ns: u64,
    is_wanted: impl Fn(u32) -> bool,
) {
    if timeline.spans.is_empty() {
        return;
    }
    rejoin::put_together(timeline);
    let view = View::of(timeline);
    let engines = engines(&view);
    let rows = |engine| {
        let is_its = |(row, found): &(usize, &Option<Engine>)| {
            **found == Some(engine) && is_wanted(view.span(*row).source)
        };
        engines.iter().enumerate().filter(is_its).map(|(row, _)| row).collect::<Vec<_>>()
    };
    let mut findings = Findings::default();
    for row in rows(Engine::Vllm) {
        vllm::read(&view, row, &mut findings);
    }
    for row in rows(Engine::TensorrtLlm) {
        tensorrt_llm::read(&view, row, &mut findings);
    }
    for row in rows(Engine::GenAi) {
        gen_ai::read(&view, row, &mut findings);
    }
    sglang::read(&view, &rows(Engine::Sglang), &mut findings);
    tgi::read(&view, &rows(Engine::Tgi), &mut findings);
    triton::read(&view, &rows(Engine::Triton), stamp_tolerance_ns, &mut findings);
    findings.write(timeline);
    rejoin::put_together(timeline);
}

/// The engine of each span: by its own signs, and for spans that bear none by the company of
/// spans that do.
fn engines(view: &View<'_>) -> Vec<Option<Engine>> {
    let engines: Vec<_> = (0..view.len()).map(|row| by_own_signs(view, row)).collect();
    let traces_of = |engine| {
        let is_its = |row: &usize| engines[*row] == Some(engine);
        (0..view.len()).filter(is_its).map(|row| view.trace(row)).collect::<HashSet<_>>()
    };
    let (sglang, tgi) = (traces_of(Engine::Sglang), traces_of(Engine::Tgi));
    let with_company = |row: usize, own: Option<Engine>| {
        let (name, trace) = (view.name(row), view.trace(row));
        let is_linked = || view.links(row).any(|link| tgi.contains(&link.trace()));
        own.or_else(|| (sglang.contains(&trace) && sglang::is_part(name)).then_some(Engine::Sglang))
            .or_else(|| {
                let is_tgi = tgi::is_part(name) && (tgi.contains(&trace) || is_linked());
                is_tgi.then_some(Engine::Tgi)
            })
    };
    let mut engines: Vec<_> =
        engines.iter().enumerate().map(|(row, own)| with_company(row, *own)).collect();
    // The steps of TGI are in traces of their own, known by their links.
    let is_step =
        |row: &usize| engines[*row] == Some(Engine::Tgi) && view.name(*row) == tgi::STEP_NAME;
    let steps: HashSet<_> = (0..view.len()).filter(is_step).map(|row| view.trace(row)).collect();
    for (row, engine) in engines.iter_mut().enumerate() {
        if engine.is_none() && tgi::is_part(view.name(row)) && steps.contains(&view.trace(row)) {
            *engine = Some(Engine::Tgi);
        }
    }
    engines
}

fn by_own_signs(view: &View<'_>, row: usize) -> Option<Engine> {
    let scope = view.scope(row);
    let signs = [
        ("triton", Engine::Triton),
        ("sglang", Engine::Sglang),
        ("vllm", Engine::Vllm),
        ("trt.", Engine::TensorrtLlm),
        ("trtllm", Engine::TensorrtLlm),
        ("tensorrt_llm", Engine::TensorrtLlm),
        ("text-generation", Engine::Tgi),
        ("text_generation", Engine::Tgi),
    ];
    if let Some((_, engine)) = signs.iter().find(|(sign, _)| scope.starts_with(sign)) {
        return Some(*engine);
    }
    let mut is_gen_ai = false;
    let mut says_model_time = false;
    let mut n_tgi_times = 0;
    for attribute in view.attributes(row) {
        match attribute.key {
            "triton.model_name" => return Some(Engine::Triton),
            "module" if attribute.text().is_some_and(|t| t.starts_with("sglang")) => {
                return Some(Engine::Sglang);
            }
            "gen_ai.latency.time_in_model_prefill" | "gen_ai.latency.time_in_model_inference" => {
                says_model_time = true;
            }
            "gen_ai.latency.kv_cache_transfer_time" => return Some(Engine::TensorrtLlm),
            "total_time" | "validation_time" | "queue_time" | "inference_time" => n_tgi_times += 1,
            key if key.starts_with("vllm.") => return Some(Engine::Vllm),
            key => is_gen_ai |= key.starts_with("gen_ai."),
        }
    }
    if n_tgi_times == 4 || view.service(row).starts_with("text-generation-inference") {
        return Some(Engine::Tgi);
    }
    if says_model_time && view.name(row) == vllm::REQUEST_NAME {
        return Some(Engine::Vllm);
    }
    if view.events(row).any(|event| stamps::is_stamp(event.name)) {
        return Some(Engine::Triton);
    }
    is_gen_ai.then_some(Engine::GenAi)
}
