//! Engine steps and their members, from the hook's calls.

use hashbrown::HashMap;
use underspan_model::tables::{Phase, Rung, Step, StepKind, StepMember};
use underspan_model::{NONE_U32, ProblemKind, StringId};

use super::batches::{Batch, Batches};
use super::rows::Rows;
use crate::events;

const MODE_MASK: u32 = 15;
const EMPTY: u32 = 1 << 4;
const SPECULATIVE: u32 = 1 << 5;
const CONTINUES: u32 = 1 << 6;

/// How long an ended step may wait for its sampling before it is written.
const SETTLE_NS: i64 = 1_000_000_000;

/// Steps that have begun and are not yet rows.
#[derive(Debug, Default)]
pub(super) struct Steps {
    batches: Batches,
    open: HashMap<i64, OpenStep>,
}

#[derive(Debug)]
struct OpenStep {
    step_id: u64,
    start_ns: i64,
    end_ns: Option<i64>,
    flags: u32,
    n_members: u32,
    batch: Option<Batch>,
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
        if flags & CONTINUES != 0 {
            // The sampling of a step belongs to it.
            if let Some(open) = self.open.get_mut(&tid).filter(|open| open.step_id == step_id) {
                open.end_ns = None;
                return;
            }
        }
        let step = OpenStep { step_id, start_ns, end_ns: None, flags, n_members, batch: None };
        if let Some(before) = self.open.insert(tid, step) {
            write(rows, tid, before);
        }
    }

    pub(super) fn members(&mut self, rows: &mut Rows, tid: i64, delta: &[u8]) {
        let open = self.open.get_mut(&tid);
        let is_empty = open.as_ref().is_some_and(|open| open.flags & EMPTY != 0);
        match self.batches.apply(delta, is_empty) {
            Ok(batch) => {
                if let Some(open) = open {
                    open.batch = Some(batch);
                }
            }
            Err(error) => {
                events::want_keyframes();
                rows.problem(ProblemKind::MalformedEvent, 1, || {
                    format!("members of a step: at offset {}: {}", error.offset, error.what)
                });
            }
        }
    }

    pub(super) fn end(&mut self, tid: i64, step_id: u64, end_ns: i64) {
        if let Some(open) = self.open.get_mut(&tid).filter(|open| open.step_id == step_id) {
            open.end_ns = Some(end_ns);
        }
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

fn write(rows: &mut Rows, tid: i64, step: OpenStep) {
    let Some(end_ns) = step.end_ns else {
        rows.problem(ProblemKind::OpenRange, 1, || format!("step {}", step.step_id));
        return;
    };
    let is_known = step.batch.is_some();
    let batch = step.batch.unwrap_or_default();
    let process = rows.process().raw();
    let thread = rows.thread(tid);
    let prefill = batch.members.iter().filter(|member| member.is_prefill);
    let (n_prefill, prefill_tokens) =
        prefill.fold((0_u32, 0_u64), |(n, sum), m| (n + 1, sum + u64::from(m.own_tokens)));
    let tokens: u64 = batch.members.iter().map(|member| u64::from(member.own_tokens)).sum();
    let n_decode = batch.members.len() as u32 - n_prefill;
    let mut row = Step {
        start_ns: step.start_ns,
        duration_ns: end_ns.saturating_sub(step.start_ns).max(0) as u64,
        step_id: step.step_id,
        process,
        thread,
        kind: kind_of(step.flags, n_prefill, n_decode).code(),
        rung: Rung::ExactHook.code(),
        ..Step::default()
    };
    if is_known {
        row.context_requests = n_prefill;
        row.context_tokens = prefill_tokens;
        row.generation_requests = n_decode;
        row.generation_tokens = tokens - prefill_tokens;
    } else {
        // How many there were is known, who they were is not.
        row.rung = Rung::Counts.code();
        row.generation_requests = step.n_members;
    }
    rows.timeline.steps.push(row);
    let member = |request: StringId, own_tokens, computed_tokens, phase: Phase| StepMember {
        process,
        step_id: step.step_id,
        request: request.raw(),
        own_tokens,
        computed_tokens,
        phase: phase.code(),
        ..StepMember::default()
    };
    for m in &batch.members {
        let phase = if m.is_prefill { Phase::Prefill } else { Phase::Decode };
        let request = rows.intern(&m.request);
        let row = member(request, m.own_tokens, m.computed_tokens, phase);
        rows.timeline.step_members.push(row);
    }
    let events = [(batch.preempted, Phase::Preempted), (batch.finished, Phase::Finished)];
    for (requests, phase) in events {
        for request in requests {
            let request = rows.intern(&request);
            rows.timeline.step_members.push(member(request, 0, NONE_U32, phase));
        }
    }
}

fn kind_of(flags: u32, n_prefill: u32, n_decode: u32) -> StepKind {
    if flags & EMPTY != 0 {
        return StepKind::Empty;
    }
    if flags & SPECULATIVE != 0 {
        return StepKind::Speculative;
    }
    match (flags & MODE_MASK, n_prefill, n_decode) {
        (1, ..) => StepKind::Prefill,
        (2, ..) => StepKind::Decode,
        (3, ..) => StepKind::Mixed,
        (_, 0, 0) => StepKind::Unknown,
        (_, 0, _) => StepKind::Decode,
        (_, _, 0) => StepKind::Prefill,
        _ => StepKind::Mixed,
    }
}
