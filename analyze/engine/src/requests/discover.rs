//! Which spans are requests, and which spans around them belong to the same request.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::tables::SpanKind;
use underspan_model::{Interval, NONE_U32, StringId, Timeline, TimestampNs};

use super::RequestOrigin;
use super::span_index::{Facts, Role, SpanIndex};
use underspan_model::give_up_if_cancelled;

/// Most spans of one request that are looked at.
pub(super) const SPANS_LIMIT: usize = 1 << 16;

/// A request before it is known what happened in it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) origin: RequestOrigin,
    /// Rows from the outermost span down to the serving span; empty for one without a span.
    pub(super) chain: Vec<u32>,
    pub(super) interval: Interval,
    pub(super) serving: Interval,
    pub(super) trace_id: Option<u128>,
    /// Id as spans and responses carry it.
    pub(super) request_id: StringId,
    /// Id as members of steps carry it, where it is another.
    pub(super) internal_id: StringId,
    pub(super) facts: Facts,
    /// Row of the identity; [`NONE_U32`] without one.
    pub(super) identity: u32,
    /// By how much a span of it begins before the span that called it.
    pub(super) skew_ns: u64,
    /// Service of the serving span.
    pub(super) service: StringId,
}

impl Found {
    /// Row of the serving span.
    pub(super) fn span(&self) -> Option<u32> {
        self.chain.last().copied()
    }
}

/// What was found, and what speaks against it.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    pub(super) requests: Vec<Found>,
    /// Spans that begin before the span that called them, or lie wholly outside it or the one that
    /// names them.
    pub(super) n_impossible: u64,
    /// Traces without a span of a serving engine.
    pub(super) n_traces_without: u64,
}

pub(super) fn interval_of(timeline: &Timeline, row: u32) -> Interval {
    let at = row as usize;
    let start = timeline.spans.start_ns[at];
    let end = start.saturating_add_unsigned(timeline.spans.duration_ns[at]);
    Interval::new(TimestampNs::from_ns(start), TimestampNs::from_ns(end))
}

pub(super) fn discover(timeline: &Timeline, index: &SpanIndex) -> Discovery {
    let (tops, origin) = serving_spans(timeline, index);
    // How many requests lie below each span.
    let mut n_below = vec![0_u32; index.parent.len()];
    for top in &tops {
        give_up_if_cancelled();
        for above in index.above(*top) {
            n_below[above as usize] = n_below[above as usize].saturating_add(1);
        }
    }
    let mut found = Discovery::default();
    // A span that names several requests calls them all: it is outside of each.
    let mut n_naming: HashMap<u32, u32, FixedState> = HashMap::default();
    let mut n_apart = 0;
    let named: Vec<Option<u32>> = tops
        .iter()
        .map(|top| {
            give_up_if_cancelled();
            let id = request_id(timeline, index, *top);
            let caller = index.naming(id).filter(|_| index.parent[*top as usize] == NONE_U32)?;
            let (outer, inner) = (interval_of(timeline, caller), interval_of(timeline, *top));
            if outer.intersection(inner).is_none() {
                n_apart += 1;
                return None;
            }
            *n_naming.entry(caller).or_default() += 1;
            Some(caller)
        })
        .collect();
    // Ids are used again, so a few callers name others' requests. Where most of them do not lie
    // around what they name, they are on another clock.
    let n_around = named.iter().flatten().count() as u64;
    found.n_impossible += if n_apart > n_around { n_apart } else { 0 };
    for (top, caller) in tops.iter().zip(named) {
        give_up_if_cancelled();
        let mut chain = vec![*top];
        let caller = caller.filter(|caller| n_naming.get(caller) == Some(&1));
        let mut next = caller.unwrap_or(index.parent[*top as usize]);
        while next != NONE_U32 && chain.len() < 64 {
            let alone = u32::from(caller.is_none());
            if n_below[next as usize] > alone || chain.contains(&next) {
                break;
            }
            chain.push(next);
            next = index.parent[next as usize];
        }
        chain.reverse();
        found.add(timeline, index, chain, origin);
    }
    let mut served: HashMap<(u64, u64), bool, FixedState> = HashMap::default();
    let spans = &timeline.spans;
    let trace = |row: usize| (spans.trace_id_high[row], spans.trace_id_low[row]);
    for row in 0..spans.len() {
        give_up_if_cancelled();
        if index.role[row] != Role::Startup {
            served.entry(trace(row)).or_default();
        }
    }
    for request in &found.requests {
        give_up_if_cancelled();
        for row in &request.chain {
            served.insert(trace(*row as usize), true);
        }
    }
    found.n_traces_without = served.values().filter(|is_served| !**is_served).count() as u64;
    found
}

