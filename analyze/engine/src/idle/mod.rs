//! Why devices were idle.
//!
//! A gap lies between two stretches in which a device worked. It is split, to the nanosecond, by
//! what kept the work that ends it from starting earlier: for each instant either that work had
//! been launched, or its launch was under way, or the thread that would launch it was doing
//! something else.

mod gap;
mod host_calls;
mod walk;

use rayon::prelude::*;
use underspan_model::{DeviceId, DurationNs, Interval, Timeline, TimestampNs};

pub use gap::{Gap, IdleClass};

use crate::{Correlation, Occupancy};
use gap::GapSplitter;
use host_calls::HostCalls;
use walk::{GapWalk, LaneIdle, Siblings};

/// The idle time of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdle {
    /// The device; none for work whose device the source does not give.
    pub device: DeviceId,
    /// Number of gaps between the first start and the last end of any work.
    pub n_gaps: u64,
    /// Their total length: the window less the busy time.
    pub idle: DurationNs,
    /// The total, by [`IdleClass`] in the order of its `ALL`. The parts sum to [`Self::idle`].
    pub by_class: [DurationNs; IdleClass::ALL.len()],
    /// Number of gaps of which a class is the largest part, in the same order.
    pub gaps_by_class: [u64; IdleClass::ALL.len()],
    /// The longest gaps, longest first, of equal ones the earliest first.
    pub longest: Vec<Gap>,
    /// From the first thing that anything in the capture did to the device's first work.
    pub before_first_work: DurationNs,
    /// From the end of the device's last work to the last thing that anything did.
    pub after_last_work: DurationNs,
}

impl DeviceIdle {
    /// The idle time of a class.
    pub fn of_class(&self, class: IdleClass) -> DurationNs {
        self.by_class[class.index()]
    }
}

/// Splits the idle time of every device with work; the `n_longest` longest gaps of each are kept.
pub fn idle_of(
    timeline: &Timeline,
    correlation: &Correlation,
    occupancy: &Occupancy,
    n_longest: usize,
) -> Vec<DeviceIdle> {
    let reach = occupancy.reach();
    let calls = HostCalls::of(timeline, correlation.call_names());
    let splitter = GapSplitter::new(&calls, correlation, timeline);
    let siblings = Siblings::of(timeline, reach.lanes());
    let parts: Vec<Vec<LaneIdle>> = (0..reach.chunks().len())
        .into_par_iter()
        .map(|chunk| GapWalk::of_chunk(timeline, &splitter, &siblings, occupancy, chunk, n_longest))
        .collect();
    let mut lanes = vec![LaneIdle::new(n_longest); reach.lanes().n_devices()];
    for part in parts {
        for (lane, found) in lanes.iter_mut().zip(part) {
            lane.merge(found);
        }
    }
    let capture = capture_bounds(timeline, occupancy);
    occupancy
        .devices
        .iter()
        .map(|device| {
            let lane = device.device.index().min(lanes.len() - 1);
            let sums = std::mem::take(&mut lanes[lane]);
            DeviceIdle {
                device: device.device,
                n_gaps: sums.gaps_by_class.iter().sum(),
                idle: sums.by_class.iter().map(|ns| DurationNs::from_ns(*ns)).sum(),
                by_class: sums.by_class.map(DurationNs::from_ns),
                gaps_by_class: sums.gaps_by_class,
                longest: sums.into_longest(n_longest),
                before_first_work: device.window.start().saturating_since(capture.start()),
                after_last_work: capture.end().saturating_since(device.window.end()),
            }
        })
        .collect()
}

