//! Which device work each step caused.
//!
//! By the call that launched it: the step that the calling thread was in. A server that names no
//! threads is matched by time: a thread that launches during a step is in that step until it ends.
//! Work without a call belongs to the step during which it ran, if that step has no other work.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::tables::Table;
use underspan_model::{Interval, NONE_U32, StringId, Timeline, TimestampNs};

use super::engine_steps::EngineSteps;
use crate::{Correlation, StepDialect, WorkKind};
use underspan_model::give_up_if_cancelled;

/// Steps that may run at the same time and are told apart.
const OPEN_LIMIT: usize = 64;
/// Calls this long after a step's label, and before the next, still belong to it.
const TAIL_NS: i64 = 5_000_000;
/// After how many calls to ask whether anybody still waits.
const CHECKED_ROWS: usize = 1 << 16;

/// The step of each row of device work, and of each thread's calls.
#[derive(Debug)]
pub(super) struct StepOwners {
    /// By table, as [`WorkKind`] counts them: the step of each row, [`NONE_U32`] for none.
    owners: [Vec<u32>; 3],
    /// Threads that launched work of each step: the first one seen.
    pub(super) thread: Vec<u32>,
    /// From the first start to the last end of the work of each step.
    pub(super) device: Vec<Option<Interval>>,
}

impl StepOwners {
    pub(super) fn of(timeline: &Timeline, correlation: &Correlation, steps: &EngineSteps) -> Self {
        let call_owner = call_owners(timeline, steps);
        let n = steps.steps.len();
        let mut found = Self {
            owners: [Vec::new(), Vec::new(), Vec::new()],
            thread: steps.steps.iter().map(|step| step.thread).collect(),
            device: vec![None; n],
        };
        for kind in [WorkKind::Kernel, WorkKind::Memcpy, WorkKind::Memset] {
            give_up_if_cancelled();
            let calls = correlation.calls(kind);
            let owner_of = |call: &u32| call_owner.get(*call as usize).copied().unwrap_or(NONE_U32);
            found.owners[kind as usize] = calls.iter().map(owner_of).collect();
            for (row, call) in calls.iter().enumerate() {
                let step = found.owners[kind as usize][row] as usize;
                if let Some(thread) = found.thread.get_mut(step)
                    && *thread == NONE_U32
                {
                    *thread = timeline.api_calls.thread[*call as usize];
                }
            }
            found.extend_intervals(timeline, kind);
        }
        found.adopt_by_time(timeline, correlation, steps);
        found
    }

    pub(super) fn owners(&self, kind: WorkKind) -> &[u32] {
        &self.owners[kind as usize]
    }

    pub(super) fn into_rows(self) -> [Vec<u32>; 3] {
        self.owners
    }

    /// Takes back the work of steps that was found by time alone.
    pub(super) fn forget_adopted(&mut self, steps: &EngineSteps) {
        let is_adopted =
            |step: u32| steps.steps.get(step as usize).is_some_and(|step| step.thread == NONE_U32);
        for owners in &mut self.owners {
            for owner in owners.iter_mut().filter(|owner| is_adopted(**owner)) {
                *owner = NONE_U32;
            }
        }
        for (at, step) in steps.steps.iter().enumerate() {
            give_up_if_cancelled();
            if step.thread == NONE_U32 {
                self.thread[at] = NONE_U32;
                self.device[at] = None;
            }
        }
    }

    fn extend_intervals(&mut self, timeline: &Timeline, kind: WorkKind) {
        let (starts, durations) = columns(timeline, kind);
        for (row, owner) in self.owners[kind as usize].iter().enumerate() {
            let Some(device) = self.device.get_mut(*owner as usize) else { continue };
            let start = TimestampNs::from_ns(starts[row]);
            let end = TimestampNs::from_ns(starts[row].saturating_add_unsigned(durations[row]));
            *device = Some(match device {
                Some(known) => Interval::new(known.start().min(start), known.end().max(end)),
                None => Interval::new(start, end),
            });
        }
    }

