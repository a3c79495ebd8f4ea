//! How far earlier work reaches at the beginning of every chunk, so that chunks can be walked in
//! parallel and still be exact.

use rayon::prelude::*;
use underspan_model::Timeline;

use crate::device_work::WorkChunk;
use crate::{DeviceWork, WorkClasses};

/// Numbers for streams and devices, with one more of each for work that names none.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    device_of_stream: Vec<u32>,
    n_devices: usize,
}

impl Lanes {
    fn of(timeline: &Timeline) -> Self {
        let n_devices = timeline.dimensions.devices.len();
        let known = timeline.dimensions.streams.device.iter();
        let mut device_of_stream: Vec<u32> =
            known.map(|device| (*device).min(n_devices as u32)).collect();
        device_of_stream.push(n_devices as u32);
        Self { device_of_stream, n_devices: n_devices + 1 }
    }

    pub(crate) fn n_streams(&self) -> usize {
        self.device_of_stream.len()
    }

    pub(crate) fn n_devices(&self) -> usize {
        self.n_devices
    }

    /// The lane of a stream column value.
    #[inline]
    pub(crate) fn stream_lane(&self, stream: u32) -> usize {
        (stream as usize).min(self.device_of_stream.len() - 1)
    }

    #[inline]
    pub(crate) fn device_lane(&self, stream_lane: usize) -> usize {
        self.device_of_stream[stream_lane] as usize
    }
}

/// Latest end of each class of work on each stream, before each chunk.
#[derive(Debug, Clone)]
pub(crate) struct WorkReach {
    lanes: Lanes,
    chunks: Vec<WorkChunk>,
    /// Per chunk, per stream lane, per class; `i64::MIN` before any work.
    before: Vec<Vec<[i64; 3]>>,
}

impl WorkReach {
    pub(crate) fn of(timeline: &Timeline, classes: &WorkClasses) -> Self {
        let lanes = Lanes::of(timeline);
        let chunks = DeviceWork::of(timeline).chunks(lanes.n_streams() + lanes.n_devices());
        Self::of_chunks(timeline, classes, chunks)
    }

    pub(crate) fn of_chunks(
        timeline: &Timeline,
        classes: &WorkClasses,
        chunks: Vec<WorkChunk>,
    ) -> Self {
        let work = DeviceWork::of(timeline);
        let lanes = Lanes::of(timeline);
        let nothing = || vec![[i64::MIN; 3]; lanes.n_streams()];
        let shapes = &timeline.kernels.shape;
        let within: Vec<Vec<[i64; 3]>> = chunks
            .par_iter()
            .map(|chunk| {
                let mut ends = nothing();
                work.for_each_in(chunk, |item| {
                    let class = classes.of_item(&item, shapes).index();
                    let end = &mut ends[lanes.stream_lane(item.stream)][class];
                    *end = item.end_ns.max(*end);
                });
                ends
            })
            .collect();
        let mut reach = nothing();
        let before = within
            .into_iter()
            .map(|ends| {
                let before = reach.clone();
                for (reach, ends) in reach.iter_mut().zip(ends) {
                    *reach = [0, 1, 2].map(|class| reach[class].max(ends[class]));
                }
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

    /// How far the work of each stream before a chunk reaches.
    pub(crate) fn of_streams_before(&self, chunk: usize) -> Vec<i64> {
        self.before[chunk].iter().map(|[a, b, c]| *a.max(b).max(c)).collect()
    }

    /// How far each class of work of each device before a chunk reaches.
    pub(crate) fn of_devices_before(&self, chunk: usize) -> Vec<[i64; 3]> {
        let mut devices = vec![[i64::MIN; 3]; self.lanes.n_devices()];
        for (stream, reach) in self.before[chunk].iter().enumerate() {
            let device = &mut devices[self.lanes.device_lane(stream)];
            *device = [0, 1, 2].map(|class| device[class].max(reach[class]));
        }
        devices
    }

    /// How far any work of each device before a chunk reaches.
    pub(crate) fn of_whole_devices_before(&self, chunk: usize) -> Vec<i64> {
        self.of_devices_before(chunk).iter().map(|[a, b, c]| *a.max(b).max(c)).collect()
    }
}