/// From the first start to the last end of device work, calls, annotations and operators.
fn capture_bounds(timeline: &Timeline, occupancy: &Occupancy) -> Interval {
    let mut start = occupancy.devices.iter().map(|d| d.window.start()).min();
    let mut end = occupancy.devices.iter().map(|d| d.window.end()).max();
    let host = [
        (&timeline.api_calls.start_ns, &timeline.api_calls.duration_ns),
        (&timeline.annotations.start_ns, &timeline.annotations.duration_ns),
        (&timeline.cpu_ops.start_ns, &timeline.cpu_ops.duration_ns),
    ];
    for (starts, durations) in host {
        // Rows are in order of start.
        let first = starts.first().map(|start| TimestampNs::from_ns(*start));
        let last = starts
            .par_iter()
            .with_min_len(1 << 17)
            .zip(durations)
            .map(|(start, duration)| start.saturating_add_unsigned(*duration))
            .max()
            .map(TimestampNs::from_ns);
        start = first.into_iter().chain(start).min();
        end = last.into_iter().chain(end).max();
    }
    Interval::new(start.unwrap_or_default(), end.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceWork;
    use crate::trace_builder::TraceBuilder;
    use crate::work_reach::Lanes;
    use proptest::prelude::*;
    use underspan_model::NONE_U32;
    use underspan_model::tables::MemcpyKind;

    fn idle(timeline: &Timeline) -> Vec<DeviceIdle> {
        idle_of(timeline, &Correlation::of(timeline), &Occupancy::of(timeline), 8)
    }

    /// Class and length of every part of the first device's gaps, in order of time.
    fn parts(timeline: &Timeline) -> Vec<Vec<(IdleClass, u64)>> {
        let mut gaps = idle(timeline).swap_remove(0).longest;
        gaps.sort_by_key(|gap| gap.interval.start());
        let of = |gap: &Gap| {
            let parts = IdleClass::ALL.into_iter().zip(gap.parts.map(DurationNs::as_ns));
            parts.filter(|(_, length)| *length > 0).collect()
        };
        gaps.iter().map(of).collect()
    }

    #[test]
    fn a_gap_is_split_by_what_the_launching_thread_did() {
        let mut trace = TraceBuilder::new();
        trace
            .launch("a", 0..10, 20..100)
            .api_call("cudaStreamSynchronize", 12..108, 1)
            .api_call("cudaMalloc", 150..160, 2)
            .launch("b", 200..206, 210..300);
        use IdleClass::{HostWait, HostWork, Launch};
        // 100-108 waiting, 108-150 own code, 150-160 in a call, 160-200 own code, 200-210 launch.
        assert_eq!(parts(&trace.build()), [[(Launch, 20), (HostWork, 82), (HostWait, 8)]]);
    }

    #[test]
    fn launched_work_that_does_not_start_is_queued() {
        let mut trace = TraceBuilder::new();
        trace.launch("a", 0..10, 20..100).launch("b", 11..15, 103..120);
        assert_eq!(parts(&trace.build()), [[(IdleClass::QueueWait, 3)]]);
    }

    #[test]
    fn between_kernels_of_a_running_graph_launch_is_queue_wait() {
        let mut trace = TraceBuilder::new();
        trace
            .launch("a", 0..1, 5..10)
            .api_call("cudaGraphLaunch", 2..500, 1)
            .kernel("g1", 20..30, 1)
            .kernel("g2", 32..40, 1);
        use IdleClass::{Launch, QueueWait};
        assert_eq!(parts(&trace.build()), [[(Launch, 10)], [(QueueWait, 2)]]);
    }

    #[test]
    fn waiting_for_what_is_not_in_the_capture_is_a_cut() {
        let ms = 1_000_000;
        // Launched long ago, the device shows nothing, and still the kernel does not start.
        let mut pending = TraceBuilder::new();
        pending.launch("a", 0..10, 20..100).launch("b", 11..15, 400 * ms..401 * ms);
        assert_eq!(parts(&pending.build()), [[(IdleClass::Cut, 400 * ms as u64 - 100)]]);

        // The host waits for longer than the device works.
        let mut blocked = TraceBuilder::new();
        blocked
            .launch("a", 0..10, 20..100)
            .api_call("cudaDeviceSynchronize", 11..50 * ms, 1)
            .launch("b", 50 * ms..50 * ms + 5, 50 * ms + 8..51 * ms);
        use IdleClass::{Cut, HostWait, Launch};
        assert_eq!(parts(&blocked.build()), [[(Launch, 8), (Cut, 50 * ms as u64 - 100)]]);

        // Unless another device of the process is what it waits for.
        blocked.stream(1, 7).kernel("other", 40..45 * ms, NONE_U32);
        assert_eq!(parts(&blocked.build()), [[(Launch, 8), (HostWait, 50 * ms as u64 - 100)]]);
    }

    #[test]
    fn work_launched_before_the_capture_is_queued_and_a_missing_call_unknown() {
        let mut trace = TraceBuilder::new();
        trace
            .kernel("before", 0..10, 3)
            .kernel("before", 12..20, 4)
            .launch("a", 5..8, 20..30)
            .kernel("lost", 50..60, 5_000);
        use IdleClass::{QueueWait, Unknown};
        assert_eq!(parts(&trace.build()), [[(QueueWait, 2)], [(Unknown, 20)]]);
    }

    #[test]
    fn time_around_the_work_is_kept_apart() {
        let mut trace = TraceBuilder::new();
        trace.launch("a", 0..10, 20..100).api_call("cudaDeviceSynchronize", 30..150, 1);
        let device = idle(&trace.build()).swap_remove(0);
        assert_eq!((device.n_gaps, device.idle), (0, DurationNs::ZERO));
        assert_eq!(device.before_first_work.as_ns(), 20);
        assert_eq!(device.after_last_work.as_ns(), 50);
    }

    #[test]
    fn work_of_an_earlier_part_hides_the_gaps_of_rows_added_at_once() {
        let mut trace = TraceBuilder::new();
        trace.api_call("cudaGraphLaunch", 0..10, 1);
        trace.stream(0, 8).kernel("long", 100..1_000, 1).stream(0, 7);
        for at in 0..40 {
            trace.kernel("k", 300 + at * 10..305 + at * 10, 1);
        }
        trace.kernel("last", 1_010..1_020, 1);
        let t = trace.build();
        let occupancy = Occupancy::of_chunks(&t, Lanes::of(&t), DeviceWork::of(&t).cut(2));
        let device = idle_of(&t, &Correlation::of(&t), &occupancy, 0).swap_remove(0);
        assert_eq!((device.n_gaps, device.idle), (1, DurationNs::from_ns(10)));
    }

    proptest! {
        #[test]
        fn many_rows_at_once_are_what_they_are_one_by_one(
            graphs in prop::collection::vec(
                (1..90_i64, 0..3_u32, 0..3_u64, -300..40_i64, 0..2_i64), 1..40,
            ),
            odd in prop::collection::vec((0..3_000_usize, -30..900_i64, 5..400_i64), 0..9),
            n_devices in 1..4_u32,
            n_processes in 1..3_i64,
            n_chunks in 1..6_usize,
            n_longest in 0..3_usize,
        ) {
            let mut trace = TraceBuilder::new();
            let (mut at, mut n_rows) = (0, 0);
            for (number, &(n, device, stream, delay, pid)) in (0_u32..).zip(&graphs) {
                let (pid, id) = (pid % n_processes, 1 + number / 2);
                // Some of the work runs while the call goes on, some before it, as on another clock.
                trace.process(pid).stream(0, 0).api_call("cudaGraphLaunch", at..at + 50, id);
                let mut run = at + delay;
                for number in 0..n {
                    let stream = if number % 7 == 6 { stream } else { 0 };
                    let other = u32::from(number % 41 == 40);
                    trace.stream((device + other) % n_devices, stream);
                    let found = odd.iter().find(|(row, ..)| *row == n_rows);
                    let (gap, length) = found.map_or((number % 3, 5), |odd| (odd.1, odd.2));
                    run += gap;
                    trace.kernel("k", run..run + length, id);
                    // What is long goes on beside what follows.
                    run += 5;
                    n_rows += 1;
                }
                at += n * 6 - 20;
            }
            let t = trace.build();
            let chunks = DeviceWork::of(&t).cut(n_chunks);
            let mut occupancy = Occupancy::of_chunks(&t, Lanes::of(&t), chunks);
            let mut correlation = Correlation::of(&t);
            let at_once = idle_of(&t, &correlation, &occupancy, n_longest);
            correlation.forget_runs();
            prop_assert_eq!(&at_once, &idle_of(&t, &correlation, &occupancy, n_longest));
            occupancy.forget_runs();
            prop_assert_eq!(at_once, idle_of(&t, &correlation, &occupancy, n_longest));
        }

        #[test]
        fn parts_sum_to_the_idle_time(
            rows in prop::collection::vec((0..3_u8, 0..400_i64, 0..40_i64, 0..80_i64, 0..3_u64), 1..60),
        ) {
            let mut trace = TraceBuilder::new();
            for (at, &(kind, start, length, delay, stream)) in rows.iter().enumerate() {
                let call = start..start + length;
                let run = start + delay..start + delay + length;
                let id = 10 + at as u32;
                trace.thread(stream as i64).stream(stream as u32 / 2, stream);
                match kind {
                    0 => trace.launch("k", call, run),
                    1 => trace.api_call("cudaStreamSynchronize", call, id),
                    _ => trace.memcpy(MemcpyKind::DtoH, 1, run, id),
                };
            }
            let t = trace.build();
            let occupancy = Occupancy::of(&t);
            let idle = idle(&t);
            prop_assert_eq!(idle.len(), occupancy.devices.len());
            for (idle, device) in idle.iter().zip(&occupancy.devices) {
                prop_assert_eq!(idle.device, device.device);
                prop_assert_eq!(idle.idle, device.idle());
                prop_assert_eq!(idle.by_class.iter().copied().sum::<DurationNs>(), idle.idle);
                prop_assert_eq!(idle.gaps_by_class.iter().sum::<u64>(), idle.n_gaps);
                for gap in &idle.longest {
                    let sum = gap.parts.iter().copied().sum::<DurationNs>();
                    prop_assert_eq!(sum, gap.interval.duration());
                }
                let lengths: Vec<_> = idle.longest.iter().map(|g| g.interval.duration()).collect();
                prop_assert!(lengths.is_sorted_by(|a, b| a >= b));
                prop_assert_eq!(lengths.len() as u64, idle.n_gaps.min(8));
            }
        }
    }
}