    /// Work whose call is not in the capture goes to the step, of those without work, during
    /// which it started.
    fn adopt_by_time(
        &mut self,
        timeline: &Timeline,
        correlation: &Correlation,
        steps: &EngineSteps,
    ) {
        let mut open: Vec<(i64, i64, u32)> = Vec::new();
        for (at, step) in steps.steps.iter().enumerate() {
            give_up_if_cancelled();
            if self.device[at].is_none() {
                let when = step.device_interval.unwrap_or(step.host);
                open.push((when.start().as_ns(), when.end().as_ns(), at as u32));
            }
        }
        if open.is_empty() {
            return;
        }
        open.sort_unstable();
        for kind in [WorkKind::Kernel, WorkKind::Memcpy, WorkKind::Memset] {
            let (starts, _) = columns(timeline, kind);
            let calls = correlation.calls(kind);
            let mut next = 0;
            for (row, call) in calls.iter().enumerate() {
                if *call != NONE_U32 {
                    continue;
                }
                let at = starts[row];
                while open.get(next).is_some_and(|(_, end, _)| *end <= at) {
                    next += 1;
                }
                if let Some((_, _, step)) =
                    open.get(next).filter(|(start, end, _)| *start <= at && at < *end)
                {
                    self.owners[kind as usize][row] = *step;
                }
            }
            let is_open: HashMap<u32, (), FixedState> =
                open.iter().map(|(_, _, step)| (*step, ())).collect();
            let (starts, durations) = columns(timeline, kind);
            for (row, owner) in self.owners[kind as usize].iter().enumerate() {
                if !is_open.contains_key(owner) {
                    continue;
                }
                let start = TimestampNs::from_ns(starts[row]);
                let end = TimestampNs::from_ns(starts[row].saturating_add_unsigned(durations[row]));
                let device = &mut self.device[*owner as usize];
                *device = Some(match device {
                    Some(known) => Interval::new(known.start().min(start), known.end().max(end)),
                    None => Interval::new(start, end),
                });
            }
        }
    }
}

/// Starts and durations of the rows of a table of device work.
pub(super) fn columns(timeline: &Timeline, kind: WorkKind) -> (&[i64], &[u64]) {
    let table: &dyn Table = match kind {
        WorkKind::Kernel => &timeline.kernels,
        WorkKind::Memcpy => &timeline.memcpys,
        WorkKind::Memset => &timeline.memsets,
    };
    (table.start_column().unwrap_or(&[]), table.duration_column().unwrap_or(&[]))
}

/// The step of each API call; [`NONE_U32`] for none.
fn call_owners(timeline: &Timeline, steps: &EngineSteps) -> Vec<u32> {
    let n_threads = timeline.dimensions.threads.len();
    let mut of_thread: Vec<Vec<u32>> = vec![Vec::new(); n_threads + 1];
    let mut without: Vec<u32> = Vec::new();
    for (at, step) in steps.steps.iter().enumerate() {
        give_up_if_cancelled();
        if step.thread == NONE_U32 {
            without.push(at as u32);
        } else {
            of_thread[(step.thread as usize).min(n_threads)].push(at as u32);
        }
    }
    let model_of_thread = models_of_threads(timeline, steps, &without, &of_thread);
    let mut adopter = Adopter::new(steps, without, model_of_thread);
    let mut next = vec![0_usize; n_threads + 1];
    let calls = &timeline.api_calls;
    let mut owners = vec![NONE_U32; calls.len()];
    for (row, owner) in owners.iter_mut().enumerate() {
        if row.is_multiple_of(CHECKED_ROWS) {
            give_up_if_cancelled();
        }
        let slot = (calls.thread[row] as usize).min(n_threads);
        let at = calls.start_ns[row];
        let own = &of_thread[slot];
        if own.is_empty() {
            *owner = adopter.step_at(slot, at);
            continue;
        }
        // Steps of one thread follow each other; the later one counts from its start on.
        let start = |position: usize| own.get(position).map(|step| host(steps, *step).0);
        while start(next[slot] + 1).is_some_and(|start| start <= at) {
            next[slot] += 1;
        }
        if let Some(step) = own.get(next[slot]) {
            let (from, to) = host(steps, *step);
            // A label ends before the sampling of what it computed; the next step begins later.
            let dialect = steps.steps[*step as usize].label.dialect;
            let tail = match dialect {
                StepDialect::Annotation => 0,
                _ => to.saturating_sub(from).saturating_mul(2).max(TAIL_NS),
            };
            if from <= at && at < to.saturating_add(tail) {
                *owner = *step;
            }
        }
    }
    owners
}

