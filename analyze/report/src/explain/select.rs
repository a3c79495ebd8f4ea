//! Which requests are asked for.

use underspan_engine::Requests;
use underspan_model::{StringId, Timeline};

/// How many of the slowest requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slowest {
    /// So many.
    Count(usize),
    /// This share of all, in percent; at least one.
    Percent(f64),
}

/// Which requests are asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestSelector {
    /// Those of a trace.
    Trace(u128),
    /// The one that a span belongs to.
    Span(u64),
    /// By the engine's id, or one that its hook or an HTTP header gave it.
    Id(String),
    /// The slowest.
    Slowest(Slowest),
}

impl RequestSelector {
    /// Positions of the requests that are asked for: the slowest ones first, others in order of
    /// start.
    pub fn find(&self, timeline: &Timeline, requests: &Requests) -> Vec<usize> {
        let all = requests.requests.iter().enumerate();
        match self {
            Self::Trace(trace) => {
                all.filter(|(_, r)| r.trace_id == Some(*trace)).map(|(at, _)| at).collect()
            }
            Self::Span(span) => by_span(timeline, requests, *span),
            Self::Id(id) => by_id(timeline, requests, id),
            Self::Slowest(slowest) => {
                let mut order: Vec<usize> = all.map(|(at, _)| at).collect();
                order.sort_by_key(|at| (std::cmp::Reverse(requests.requests[*at].duration()), *at));
                let n = match slowest {
                    Slowest::Count(n) => *n,
                    Slowest::Percent(share) => {
                        ((order.len() as f64 * share / 100.0).ceil() as usize).max(1)
                    }
                };
                order.truncate(n);
                order
            }
        }
    }
}

/// The requests in whose chain a span is, or below whose serving span.
fn by_span(timeline: &Timeline, requests: &Requests, span: u64) -> Vec<usize> {
    let spans = &timeline.spans;
    let holds = |row: &u32| spans.span_id.get(*row as usize) == Some(&span);
    let all = requests.requests.iter().enumerate();
    let direct: Vec<usize> =
        all.clone().filter(|(_, r)| r.chain.iter().any(holds)).map(|(at, _)| at).collect();
    if !direct.is_empty() {
        return direct;
    }
    // A slice of a request, or a caller of several: by its trace.
    let trace = (0..spans.len()).find(|row| spans.span_id[*row] == span).map(|row| {
        u128::from(spans.trace_id_high[row]) << 64 | u128::from(spans.trace_id_low[row])
    });
    all.filter(|(_, r)| trace.is_some() && r.trace_id == trace).map(|(at, _)| at).collect()
}

fn by_id(timeline: &Timeline, requests: &Requests, id: &str) -> Vec<usize> {
    let all = requests.requests.iter().enumerate();
    let exact: Vec<usize> =
        all.clone().filter(|(_, r)| r.request_id == id).map(|(at, _)| at).collect();
    if !exact.is_empty() {
        return exact;
    }
    // The names a hook knows it by.
    let text = |raw: u32| timeline.strings.resolve_or_empty(StringId::from_raw(raw));
    let known: Vec<&str> = timeline
        .request_identities
        .iter()
        .filter(|row| [row.request, row.external, row.http_request].iter().any(|n| text(*n) == id))
        .flat_map(|row| [text(row.request), text(row.external), text(row.http_request)])
        .filter(|name| !name.is_empty())
        .collect();
    let by_name: Vec<usize> =
        all.clone().filter(|(_, r)| known.contains(&r.request_id.as_str())).map(|p| p.0).collect();
    if !by_name.is_empty() {
        return by_name;
    }
    // An X-Request-Id within an engine's id: `cmpl-<id>-0`.
    let within = |text: &str| {
        text.match_indices(id).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + id.len()..].chars().next();
            let ends = |c: Option<char>| c.is_none_or(|c| matches!(c, '-' | '_' | ':' | '/' | '.'));
            ends(before) && ends(after)
        })
    };
    if id.is_empty() {
        return Vec::new();
    }
    all.filter(|(_, r)| within(&r.request_id)).map(|(at, _)| at).collect()
}
