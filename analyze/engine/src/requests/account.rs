//! From stages to parts: every nanosecond of a request under one kind.

use underspan_model::Interval;
use underspan_model::tables::{StepKind, TableKind};

use super::deferred::{Deferral, within_of};
use super::engine_time::{EngineTime, within};
use super::foreign::ForeignPrompts;
use super::part::{Evidence, Part, PartKind};
use super::profile::{Profile, Profiler, Scratch};
use super::request::{Stage, StageKind};
use super::stages::Known;

/// What the parts of requests are made from.
pub(super) struct Accountant<'a> {
    pub(super) time: &'a EngineTime<'a>,
    pub(super) profiler: &'a Profiler<'a>,
    /// By step, over its whole window.
    pub(super) profiles: &'a [Profile],
    pub(super) foreign: &'a ForeignPrompts,
    /// The only engine of the capture, for requests that are in no known step.
    pub(super) only_engine: Option<u32>,
    /// When the engine's metrics say that it put off all requests that waited.
    pub(super) deferrals: &'a [Deferral],
}

/// Sums by kind, with the rows that show them. Memory that is used again for each request.
#[derive(Debug)]
pub(super) struct Sums {
    ns: Vec<u64>,
    evidence: Vec<Vec<(u64, Evidence)>>,
}

/// The parts of a request, and how long the device worked for its steps within its span.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) parts: Vec<Part>,
    pub(super) gpu_wall: u64,
}

