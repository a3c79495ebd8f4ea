//! How much of the time each device and each stream worked, and what ran at the same time.

mod totals;

use rayon::prelude::*;
use underspan_model::{DeviceId, DurationNs, Interval, StreamId, Timeline, TimestampNs};

use crate::device_work::WorkChunk;
use crate::work_reach::{LaneReach, Lanes, WorkReach};
use crate::work_runs::{WorkRun, WorkRuns};
use crate::{DeviceWork, WorkClass, WorkClasses};
use totals::{N_SORTS, StreamTotals, Totals};

/// What every device and every stream with work did.
#[derive(Debug, Clone)]
pub struct Occupancy {
    /// Devices with work, in order of their ids; work of unknown devices last.
    pub devices: Vec<DeviceOccupancy>,
    /// Streams with work, in order of their ids; work of unknown streams last.
    pub streams: Vec<StreamOccupancy>,
    reach: WorkReach,
    /// The work of each chunk in few records.
    runs: Vec<Option<Vec<WorkRun>>>,
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
        let lanes = Lanes::of(timeline);
        let chunks = lanes.chunks(&DeviceWork::of(timeline));
        Self::of_chunks(timeline, lanes, chunks)
    }

    /// How far the work before each chunk reaches.
    pub(crate) fn reach(&self) -> &WorkReach {
        &self.reach
    }

    /// The work of a chunk in few records, unless they would be nearly as many as rows.
    pub(crate) fn runs_of(&self, chunk: usize) -> Option<&[WorkRun]> {
        self.runs.get(chunk)?.as_deref()
    }

    /// Gives back the memory of [`Self::runs_of`], without which gaps are found more slowly.
    pub(crate) fn forget_runs(&mut self) {
        self.runs = Vec::new();
    }

    pub(crate) fn of_chunks(timeline: &Timeline, lanes: Lanes, chunks: Vec<WorkChunk>) -> Self {
        let work = DeviceWork::of(timeline);
        let classes = WorkClasses::of(timeline);
        let walk = |chunk: &WorkChunk, reach: LaneReach, runs: &mut WorkRuns| {
            Totals::of_chunk(timeline, &classes, &lanes, chunk, reach, runs)
        };
        // Each chunk as if nothing had run before it.
        let (fresh, runs): (Vec<(Totals, LaneReach)>, Vec<_>) = chunks
            .par_iter()
            .map(|chunk| {
                let mut runs = WorkRuns::new();
                (walk(chunk, LaneReach::nothing(&lanes), &mut runs), runs.into_runs())
            })
            .unzip();
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
                let nowhere = &mut WorkRuns::unwanted();
                let without = walk(&head, LaneReach::nothing(&lanes), nowhere).0;
                let with = walk(&head, before.clone(), nowhere).0;
                totals.corrected(&without, &with)
            })
            .reduce(|| Totals::empty(&lanes), Totals::plus);
        Self { runs, ..occupancy(&totals, timeline, &lanes, reach) }
    }
}

fn occupancy(totals: &Totals, timeline: &Timeline, lanes: &Lanes, reach: WorkReach) -> Occupancy {
    let n_streams = timeline.dimensions.streams.len();
    let n_devices = timeline.dimensions.devices.len();
    let id_of = |lane: usize, len: usize| if lane < len { lane as u32 } else { u32::MAX };
    let mut found = Occupancy { devices: Vec::new(), streams: Vec::new(), reach, runs: Vec::new() };
    // The sums of a device's streams are its own.
    let mut by_device: Vec<Option<StreamTotals>> = vec![None; lanes.n_devices()];
    for (lane, stream) in totals.streams.iter().enumerate() {
        if stream.n == [0; N_SORTS] {
            continue;
        }
        by_device[lanes.device_lane(lane)].get_or_insert(StreamTotals::NOTHING).plus(stream);
        let id = StreamId::from_raw(id_of(lane, n_streams));
        found.streams.push(StreamOccupancy {
            stream: id,
            device: timeline.dimensions.device_of_stream(id),
            window: window(stream),
            n_kernels: stream.n[0] + stream.n[2],
            n_memcpys: stream.n[1],
            n_memsets: stream.n[3],
            work_time: time(stream.time.iter().sum()),
            busy: left(stream.time.iter().sum(), stream.hidden),
            n_overlaps: stream.n_overlaps,
            longest_overlap: DurationNs::from_ns(stream.longest_overlap),
        });
    }
    for (lane, sums) in by_device.iter().enumerate() {
        let Some(sums) = sums else { continue };
        let device = &totals.devices[lane];
        let [compute, memcpy, collective, memset] = sums.time;
        let classes = [compute, memcpy + memset, collective];
        let class_busy = [0, 1, 2].map(|class| left(classes[class], device.class_hidden[class]));
        let [copy_with_collective, compute_with_collective, compute_with_copy] =
            device.together.map(DurationNs::from_ns);
        // Each kernel computes or communicates.
        let kernel_busy = class_busy[0].as_ns().wrapping_add(class_busy[2].as_ns());
        found.devices.push(DeviceOccupancy {
            device: DeviceId::from_raw(id_of(lane, n_devices)),
            window: window(sums),
            n_kernels: sums.n[0] + sums.n[2],
            n_memcpys: sums.n[1],
            n_memsets: sums.n[3],
            kernel_time: time(compute + collective),
            kernel_busy: DurationNs::from_ns(
                kernel_busy.wrapping_sub(compute_with_collective.as_ns()),
            ),
            busy: left(sums.time.iter().sum(), device.hidden),
            class_busy,
            compute_with_copy,
            compute_with_collective,
            copy_with_collective,
        });
    }
    found
}

