//! Sums over device work per stream and per device, of one chunk or of several.
//!
//! Time in which work ran at once is found by how far the work before an item reaches: no later
//! item starts earlier, so whatever reaches past its start covers everything from there on. Most
//! items start when nothing else runs on their device, and for them only the plain sums change.

use std::ops::Range;

use underspan_model::Timeline;
use underspan_model::give_up_if_cancelled;

use crate::device_work::{WorkChunk, end_of};
use crate::sequence::{Sequence, n_alike};
use crate::work_reach::{LaneReach, Lanes};
use crate::work_runs::{FEWEST_ROWS, MOST_ROWS, WorkRuns};
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

    /// Walks a chunk, given how far earlier work reaches; says how far it reaches then, and adds
    /// its rows to `runs`.
    pub(super) fn of_chunk(
        timeline: &Timeline,
        classes: &WorkClasses,
        lanes: &Lanes,
        chunk: &WorkChunk,
        reach: LaneReach,
        runs: &mut WorkRuns,
    ) -> (Self, LaneReach) {
        give_up_if_cancelled();
        let mut walk = Walk {
            work: DeviceWork::of(timeline),
            shapes: &timeline.kernels.shape,
            classes,
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
        let work = walk.work;
        work.for_each_run_in(chunk, |kind, rows| walk.add_rows(kind, rows, runs));
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
    work: DeviceWork<'a>,
    shapes: &'a [u32],
    classes: &'a WorkClasses,
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
    /// Adds rows of a table. Those of one launch mostly stand together and ran one after another,
    /// which is seen at once.
    #[inline]
    fn add_rows(&mut self, kind: WorkKind, rows: Range<usize>, runs: &mut WorkRuns) {
        let ids = self.work.correlation_ids(kind);
        let (mut row, mut singles) = (rows.start, rows.start);
        while row < rows.end {
            let n = n_alike(&ids[row..rows.end.min(row + MOST_ROWS)]);
            if n >= FEWEST_ROWS {
                self.add_one_by_one(kind, singles..row, runs);
                singles = row;
                if let Some(within) = self.sequence_of(kind, row..row + n) {
                    self.add_sequence(kind, row..row + n, within.end_ns);
                    runs.add_sequence(self.work.item(kind, row), n, &within);
                    singles = row + n;
                }
            }
            row += n;
        }
        self.add_one_by_one(kind, singles..rows.end, runs);
    }

    /// The time between rows on one device that begin after everything before and ran one after
    /// another.
    fn sequence_of(&self, kind: WorkKind, rows: Range<usize>) -> Option<Sequence> {
        let (starts, durations, streams) = self.work.columns(kind);
        let (first, others) = (self.work.item(kind, rows.start), rows.start + 1..rows.end);
        let device = self.lanes.device_lane(self.lanes.stream_lane(first.stream));
        let is_alone =
            self.latest_of(device) <= first.start_ns && self.lanes.are_on(device, &streams[rows]);
        is_alone.then(|| Sequence::of(&starts[others.clone()], &durations[others], first.end_ns))?
    }

    /// Adds rows that are a sequence, the last of which ends at `end_ns`.
    fn add_sequence(&mut self, kind: WorkKind, rows: Range<usize>, end_ns: i64) {
        match kind {
            WorkKind::Kernel => {
                let (shapes, classes) = (&self.shapes[rows.clone()], self.classes);
                self.add_by_sort(kind, rows, |at| classes.of_kernel(shapes[at]).index());
            }
            WorkKind::Memcpy => self.add_by_sort(kind, rows, |_| WorkClass::Copy.index()),
            WorkKind::Memset => self.add_by_sort(kind, rows, |_| MEMSET),
        }
        self.reach_to(end_ns);
    }

    /// Adds how many rows of a sequence there are of each stream and sort and how long they ran, and
    /// how far all reach but the last.
    #[inline]
    fn add_by_sort(
        &mut self,
        kind: WorkKind,
        rows: Range<usize>,
        sort_of: impl Fn(usize) -> usize,
    ) {
        let (starts, durations, streams) = self.work.columns(kind);
        let (starts, durations) = (&starts[rows.clone()], &durations[rows.clone()]);
        let streams = &streams[rows];
        let mut from = 0;
        while from < streams.len() {
            let (stream, sort) = (streams[from], sort_of(from));
            if self.stream_column != Some(stream) || self.sort != sort {
                if from > 0 {
                    self.reach_to(end_of(starts[from - 1], durations[from - 1]));
                }
                self.turn_to(stream, starts[from], sort);
            }
            // A sequence is no longer than time is, so that its lengths fit together.
            let (mut to, mut time) = (from, 0_u64);
            while to < streams.len() && streams[to] == stream && sort_of(to) == sort {
                time = time.wrapping_add(durations[to]);
                to += 1;
            }
            self.n += (to - from) as u64;
            self.time += u128::from(time);
            from = to;
        }
    }

    fn add_one_by_one(&mut self, kind: WorkKind, rows: Range<usize>, runs: &mut WorkRuns) {
        for row in rows.clone() {
            self.add(&self.work.item(kind, row), self.sort_of(kind, row));
        }
        runs.add_rows(rows.len(), |at| self.work.item(kind, rows.start + at));
    }

    #[inline]
    fn sort_of(&self, kind: WorkKind, row: usize) -> usize {
        match kind {
            WorkKind::Kernel => self.classes.of_kernel(self.shapes[row]).index(),
            WorkKind::Memcpy => WorkClass::Copy.index(),
            WorkKind::Memset => MEMSET,
        }
    }

    #[inline]
    fn add(&mut self, item: &WorkItem, sort: usize) {
        if self.stream_column != Some(item.stream) || self.sort != sort {
            self.turn_to(item.stream, item.start_ns, sort);
        }
        self.n += 1;
        self.time += u128::from(item.duration_ns());
        if item.start_ns < self.latest {
            self.add_beside_others(item);
        } else {
            self.reach_to(item.end_ns);
        }
    }

    /// Work that began after everything before it on its device ended.
    #[inline]
    fn reach_to(&mut self, end_ns: i64) {
        self.reach.streams[self.stream] = end_ns;
        self.reach.devices[self.device][CLASS[self.sort]] = end_ns;
        self.latest = end_ns;
    }

    fn turn_to(&mut self, stream_column: u32, start_ns: i64, sort: usize) {
        self.flush();
        self.sort = sort;
        if self.stream_column != Some(stream_column) {
            self.stream_column = Some(stream_column);
            self.stream = self.lanes.stream_lane(stream_column);
            self.device = self.lanes.device_lane(self.stream);
            self.latest = self.latest_of(self.device);
        }
        let stream = &mut self.totals.streams[self.stream];
        stream.first_start = stream.first_start.min(start_ns);
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