impl Accountant<'_> {
    pub(super) fn account(
        &self,
        known: Known<'_>,
        stages: &[Stage],
        scratch: &mut Scratch,
        sums: &mut Sums,
    ) -> Account {
        let mut gpu_wall = 0;
        let mut next = 0;
        for stage in stages {
            let (from, to) = (stage.interval.start().as_ns(), stage.interval.end().as_ns());
            let rows = Rows { known };
            match stage.kind {
                StageKind::Outside => sums.add(PartKind::Outside, from, to, rows.outer()),
                StageKind::Frontend => sums.add(PartKind::Frontend, from, to, rows.serving()),
                StageKind::Post => sums.add(PartKind::Post, from, to, rows.serving()),
                StageKind::Preempted => {
                    let evidence = rows.preempted(from, self.time).or(rows.serving());
                    sums.add(PartKind::Preempted, from, to, evidence);
                }
                StageKind::Unexplained => sums.add(PartKind::Unexplained, from, to, rows.serving()),
                StageKind::Queue => self.queue(known, from, to, sums),
                StageKind::Prefill | StageKind::Decode => {
                    gpu_wall += self.scheduled(known, (from, to), &mut next, scratch, sums);
                }
            }
        }
        Account { parts: sums.take_parts(), gpu_wall }
    }

    /// Why a request waited in the queue.
    fn queue(&self, known: Known<'_>, from: i64, to: i64, sums: &mut Sums) {
        let engine = self.engine_at(known, to);
        let mut at = from;
        for deferral in within_of(self.deferrals, from, to) {
            // The engine may have been at work all the same: it is not why these waited.
            let (start, end) = (deferral.start.max(at), deferral.end.min(to));
            self.waiting(known, engine, at, start, sums);
            let evidence = Evidence { table: TableKind::Counter, row: deferral.row };
            sums.add(PartKind::QueueDeferred, start, end, Some(evidence));
            at = end;
        }
        self.waiting(known, engine, at, to, sums);
    }

    /// A stretch of waiting that the engine's metrics do not explain.
    fn waiting(&self, known: Known<'_>, engine: Option<u32>, from: i64, to: i64, sums: &mut Sums) {
        if to <= from {
            return;
        }
        let length = from.abs_diff(to);
        let serving = Rows { known }.serving();
        let Some(engine) = engine else {
            sums.add_ns(PartKind::Queue, length, serving);
            return;
        };
        let mut seen: Vec<(u64, u32)> = Vec::new();
        let occupied = self.time.occupied(engine, from, to, |step, ns| seen.push((ns, step)));
        let capacity = occupied.min(length);
        sums.add_ns(PartKind::QueueCapacity, capacity, None);
        for (ns, step) in seen {
            sums.show(PartKind::QueueCapacity, ns, Evidence { table: TableKind::Step, row: step });
        }
        let idle = length - capacity;
        let steps = &self.time.steps;
        let waits_for_batch = steps.engines[engine as usize]
            .steps
            .first()
            .is_some_and(|step| steps.steps[*step as usize].is_batched_by_server());
        let kind = if waits_for_batch { PartKind::BatchFormation } else { PartKind::Queue };
        sums.add_ns(kind, idle, serving);
    }

    /// The engine that a request was waiting for at an instant.
    fn engine_at(&self, known: Known<'_>, at: i64) -> Option<u32> {
        let next = known.steps.iter().find(|step| self.time.window(step.step).0 >= at);
        let step = next.or(known.steps.last());
        step.map(|step| self.time.steps.steps[step.step as usize].engine).or(self.only_engine)
    }

    /// A stage in which the request was in the batch. Returns how long its steps worked.
    fn scheduled(
        &self,
        known: Known<'_>,
        (from, to): (i64, i64),
        next: &mut usize,
        scratch: &mut Scratch,
        sums: &mut Sums,
    ) -> u64 {
        let mut at = from;
        let mut busy = 0;
        while let Some(membership) = known.steps.get(*next) {
            let (start, end) = self.time.window(membership.step);
            if start >= to {
                break;
            }
            *next += 1;
            if end <= at {
                continue;
            }
            self.between(known, membership.step, at, start, sums);
            let (start, end) = (start.max(at), end.min(to));
            let step = membership.step;
            let is_whole = (start, end) == self.time.window(step);
            let clipped;
            let (profile, foreign) = if is_whole {
                (&self.profiles[step as usize], self.foreign.of_member(step, membership))
            } else {
                clipped = self.profiler.profile(step, interval(start, end), scratch);
                (&clipped, 0)
            };
            sums.add_profile(profile, foreign, step);
            busy += profile.busy;
            at = at.max(end);
        }
        let last = known.steps.get(next.saturating_sub(1)).map(|step| step.step);
        match last {
            Some(step) => self.between(known, step, at, to, sums),
            None => {
                let length = within(at, to, at, to);
                sums.add_ns(PartKind::Scheduled, length, Rows { known }.serving());
            }
        }
        busy
    }

    /// Time of a running request in none of its steps: others' steps, or the engine's own loop.
    fn between(&self, known: Known<'_>, step: u32, from: i64, to: i64, sums: &mut Sums) {
        if to <= from {
            return;
        }
        let engine = self.time.steps.steps[step as usize].engine;
        let is_concurrent = self.time.steps.engines[engine as usize].is_concurrent;
        let mut at = from;
        if !is_concurrent {
            for other in self.time.overlapping(engine, from, to) {
                let (start, end) = self.time.window(other);
                let (start, end) = (start.max(at), end.min(to));
                if end <= start {
                    continue;
                }
                self.gap(known, step, at, start, sums);
                let evidence = Evidence { table: TableKind::Step, row: other };
                sums.add(PartKind::Interference, start, end, Some(evidence));
                at = end;
            }
        }
        self.gap(known, step, at, to, sums);
    }

    fn gap(&self, known: Known<'_>, step: u32, from: i64, to: i64, sums: &mut Sums) {
        if to <= from {
            return;
        }
        let evidence = Evidence { table: TableKind::Step, row: step };
        if !self.profiler.is_covered(from, to) {
            let evidence = Rows { known }.serving().unwrap_or(evidence);
            sums.add(PartKind::Scheduled, from, to, Some(evidence));
            return;
        }
        let waited = self.profiler.waited_of_step(step, from, to);
        sums.add_ns(PartKind::Sync, waited, Some(evidence));
        sums.add_ns(PartKind::LaunchGap, from.abs_diff(to) - waited, Some(evidence));
    }
}

impl super::engine_steps::EngineStep {
    /// Whether a server put the batch together by waiting for requests.
    fn is_batched_by_server(&self) -> bool {
        self.kind == StepKind::Batch && self.label.dialect == crate::StepDialect::Hook
    }
}

/// Rows of a request that show its parts.
#[derive(Clone, Copy)]
struct Rows<'a> {
    known: Known<'a>,
}

