//! D16: the time went before or after the serving engine had the request.

use hashbrown::HashMap;
use underspan_engine::{Request, Stage, StageKind};
use underspan_model::StringId;

use crate::Case;
use crate::detector::{Detection, Detector, Finding, Grade, Layer};
use crate::measure::{p95_share, percent, requests_of, spans_of, time};
use crate::replay::Removal;
use crate::statistics::percentile_of;

/// Least share of the 95th percentile.
const SHARE_MIN: f64 = 0.10;
/// Least time beyond the natural one that counts for a request, and as a share of the median
/// latency where requests are quick.
const LEAST_NS: u64 = 500_000;
const LEAST_SHARE: f64 = 0.05;
/// Time outside that callers and networks naturally take, as a share of the median latency.
const NATURAL_SHARE: f64 = 0.10;

/// Attributes that say where a request was sent.
const ROUTES: &[&str] =
    &["server.address", "net.peer.name", "cloud.region", "service.instance.id", "peer.service"];

/// D16.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OutsideServing;

impl Detector for OutsideServing {
    fn id(&self) -> &'static str {
        "D16"
    }

    fn title(&self) -> &'static str {
        "outside the serving boundary"
    }

    fn layer(&self) -> Layer {
        Layer::Outside
    }

    fn explanation(&self) -> &'static str {
        "The time lies between the caller's span and the engine's: gateways, networks, retries, a \
         route to another region; or in the server before the request was queued and after its last \
         token: reading, tokenizing, detokenizing, sending. Nothing on the GPU can be blamed for it. \
         What callers naturally take is taken from a baseline, or from the requests of this run that \
         had the least of it."
    }

    fn detect(&self, case: &Case<'_>) -> Detection {
        let requests = &case.requests.requests;
        let spans = requests.iter().filter(|request| !request.chain.is_empty()).count();
        if spans == 0 {
            return Detection::MissingInput("request spans");
        }
        let natural = Natural::of(case);
        let least = LEAST_NS.min((case.percentile(50) as f64 * LEAST_SHARE) as u64);
        let mut before_ns = vec![0; requests.len()];
        let mut after_ns = vec![0; requests.len()];
        for (at, request) in requests.iter().enumerate() {
            let (before, after) = around_of(request, case.coverage.has_request(at));
            let beyond = |ns: u64, natural: u64| {
                let beyond = ns.saturating_sub(natural);
                if beyond < least { 0 } else { beyond }
            };
            before_ns[at] = beyond(before, natural.before);
            after_ns[at] = beyond(after, natural.after);
        }
        let sums: Vec<u64> = before_ns.iter().zip(&after_ns).map(|(a, b)| a + b).collect();
        let removal = Removal { before_ns, after_ns, ..Removal::default() };
        let share = p95_share(case, &removal);
        if share < SHARE_MIN {
            return Detection::Clear(format!(
                "time outside the engine beyond the natural {} is {} of p95",
                time(natural.before + natural.after),
                percent(share)
            ));
        }
        let touched = requests_of(&sums);
        let inside: u64 = touched.iter().map(|at| frontend(&requests[*at as usize])).sum();
        let all: u64 = sums.iter().sum();
        let in_server = inside > all / 2;
        let route = changed_route(case, &sums);
        let amounts: Vec<u64> = sums.iter().copied().filter(|ns| *ns > 0).collect();
        Detection::Found(Box::new(Finding {
            id: "D16",
            summary: format!(
                "{} requests spent time {}, half of them more than {} beyond the natural {}{}",
                touched.len(),
                if in_server {
                    "in the server's frontend, outside the engine's queue and steps"
                } else {
                    "before or after the serving engine had them"
                },
                time(percentile_of(&amounts, 50)),
                time(natural.before + natural.after),
                route.as_ref().map_or(String::new(), |route| format!("; {route}"))
            ),
            removal,
            grade: Grade::Measured,
            evidence: spans_of(case, &touched),
            requests: touched,
            counter_evidence: vec![
                "Clocks of different hosts: an offset moves time from before to after, not into it."
                    .to_owned(),
            ],
            remedy: if in_server {
                "Give the frontend more processes, or take tokenizing and streaming off its loop."
                    .to_owned()
            } else {
                "Look at the gateway, the network and the route; nothing inside the server is at \
                 fault."
                    .to_owned()
            },
            setting: None,
            confirm: "Call the server directly from its own host and compare.".to_owned(),
        }))
    }
}

/// Time of a request before it was queued and after its last work; what the server did in it is
/// only known where the trace covers it, or its span tells of its stages.
fn around_of(request: &Request, is_covered: bool) -> (u64, u64) {
    around(&request.stages, !request.steps.is_empty(), is_covered)
}

