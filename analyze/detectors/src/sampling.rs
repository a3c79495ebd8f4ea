//! Whether the spans are those of all requests, or of a sample of them.

use hashbrown::{HashMap, HashSet};
use underspan_engine::StepDialect;
use underspan_model::NONE_U32;

use crate::Case;

/// Endings of the counters of served requests: vLLM's, Triton's, and vLLM's without its unit.
const SERVED: &[&str] =
    &["request_success_total", "nv_inference_request_success", "request_success"];
/// Fewest ranges, or requests in steps, that say something of how many there were.
const LEAST: u64 = 20;

/// How many requests have spans, and how many there were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    pub(crate) n_with_spans: f64,
    pub(crate) n_served: f64,
    /// What tells how many there were.
    pub(crate) source: &'static str,
}

impl Sampling {
    /// The source that knows of most requests; `None` when nothing tells.
    pub(crate) fn of(case: &Case<'_>) -> Option<Self> {
        let found = [by_counters(case), by_ranges(case), by_steps(case)];
        found.into_iter().flatten().min_by(|a, b| a.share().total_cmp(&b.share()))
    }

    /// Share of the requests that have spans.
    pub(crate) fn share(&self) -> f64 {
        self.n_with_spans / self.n_served
    }
}

fn by_counters(case: &Case<'_>) -> Option<Sampling> {
    let n_with_spans = case.requests.requests.iter().filter(|r| !r.chain.is_empty()).count() as f64;
    let n_served = case.telemetry.gauge(SERVED)?.rise();
    let source = "served requests by the server's counter";
    (n_with_spans > 0.0 && n_served > 0.0).then_some(Sampling { n_with_spans, n_served, source })
}

/// A server that puts a range around each request has as many of them as requests: those of the
/// same name outside of every span are of requests whose spans are missing.
fn by_ranges(case: &Case<'_>) -> Option<Sampling> {
    let is_range =
        |step: &&underspan_engine::RequestStep| step.label.dialect == StepDialect::Annotation;
    let ranges = &case.timeline.annotations;
    let within: HashSet<(i64, u32)> = case
        .steps()
        .iter()
        .filter(is_range)
        .map(|step| (step.host.start().as_ns(), step.thread.raw()))
        .collect();
    let (first, last) = covered(case)?;
    let is_step = |row: usize| {
        let start = ranges.start_ns[row];
        within.contains(&(start, ranges.thread[row])) || within.contains(&(start, NONE_U32))
    };
    let rows = || (0..ranges.len()).filter(|row| (first..last).contains(&ranges.start_ns[*row]));
    let names: HashSet<u32> =
        rows().filter(|row| is_step(*row)).map(|row| ranges.name[row]).collect();
    let of_name = || rows().filter(|row| names.contains(&ranges.name[*row]));
    // Ranges on the device repeat those of the host.
    let mut by_thread: HashMap<u32, (u64, u64)> = HashMap::new();
    for row in of_name() {
        let (n, n_within) = by_thread.entry(ranges.thread[row]).or_default();
        *n += 1;
        *n_within += u64::from(is_step(row));
    }
    let of_threads = || by_thread.values().filter(|(_, n_within)| *n_within > 0);
    let n_served: u64 = of_threads().map(|(n, _)| n).sum();
    let n_within: u64 = of_threads().map(|(_, n_within)| n_within).sum();
    (n_served >= LEAST).then_some(Sampling {
        n_with_spans: n_within as f64,
        n_served: n_served as f64,
        source: "ranges that the server put around requests",
    })
}

/// Steps that say how many requests were in them, against those that are known to have been.
fn by_steps(case: &Case<'_>) -> Option<Sampling> {
    let (first, last) = covered(case)?;
    let steps = case.steps().iter().filter(|step| {
        (first..last).contains(&step.host.start().as_ns()) && step.label.requests.is_some()
    });
    let (mut stated, mut named) = (0, 0);
    for step in steps {
        stated += u64::from(step.n_members.unwrap_or(0));
        named += step.members.len() as u64;
    }
    (named > 0 && stated >= LEAST).then_some(Sampling {
        n_with_spans: named as f64,
        n_served: stated as f64,
        source: "requests in steps by the engine's labels",
    })
}

/// From the first to the last moment of any request that has a span.
fn covered(case: &Case<'_>) -> Option<(i64, i64)> {
    let spans = || case.requests.requests.iter().filter(|request| !request.chain.is_empty());
    let first = spans().map(|request| request.interval.start().as_ns()).min()?;
    let last = spans().map(|request| request.interval.end().as_ns()).max()?;
    Some((first, last))
}
