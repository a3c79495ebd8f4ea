//! How much of the time each device and each stream worked, and what ran at the same time.

use rayon::prelude::*;
use underspan_model::{DeviceId, DurationNs, Interval, StreamId, Timeline, TimestampNs};

use crate::device_work::WorkChunk;
use crate::work_reach::{LaneReach, Lanes, WorkReach};
use crate::{DeviceWork, WorkClass, WorkClasses, WorkItem, WorkKind};

/// What every device and every stream with work did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Devices with work, in order of their ids; work of unknown devices last.
    pub devices: Vec<DeviceOccupancy>,
    /// Streams with work, in order of their ids; work of unknown streams last.
    pub streams: Vec<StreamOccupancy>,
}

/// What one device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOccupancy {
    /// The device; none for work whose device the source does not give.
    pub device: DeviceId,
    /// From the first start to the last end of any work.
    pub window: Interval,
    /// Number of kernels.
    pub n_kernels: u64,
    /// Number of copies.
    pub n_memcpys: u64,
    /// Number of fills.
    pub n_memsets: u64,
    /// Sum of the kernels' durations; with overlap more than the time that passed.
    pub kernel_time: DurationNs,
    /// Time in which at least one kernel ran.
    pub kernel_busy: DurationNs,
    /// Time in which anything ran.
    pub busy: DurationNs,
    /// Time in which anything of a class ran, by [`WorkClass`] in the order of its `ALL`.
    pub class_busy: [DurationNs; 3],
    /// Time in which computation and a copy ran at once.
    pub compute_with_copy: DurationNs,
    /// Time in which computation and communication ran at once.
    pub compute_with_collective: DurationNs,
    /// Time in which a copy and communication ran at once.
    pub copy_with_collective: DurationNs,
}

/// What one stream did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOccupancy {
    /// The stream; none for work whose stream the source does not give.
    pub stream: StreamId,
    /// Its device.
    pub device: DeviceId,
    /// From the first start to the last end of any work.
    pub window: Interval,
    /// Number of kernels.
    pub n_kernels: u64,
    /// Number of copies.
    pub n_memcpys: u64,
    /// Number of fills.
    pub n_memsets: u64,
    /// Sum of all durations.
    pub work_time: DurationNs,
    /// Time in which anything ran.
    pub busy: DurationNs,
    /// How often work started before earlier work of the stream had ended: programmatic
    /// dependent launch, parallel branches of a graph.
    pub n_overlaps: u64,
    /// Longest time by which it did.
    pub longest_overlap: DurationNs,
}

impl DeviceOccupancy {
    /// The share of the window in which nothing ran; `None` for a window without length.
    pub fn idle_fraction(&self) -> Option<f64> {
        let window = self.window.duration().as_ns();
        (window > 0).then(|| 1.0 - self.busy.as_ns() as f64 / window as f64)
    }

    /// The time of the window in which nothing ran.
    pub fn idle(&self) -> DurationNs {
        DurationNs::from_ns(self.window.duration().as_ns().saturating_sub(self.busy.as_ns()))
    }

    /// The time in which anything of a class ran.
    pub fn busy_of(&self, class: WorkClass) -> DurationNs {
        self.class_busy[class.index()]
    }

    /// Communication that no computation hid.
    pub fn exposed_collective(&self) -> DurationNs {
        let collective = self.busy_of(WorkClass::Collective).as_ns();
        DurationNs::from_ns(collective.saturating_sub(self.compute_with_collective.as_ns()))
    }

    /// Copies that no kernel hid.
    pub fn exposed_copy(&self) -> DurationNs {
        DurationNs::from_ns(self.busy.as_ns().saturating_sub(self.kernel_busy.as_ns()))
    }
}

impl Occupancy {
    /// Measures the device work of a timeline.
    pub fn of(timeline: &Timeline) -> Self {
        Self::measure(timeline).0
    }

