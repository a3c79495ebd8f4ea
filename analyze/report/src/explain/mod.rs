//! One request for a person: what happened, when, and what shows it.

mod select;
mod words;

use underspan_engine::{LatencySummary, Part, Request, Requests, StageKind};
use underspan_model::tables::{Phase, Rung, TableKind};
use underspan_model::{DurationNs, StringId, Timeline, Trust};

pub use select::{RequestSelector, Slowest};

use crate::document::{Document, ReportTable};
use crate::sections::trust_meaning;
use words::{part_meaning, rung_meaning, stage_meaning};

/// Cells of the waterfall.
const BAR_CELLS: usize = 44;
/// Rows of steps that are shown; the longest ones.
const STEPS_SHOWN: usize = 8;
/// Neighbours that are named.
const NEIGHBOURS_SHOWN: usize = 6;

/// The requests at `chosen` (positions in [`Requests::requests`]) as a document.
pub fn explain_document(timeline: &Timeline, requests: &Requests, chosen: &[usize]) -> Document {
    let mut document = Document::default();
    let trust = timeline.problems.trust();
    if trust != Trust::Full {
        let analyze = "underspan analyze says what is missing";
        document.paragraph(format!("{}; {analyze}.", trust_meaning(trust)));
    }
    for at in chosen {
        let Some(request) = requests.requests.get(*at) else { continue };
        head(&mut document, timeline, requests, request);
        waterfall(&mut document, request);
        parts(&mut document, requests, request);
        neighbours(&mut document, requests, *at, request);
        longest_steps(&mut document, requests, request);
    }
    limits(&mut document, requests);
    document
}

fn head(document: &mut Document, timeline: &Timeline, requests: &Requests, request: &Request) {
    document.heading(format!("REQUEST {}", request.request_id));
    let mut facts = vec![format!("{} in all", request.duration())];
    if let Some(part) = largest(request) {
        let share = percent(part.ns, request.duration().as_ns());
        let is_most = part.ns > request.duration().as_ns() / 2;
        let which = if is_most { "most of it" } else { "the largest part of it" };
        facts.push(format!("{which} {} ({share})", part_meaning(part.kind)));
    }
    document.paragraph(format!("{}.", facts.join(", ")));
    let mut items = Vec::new();
    if let Some(trace) = request.trace_id {
        let way: Vec<String> = request.chain.iter().map(|row| span_name(timeline, *row)).collect();
        let way = if way.is_empty() { String::new() } else { format!(": {}", way.join(" → ")) };
        items.push(format!("trace {trace:032x}{way}"));
    }
    items.extend(tokens(request));
    items.extend(token_gaps(requests, request));
    let model = timeline.strings.resolve_or_empty(request.model);
    if !model.is_empty() {
        let version = timeline.strings.resolve_or_empty(request.model_version);
        let version = if version.is_empty() { String::new() } else { format!(" {version}") };
        items.push(format!("model {model}{version}"));
    }
    if request.gpu_wall > DurationNs::ZERO {
        items.push(format!(
            "the GPU worked for its steps for {}; its own share of that is {}",
            request.gpu_wall, request.gpu_share
        ));
    }
    if request.is_error {
        items.push("it failed".to_owned());
    }
    if request.n_preemptions > 0 {
        items.push(format!("put out of the batch {} times", request.n_preemptions));
    }
    items.push(rung_meaning(request, requests));
    document.list(items);
}

fn span_name(timeline: &Timeline, row: u32) -> String {
    let text = |column: &[u32]| {
        let id = column.get(row as usize).copied().map(StringId::from_raw).unwrap_or_default();
        timeline.strings.resolve_or_empty(id).trim().to_owned()
    };
    let (service, name) = (text(&timeline.spans.service), text(&timeline.spans.name));
    if service.is_empty() { name } else { format!("{service} {name}") }
}

