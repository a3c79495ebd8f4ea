//! Sums over device work per stream and per device, of one chunk or of several.
//!
//! Time in which work ran at once is found by how far the work before an item reaches: no later
//! item starts earlier, so whatever reaches past its start covers everything from there on. Most
//! items start when nothing else runs on their device, and for them only the plain sums change.

use underspan_model::Timeline;
use underspan_model::give_up_if_cancelled;

use crate::device_work::WorkChunk;
use crate::work_reach::{LaneReach, Lanes};
use crate::{DeviceWork, WorkClass, WorkClasses, WorkItem, WorkKind};

/// What sums are kept for: the classes of work, and fills apart from copies.
pub(super) const N_SORTS: usize = 4;
const MEMSET: usize = 3;

/// The class of each sort.
const CLASS: [usize; N_SORTS] = [
    WorkClass::Compute.index(),
    WorkClass::Copy.index(),
    WorkClass::Collective.index(),
    WorkClass::Copy.index(),
];

/// Sums per lane.
#[derive(Debug, Clone)]
pub(super) struct Totals {
    pub(super) devices: Vec<DeviceTotals>,
    pub(super) streams: Vec<StreamTotals>,
}

/// Sums of one device that do not follow from those of its streams. Counted modulo 2^64.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DeviceTotals {
    /// Time of items in which other work of the device ran already.
    pub(super) hidden: u64,
    /// Time of items in which other work of their class ran already.
    pub(super) class_hidden: [u64; 3],
    /// Time in which two classes ran at once, by the class that is neither.
    pub(super) together: [u64; 3],
}

/// Sums of one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTotals {
    pub(super) n: [u64; N_SORTS],
    pub(super) time: [u128; N_SORTS],
    pub(super) first_start: i64,
    pub(super) last_end: i64,
    /// Time of items in which other work of the stream ran already, modulo 2^64.
    pub(super) hidden: u64,
    pub(super) n_overlaps: u64,
    pub(super) longest_overlap: u64,
}

impl StreamTotals {
    pub(super) const NOTHING: Self = Self {
        n: [0; N_SORTS],
        time: [0; N_SORTS],
        first_start: i64::MAX,
        last_end: i64::MIN,
        hidden: 0,
        n_overlaps: 0,
        longest_overlap: 0,
    };

    pub(super) fn plus(&mut self, other: &Self) {
        for at in 0..N_SORTS {
            self.n[at] += other.n[at];
            self.time[at] += other.time[at];
        }
        self.first_start = self.first_start.min(other.first_start);
        self.last_end = self.last_end.max(other.last_end);
        self.hidden = self.hidden.wrapping_add(other.hidden);
        self.n_overlaps += other.n_overlaps;
        self.longest_overlap = self.longest_overlap.max(other.longest_overlap);
    }
}

impl Totals {
    pub(super) fn empty(lanes: &Lanes) -> Self {
        Self {
            devices: vec![DeviceTotals::default(); lanes.n_devices()],
            streams: vec![StreamTotals::NOTHING; lanes.n_streams()],
        }
    }

    /// Walks a chunk, given how far earlier work reaches; says how far it reaches then.
    pub(super) fn of_chunk(
        timeline: &Timeline,
        classes: &WorkClasses,
        lanes: &Lanes,
        chunk: &WorkChunk,
        reach: LaneReach,
    ) -> (Self, LaneReach) {
        give_up_if_cancelled();
        let work = DeviceWork::of(timeline);
        let shapes = &timeline.kernels.shape;
        let mut walk = Walk {
            lanes,
            totals: Self::empty(lanes),
            reach,
            stream_column: None,
            stream: 0,
            device: 0,
            sort: 0,
            latest: i64::MIN,
            n: 0,
            time: 0,
        };
        walk.latest = walk.latest_of(0);
        work.for_each_in(chunk, |item| {
            let sort = match item.kind {
                WorkKind::Kernel => classes.of_kernel(shapes[item.row as usize]).index(),
                WorkKind::Memcpy => WorkClass::Copy.index(),
                WorkKind::Memset => MEMSET,
            };
            walk.add(&item, sort);
        });
        walk.flush();
        (walk.totals, walk.reach)
    }

    /// Adds the sums of another part.
    pub(super) fn plus(mut self, other: Self) -> Self {
        for (a, b) in self.devices.iter_mut().zip(&other.devices) {
            a.hidden = a.hidden.wrapping_add(b.hidden);
            for at in 0..3 {
                a.class_hidden[at] = a.class_hidden[at].wrapping_add(b.class_hidden[at]);
                a.together[at] = a.together[at].wrapping_add(b.together[at]);
            }
        }
        for (a, b) in self.streams.iter_mut().zip(&other.streams) {
            a.plus(b);
        }
        self
    }