    /// Measures, and says how far the work before each chunk reaches.
    pub(crate) fn measure(timeline: &Timeline) -> (Self, WorkReach) {
        let lanes = Lanes::of(timeline);
        let chunks = lanes.chunks(&DeviceWork::of(timeline));
        Self::measure_chunks(timeline, lanes, chunks)
    }

    fn measure_chunks(
        timeline: &Timeline,
        lanes: Lanes,
        chunks: Vec<WorkChunk>,
    ) -> (Self, WorkReach) {
        let work = DeviceWork::of(timeline);
        let classes = WorkClasses::of(timeline);
        let walk = |chunk: &WorkChunk, reach: LaneReach| {
            Totals::of_chunk(timeline, &work, &classes, &lanes, chunk, reach)
        };
        // Each chunk as if nothing had run before it.
        let fresh: Vec<(Totals, LaneReach)> =
            chunks.par_iter().map(|chunk| walk(chunk, LaneReach::nothing(&lanes))).collect();
        let reach = WorkReach::new(lanes.clone(), chunks, fresh.iter().map(|(_, reach)| reach));
        // What still ran when a chunk began concerns only the items that start before it ends:
        // those are walked again, without and with it, and the difference is put right.
        let totals = fresh
            .into_par_iter()
            .zip(reach.chunks())
            .enumerate()
            .map(|(at, ((totals, _), chunk))| {
                let before = reach.before(at);
                let head = work.head_of(chunk, before.latest());
                let without = walk(&head, LaneReach::nothing(&lanes)).0;
                let with = walk(&head, before.clone()).0;
                totals.corrected(&without, &with)
            })
            .reduce(|| Totals::empty(&lanes), Totals::plus);
        (totals.into_occupancy(timeline), reach)
    }
}

/// Sums per stream and device, of one chunk or of several.
struct Totals {
    devices: Vec<DeviceTotals>,
    streams: Vec<StreamTotals>,
}

#[derive(Clone, Copy)]
struct DeviceTotals {
    n_items: [u64; 3],
    first_start: i64,
    last_end: i64,
    kernel_time: u64,
    busy: u64,
    class_busy: [u64; 3],
    /// Pairs of classes by the class that is in neither: `[copy+collective, compute+collective,
    /// compute+copy]`.
    together: [u64; 3],
}

#[derive(Clone, Copy)]
struct StreamTotals {
    n_items: [u64; 3],
    first_start: i64,
    last_end: i64,
    work_time: u64,
    busy: u64,
    n_overlaps: u64,
    longest_overlap: u64,
}

impl Totals {
    fn empty(lanes: &Lanes) -> Self {
        let device = DeviceTotals {
            n_items: [0; 3],
            first_start: i64::MAX,
            last_end: i64::MIN,
            kernel_time: 0,
            busy: 0,
            class_busy: [0; 3],
            together: [0; 3],
        };
        let stream = StreamTotals {
            n_items: [0; 3],
            first_start: i64::MAX,
            last_end: i64::MIN,
            work_time: 0,
            busy: 0,
            n_overlaps: 0,
            longest_overlap: 0,
        };
        Self { devices: vec![device; lanes.n_devices()], streams: vec![stream; lanes.n_streams()] }
    }

    /// Walks a chunk, given how far earlier work reaches; says how far it reaches then.
    fn of_chunk(
        timeline: &Timeline,
        work: &DeviceWork<'_>,
        classes: &WorkClasses,
        lanes: &Lanes,
        chunk: &WorkChunk,
        mut reach: LaneReach,
    ) -> (Self, LaneReach) {
        let mut totals = Self::empty(lanes);
        let shapes = &timeline.kernels.shape;
        work.for_each_in(chunk, |item| {
            let stream = lanes.stream_lane(item.stream);
            let device = lanes.device_lane(stream);
            totals.streams[stream].add(&item, &mut reach.streams[stream]);
            let class = classes.of_item(&item, shapes).index();
            totals.devices[device].add(&item, class, &mut reach.devices[device]);
        });
        (totals, reach)
    }

