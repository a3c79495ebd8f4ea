//! Latency by what requests have in common: the model they asked for, the version and the replica
//! that served them, the route they took.

use std::collections::BTreeMap;

use underspan_model::{NONE_U32, StringId};

use crate::Case;
use crate::verdict::Latency;

/// Fewest requests that make a cohort.
const REQUESTS_MIN: usize = 5;
/// Most cohorts that are told apart by one thing; the smaller ones are left out.
const COHORTS_MAX: usize = 12;

/// What tells requests apart, and the attributes that say it, the most telling first.
struct Dimension {
    by: &'static str,
    keys: &'static [&'static str],
    /// Whether only the serving span's own attributes count: callers have versions too.
    is_of_server: bool,
}

const DIMENSIONS: &[Dimension] = &[
    Dimension {
        by: "version",
        keys: &["gen_ai.response.model", "model_version", "service.version", "version"],
        is_of_server: true,
    },
    Dimension { by: "replica", keys: &["service.instance.id", "host.name"], is_of_server: true },
    Dimension {
        by: "route",
        keys: &["http.route", "url.path", "http.target", "rpc.method"],
        is_of_server: false,
    },
    Dimension {
        by: "target",
        keys: &["cloud.region", "cloud.availability_zone", "server.address", "net.peer.name"],
        is_of_server: false,
    },
];

/// Requests that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// What tells it from the others: `model`, `version`, `replica`, `route` or `target`.
    pub by: &'static str,
    /// What its requests have in common.
    pub value: String,
    /// Latency of its requests' outermost spans.
    pub latency: Latency,
    /// How many of the slowest twentieth of all requests are in it.
    pub n_slow: usize,
    /// Whether its 95th percentile differs from that of the other requests by more than chance
    /// explains: their 95 % intervals do not overlap.
    pub is_different: bool,
}

/// The cohorts of a case, by dimension and then the largest first; nothing for a dimension in
/// which all requests are alike.
pub fn cohorts(case: &Case<'_>) -> Vec<Cohort> {
    let requests = &case.requests.requests;
    let mut found = Vec::new();
    let models: Vec<u32> = requests.iter().map(|request| request.model.raw()).collect();
    found.extend(cohorts_by(case, "model", &models));
    let owners = span_owners(case);
    for dimension in DIMENSIONS {
        found.extend(cohorts_by(case, dimension.by, &values_of(case, dimension, &owners)));
    }
    found
}

/// The request of a span, and whether it is the span of the server.
#[derive(Clone, Copy)]
struct Owner {
    request: u32,
    is_server: bool,
}

/// Owners by span id.
fn span_owners(case: &Case<'_>) -> Vec<Owner> {
    let ids = &case.timeline.spans.id;
    let nobody = Owner { request: NONE_U32, is_server: false };
    let n_ids = ids.iter().filter(|id| **id != NONE_U32).max().map_or(0, |id| *id as usize + 1);
    // Ids number the spans of a capture; a file that makes them up gets no cohorts.
    let mut owners = vec![nobody; if n_ids > 4 * ids.len() { 0 } else { n_ids }];
    for (at, request) in case.requests.requests.iter().enumerate() {
        for (depth, row) in request.chain.iter().enumerate() {
            let id = ids.get(*row as usize).copied().unwrap_or(NONE_U32);
            if let Some(owner) = owners.get_mut(id as usize) {
                let is_server = depth + 1 == request.chain.len();
                *owner = Owner { request: at as u32, is_server };
            }
        }
    }
    owners
}

/// The value of a dimension by request, as a string id; [`NONE_U32`] where nothing says.
fn values_of(case: &Case<'_>, dimension: &Dimension, owners: &[Owner]) -> Vec<u32> {
    let attributes = &case.timeline.span_attributes;
    let keys: Vec<Option<u32>> = dimension
        .keys
        .iter()
        .map(|key| case.timeline.strings.find(key).map(StringId::raw))
        .collect();
    // By request: how telling the key is, less being more, and the value.
    let mut best = vec![(usize::MAX, NONE_U32); case.requests.requests.len()];
    if keys.iter().all(Option::is_none) {
        return best.into_iter().map(|(_, value)| value).collect();
    }
    for row in 0..attributes.len() {
        let Some(rank) = keys.iter().position(|key| *key == Some(attributes.key[row])) else {
            continue;
        };
        let is_of_span = attributes.event[row] == NONE_U32 && attributes.text[row] != NONE_U32;
        let Some(owner) = owners.get(attributes.span[row] as usize).filter(|_| is_of_span) else {
            continue;
        };
        let Some(best) = best.get_mut(owner.request as usize) else { continue };
        if rank < best.0 && (owner.is_server || !dimension.is_of_server) {
            *best = (rank, attributes.text[row]);
        }
    }
    best.into_iter().map(|(_, value)| value).collect()
}

fn cohorts_by(case: &Case<'_>, by: &'static str, values: &[u32]) -> Vec<Cohort> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, value) in values.iter().enumerate().filter(|(_, value)| **value != NONE_U32) {
        groups.entry(*value).or_default().push(at);
    }
    groups.retain(|_, members| members.len() >= REQUESTS_MIN);
    if groups.len() < 2 {
        return Vec::new();
    }
    let mut largest: Vec<(u32, Vec<usize>)> = groups.into_iter().collect();
    largest.sort_by_key(|(value, members)| (std::cmp::Reverse(members.len()), *value));
    largest.truncate(COHORTS_MAX);
    let bar = case.percentile(95);
    let latency_of = |members: &mut dyn Iterator<Item = usize>| {
        Latency::of(members.map(|at| case.latencies[at]).collect())
    };
    largest
        .into_iter()
        .map(|(value, members)| {
            let latency = latency_of(&mut members.iter().copied());
            let mut is_member = vec![false; values.len()];
            members.iter().for_each(|at| is_member[*at] = true);
            let rest = latency_of(&mut (0..values.len()).filter(|at| !is_member[*at]));
            let is_different = latency
                .p95
                .zip(rest.p95)
                .is_some_and(|(own, rest)| own.low > rest.high || own.high < rest.low);
            Cohort {
                by,
                value: case.timeline.strings.resolve_or_empty(StringId::from_raw(value)).to_owned(),
                latency,
                n_slow: members.iter().filter(|at| case.latencies[**at] >= bar).count(),
                is_different,
            }
        })
        .collect()
}
