//! Which request each member of a step is, by the names and spans that the sources give.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::tables::Rung;
use underspan_model::{Interval, NONE_U32, NONE_U64, StringId, Timeline, TimestampNs};

use super::discover::{Discovery, Found};
use super::engine_steps::{EngineSteps, RawMember};
use super::span_index::{Facts, SpanIndex};
use super::{Membership, RequestOrigin};
use underspan_model::give_up_if_cancelled;

/// Characters that engines put behind an id to make it unique: `-` and 8 hexadecimal digits.
const SUFFIX: usize = 9;

/// The steps of each request.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// By request, in order of steps.
    pub(super) of_request: Vec<Vec<Membership>>,
    /// By request: steps in which it was put out of the batch.
    pub(super) preempted: Vec<Vec<u32>>,
    /// By request, beside each membership: how long it had waited in the queue of that step, where
    /// the source says so for each step. May end before the memberships do.
    pub(super) waited: Vec<Vec<Option<u64>>>,
}

/// Joins members with requests. Adds requests that only a hook or the steps know.
pub(super) fn join(
    timeline: &Timeline,
    index: &SpanIndex,
    found: &mut Discovery,
    steps: &EngineSteps,
) -> Members {
    let mut names = Names::of(found);
    names.read_identities(timeline, index, found);
    let mut of_span: HashMap<u32, u32, FixedState> = HashMap::default();
    for (at, request) in found.requests.iter().enumerate() {
        give_up_if_cancelled();
        if let Some(span) = request.span() {
            of_span.insert(span, at as u32);
        }
    }
    let mut joined = Members {
        of_request: vec![Vec::new(); found.requests.len()],
        preempted: vec![Vec::new(); found.requests.len()],
        waited: vec![Vec::new(); found.requests.len()],
    };
    for (at, step) in steps.steps.iter().enumerate() {
        give_up_if_cancelled();
        let lists = [(&step.members, false), (&step.preempted, true)];
        for (members, is_preempted) in lists {
            for (position, raw) in members.iter().enumerate() {
                let by_span = request_of_span(index, &of_span, raw.span);
                let request = by_span
                    .or_else(|| names.request(timeline, raw.request))
                    .unwrap_or_else(|| names.add(found, raw, step.host));
                joined.make_room(found.requests.len());
                if is_preempted {
                    joined.preempted[request as usize].push(at as u32);
                    continue;
                }
                let memberships = &mut joined.of_request[request as usize];
                // An ensemble's request may be in a step by two of its models.
                if memberships.last().is_none_or(|last| last.step != at as u32) {
                    memberships.push(membership(at as u32, position, raw, step.rung));
                    if let Some(ns) = waited(index, raw) {
                        let before = memberships.len() - 1;
                        let list = &mut joined.waited[request as usize];
                        list.resize(before, None);
                        list.push(Some(ns));
                    }
                }
            }
        }
    }
    joined
}

impl Members {
    /// Lists for requests that only steps know.
    fn make_room(&mut self, n_requests: usize) {
        if self.of_request.len() < n_requests {
            self.of_request.resize(n_requests, Vec::new());
            self.preempted.resize(n_requests, Vec::new());
            self.waited.resize(n_requests, Vec::new());
        }
    }
}

fn membership(step: u32, position: usize, raw: &RawMember, rung: Rung) -> Membership {
    Membership {
        step,
        own_tokens: raw.own_tokens,
        computed_tokens: raw.computed_tokens,
        phase: raw.phase,
        // The hook tells members in the order of the batch, spans in that of their times.
        position: (rung == Rung::ExactHook).then_some(position as u32),
        rung,
    }
}

fn waited(index: &SpanIndex, raw: &RawMember) -> Option<u64> {
    let row = (raw.span != NONE_U32).then(|| index.row_of(raw.span)).flatten()?;
    index.facts(row)?.queue_ns.and_then(|ns| u64::try_from(ns).ok())
}

fn request_of_span(
    index: &SpanIndex,
    of_span: &HashMap<u32, u32, FixedState>,
    number: u32,
) -> Option<u32> {
    if number == NONE_U32 {
        return None;
    }
    let row = index.row_of(number)?;
    let own = of_span.get(&row).copied();
    own.or_else(|| index.above(row).find_map(|above| of_span.get(&above).copied()))
}

/// Requests by every name they are known by.
#[derive(Debug, Default)]
struct Names {
    by_id: HashMap<StringId, u32, FixedState>,
    by_caller: HashMap<(u64, u64, u64), u32, FixedState>,
}