/// The model that each thread without steps of its own runs, of a server of several: an instance
/// has a thread, so that all its calls lie within steps of one model, while those of others (a
/// tokenizer on the host) hold only some by chance. Every thread has none where there is one model.
fn models_of_threads(
    timeline: &Timeline,
    steps: &EngineSteps,
    without: &[u32],
    of_thread: &[Vec<u32>],
) -> Vec<StringId> {
    let mut models = vec![StringId::NONE; of_thread.len()];
    let name = |step: u32| steps.steps[step as usize].name;
    if without.windows(2).all(|pair| name(pair[0]) == name(pair[1])) {
        return models;
    }
    let mut counts: HashMap<(usize, StringId), u64, FixedState> = HashMap::default();
    let mut open: Vec<u32> = Vec::new();
    let mut next = 0;
    let calls = &timeline.api_calls;
    for row in 0..calls.len() {
        let thread = (calls.thread[row] as usize).min(of_thread.len() - 1);
        if !of_thread[thread].is_empty() {
            continue;
        }
        let at = calls.start_ns[row];
        while without.get(next).is_some_and(|step| host(steps, *step).0 <= at) {
            open.push(without[next]);
            next += 1;
        }
        open.retain(|step| at < host(steps, *step).1);
        let surplus = open.len().saturating_sub(OPEN_LIMIT);
        open.drain(..surplus);
        for (place, step) in open.iter().enumerate() {
            // Once for each model, however many of its steps are under way.
            let model = name(*step);
            if open[..place].iter().all(|other| name(*other) != model) {
                *counts.entry((thread, model)).or_default() += 1;
            }
        }
    }
    let mut most = vec![0; models.len()];
    let mut counts: Vec<((usize, StringId), u64)> = counts.into_iter().collect();
    counts.sort_unstable();
    for ((thread, model), n) in counts {
        if n > most[thread] {
            most[thread] = n;
            models[thread] = model;
        }
    }
    models
}

fn host(steps: &EngineSteps, step: u32) -> (i64, i64) {
    let host = steps.steps[step as usize].host;
    (host.start().as_ns(), host.end().as_ns())
}

/// Gives steps whose thread is not known to threads that launch during them.
struct Adopter<'a> {
    steps: &'a EngineSteps,
    /// Steps without a thread, in order of start.
    without: Vec<u32>,
    next: usize,
    /// Those that are under way.
    open: Vec<u32>,
    /// The step each thread is in.
    current: Vec<u32>,
    /// The thread each step was given to.
    holder: HashMap<u32, usize, FixedState>,
    /// The model of each thread; none where any may be its.
    model: Vec<StringId>,
}

impl<'a> Adopter<'a> {
    fn new(steps: &'a EngineSteps, without: Vec<u32>, model: Vec<StringId>) -> Self {
        Self {
            steps,
            without,
            next: 0,
            open: Vec::new(),
            current: vec![NONE_U32; model.len()],
            holder: HashMap::default(),
            model,
        }
    }

    /// The step of a thread that calls at `at`; calls come in order of time.
    fn step_at(&mut self, thread: usize, at: i64) -> u32 {
        if self.without.is_empty() {
            return NONE_U32;
        }
        let current = self.current[thread];
        if current != NONE_U32 && at < host(self.steps, current).1 {
            return current;
        }
        while self.without.get(self.next).is_some_and(|step| host(self.steps, *step).0 <= at) {
            self.open.push(self.without[self.next]);
            self.next += 1;
        }
        self.open.retain(|step| at < host(self.steps, *step).1);
        if self.open.len() > OPEN_LIMIT {
            let surplus = self.open.len() - OPEN_LIMIT;
            self.open.drain(..surplus);
        }
        // The step that began last of those that no other thread has.
        let free = self
            .open
            .iter()
            .rev()
            .copied()
            .filter(|step| {
                let model = self.model[thread];
                model.is_none() || self.steps.steps[*step as usize].name == model
            })
            .find(|step| self.holder.get(step).is_none_or(|holder| *holder == thread));
        let step = free.unwrap_or(NONE_U32);
        self.current[thread] = step;
        if step != NONE_U32 {
            self.holder.insert(step, thread);
        }
        step
    }
}