    /// Exchanges what a part of the work added without knowledge of earlier work for what it
    /// adds with it.
    fn corrected(mut self, without: &Self, with: &Self) -> Self {
        let exchange =
            |sum: u64, without: u64, with: u64| sum.wrapping_sub(without).wrapping_add(with);
        let exchange_each = |sums: [u64; 3], without: [u64; 3], with: [u64; 3]| {
            [0, 1, 2].map(|at| exchange(sums[at], without[at], with[at]))
        };
        let devices = without.devices.iter().zip(&with.devices);
        for (total, (without, with)) in self.devices.iter_mut().zip(devices) {
            total.busy = exchange(total.busy, without.busy, with.busy);
            total.class_busy = exchange_each(total.class_busy, without.class_busy, with.class_busy);
            total.together = exchange_each(total.together, without.together, with.together);
        }
        let streams = without.streams.iter().zip(&with.streams);
        for (total, (without, with)) in self.streams.iter_mut().zip(streams) {
            total.busy = exchange(total.busy, without.busy, with.busy);
            total.n_overlaps = exchange(total.n_overlaps, without.n_overlaps, with.n_overlaps);
            total.longest_overlap = total.longest_overlap.max(with.longest_overlap);
        }
        self
    }

    fn plus(mut self, other: Self) -> Self {
        for (a, b) in self.devices.iter_mut().zip(&other.devices) {
            a.n_items = plus(a.n_items, b.n_items);
            a.first_start = a.first_start.min(b.first_start);
            a.last_end = a.last_end.max(b.last_end);
            a.kernel_time = a.kernel_time.saturating_add(b.kernel_time);
            a.busy = a.busy.saturating_add(b.busy);
            a.class_busy = plus(a.class_busy, b.class_busy);
            a.together = plus(a.together, b.together);
        }
        for (a, b) in self.streams.iter_mut().zip(&other.streams) {
            a.n_items = plus(a.n_items, b.n_items);
            a.first_start = a.first_start.min(b.first_start);
            a.last_end = a.last_end.max(b.last_end);
            a.work_time = a.work_time.saturating_add(b.work_time);
            a.busy = a.busy.saturating_add(b.busy);
            a.n_overlaps += b.n_overlaps;
            a.longest_overlap = a.longest_overlap.max(b.longest_overlap);
        }
        self
    }

    fn into_occupancy(self, timeline: &Timeline) -> Occupancy {
        let ns = DurationNs::from_ns;
        let id_of = |lane: usize, len: usize| if lane < len { lane as u32 } else { u32::MAX };
        let n_devices = timeline.dimensions.devices.len();
        let n_streams = timeline.dimensions.streams.len();
        let devices = self.devices.iter().enumerate().filter(|(_, d)| d.n_items != [0; 3]);
        let streams = self.streams.iter().enumerate().filter(|(_, s)| s.n_items != [0; 3]);
        Occupancy {
            devices: devices
                .map(|(lane, d)| DeviceOccupancy {
                    device: DeviceId::from_raw(id_of(lane, n_devices)),
                    window: window(d.first_start, d.last_end),
                    n_kernels: d.n_items[0],
                    n_memcpys: d.n_items[1],
                    n_memsets: d.n_items[2],
                    kernel_time: ns(d.kernel_time),
                    // Each kernel computes or communicates.
                    kernel_busy: ns(d.class_busy[0]
                        .saturating_add(d.class_busy[2])
                        .saturating_sub(d.together[1])),
                    busy: ns(d.busy),
                    class_busy: d.class_busy.map(ns),
                    compute_with_copy: ns(d.together[2]),
                    compute_with_collective: ns(d.together[1]),
                    copy_with_collective: ns(d.together[0]),
                })
                .collect(),
            streams: streams
                .map(|(lane, s)| {
                    let stream = StreamId::from_raw(id_of(lane, n_streams));
                    StreamOccupancy {
                        stream,
                        device: timeline.dimensions.device_of_stream(stream),
                        window: window(s.first_start, s.last_end),
                        n_kernels: s.n_items[0],
                        n_memcpys: s.n_items[1],
                        n_memsets: s.n_items[2],
                        work_time: ns(s.work_time),
                        busy: ns(s.busy),
                        n_overlaps: s.n_overlaps,
                        longest_overlap: ns(s.longest_overlap),
                    }
                })
                .collect(),
        }
    }
}