fn around(stages: &[Stage], has_steps: bool, is_covered: bool) -> (u64, u64) {
    let is_around = |stage: &Stage| {
        matches!(stage.kind, StageKind::Outside | StageKind::Frontend | StageKind::Post)
    };
    // Of one that began before the trace or ended after it, the first step that is known is not the
    // first.
    let is_told = !has_steps && !stages.iter().all(is_around);
    let is_covered = is_covered || is_told;
    let mut sums = (0, 0);
    let mut was_in = false;
    for stage in stages {
        let ns = stage.interval.duration().as_ns();
        match stage.kind {
            StageKind::Frontend | StageKind::Post if !is_covered => was_in = true,
            StageKind::Outside | StageKind::Frontend | StageKind::Post => {
                if was_in {
                    sums.1 += ns;
                } else {
                    sums.0 += ns;
                }
            }
            _ => was_in = true,
        }
    }
    sums
}

fn frontend(request: &Request) -> u64 {
    (request.of_stage(StageKind::Frontend).as_ns()) + request.of_stage(StageKind::Post).as_ns()
}

/// What is natural before and after.
struct Natural {
    before: u64,
    after: u64,
}

impl Natural {
    fn of(case: &Case<'_>) -> Self {
        let of = |case: &Case<'_>, percent: u32| {
            let requests = &case.requests.requests;
            let covered = (0..requests.len()).filter(|at| case.coverage.has_request(*at));
            let mut around: Vec<(u64, u64)> =
                covered.map(|at| around_of(&requests[at], true)).collect();
            if around.is_empty() {
                around = requests.iter().map(|request| around_of(request, false)).collect();
            }
            let before: Vec<u64> = around.iter().map(|(before, _)| *before).collect();
            let after: Vec<u64> = around.iter().map(|(_, after)| *after).collect();
            (percentile_of(&before, percent), percentile_of(&after, percent))
        };
        if let Some(baseline) = case.baseline.as_deref() {
            let (before, after) = of(baseline, 50);
            return Self { before, after };
        }
        let serving: Vec<u64> =
            case.requests.requests.iter().map(|r| r.serving.duration().as_ns()).collect();
        let most = (percentile_of(&serving, 50) as f64 * NATURAL_SHARE) as u64 + 2_000_000;
        let (before, after) = of(case, 50);
        let (low_before, low_after) = of(case, 10);
        // The usual time, when it is short; of a long one only what every request has.
        Self {
            before: if before <= most { before } else { low_before.min(most) },
            after: if after <= most { after } else { low_after.min(most) },
        }
    }
}

/// A value of a routing attribute that the touched requests have and others have not.
fn changed_route(case: &Case<'_>, sums: &[u64]) -> Option<String> {
    let attributes = &case.timeline.span_attributes;
    let mut request_of_span: HashMap<u32, usize> = HashMap::new();
    for (at, request) in case.requests.requests.iter().enumerate() {
        for row in &request.chain {
            request_of_span.insert(case.timeline.spans.id[*row as usize], at);
        }
    }
    let text = |id: u32| case.timeline.strings.resolve_or_empty(StringId::from_raw(id));
    ROUTES.iter().find_map(|route| {
        let key = case.timeline.strings.find(route)?.raw();
        let mut by_value: HashMap<u32, (usize, u64)> = HashMap::new();
        for row in (0..attributes.len()).filter(|row| attributes.key[*row] == key) {
            let Some(at) = request_of_span.get(&attributes.span[row]) else { continue };
            let sum = by_value.entry(attributes.text[row]).or_default();
            sum.0 += 1;
            sum.1 += sums[*at];
        }
        let mut means: Vec<(u64, u32, usize)> =
            by_value.iter().map(|(value, (n, ns))| (ns / *n as u64, *value, *n)).collect();
        means.sort_unstable_by(|a, b| b.cmp(a));
        let [(most, value, n), .., (least, other, _)] = means.as_slice() else { return None };
        (*most > 3 * least.max(&LEAST_NS) && *n >= 5).then(|| {
            format!(
                "those with {route} {} have {} more than those with {}",
                text(*value),
                time(most - least),
                text(*other)
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::{Interval, TimestampNs};

    #[test]
    fn what_lies_between_a_span_and_the_trace_is_not_the_frontends() {
        let lengths = [
            (StageKind::Outside, 10),
            (StageKind::Frontend, 100),
            (StageKind::Queue, 5),
            (StageKind::Decode, 70),
            (StageKind::Post, 50),
        ];
        let mut at = 0;
        let stages = lengths.map(|(kind, ns)| {
            let start = at;
            at += ns;
            let time = TimestampNs::from_ns;
            Stage { kind, interval: Interval::new(time(start), time(at)) }
        });
        assert_eq!(around(&stages, true, true), (110, 50), "the trace covers it");
        assert_eq!(around(&stages, false, false), (110, 50), "its span tells of its stages");
        assert_eq!(around(&stages, true, false), (10, 0), "its first step is not known");
        assert_eq!(around(&stages[..2], false, false), (10, 0), "nothing tells of its stages");
    }
}
