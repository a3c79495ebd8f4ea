//! What rows refer to, checked: a reference that leads nowhere becomes "none" and is counted.

use underspan_model::{NONE_U32, Reference, Timeline};

use super::dictionaries::{IdMap, IdMaps};
use crate::chunk::{ColumnSlice, TargetColumn};

/// How many entries there are of everything that rows refer to.
#[derive(Debug)]
pub(super) struct References<'m> {
    maps: &'m IdMaps,
    n_strings: usize,
    n_shapes: usize,
    n_processes: usize,
    n_devices: usize,
    n_streams: usize,
    n_threads: usize,
    n_counter_tracks: usize,
    n_sources: usize,
}

impl<'m> References<'m> {
    pub(super) fn new(timeline: &Timeline, maps: &'m IdMaps) -> Self {
        let dimensions = &timeline.dimensions;
        Self {
            maps,
            n_strings: timeline.strings.len(),
            n_shapes: timeline.shapes.len(),
            n_processes: dimensions.processes.len(),
            n_devices: dimensions.devices.len(),
            n_streams: dimensions.streams.len(),
            n_threads: dimensions.threads.len(),
            n_counter_tracks: dimensions.counter_tracks.len(),
            n_sources: dimensions.sources.len(),
        }
    }

    /// Settles the references among decoded columns; returns how many led nowhere.
    pub(super) fn settle_targets(&self, targets: &mut [TargetColumn<'_>]) -> u64 {
        let settled = targets.iter_mut().map(|target| match &mut target.values {
            ColumnSlice::U32(values) => self.settle(target.spec.reference, values),
            _ => 0,
        });
        settled.sum()
    }

    /// Settles a column; returns how many of its values led nowhere.
    pub(super) fn settle(&self, reference: Reference, values: &mut [u32]) -> u64 {
        match reference {
            // Spans refer to each other by number, in whatever order they arrive.
            Reference::Nothing | Reference::Span => 0,
            Reference::String => settle_mapped(values, &self.maps.strings, self.n_strings),
            Reference::Shape => settle_mapped(values, &self.maps.shapes, self.n_shapes),
            Reference::Process => settle_index(values, self.n_processes),
            Reference::Device => settle_index(values, self.n_devices),
            Reference::Stream => settle_index(values, self.n_streams),
            Reference::Thread => settle_index(values, self.n_threads),
            Reference::CounterTrack => settle_index(values, self.n_counter_tracks),
            Reference::Source => settle_index(values, self.n_sources),
        }
    }
}

fn settle_mapped(values: &mut [u32], map: &IdMap, len: usize) -> u64 {
    if map.is_identity() {
        return settle_index(values, len);
    }
    let mut n_dangling = 0;
    for value in values.iter_mut().filter(|value| **value != NONE_U32) {
        *value = map.map(*value);
        n_dangling += u64::from(*value == NONE_U32);
    }
    n_dangling
}

fn settle_index(values: &mut [u32], len: usize) -> u64 {
    let len = u32::try_from(len).unwrap_or(NONE_U32);
    // "None" becomes zero and everything else one more, so that one comparison is enough.
    let is_any_out =
        values.iter().fold(0, |any, value| any | u32::from(value.wrapping_add(1) > len));
    if is_any_out == 0 {
        return 0;
    }
    let mut n_dangling = 0;
    for value in values.iter_mut().filter(|value| **value != NONE_U32 && **value >= len) {
        *value = NONE_U32;
        n_dangling += 1;
    }
    n_dangling
}