impl Rows<'_> {
    fn outer(self) -> Option<Evidence> {
        let row = self.known.found.chain.first()?;
        Some(Evidence { table: TableKind::Span, row: *row })
    }

    fn serving(self) -> Option<Evidence> {
        let found = self.known.found;
        let span = found.span().map(|row| Evidence { table: TableKind::Span, row });
        let identity = (found.identity != underspan_model::NONE_U32)
            .then_some(Evidence { table: TableKind::RequestIdentity, row: found.identity });
        let step = self.known.steps.first();
        span.or(identity).or(step.map(|step| Evidence { table: TableKind::Step, row: step.step }))
    }

    fn preempted(self, from: i64, time: &EngineTime<'_>) -> Option<Evidence> {
        let step = self.known.preempted.iter().find(|step| time.window(**step).1 >= from)?;
        Some(Evidence { table: TableKind::Step, row: *step })
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self { ns: vec![0; PartKind::COUNT], evidence: vec![Vec::new(); PartKind::COUNT] }
    }
}

impl Sums {
    fn add(&mut self, kind: PartKind, from: i64, to: i64, evidence: Option<Evidence>) {
        self.add_ns(kind, within(from, to, from, to), evidence);
    }

    fn add_ns(&mut self, kind: PartKind, ns: u64, evidence: Option<Evidence>) {
        if ns == 0 {
            return;
        }
        self.ns[kind.index()] += ns;
        if let Some(evidence) = evidence {
            self.show(kind, ns, evidence);
        }
    }

    /// Keeps a row of evidence if it is among the most telling.
    fn show(&mut self, kind: PartKind, ns: u64, evidence: Evidence) {
        if ns == 0 {
            return;
        }
        let rows = &mut self.evidence[kind.index()];
        if let Some(known) = rows.iter_mut().find(|(_, known)| *known == evidence) {
            known.0 += ns;
            return;
        }
        if rows.len() < Part::MAX_EVIDENCE {
            rows.push((ns, evidence));
            return;
        }
        let least = rows.iter_mut().min_by_key(|(ns, row)| (*ns, std::cmp::Reverse(*row)));
        if let Some(least) = least.filter(|least| least.0 < ns) {
            *least = (ns, evidence);
        }
    }

    /// Adds a step. `foreign` of its kernel time is due to the prompts of others.
    fn add_profile(&mut self, profile: &Profile, foreign: u64, step: u32) {
        let evidence = Evidence { table: TableKind::Step, row: step };
        let is_kernel = |kind: PartKind| matches!(kind, PartKind::Kernel(_));
        let kernels: u64 =
            profile.parts.iter().filter(|(kind, _)| is_kernel(*kind)).map(|(_, ns)| ns).sum();
        let foreign = foreign.min(kernels);
        let (mut seen, mut moved) = (0, 0);
        for (kind, ns) in &profile.parts {
            let mut ns = *ns;
            if is_kernel(*kind) && foreign > 0 {
                // In proportion, without losing a nanosecond to rounding.
                seen += ns;
                let until = (u128::from(foreign) * u128::from(seen) / u128::from(kernels)) as u64;
                ns -= until - moved;
                moved = until;
            }
            self.add_ns(*kind, ns, Some(evidence));
        }
        self.add_ns(PartKind::Interference, moved, Some(evidence));
    }

    /// The parts, in order of kind. Leaves nothing behind.
    fn take_parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.ns.iter().filter(|ns| **ns > 0).count());
        for (index, (ns, rows)) in self.ns.iter_mut().zip(&mut self.evidence).enumerate() {
            if *ns > 0 {
                rows.sort_by_key(|(ns, row)| (std::cmp::Reverse(*ns), *row));
                parts.push(Part {
                    kind: PartKind::from_index(index),
                    ns: std::mem::take(ns),
                    evidence: rows.iter().map(|(_, row)| *row).collect(),
                });
            }
            rows.clear();
        }
        parts
    }
}

fn interval(from: i64, to: i64) -> Interval {
    use underspan_model::TimestampNs;
    Interval::new(TimestampNs::from_ns(from), TimestampNs::from_ns(to))
}
