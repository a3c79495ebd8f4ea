//! A whole report on a million requests: joined, accounted for, judged and written.
//!
//! `cargo bench -p underspan-tests --bench million_requests [-- REQUESTS [SAMPLE]]` repeats a folder
//! of `sample-traces/` until it holds that many requests, each with ids of its own, and prints how
//! long each stage takes on two threads and how much memory the process held at most, beside the
//! capture's own rows.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use underspan_detectors::{Case, Cost, Verdict, cohorts};
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::Table;
use underspan_model::{ColumnMut, NONE_U32, StringId, Timeline};
use underspan_report::{Answers, ReportOptions, TextStyle, analysis_document, analysis_json};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let n_requests: usize = words.first().and_then(|word| word.parse().ok()).unwrap_or(1_000_000);
    let sample = words.get(1).map_or("healthy-triton", String::as_str);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-traces").join(sample);
    let imported = import_paths(&[folder], &ImportOptions::default(), &NoProgress);
    let template = imported.unwrap_or_else(|error| panic!("{error}")).timeline;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let per_copy = pool.install(|| {
        let analysis = Analysis::of(&template, &AnalysisOptions::default());
        Requests::of(&template, &analysis, &RequestOptions::default()).requests.len()
    });
    let timeline = repeated(&template, n_requests.div_ceil(per_copy));
    println!(
        "{sample}: {} events, {} spans, {} kernels, {:.0} MB",
        timeline.event_count(),
        timeline.spans.len(),
        timeline.kernels.len(),
        resident("VmRSS") / 1e6
    );
    pool.install(|| report(&timeline));
    println!("most memory {:.0} MB", resident("VmHWM") / 1e6);
}

fn report(timeline: &Timeline) {
    let begin = Instant::now();
    let mut last = begin;
    let mut stage = |name: &str| {
        println!("  {name:<24} {:>7.2} s", last.elapsed().as_secs_f64());
        last = Instant::now();
    };
    let analysis = Analysis::of(timeline, &AnalysisOptions::default());
    stage("analysis");
    let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
    stage("requests");
    let case = Case::of(timeline, &analysis, &requests);
    stage("case");
    let verdict = Verdict::of(&case);
    stage("verdict");
    let cohorts = cohorts(&case);
    stage("cohorts");
    let tokens = requests.token_latencies();
    stage("tokens");
    let cost = Cost::of(&case, 2.5);
    let answers = Answers {
        verdict: Some(&verdict),
        tokens: Some(&tokens),
        cost: cost.as_ref(),
        slo: None,
        cohorts: &cohorts,
    };
    let document = analysis_document(timeline, &analysis, &answers, &ReportOptions::default());
    black_box(underspan_report::to_text(&document, TextStyle::default()));
    black_box(analysis_json(timeline, &analysis, &answers));
    stage("text and JSON");
    println!(
        "  {} requests, verdict {}: {:.2} s",
        requests.requests.len(),
        verdict.kind.as_str(),
        begin.elapsed().as_secs_f64()
    );
}

/// A line of the system's page about this process, in bytes; zero where there is none.
fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}

/// The template over and over, each copy later than the one before, with requests, spans, steps
/// and launches of its own.
fn repeated(template: &Timeline, n_copies: usize) -> Timeline {
    let bounds = template
        .tables()
        .iter()
        .filter_map(|table| table.time_bounds())
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (first, last) = bounds.expect("the template has events");
    let period_ns = last - first + 50_000;
    let most = |ids: &[u32]| ids.iter().filter(|id| **id != NONE_U32).max().map_or(0, |id| id + 1);
    let step = Copies {
        correlation: most(&template.api_calls.correlation_id),
        span: most(&template.spans.id),
        step_id: template.steps.step_id.iter().max().map_or(0, |id| id + 1),
    };
    let mut whole = template.clone();
    for copy in 1..n_copies {
        let mut part = template.clone();
        for table in part.tables_mut() {
            move_rows(table, copy as u64, period_ns, &step);
        }
        rename_requests(&mut part, copy, &mut whole);
        append_rows(&mut whole, &mut part);
    }
    whole.sort();
    whole
}

/// By how much the ids of one copy lie above those of the one before.
struct Copies {
    correlation: u32,
    span: u32,
    step_id: u64,
}

fn move_rows(table: &mut dyn Table, copy: u64, period_ns: i64, by: &Copies) {
    let specs = table.specs();
    for (spec, column) in specs.iter().zip(table.columns_mut()) {
        match (spec.name, column) {
            ("start_ns" | "time_ns", ColumnMut::I64(values)) => {
                values.iter_mut().for_each(|value| *value += copy as i64 * period_ns);
            }
            ("correlation_id", ColumnMut::U32(ids)) => add(ids, copy as u32 * by.correlation),
            ("span" | "id", ColumnMut::U32(ids)) => add(ids, copy as u32 * by.span),
            ("step_id", ColumnMut::U64(ids)) => {
                ids.iter_mut().for_each(|id| *id += copy * by.step_id);
            }
            // Ids that were drawn by lot stay apart when turned by another one.
            ("trace_id_low" | "trace_id_high" | "span_id" | "parent_span_id", column) => {
                let ColumnMut::U64(ids) = column else { continue };
                let turn = copy.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ids.iter_mut().filter(|id| **id != 0).for_each(|id| *id ^= turn);
            }
            _ => {}
        }
    }
}

fn add(ids: &mut [u32], by: u32) {
    ids.iter_mut().filter(|id| **id != NONE_U32).for_each(|id| *id += by);
}

/// Gives the requests of a copy names of their own, which `whole` holds.
fn rename_requests(part: &mut Timeline, copy: usize, whole: &mut Timeline) {
    let columns = [
        &mut part.spans.request,
        &mut part.step_members.request,
        &mut part.request_identities.request,
    ];
    for id in columns.into_iter().flatten().filter(|id| **id != NONE_U32) {
        let name = format!("{}-{copy}", part.strings.resolve_or_empty(StringId::from_raw(*id)));
        *id = whole.strings.intern(&name).raw();
    }
}

fn append_rows(whole: &mut Timeline, part: &mut Timeline) {
    whole.kernels.append(&mut part.kernels);
    whole.memcpys.append(&mut part.memcpys);
    whole.memsets.append(&mut part.memsets);
    whole.api_calls.append(&mut part.api_calls);
    whole.annotations.append(&mut part.annotations);
    whole.spans.append(&mut part.spans);
    whole.span_attributes.append(&mut part.span_attributes);
    whole.steps.append(&mut part.steps);
    whole.step_members.append(&mut part.step_members);
    whole.counters.append(&mut part.counters);
}