/// The outermost span of a serving engine for each request; where no engine made any, the
/// innermost spans of servers.
fn serving_spans(timeline: &Timeline, index: &SpanIndex) -> (Vec<u32>, RequestOrigin) {
    let spans = &timeline.spans;
    let n = spans.len() as u32;
    let is_engine = |row: u32| matches!(index.role[row as usize], Role::Request | Role::Model);
    let mut is_top = vec![false; n as usize];
    for row in (0..n).filter(|row| is_engine(*row)) {
        give_up_if_cancelled();
        let mut top = row;
        for above in index.above(row) {
            let is_same = spans.service[above as usize] == spans.service[row as usize];
            if !is_engine(above) || !is_same {
                break;
            }
            top = above;
        }
        is_top[top as usize] = true;
    }
    // A span of another service around one, that the same words describe, is its caller.
    let tops: Vec<u32> = (0..n).filter(|row| is_top[*row as usize]).collect();
    for top in &tops {
        give_up_if_cancelled();
        for above in index.above(*top) {
            is_top[above as usize] = false;
        }
    }
    let tops: Vec<u32> = tops.into_iter().filter(|row| is_top[*row as usize]).collect();
    if !tops.is_empty() {
        return (tops, RequestOrigin::EngineSpan);
    }
    let is_kind = |row: u32, kind: SpanKind| spans.kind[row as usize] == kind.code();
    let mut has_below = vec![[false; 2]; n as usize];
    for row in 0..n {
        give_up_if_cancelled();
        let (server, client) = (is_kind(row, SpanKind::Server), is_kind(row, SpanKind::Client));
        if server || client {
            for above in index.above(row) {
                has_below[above as usize][0] |= server;
                has_below[above as usize][1] |= client;
            }
        }
    }
    let servers: Vec<u32> = (0..n)
        .filter(|row| is_kind(*row, SpanKind::Server) && !has_below[*row as usize][0])
        .collect();
    // One that calls on is the gateway of a request whose server's span is missing.
    let without_calls: Vec<u32> =
        servers.iter().copied().filter(|row| !has_below[*row as usize][1]).collect();
    let chosen = if without_calls.is_empty() { servers } else { without_calls };
    (chosen, RequestOrigin::ServerSpan)
}

fn request_id(timeline: &Timeline, index: &SpanIndex, row: u32) -> StringId {
    let stated = StringId::from_raw(timeline.spans.request[row as usize]);
    if !stated.is_none() {
        return stated;
    }
    let of_facts = |row| index.facts(row).and_then(|facts| facts.request_id);
    of_facts(row).unwrap_or(StringId::NONE)
}

impl Discovery {
    /// Moves the spans of all requests.
    pub(super) fn move_by(&mut self, offset_ns: i64) {
        for request in &mut self.requests {
            give_up_if_cancelled();
            request.interval = request.interval.moved_by(offset_ns);
            request.serving = request.serving.moved_by(offset_ns);
        }
    }

    fn add(
        &mut self,
        timeline: &Timeline,
        index: &SpanIndex,
        chain: Vec<u32>,
        origin: RequestOrigin,
    ) {
        let (Some(&outer), Some(&top)) = (chain.first(), chain.last()) else { return };
        let mut facts = index.facts(top).copied().unwrap_or_default();
        let mut id = request_id(timeline, index, top);
        if origin == RequestOrigin::EngineSpan {
            for below in index.below(top, SPANS_LIMIT) {
                if index.role[below as usize] == Role::Request {
                    facts.fill_from(&index.facts(below).copied().unwrap_or_default());
                    id = if id.is_none() { request_id(timeline, index, below) } else { id };
                }
            }
        }
        let interval = interval_of(timeline, outer);
        let own = interval_of(timeline, top);
        let mut skew_ns = 0;
        for pair in chain.windows(2) {
            let (above, below) = (interval_of(timeline, pair[0]), interval_of(timeline, pair[1]));
            let early = above.start().saturating_since(below.start()).as_ns();
            skew_ns = skew_ns.max(early);
            let is_apart = above.intersection(below).is_none() && below.duration().as_ns() > 0;
            self.n_impossible += u64::from(early > 0 || is_apart);
        }
        // A serving span that lies wholly outside its caller is on another clock: it is accounted
        // for by itself.
        let serving = interval.intersection(own);
        let (chain, interval, serving) = match serving {
            Some(serving) => (chain, interval, serving),
            None => (vec![top], own, own),
        };
        let high = timeline.spans.trace_id_high[outer as usize];
        let low = timeline.spans.trace_id_low[outer as usize];
        let trace_id = u128::from(high) << 64 | u128::from(low);
        self.requests.push(Found {
            origin,
            chain,
            interval,
            serving,
            trace_id: (trace_id != 0).then_some(trace_id),
            request_id: id,
            internal_id: id,
            facts,
            identity: NONE_U32,
            skew_ns,
            service: StringId::from_raw(timeline.spans.service[top as usize]),
        });
    }
}