fn tokens(request: &Request) -> Option<String> {
    let tokens = &request.tokens;
    let mut words = Vec::new();
    if let Some(prompt) = tokens.prompt {
        let cached = tokens.cached.filter(|cached| *cached > 0);
        let cached = cached.map(|n| format!(" ({n} cached)")).unwrap_or_default();
        words.push(format!("{prompt} prompt tokens{cached}"));
    }
    words.extend(tokens.output.map(|n| format!("{n} output tokens")));
    words.extend(request.ttft.map(|ttft| format!("first token after {ttft}")));
    words.extend(request.tpot.map(|tpot| format!("then {tpot} a token")));
    (!words.is_empty()).then(|| words.join(", "))
}

/// How its tokens followed each other, and which step made the caller wait longest for one.
fn token_gaps(requests: &Requests, request: &Request) -> Option<String> {
    let gaps = requests.token_gaps(request);
    let summary = LatencySummary::of(gaps.iter().map(|gap| gap.gap))?;
    let longest = gaps.iter().max_by_key(|gap| (gap.gap, std::cmp::Reverse(gap.step)))?;
    let number = requests.steps.get(longest.step as usize).map(|step| step.number);
    let p99 = summary.p99.map(|p99| format!(", p99 {p99}")).unwrap_or_default();
    Some(format!(
        "inter-token latency p50 {}, p95 {}{p99}, longest {} before the token of step {} ({} gaps)",
        summary.p50,
        summary.p95,
        summary.max,
        number.map_or("?".to_owned(), |number| number.to_string()),
        summary.n,
    ))
}

fn largest(request: &Request) -> Option<&Part> {
    request.parts.iter().max_by_key(|part| part.ns)
}

/// Stages one below the other, each where it lies in the span.
fn waterfall(document: &mut Document, request: &Request) {
    let (start, total) = (request.interval.start(), request.duration().as_ns().max(1));
    let mut table = ReportTable::new(&["at", "for", "stage<", "waterfall<"]);
    let cell = |ns: u64| (ns as f64 / total as f64 * BAR_CELLS as f64).round() as usize;
    for stage in &request.stages {
        let from = stage.interval.start().saturating_since(start);
        let (first, last) = (
            cell(from.as_ns()).min(BAR_CELLS - 1),
            cell(from.as_ns() + stage.interval.duration().as_ns()),
        );
        let length = last.saturating_sub(first).max(1);
        let bar = format!(
            "{}{}{}",
            "·".repeat(first),
            glyph(stage.kind).repeat(length),
            "·".repeat(BAR_CELLS.saturating_sub(first + length)),
        );
        table.row([
            format!("+{from}"),
            stage.interval.duration().to_string(),
            stage_meaning(stage.kind).to_owned(),
            bar,
        ]);
    }
    // One bar for many preemptions says more than a page of rows.
    if table.rows.len() > 24 {
        table.rows.truncate(24);
    }
    document.table(table);
}

fn glyph(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Prefill | StageKind::Decode => "█",
        StageKind::Queue | StageKind::Preempted => "▒",
        _ => "░",
    }
}

fn parts(document: &mut Document, requests: &Requests, request: &Request) {
    document.heading("WHERE THE TIME WENT");
    let total = request.duration().as_ns();
    let mut table = ReportTable::new(&["share", "time", "what<", "shown by<"]);
    let mut parts: Vec<&Part> = request.parts.iter().collect();
    parts.sort_by_key(|part| (std::cmp::Reverse(part.ns), part.kind.index()));
    for part in parts {
        table.row([
            percent(part.ns, total),
            part.duration().to_string(),
            format!("{}: {}", part.kind.name(), part_meaning(part.kind)),
            evidence(requests, part),
        ]);
    }
    document.table(table);
}

fn evidence(requests: &Requests, part: &Part) -> String {
    let shown: Vec<String> = part
        .evidence
        .iter()
        .take(3)
        .map(|row| match row.table {
            TableKind::Step => {
                let number = requests.steps.get(row.row as usize).map(|step| step.number);
                format!("step {}", number.map_or("?".to_owned(), |number| number.to_string()))
            }
            table => format!("{} row {}", table.name(), row.row),
        })
        .collect();
    shown.join(", ")
}