impl Names {
    fn of(found: &Discovery) -> Self {
        let mut names = Self::default();
        for (at, request) in found.requests.iter().enumerate() {
            give_up_if_cancelled();
            if !request.request_id.is_none() {
                names.by_id.entry(request.request_id).or_insert(at as u32);
            }
        }
        names
    }

    /// Takes the hook's notes of what each request is called, and adds requests without a span.
    fn read_identities(&mut self, timeline: &Timeline, index: &SpanIndex, found: &mut Discovery) {
        let spans = &timeline.spans;
        for (at, request) in found.requests.iter().enumerate() {
            give_up_if_cancelled();
            let Some(row) = request.span().map(|row| row as usize) else { continue };
            let key =
                (spans.trace_id_high[row], spans.trace_id_low[row], spans.parent_span_id[row]);
            if key.2 != 0 && index.role.len() > row {
                self.by_caller.entry(key).or_insert(at as u32);
            }
        }
        for (row, identity) in timeline.request_identities.iter().enumerate() {
            give_up_if_cancelled();
            let internal = StringId::from_raw(identity.request);
            let external = StringId::from_raw(identity.external);
            let http = StringId::from_raw(identity.http_request);
            let key = (identity.trace_id_high, identity.trace_id_low, identity.parent_span_id);
            let known = [external, internal]
                .into_iter()
                .find_map(|id| self.by_id.get(&id).copied())
                .or_else(|| self.by_caller.get(&key).copied().filter(|_| key.2 != 0))
                .or_else(|| self.by_stem(timeline, internal));
            let at = known.unwrap_or_else(|| {
                found.requests.push(of_identity(&identity));
                found.requests.len() as u32 - 1
            });
            let request = &mut found.requests[at as usize];
            request.identity = row as u32;
            if !internal.is_none() {
                request.internal_id = internal;
            }
            for id in [internal, external, http] {
                if !id.is_none() {
                    self.by_id.entry(id).or_insert(at);
                }
            }
        }
    }

    /// The request of a member, by its id or by the id without what the engine put behind it.
    fn request(&mut self, timeline: &Timeline, id: StringId) -> Option<u32> {
        if id.is_none() {
            return None;
        }
        if let Some(at) = self.by_id.get(&id) {
            return Some(*at);
        }
        let at = self.by_stem(timeline, id)?;
        self.by_id.insert(id, at);
        Some(at)
    }

    fn by_stem(&self, timeline: &Timeline, id: StringId) -> Option<u32> {
        let text = timeline.strings.resolve(id)?;
        let (stem, suffix) = text.split_at_checked(text.len().checked_sub(SUFFIX)?)?;
        let digits = suffix.strip_prefix('-')?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.by_id.get(&timeline.strings.find(stem)?).copied()
    }

    /// A request that only steps know.
    fn add(&mut self, found: &mut Discovery, raw: &RawMember, host: Interval) -> u32 {
        let at = found.requests.len() as u32;
        found.requests.push(Found {
            origin: RequestOrigin::Steps,
            chain: Vec::new(),
            interval: host,
            serving: host,
            trace_id: None,
            request_id: raw.request,
            internal_id: raw.request,
            facts: Facts::default(),
            identity: NONE_U32,
            skew_ns: 0,
            service: StringId::NONE,
        });
        if !raw.request.is_none() {
            self.by_id.insert(raw.request, at);
        }
        at
    }
}

fn of_identity(identity: &underspan_model::tables::RequestIdentity) -> Found {
    let known = |ns: u64| if ns == NONE_U64 { 0 } else { ns };
    let start = identity.time_ns.saturating_sub_unsigned(known(identity.frontend_ns));
    let end = identity.time_ns.saturating_add_unsigned(known(identity.duration_ns));
    let interval = Interval::new(
        TimestampNs::from_ns(start),
        TimestampNs::from_ns(if identity.duration_ns == NONE_U64 { start } else { end }),
    );
    let trace_id = u128::from(identity.trace_id_high) << 64 | u128::from(identity.trace_id_low);
    let external = StringId::from_raw(identity.external);
    let internal = StringId::from_raw(identity.request);
    let http = StringId::from_raw(identity.http_request);
    let first = [external, internal, http].into_iter().find(|id| !id.is_none());
    Found {
        origin: RequestOrigin::Identity,
        chain: Vec::new(),
        interval,
        serving: interval,
        trace_id: (trace_id != 0).then_some(trace_id),
        request_id: first.unwrap_or(StringId::NONE),
        internal_id: internal,
        facts: Facts::default(),
        identity: NONE_U32,
        skew_ns: 0,
        service: StringId::NONE,
    }
}
