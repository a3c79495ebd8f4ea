//! When each engine was at work: windows of steps, and what lies between them.

use underspan_model::{DurationNs, Interval, TimestampNs};

use super::engine_steps::{Engine, EngineSteps};
use super::step_work::StepOwners;
use underspan_model::give_up_if_cancelled;

/// Gaps between steps up to this length, or that of a median step, are the engine's own loop and
/// no idleness.
const LOOP_NS: u64 = 1_000_000;

/// The windows of a capture's steps.
#[derive(Debug)]
pub(super) struct EngineTime<'a> {
    pub(super) steps: &'a EngineSteps,
    /// By step.
    pub(super) windows: Vec<Interval>,
    /// By engine: the longest gap between steps that is no idleness.
    loop_ns: Vec<u64>,
}

impl<'a> EngineTime<'a> {
    pub(super) fn of(steps: &'a EngineSteps, owners: &StepOwners) -> Self {
        let whole = |step: u32| {
            let host = steps.steps[step as usize].host;
            match owners.device[step as usize].or(steps.steps[step as usize].device_interval) {
                Some(device) => Interval::new(host.start(), host.end().max(device.end())),
                None => host,
            }
        };
        let mut windows: Vec<Interval> = (0..steps.steps.len() as u32).map(whole).collect();
        let mut loop_ns = Vec::with_capacity(steps.engines.len());
        for engine in &steps.engines {
            let mut reach: Option<TimestampNs> = None;
            let mut lengths = Vec::with_capacity(engine.steps.len());
            for step in &engine.steps {
                give_up_if_cancelled();
                let window = &mut windows[*step as usize];
                if !engine.is_concurrent {
                    // A step takes its engine up once the one before has left it.
                    let start = reach.map_or(window.start(), |reach| window.start().max(reach));
                    *window = Interval::new(start, window.end().max(start));
                }
                reach = Some(reach.map_or(window.end(), |reach| reach.max(window.end())));
                lengths.push(window.duration().as_ns());
            }
            lengths.sort_unstable();
            let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
            loop_ns.push(median.max(LOOP_NS));
        }
        Self { steps, windows, loop_ns }
    }

    /// Half the length of a median step over all engines; `None` without steps.
    pub(super) fn half_median_step(&self) -> Option<DurationNs> {
        let mut lengths: Vec<u64> =
            self.windows.iter().map(|window| window.duration().as_ns()).collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).map(|ns| DurationNs::from_ns(ns / 2))
    }

    /// Steps of an engine that overlap a span of time, in order.
    pub(super) fn overlapping(
        &self,
        engine: u32,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = u32> + '_ {
        let list = self.engine(engine).map_or(&[][..], |engine| &engine.steps);
        let first = list.partition_point(|step| self.window(*step).0 < from);
        // Windows of a concurrent engine are in order of start only.
        let back = if self.engine(engine).is_some_and(|e| e.is_concurrent) { 64 } else { 1 };
        list[first.saturating_sub(back)..]
            .iter()
            .copied()
            .take_while(move |step| self.window(*step).0 < to)
            .filter(move |step| self.window(*step).1 > from)
    }

    /// A window as whole numbers.
    pub(super) fn window(&self, step: u32) -> (i64, i64) {
        let window = self.windows[step as usize];
        (window.start().as_ns(), window.end().as_ns())
    }

    fn engine(&self, engine: u32) -> Option<&Engine> {
        self.steps.engines.get(engine as usize)
    }

    /// How much of `[from, to)` an engine had no room for another request: it was at work with all
    /// it has, or between steps that follow each other closely. The steps in that time are
    /// handed to `see`.
    pub(super) fn occupied(
        &self,
        engine: u32,
        from: i64,
        to: i64,
        mut see: impl FnMut(u32, u64),
    ) -> u64 {
        let Some(of) = self.engine(engine) else { return 0 };
        if of.is_concurrent {
            return self.occupied_concurrent(engine, of.width, from, to, see);
        }
        let list = &of.steps;
        let limit = self.loop_ns[engine as usize];
        let first = list.partition_point(|step| self.window(*step).1 <= from);
        let mut sum = 0;
        let mut before = first.checked_sub(1).map(|at| self.window(list[at]).1);
        for step in &list[first..] {
            let (start, end) = self.window(*step);
            if let Some(before) = before
                && before.abs_diff(start) <= limit
            {
                sum += within(before, start, from, to);
            }
            if start >= to {
                break;
            }
            let ns = within(start, end, from, to);
            see(*step, ns);
            sum += ns;
            before = Some(end);
        }
        sum
    }

    fn occupied_concurrent(
        &self,
        engine: u32,
        width: u32,
        from: i64,
        to: i64,
        mut see: impl FnMut(u32, u64),
    ) -> u64 {
        let mut edges: Vec<(i64, i32)> = Vec::new();
        for step in self.overlapping(engine, from, to) {
            let (start, end) = self.window(step);
            let (start, end) = (start.max(from), end.min(to));
            see(step, start.abs_diff(end));
            edges.push((start, 1));
            edges.push((end, -1));
        }
        edges.sort_unstable();
        let (mut open, mut since, mut sum) = (0_i32, from, 0);
        for (at, change) in edges {
            if open.unsigned_abs() >= width {
                sum += since.abs_diff(at);
            }
            open += change;
            since = at;
        }
        sum
    }
}

/// How much of `[start, end)` lies in `[from, to)`.
pub(super) fn within(start: i64, end: i64, from: i64, to: i64) -> u64 {
    let (start, end) = (start.max(from), end.min(to));
    if end > start { end.abs_diff(start) } else { 0 }
}

impl EngineTime<'_> {
    /// Stretches of `[from, to)` in which an engine had no room, without the step `own`.
    pub(super) fn busy_stretches(
        &self,
        engine: u32,
        from: i64,
        to: i64,
        own: u32,
        found: &mut Vec<(i64, i64)>,
    ) {
        let Some(of) = self.engine(engine) else { return };
        let mut edges: Vec<(i64, i32)> = Vec::new();
        for step in self.overlapping(engine, from, to).filter(|step| *step != own) {
            let (start, end) = self.window(step);
            edges.push((start.max(from), 1));
            edges.push((end.min(to), -1));
        }
        edges.sort_unstable();
        let width = if of.is_concurrent { of.width } else { 1 };
        let (mut open, mut since) = (0_i32, from);
        for (at, change) in edges {
            let was_full = open.unsigned_abs() >= width;
            open += change;
            let is_full = open.unsigned_abs() >= width;
            if was_full && !is_full && at > since {
                found.push((since, at));
            }
            if is_full && !was_full {
                since = at;
            }
        }
    }
}