impl StreamTotals {
    #[inline]
    fn add(&mut self, item: &WorkItem, reach: &mut i64) {
        let (start, end) = (item.start_ns, item.end_ns);
        self.n_items[kind_index(item.kind)] += 1;
        self.first_start = self.first_start.min(start);
        self.last_end = self.last_end.max(end);
        self.work_time = self.work_time.saturating_add(item.duration_ns());
        self.busy = self.busy.saturating_add(beyond(start.max(*reach), end));
        if start < *reach && start < end {
            self.n_overlaps += 1;
            self.longest_overlap = self.longest_overlap.max(beyond(start, *reach));
        }
        *reach = end.max(*reach);
    }
}

impl DeviceTotals {
    /// Adds an item, given how far earlier work of each class reaches.
    ///
    /// Only what the item adds to the coverage of its class is new; of a class that reaches past
    /// the item's start, everything from there to its reach is covered, since no later item
    /// started before this one.
    #[inline]
    fn add(&mut self, item: &WorkItem, class: usize, reach: &mut [i64; 3]) {
        let (start, end) = (item.start_ns, item.end_ns);
        self.n_items[kind_index(item.kind)] += 1;
        self.first_start = self.first_start.min(start);
        self.last_end = self.last_end.max(end);
        if item.kind == WorkKind::Kernel {
            self.kernel_time = self.kernel_time.saturating_add(item.duration_ns());
        }
        let [compute, copy, collective] = *reach;
        let all = compute.max(copy).max(collective);
        self.busy = self.busy.saturating_add(beyond(start.max(all), end));
        let from = start.max(reach[class]);
        if from < end {
            self.class_busy[class] += beyond(from, end);
            let (next, last) = ((class + 1) % 3, (class + 2) % 3);
            self.together[last] += beyond(from, end.min(reach[next]));
            self.together[next] += beyond(from, end.min(reach[last]));
            reach[class] = end;
        }
    }
}

/// `end - start` where that is positive.
#[inline]
fn beyond(start: i64, end: i64) -> u64 {
    if end > start { end.wrapping_sub(start) as u64 } else { 0 }
}

const fn kind_index(kind: WorkKind) -> usize {
    kind as usize
}

fn plus(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    [0, 1, 2].map(|at| a[at].saturating_add(b[at]))
}

