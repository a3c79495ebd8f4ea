//! The steps of one process: deltas go to their series.
//!
//! A delta payload: `u8 version = 1 · u8 flags (bit 0: keyframe) · varint series`, then operations
//! `u8 code · varint length · bytes` up to the end.

use std::collections::HashMap;

use crate::cursor::Cursor;
use crate::series::SeriesDecoder;
use crate::{MembershipError, StepMembers, step_flags};

const VERSION: u8 = 1;
const KEYFRAME: u8 = 1;
/// Most series of one process. A series is an engine's, or a thread's that generates.
const SERIES_LIMIT: usize = 4096;

/// Decodes the steps of one process, in the order in which they began.
#[derive(Debug)]
pub struct StepDecoder<Id> {
    series: HashMap<u32, SeriesDecoder<Id>>,
}

impl<Id> Default for StepDecoder<Id> {
    fn default() -> Self {
        Self { series: HashMap::new() }
    }
}

impl<Id: Copy> StepDecoder<Id> {
    /// A decoder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets every series, as after a record was lost: each goes on at its next keyframe.
    pub fn lose_track(&mut self) {
        self.series.clear();
    }

    /// Applies a step's delta. `flags` and `n_members` are the step's own; `intern` gives an id to
    /// the name of a request that is met for the first time.
    ///
    /// # Errors
    /// When the payload breaks the format, builds upon something that was lost, or does not lead
    /// to the announced number of members. The series then waits for a keyframe.
    pub fn apply(
        &mut self,
        flags: u32,
        n_members: u32,
        delta: &[u8],
        mut intern: impl FnMut(&str) -> Id,
    ) -> Result<&StepMembers<Id>, MembershipError> {
        let mut cursor = Cursor::new(delta);
        let version = cursor.u8("a version")?;
        if version != VERSION {
            return Err(MembershipError::Version {
                what: "delta payload",
                found: version.into(),
                known: VERSION.into(),
            });
        }
        let is_keyframe = cursor.u8("flags")? & KEYFRAME != 0;
        let number = cursor.varint_u32("the number of a series")?;
        if is_keyframe {
            if self.series.len() >= SERIES_LIMIT && !self.series.contains_key(&number) {
                return Err(MembershipError::TooMany {
                    offset: cursor.offset(),
                    what: "the number of series",
                    limit: SERIES_LIMIT,
                });
            }
            self.series.entry(number).or_default().start_over();
        }
        let Some(mut series) = self.series.remove(&number) else {
            return Err(MembershipError::NoBase { series: number });
        };
        let is_empty = flags & step_flags::EMPTY != 0;
        // A series whose delta fails stays removed: what follows has no base.
        series.apply(cursor, n_members, is_empty, &mut intern)?;
        let series = self.series.entry(number).or_insert(series);
        Ok(series.step())
    }
}
