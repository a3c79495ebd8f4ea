//! Questions about a document that take longer than a frame: asked on worker threads.

mod around;
mod find;
mod launch;
mod names;
mod statistics;

pub(crate) use around::annotations_around;
pub(crate) use find::{Direction, Wanted, culprit_in, event_at, find_event, longest_in};
pub(crate) use launch::launch_partner;
pub(crate) use names::{NameMatch, matching_names, pattern_regex};
pub(crate) use statistics::range_statistics;
pub use statistics::{NameStatistics, RangeStatistics};
pub(crate) use underspan_model::Cancel;

/// A job whose answer is waited for. The job is cancelled when nobody waits any more.
#[derive(Debug, Default)]
pub(crate) struct Awaited(Cancel);

impl Awaited {
    /// What the job looks at to learn of it.
    pub(crate) fn cancel(&self) -> Cancel {
        self.0.clone()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
