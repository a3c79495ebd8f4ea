//! Which requests were in which engine step, by time: for colours, arrows and details.

use std::collections::{BTreeMap, HashMap};

use underspan_engine::{RequestStep, Requests};
use underspan_model::tables::TableKind;
use underspan_model::{Interval, StreamId, ThreadId, Timeline};

use super::from_requests::range;
use crate::timeline::TimeRange;
use underspan_model::give_up_if_cancelled;

/// Steps that may overlap one that began later.
const MOST_OPEN: usize = 8;

/// The engine steps whose members are known.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    steps: Vec<MemberStep>,
    /// By process, positions in the list of steps in order of start.
    on_host: BTreeMap<u32, Vec<usize>>,
    on_device: BTreeMap<u32, Vec<usize>>,
    /// The request that each row of the span table stands for alone.
    by_span: HashMap<u64, u32>,
}

/// An engine step and the requests in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberStep {
    pub(crate) host: TimeRange,
    /// When its work ran on the device.
    pub(crate) device: Option<TimeRange>,
    /// Positions of the requests in it.
    pub(crate) members: Vec<u32>,
    /// The request it worked for more than for all others together, by tokens.
    pub(crate) owner: Option<u32>,
}

/// Whose an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Of one request, by its position.
    One(u32),
    /// Of a step of several requests.
    Several,
    /// Nothing says.
    Unknown,
}

impl Membership {
    /// The steps of `requests` that have members.
    pub(super) fn of(requests: &Requests) -> Self {
        let mut found = Self::default();
        for step in requests.steps.iter().filter(|step| !step.members.is_empty()) {
            give_up_if_cancelled();
            let at = found.steps.len();
            found.steps.push(MemberStep {
                host: range(step.host),
                device: step.device_interval.filter(has_length).map(range),
                members: step.members.iter().map(|member| member.request).collect(),
                owner: owner(step),
            });
            found.on_host.entry(step.process.raw()).or_default().push(at);
            if step.device_interval.is_some_and(|of| has_length(&of)) {
                found.on_device.entry(step.process.raw()).or_default().push(at);
            }
        }
        let steps = &found.steps;
        for order in found.on_host.values_mut() {
            order.sort_by_key(|at| steps[*at].host.start_ns());
        }
        for order in found.on_device.values_mut() {
            order.sort_by_key(|at| steps[*at].device.map(TimeRange::start_ns));
        }
        for (at, request) in requests.requests.iter().enumerate() {
            give_up_if_cancelled();
            found.by_span.extend(request.chain.iter().map(|row| (u64::from(*row), at as u32)));
        }
        found
    }

    /// Forgets which row of the span table is whose: for a document that numbers them otherwise.
    pub(super) fn forget_spans(&mut self) {
        self.by_span.clear();
    }

    /// The step that an event of `table` on `key` (stream, thread, process) at `at_ns` belongs to.
    pub(crate) fn step_of(
        &self,
        timeline: &Timeline,
        table: TableKind,
        key: u32,
        at_ns: i64,
    ) -> Option<&MemberStep> {
        let dimensions = &timeline.dimensions;
        match table {
            TableKind::Kernel | TableKind::Memcpy | TableKind::Memset | TableKind::GraphLaunch => {
                let process = dimensions.process_of_stream(StreamId::from_raw(key));
                self.step_at(&self.on_device, |step| step.device, process.raw(), at_ns)
            }
            TableKind::Step => self.step_at(&self.on_host, |step| Some(step.host), key, at_ns),
            TableKind::ApiCall
            | TableKind::Annotation
            | TableKind::CpuOp
            | TableKind::Overhead
            | TableKind::Sync => {
                let process = dimensions.process_of_thread(ThreadId::from_raw(key));
                self.step_at(&self.on_host, |step| Some(step.host), process.raw(), at_ns)
            }
            _ => None,
        }
    }

    fn step_at(
        &self,
        orders: &BTreeMap<u32, Vec<usize>>,
        time: impl Fn(&MemberStep) -> Option<TimeRange>,
        process: u32,
        at_ns: i64,
    ) -> Option<&MemberStep> {
        // The only engine there is may tell of its steps under another process, as a Triton server
        // does whose backend runs in one of its own.
        let order = match (orders.get(&process), orders.len()) {
            (Some(order), _) => order,
            (None, 1) => orders.values().next()?,
            _ => return None,
        };
        let time_of = |at: &usize| self.steps.get(*at).and_then(&time);
        let begun =
            order.partition_point(|at| time_of(at).is_some_and(|of| of.start_ns() <= at_ns));
        let open = order.get(..begun)?.iter().rev().take(MOST_OPEN);
        let mut open = open.filter(|at| time_of(at).is_some_and(|of| at_ns < of.end_ns()));
        self.steps.get(*open.next()?)
    }

    /// Whose an event is.
    pub(crate) fn owner_of(
        &self,
        timeline: &Timeline,
        (table, row): (TableKind, Option<u64>),
        key: u32,
        at_ns: i64,
    ) -> Owner {
        if table == TableKind::Span {
            let request = row.and_then(|row| self.by_span.get(&row));
            return request.map_or(Owner::Unknown, |request| Owner::One(*request));
        }
        match self.step_of(timeline, table, key, at_ns) {
            Some(MemberStep { owner: Some(owner), .. }) => Owner::One(*owner),
            Some(_) => Owner::Several,
            None => Owner::Unknown,
        }
    }
}

fn has_length(interval: &Interval) -> bool {
    interval.duration().as_ns() > 0
}

fn owner(step: &RequestStep) -> Option<u32> {
    if let [alone] = step.members.as_slice() {
        return Some(alone.request);
    }
    let tokens = |own: Option<u32>| u64::from(own.unwrap_or(0));
    let all: u64 = step.members.iter().map(|member| tokens(member.own_tokens)).sum();
    let most = step.members.iter().max_by_key(|member| tokens(member.own_tokens))?;
    (tokens(most.own_tokens).saturating_mul(2) > all).then_some(most.request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(steps: &[(u32, i64, i64, &[u32])]) -> Membership {
        let mut found = Membership::default();
        for (process, start, end, members) in steps {
            let at = found.steps.len();
            let time = TimeRange::from_ns(*start, *end);
            let owner = if let [one] = members { Some(*one) } else { None };
            found.steps.push(MemberStep {
                host: time,
                device: Some(time),
                members: members.to_vec(),
                owner,
            });
            found.on_host.entry(*process).or_default().push(at);
        }
        found
    }

    #[test]
    fn a_step_owns_what_ran_in_it_and_nothing_between() {
        let of = membership(&[(1, 0, 100, &[4]), (1, 90, 200, &[4, 5]), (2, 0, 1000, &[6])]);
        let timeline = Timeline::new();
        let owner = |process, at| of.owner_of(&timeline, (TableKind::Step, None), process, at);
        assert_eq!(owner(1, 50), Owner::One(4));
        assert_eq!(owner(1, 95), Owner::Several);
        assert_eq!(owner(1, 200), Owner::Unknown);
        assert_eq!(owner(2, 999), Owner::One(6));
        assert_eq!(owner(3, 50), Owner::Unknown);
    }

    #[test]
    fn the_only_engine_stands_for_its_backends() {
        let of = membership(&[(1, 0, 100, &[4])]);
        let owner = of.owner_of(&Timeline::new(), (TableKind::Step, None), 9, 50);
        assert_eq!(owner, Owner::One(4));
    }
}