    /// Exchanges what a part of the work added without knowledge of earlier work for what it
    /// adds with it.
    pub(super) fn corrected(mut self, without: &Self, with: &Self) -> Self {
        let exchange =
            |sum: u64, without: u64, with: u64| sum.wrapping_sub(without).wrapping_add(with);
        let exchange_each = |sums: [u64; 3], without: [u64; 3], with: [u64; 3]| {
            [0, 1, 2].map(|at| exchange(sums[at], without[at], with[at]))
        };
        let devices = without.devices.iter().zip(&with.devices);
        for (total, (without, with)) in self.devices.iter_mut().zip(devices) {
            total.hidden = exchange(total.hidden, without.hidden, with.hidden);
            total.class_hidden =
                exchange_each(total.class_hidden, without.class_hidden, with.class_hidden);
            total.together = exchange_each(total.together, without.together, with.together);
        }
        let streams = without.streams.iter().zip(&with.streams);
        for (total, (without, with)) in self.streams.iter_mut().zip(streams) {
            total.hidden = exchange(total.hidden, without.hidden, with.hidden);
            total.n_overlaps = exchange(total.n_overlaps, without.n_overlaps, with.n_overlaps);
            total.longest_overlap = total.longest_overlap.max(with.longest_overlap);
        }
        self
    }
}

/// A walk over items in order of start. Items of one stream and sort mostly come in runs, whose
/// sums are kept beside the totals until the run ends.
struct Walk<'a> {
    lanes: &'a Lanes,
    totals: Totals,
    reach: LaneReach,
    stream_column: Option<u32>,
    stream: usize,
    device: usize,
    sort: usize,
    /// How far any work of the device reaches.
    latest: i64,
    n: u64,
    time: u128,
}

impl Walk<'_> {
    #[inline]
    fn add(&mut self, item: &WorkItem, sort: usize) {
        if self.stream_column != Some(item.stream) || self.sort != sort {
            self.turn_to(item, sort);
        }
        self.n += 1;
        self.time += u128::from(item.duration_ns());
        if item.start_ns < self.latest {
            self.add_beside_others(item);
        } else {
            self.reach.streams[self.stream] = item.end_ns;
            self.reach.devices[self.device][CLASS[sort]] = item.end_ns;
            self.latest = item.end_ns;
        }
    }

    fn turn_to(&mut self, item: &WorkItem, sort: usize) {
        self.flush();
        self.sort = sort;
        if self.stream_column != Some(item.stream) {
            self.stream_column = Some(item.stream);
            self.stream = self.lanes.stream_lane(item.stream);
            self.device = self.lanes.device_lane(self.stream);
            self.latest = self.latest_of(self.device);
        }
        let stream = &mut self.totals.streams[self.stream];
        stream.first_start = stream.first_start.min(item.start_ns);
    }

    fn latest_of(&self, device: usize) -> i64 {
        let [a, b, c] = self.reach.devices[device];
        a.max(b).max(c)
    }

    fn flush(&mut self) {
        let stream = &mut self.totals.streams[self.stream];
        stream.n[self.sort] += std::mem::take(&mut self.n);
        stream.time[self.sort] += std::mem::take(&mut self.time);
        if stream.n != [0; N_SORTS] {
            stream.last_end = stream.last_end.max(self.reach.streams[self.stream]);
        }
    }

    /// Adds an item that starts while other work of its device runs.
    fn add_beside_others(&mut self, item: &WorkItem) {
        let (start, end) = (item.start_ns, item.end_ns);
        let stream = &mut self.totals.streams[self.stream];
        let reach = &mut self.reach.streams[self.stream];
        stream.hidden = stream.hidden.wrapping_add(beyond(start, end.min(*reach)));
        if start < *reach && start < end {
            stream.n_overlaps += 1;
            stream.longest_overlap = stream.longest_overlap.max(beyond(start, *reach));
        }
        *reach = end.max(*reach);

        let device = &mut self.totals.devices[self.device];
        let reach = &mut self.reach.devices[self.device];
        let class = CLASS[self.sort];
        device.hidden = device.hidden.wrapping_add(beyond(start, end.min(self.latest)));
        let from = start.max(reach[class]);
        device.class_hidden[class] =
            device.class_hidden[class].wrapping_add(beyond(start, end.min(reach[class])));
        if from < end {
            // What the item adds to the coverage of its class, against that of the other two.
            let (next, last) = ((class + 1) % 3, (class + 2) % 3);
            let with_next = beyond(from, end.min(reach[next]));
            let with_last = beyond(from, end.min(reach[last]));
            device.together[last] = device.together[last].wrapping_add(with_next);
            device.together[next] = device.together[next].wrapping_add(with_last);
            reach[class] = end;
        }
        self.latest = self.latest.max(end);
    }
}

/// `end - start` where that is positive.
#[inline]
fn beyond(start: i64, end: i64) -> u64 {
    if end > start { end.wrapping_sub(start) as u64 } else { 0 }
}
