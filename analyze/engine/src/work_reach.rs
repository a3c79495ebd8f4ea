//! How far earlier work reaches at the beginning of every chunk, so that chunks can be walked in
//! parallel and still be exact.

use underspan_model::Timeline;

use crate::DeviceWork;
use crate::device_work::WorkChunk;
use crate::sequence::are_all;

/// Numbers for streams and devices, with one more of each for work that names none.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    device_of_stream: Vec<u32>,
    n_devices: usize,
    /// The device of all known streams, if it is one.
    only_device: Option<u32>,
}

impl Lanes {
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let n_devices = timeline.dimensions.devices.len();
        let known = timeline.dimensions.streams.device.iter();
        let mut device_of_stream: Vec<u32> =
            known.map(|device| (*device).min(n_devices as u32)).collect();
        let first = device_of_stream.first().copied();
        let only_device = first.filter(|device| are_all(&device_of_stream, *device));
        device_of_stream.push(n_devices as u32);
        Self { device_of_stream, n_devices: n_devices + 1, only_device }
    }

    pub(crate) fn n_streams(&self) -> usize {
        self.device_of_stream.len()
    }

    pub(crate) fn n_devices(&self) -> usize {
        self.n_devices
    }

    /// The device work of a timeline in chunks, so many that a state per lane and chunk takes no
    /// more memory than the work itself.
    pub(crate) fn chunks(&self, work: &DeviceWork<'_>) -> Vec<WorkChunk> {
        work.chunks(self.n_streams() + self.n_devices())
    }

    /// The lane of a stream column value.
    #[inline]
    pub(crate) fn stream_lane(&self, stream: u32) -> usize {
        (stream as usize).min(self.device_of_stream.len() - 1)
    }

    /// Whether work on all of these streams is on the device of a lane, as far as that is seen at a
    /// glance.
    #[inline]
    pub(crate) fn are_on(&self, lane: usize, streams: &[u32]) -> bool {
        if self.only_device == Some(lane as u32) {
            // Unknown streams lie above all others, and no count reaches the highest bit.
            let last = (self.device_of_stream.len() as u32).wrapping_sub(2);
            let above = |above, stream: &u32| above | stream | last.wrapping_sub(*stream);
            return streams.iter().fold(0, above) >> 31 == 0;
        }
        let Some(first) = streams.first() else { return true };
        self.device_lane(self.stream_lane(*first)) == lane && are_all(streams, *first)
    }

    #[inline]
    pub(crate) fn device_lane(&self, stream_lane: usize) -> usize {
        self.device_of_stream[stream_lane] as usize
    }
}

/// Latest ends, by lane, of the work before each chunk.
#[derive(Debug, Clone)]
pub(crate) struct WorkReach {
    lanes: Lanes,
    chunks: Vec<WorkChunk>,
    before: Vec<LaneReach>,
}

/// Latest end of the work of each lane; `i64::MIN` before any work.
#[derive(Debug, Clone)]
pub(crate) struct LaneReach {
    /// Per stream lane.
    pub(crate) streams: Vec<i64>,
    /// Per device lane and class of work.
    pub(crate) devices: Vec<[i64; 3]>,
}

impl LaneReach {
    /// Before any work.
    pub(crate) fn nothing(lanes: &Lanes) -> Self {
        Self {
            streams: vec![i64::MIN; lanes.n_streams()],
            devices: vec![[i64::MIN; 3]; lanes.n_devices()],
        }
    }

    /// The latest end over all lanes.
    pub(crate) fn latest(&self) -> i64 {
        self.streams.iter().copied().max().unwrap_or(i64::MIN)
    }

    fn extend(&mut self, later: &Self) {
        for (reach, end) in self.streams.iter_mut().zip(&later.streams) {
            *reach = (*reach).max(*end);
        }
        for (reach, ends) in self.devices.iter_mut().zip(&later.devices) {
            *reach = [0, 1, 2].map(|class| reach[class].max(ends[class]));
        }
    }
}

impl WorkReach {
    /// From how far the work of each chunk by itself reaches.
    pub(crate) fn new<'a>(
        lanes: Lanes,
        chunks: Vec<WorkChunk>,
        within: impl Iterator<Item = &'a LaneReach>,
    ) -> Self {
        let mut reach = LaneReach::nothing(&lanes);
        let before = within
            .map(|ends| {
                let before = reach.clone();
                reach.extend(ends);
                before
            })
            .collect();
        Self { lanes, chunks, before }
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(crate) fn chunks(&self) -> &[WorkChunk] {
        &self.chunks
    }

    /// How far the work before a chunk reaches.
    pub(crate) fn before(&self, chunk: usize) -> &LaneReach {
        &self.before[chunk]
    }

    /// How far any work of each device before a chunk reaches.
    pub(crate) fn of_devices_before(&self, chunk: usize) -> Vec<i64> {
        let devices = &self.before[chunk].devices;
        devices.iter().map(|[a, b, c]| *a.max(b).max(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::NONE_U32;

    #[test]
    fn streams_of_another_device_are_seen_among_many() {
        let mut trace = TraceBuilder::new();
        trace.stream(0, 7).stream(0, 8);
        let one = Lanes::of(&trace.build());
        let lane = one.device_lane(one.stream_lane(0));
        assert!(one.are_on(lane, &[0, 1, 0]));
        // A stream that is in no table is of no known device.
        assert!(!one.are_on(lane, &[0, NONE_U32]) && !one.are_on(lane, &[2, 0]));
        trace.stream(1, 7);
        let two = Lanes::of(&trace.build());
        assert!(two.are_on(lane, &[1, 1]) && !two.are_on(lane, &[0, 2]));
        assert!(!two.are_on(two.device_lane(two.stream_lane(2)), &[0, 0]));
    }
}