/// Who else was in its steps.
fn neighbours(document: &mut Document, requests: &Requests, at: usize, request: &Request) {
    let mut shared: Vec<(u32, u64, u32)> = Vec::new();
    for membership in &request.steps {
        let Some(step) = requests.steps.get(membership.step as usize) else { continue };
        for member in step.members.iter().filter(|member| member.request as usize != at) {
            let is_prefill = member.phase == Phase::Prefill;
            let tokens = member.own_tokens.filter(|_| is_prefill).unwrap_or(0);
            match shared.iter_mut().find(|(other, ..)| *other == member.request) {
                Some((_, n, prompt)) => {
                    *n += 1;
                    *prompt += tokens;
                }
                None => shared.push((member.request, 1, tokens)),
            }
        }
    }
    if shared.is_empty() {
        return;
    }
    shared.sort_by_key(|(other, n, prompt)| (std::cmp::Reverse((*prompt, *n)), *other));
    document.heading("NEIGHBOURS IN ITS BATCHES");
    document.paragraph(format!(
        "{} other requests in {} steps; those whose prompts ran beside it first.",
        shared.len(),
        request.steps.len()
    ));
    let mut table = ReportTable::new(&["request<", "steps shared", "prompt tokens in them"]);
    for (other, n, prompt) in shared.iter().take(NEIGHBOURS_SHOWN) {
        let id = requests.requests.get(*other as usize).map(|other| other.request_id.clone());
        let prompt = if *prompt > 0 { prompt.to_string() } else { "–".to_owned() };
        table.row([id.unwrap_or_default(), n.to_string(), prompt]);
    }
    document.table(table);
}

fn longest_steps(document: &mut Document, requests: &Requests, request: &Request) {
    let mut steps: Vec<_> = request
        .steps
        .iter()
        .filter_map(|membership| Some((membership, requests.steps.get(membership.step as usize)?)))
        .collect();
    if steps.is_empty() {
        return;
    }
    let n = steps.len();
    steps.sort_by_key(|(membership, step)| {
        (std::cmp::Reverse(step.window.duration()), membership.step)
    });
    steps.truncate(STEPS_SHOWN);
    steps.sort_by_key(|(membership, _)| membership.step);
    document.heading(match n > STEPS_SHOWN {
        true => format!("ITS {STEPS_SHOWN} LONGEST STEPS OF {n}"),
        false => "ITS STEPS".to_owned(),
    });
    let titles = ["step", "at", "for", "phase<", "own tokens", "requests", "place", "mostly<"];
    let mut table = ReportTable::new(&titles);
    for (membership, step) in steps {
        let at = step.window.start() - request.interval.start();
        let from = DurationNs::from_ns(at.unsigned_abs());
        let mostly = step.profile.iter().max_by_key(|(_, ns)| *ns);
        table.row([
            step.number.to_string(),
            format!("{}{from}", if at < 0 { "-" } else { "+" }),
            step.window.duration().to_string(),
            match membership.phase {
                Phase::Unknown => "–".to_owned(),
                phase => phase.as_str().to_owned(),
            },
            membership.own_tokens.map_or("–".to_owned(), |n| n.to_string()),
            step.n_members.map_or("–".to_owned(), |n| n.to_string()),
            membership.position.map_or("–".to_owned(), |at| (at + 1).to_string()),
            mostly.map_or(String::new(), |(kind, _)| part_meaning(*kind).to_owned()),
        ]);
    }
    document.table(table);
}

/// What limits all that was said.
fn limits(document: &mut Document, requests: &Requests) {
    document.heading("HOW FAR THIS CAN BE RELIED ON");
    let mut items = Vec::new();
    items.push(match requests.rung {
        Rung::None => "no request is known to be in any step (rung 5)".to_owned(),
        rung => format!("membership over the capture: rung {} ({})", rung.code(), rung.as_str()),
    });
    items.push(match requests.clock.uncertainty_ns {
        Some(ns) => format!(
            "clocks of spans and device agree within {}{}",
            DurationNs::from_ns(ns),
            if requests.clock.correction.is_some() { ", once spans are moved" } else { "" }
        ),
        None => "nothing says how the clocks of spans and device relate".to_owned(),
    });
    items.extend(requests.notes.iter().cloned());
    document.list(items);
}

fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 / whole.max(1) as f64 * 100.0;
    if part > 0 && share < 0.1 { "<0.1 %".to_owned() } else { format!("{share:.1} %") }
}
