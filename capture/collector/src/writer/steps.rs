//! Engine steps and their members, from the hook's calls.

use hashbrown::HashMap;
use underspan_membership::{StepCounts, StepDecoder, StepMembers, step_flags};
use underspan_model::tables::{Rung, Step, StepKind, StepMember};
use underspan_model::{ProblemKind, StringId};

use super::rows::Rows;
use crate::events;

/// How long an ended step may wait for its sampling before it is written.
const SETTLE_NS: i64 = 1_000_000_000;

/// Steps that have begun and are not yet rows.
#[derive(Debug, Default)]
pub(super) struct Steps {
    decoder: StepDecoder<StringId>,
    open: HashMap<i64, OpenStep>,
}

#[derive(Debug)]
struct OpenStep {
    step_id: u64,
    start_ns: i64,
    end_ns: Option<i64>,
    flags: u32,
    n_members: u32,
    members: Option<StepMembers<StringId>>,
}

impl Steps {
    pub(super) fn begin(
        &mut self,
        rows: &mut Rows,
        tid: i64,
        (step_id, start_ns): (u64, i64),
        n_members: u32,
        flags: u32,
    ) {
        if flags & step_flags::CONTINUES != 0 {
            // The sampling of a step belongs to it.
            if let Some(open) = self.open.get_mut(&tid).filter(|open| open.step_id == step_id) {
                open.end_ns = None;
                return;
            }
        }
        let step = OpenStep { step_id, start_ns, end_ns: None, flags, n_members, members: None };
        if let Some(before) = self.open.insert(tid, step) {
            write(rows, tid, before);
        }
    }

    pub(super) fn members(&mut self, rows: &mut Rows, tid: i64, delta: &[u8]) {
        let Some(open) = self.open.get_mut(&tid) else {
            // Nothing tells how many there must be, and what follows builds upon them.
            self.decoder.lose_track();
            malformed(rows, || "members without a step that has begun".to_owned());
            return;
        };
        match self.decoder.apply(open.flags, open.n_members, delta, |name| rows.intern(name)) {
            Ok(members) => open.members = Some(members.clone()),
            Err(error) => malformed(rows, || format!("members of a step: {error}")),
        }
    }

    pub(super) fn end(&mut self, tid: i64, step_id: u64, end_ns: i64) {
        if let Some(open) = self.open.get_mut(&tid).filter(|open| open.step_id == step_id) {
            open.end_ns = Some(end_ns);
        }
    }

    /// The step that this thread is in.
    pub(super) fn open_on(&self, tid: i64) -> Option<u64> {
        self.open.get(&tid).filter(|open| open.end_ns.is_none()).map(|open| open.step_id)
    }

    /// Writes steps that ended a while ago.
    pub(super) fn settle(&mut self, rows: &mut Rows, now_ns: i64) {
        let is_settled =
            |open: &OpenStep| open.end_ns.is_some_and(|end| now_ns.saturating_sub(end) > SETTLE_NS);
        for (tid, step) in self.open.extract_if(|_, open| is_settled(open)) {
            write(rows, tid, step);
        }
    }

    /// Writes all steps.
    pub(super) fn finish(&mut self, rows: &mut Rows) {
        for (tid, step) in self.open.drain() {
            write(rows, tid, step);
        }
    }
}

/// Counts members that cannot be read, and asks the hook to start over.
fn malformed(rows: &mut Rows, example: impl FnOnce() -> String) {
    events::want_keyframes();
    rows.problem(ProblemKind::MalformedEvent, 1, example);
}

fn write(rows: &mut Rows, tid: i64, step: OpenStep) {
    let Some(end_ns) = step.end_ns else {
        rows.problem(ProblemKind::OpenRange, 1, || format!("step {}", step.step_id));
        return;
    };
    let process = rows.process().raw();
    let counts = step.members.as_ref().map(StepMembers::counts);
    let mut row = Step {
        start_ns: step.start_ns,
        duration_ns: end_ns.saturating_sub(step.start_ns).max(0) as u64,
        step_id: step.step_id,
        process,
        thread: rows.thread(tid),
        kind: kind_of(step.flags, counts).code(),
        rung: Rung::ExactHook.code(),
        ..Step::default()
    };
    match counts {
        Some(counts) => counts.describe(&mut row),
        None => {
            // How many there were is known, who they were is not.
            row.rung = Rung::Counts.code();
            row.generation_requests = step.n_members;
        }
    }
    rows.timeline.steps.push(row);
    let members = step.members.unwrap_or_default();
    let owner = StepMember { process, step_id: step.step_id, ..StepMember::default() };
    members.push_rows(&mut rows.timeline.step_members, owner);
}

/// What a step did: by its members, and where those are not known by what the engine calls it.
fn kind_of(flags: u32, counts: Option<StepCounts>) -> StepKind {
    if flags & step_flags::EMPTY != 0 {
        return StepKind::Empty;
    }
    let has_drafts = counts.is_some_and(|counts| counts.has_drafts);
    if has_drafts || flags & step_flags::SPECULATIVE != 0 {
        return StepKind::Speculative;
    }
    match counts.map(|counts| (counts.context_requests, counts.generation_requests)) {
        Some((0, 0)) => StepKind::Empty,
        Some((_, 0)) => StepKind::Prefill,
        Some((0, _)) => StepKind::Decode,
        Some(_) => StepKind::Mixed,
        None => match flags & step_flags::MODE_MASK {
            step_flags::MODE_PREFILL => StepKind::Prefill,
            step_flags::MODE_DECODE => StepKind::Decode,
            step_flags::MODE_MIXED => StepKind::Mixed,
            _ => StepKind::Unknown,
        },
    }
}
