//! Whose device work it is, where an export does not say.

use hashbrown::HashMap;
use underspan_model::{NONE_U32, ThreadId, Timeline};

use super::identity::{GlobalPid, Identity};

/// The process of each correlation id. Ids are unique within a process only, so an id that two
/// processes used says nothing.
#[derive(Debug)]
pub(super) struct Owners {
    only: Option<GlobalPid>,
    by_correlation: HashMap<u32, Option<GlobalPid>, foldhash::fast::FixedState>,
}

impl Owners {
    /// From the API calls read so far.
    pub(super) fn of(timeline: &Timeline, identity: &Identity) -> Self {
        let mut owners = Self { only: None, by_correlation: HashMap::default() };
        let known: HashMap<u32, GlobalPid> =
            identity.processes().map(|(global, id)| (id.raw(), global)).collect();
        if known.len() == 1 {
            owners.only = known.values().next().copied();
            return owners;
        }
        let calls = &timeline.api_calls;
        for (&correlation_id, &thread) in calls.correlation_id.iter().zip(&calls.thread) {
            let process = timeline.dimensions.process_of_thread(ThreadId::from_raw(thread));
            let process = known.get(&process.raw()).copied();
            owners
                .by_correlation
                .entry(correlation_id)
                .and_modify(|other| *other = other.filter(|other| Some(*other) == process))
                .or_insert(process);
        }
        owners.by_correlation.remove(&NONE_U32);
        owners
    }

    /// The process that made the call with this id; `None` when that is not known.
    pub(super) fn owner(&self, correlation_id: u32) -> Option<GlobalPid> {
        self.only.or_else(|| self.by_correlation.get(&correlation_id).copied().flatten())
    }
}