/// A sum of durations, at the end of the range where it does not fit.
fn time(ns: u128) -> DurationNs {
    DurationNs::from_ns(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// What of a sum of durations is not hidden. It is the length of a union and fits 64 bits even
/// where the sum does not.
fn left(ns: u128, hidden: u64) -> DurationNs {
    DurationNs::from_ns((ns as u64).wrapping_sub(hidden))
}

fn window(sums: &StreamTotals) -> Interval {
    let at = TimestampNs::from_ns;
    Interval::new(at(sums.first_start), at(sums.last_end))
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
        trace_of(rows.iter().map(|row| (*row, NONE_U32)))
    }

    /// Rows with their correlation ids.
    fn trace_of(rows: impl Iterator<Item = (Row, u32)>) -> Timeline {
        let mut trace = TraceBuilder::new();
        for ((kind, start, length, stream), id) in rows {
            let run = start..start + length;
            trace.stream(stream as u32 / 2, stream);
            match kind {
                0 => trace.kernel("gemm", run, id),
                1 => trace.kernel("ncclDevKernel_AllReduce", run, id),
                2 => trace.memcpy(MemcpyKind::DtoH, NONE_U64, run, id),
                _ => trace.memset(1, run, id),
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
            let kernels =
                rows.iter().filter(|row| row.3 / 2 == u64::from(device.device.raw()) && row.0 < 2);
            prop_assert_eq!(device.n_kernels, kernels.clone().count() as u64);
            prop_assert_eq!(
                device.kernel_time.as_ns(),
                kernels.map(|row| row.2 as u64).sum::<u64>()
            );
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
            let n_of =
                |kinds: &[u8]| own.iter().filter(|row| kinds.contains(&row.0)).count() as u64;
            prop_assert_eq!(stream.n_kernels, n_of(&[0, 1]));
            prop_assert_eq!((stream.n_memcpys, stream.n_memsets), (n_of(&[2]), n_of(&[3])));
            let work_time: i64 = own.iter().map(|row| row.2).sum();
            prop_assert_eq!(stream.work_time.as_ns(), work_time as u64);
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
        Some(Interval::new(TimestampNs::from_ns(first), TimestampNs::from_ns(last)))
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
            let found = Occupancy::of_chunks(&t, Lanes::of(&t), chunks);
            let whole = Occupancy::of(&t);
            prop_assert_eq!(&found.devices, &whole.devices);
            prop_assert_eq!(&found.streams, &whole.streams);
            assert_is_naive(&rows, &found)?;
        }
    }

    proptest! {
        #[test]
        fn work_that_ran_one_after_another_is_summed_at_once_and_the_same(
            launches in prop::collection::vec((0..4_u8, 0..4_u64, 1..60_i64, -20..20_i64), 1..20),
            odd in prop::collection::vec((0..300_usize, 0..2_u8, 0..4_u64, -2..9_i64), 0..9),
            n_chunks in 1..4_usize,
            n_streams in prop_oneof![Just(2_u64), Just(4)],
        ) {
            let mut rows: Vec<Row> = (0..n_streams).map(|stream| (0, 0, 1, stream)).collect();
            let (mut at, mut ids) = (10, vec![0; n_streams as usize]);
            for (id, &(kind, stream, n, gap)) in (1..).zip(&launches) {
                ids.extend((0..n).map(|_| id));
                at += gap.max(-at);
                for number in 0..n {
                    let odd = odd.iter().find(|odd| odd.0 == rows.len());
                    let (kind, stream, later) =
                        odd.map_or((kind, stream, number % 3), |odd| (odd.1, odd.2, odd.3));
                    let start = (at + later).max(0);
                    rows.push((kind, start, 3 + number % 2, stream % n_streams));
                    at = start + 3 + number % 2;
                }
            }
            let t = trace_of(rows.iter().copied().zip(ids));
            let chunks = DeviceWork::of(&t).cut(n_chunks);
            let found = Occupancy::of_chunks(&t, Lanes::of(&t), chunks);
            assert_is_naive(&rows, &found)?;
            // What sums are kept for really ran so.
            for run in found.runs.iter().flatten().flatten().filter(|run| run.longest_ns < u64::MAX) {
                let first = run.first.row as usize;
                let items: Vec<_> = (first..first + run.n as usize)
                    .map(|row| DeviceWork::of(&t).item(run.first.kind, row))
                    .collect();
                let gaps: Vec<_> =
                    items.windows(2).map(|pair| pair[1].start_ns - pair[0].end_ns).collect();
                prop_assert_eq!(gaps.iter().sum::<i64>(), run.idle_ns as i64);
                let n_gaps = gaps.iter().filter(|gap| **gap > 0).count();
                prop_assert_eq!(n_gaps, run.n_gaps as usize);
                prop_assert!(gaps.iter().all(|gap| (0..=run.longest_ns as i64).contains(gap)));
                prop_assert_eq!(items.last().map(|item| item.end_ns), Some(run.end_ns));
            }
            let n_rows: usize = found.runs.iter().flatten().flatten().map(|run| run.n as usize).sum();
            prop_assert_eq!(n_rows, rows.len());
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