fn window(first_start: i64, last_end: i64) -> Interval {
    Interval::new(TimestampNs::from_ns(first_start), TimestampNs::from_ns(last_end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntervalList;
    use crate::trace_builder::TraceBuilder;
    use proptest::prelude::*;
    use underspan_model::tables::MemcpyKind;
    use underspan_model::{NONE_U32, NONE_U64};

    type Row = (u8, i64, i64, u64);

    fn trace(rows: &[Row]) -> Timeline {
        let mut trace = TraceBuilder::new();
        for &(kind, start, length, stream) in rows {
            let run = start..start + length;
            trace.stream(stream as u32 / 2, stream);
            match kind {
                0 => trace.kernel("gemm", run, NONE_U32),
                1 => trace.kernel("ncclDevKernel_AllReduce", run, NONE_U32),
                2 => trace.memcpy(MemcpyKind::DtoH, NONE_U64, run, NONE_U32),
                _ => trace.memset(1, run, NONE_U32),
            };
        }
        trace.build()
    }

    fn covered(rows: &[Row], is_meant: impl Fn(&Row) -> bool) -> IntervalList {
        let at = TimestampNs::from_ns;
        let meant = rows.iter().filter(|row| is_meant(row));
        IntervalList::from_unsorted(
            meant
                .map(|(_, start, length, _)| Interval::new(at(*start), at(start + length)))
                .collect(),
        )
    }

    fn assert_is_naive(rows: &[Row], found: &Occupancy) -> Result<(), TestCaseError> {
        for device in &found.devices {
            let of = |kinds: &[u8]| {
                covered(rows, |row| {
                    row.3 / 2 == u64::from(device.device.raw()) && kinds.contains(&row.0)
                })
            };
            let (compute, copy, collective) = (of(&[0]), of(&[2, 3]), of(&[1]));
            prop_assert_eq!(device.busy, of(&[0, 1, 2, 3]).total());
            prop_assert_eq!(device.kernel_busy, of(&[0, 1]).total());
            let class_busy = [&compute, &copy, &collective].map(IntervalList::total);
            prop_assert_eq!(device.class_busy, class_busy);
            prop_assert_eq!(device.compute_with_copy, compute.intersection(&copy).total());
            prop_assert_eq!(
                device.compute_with_collective,
                compute.intersection(&collective).total()
            );
            prop_assert_eq!(device.copy_with_collective, copy.intersection(&collective).total());
            prop_assert_eq!(device.exposed_collective(), collective.difference(&compute).total());
            prop_assert_eq!(device.exposed_copy(), copy.difference(&of(&[0, 1])).total());
        }
        for stream in &found.streams {
            let mut own: Vec<_> =
                rows.iter().filter(|row| row.3 == u64::from(stream.stream.raw()) - 1).collect();
            own.sort_by_key(|row| (row.1, row.0 / 2, row.0 / 3));
            let all = covered(rows, |row| row.3 == u64::from(stream.stream.raw()) - 1);
            prop_assert_eq!(stream.busy, all.total());
            prop_assert_eq!(Some(stream.window), bounds(&own));
            let (mut reach, mut overlaps) = (i64::MIN, Vec::new());
            for (_, start, length, _) in own {
                if *start < reach && *length > 0 {
                    overlaps.push((reach - start) as u64);
                }
                reach = reach.max(start + length);
            }
            prop_assert_eq!(stream.n_overlaps, overlaps.len() as u64);
            let longest = overlaps.into_iter().max().unwrap_or(0);
            prop_assert_eq!(stream.longest_overlap.as_ns(), longest);
        }
        Ok(())
    }

    fn bounds(rows: &[&Row]) -> Option<Interval> {
        let first = rows.iter().map(|row| row.1).min()?;
        let last = rows.iter().map(|row| row.1 + row.2).max()?;
        Some(window(first, last))
    }

    proptest! {
        #[test]
        fn every_sum_is_that_of_the_algebra_however_it_is_cut(
            mut rows in prop::collection::vec((0..4_u8, 0..200_i64, 0..40_i64, 0..4_u64), 1..80),
            n_chunks in 1..9_usize,
        ) {
            // Streams get their ids in the order in which they are met, after the builder's own.
            rows.splice(0..0, (0..4).map(|stream| (0, 0, 1, stream)));
            let t = trace(&rows);
            let chunks = DeviceWork::of(&t).cut(n_chunks);
            let (found, _) = Occupancy::measure_chunks(&t, Lanes::of(&t), chunks);
            prop_assert_eq!(&found, &Occupancy::of(&t));
            assert_is_naive(&rows, &found)?;
        }
    }

    #[test]
    fn work_of_an_unknown_stream_is_kept() {
        let mut trace = TraceBuilder::new();
        trace.kernel("a", 0..10, NONE_U32);
        trace.timeline_mut().kernels.push(underspan_model::tables::Kernel {
            start_ns: 5,
            duration_ns: 10,
            ..Default::default()
        });
        let found = Occupancy::of(&trace.build());
        let devices: Vec<_> = found.devices.iter().map(|d| (d.device, d.busy.as_ns())).collect();
        assert_eq!(devices, [(DeviceId::from_raw(0), 10), (DeviceId::NONE, 10)]);
        assert!(found.streams.iter().any(|stream| stream.stream.is_none()));
    }
}
