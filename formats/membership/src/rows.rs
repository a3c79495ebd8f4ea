//! Steps and their members as rows of a capture.

use underspan_model::tables::{Phase, Step, StepMember, StepMemberTable};
use underspan_model::{NONE_U32, StringId};

use crate::{Member, MemberPhase, StepCounts, StepMembers};

impl StepMembers<StringId> {
    /// Adds a row for each member, in the order of the batch, then one for each request that was
    /// put out of the batch and for each that ended. `owner` holds what the rows share: the process
    /// and the number of the step.
    pub fn push_rows(&self, table: &mut StepMemberTable, owner: StepMember) {
        table.reserve(self.members.len());
        for member in &self.members {
            table.push(row_of(owner, member));
        }
        for (phase, requests) in
            [(Phase::Preempted, &self.preempted), (Phase::Finished, &self.finished)]
        {
            for request in requests {
                let request = request.raw();
                table.push(StepMember { request, own_tokens: 0, phase: phase.code(), ..owner });
            }
        }
    }
}

impl StepCounts {
    /// Writes the counts into the row of the step.
    pub fn describe(&self, step: &mut Step) {
        step.context_requests = self.context_requests;
        step.context_tokens = self.context_tokens;
        step.generation_requests = self.generation_requests;
        step.generation_tokens = self.generation_tokens;
    }
}

fn row_of(owner: StepMember, member: &Member<StringId>) -> StepMember {
    let phase = match member.phase {
        MemberPhase::Prefill => Phase::Prefill,
        MemberPhase::Decode => Phase::Decode,
    };
    StepMember {
        request: member.request.raw(),
        own_tokens: member.own_tokens,
        // No context is that long; the value for "unknown" must not be hit by one that claims it.
        computed_tokens: u32::try_from(member.computed_tokens).unwrap_or(NONE_U32 - 1),
        phase: phase.code(),
        ..owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_the_order_of_the_batch_and_events_after_them() {
        let member = |at: usize, phase, computed_tokens| Member {
            request: StringId::from_index(at),
            own_tokens: 7,
            computed_tokens,
            drafted_tokens: 0,
            phase,
        };
        let members = StepMembers {
            members: vec![
                member(5, MemberPhase::Decode, 90),
                member(2, MemberPhase::Prefill, u64::MAX),
            ],
            preempted: vec![StringId::from_index(9)],
            finished: vec![StringId::from_index(1)],
            ..StepMembers::default()
        };
        let mut table = StepMemberTable::default();
        let owner = StepMember { process: 3, step_id: 8, ..StepMember::default() };
        members.push_rows(&mut table, owner);
        assert_eq!(table.request, [5, 2, 9, 1]);
        assert_eq!(table.own_tokens, [7, 7, 0, 0]);
        assert_eq!(table.computed_tokens, [90, NONE_U32 - 1, NONE_U32, NONE_U32]);
        let phases = [Phase::Decode, Phase::Prefill, Phase::Preempted, Phase::Finished];
        assert_eq!(table.phase, phases.map(Phase::code));
        assert!(table.iter().all(|row| (row.process, row.step_id) == (3, 8)));
    }
}
