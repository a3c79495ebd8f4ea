//! How long each device was busy: the length of the union of everything that ran on it.

use rayon::prelude::*;
use underspan_model::{DeviceId, DurationNs, Timeline};

use crate::DeviceWork;
use crate::device_work::{WorkChunk, end_of};
use crate::sequence::Sequence;
use crate::work_reach::Lanes;

/// Rows whose union is taken at once: where two of them overlap, it was in vain.
const MANY_ROWS: usize = 128;

/// The busy time of one device, of a chunk or of all.
#[derive(Debug, Clone, Copy)]
struct Union {
    length: u64,
    first_start: i64,
    reach: i64,
}

impl Union {
    const EMPTY: Self = Self { length: 0, first_start: i64::MAX, reach: i64::MIN };
}

/// The busy time of every device with work, in order of their ids; of work whose device the
/// source does not give last. This is [`DeviceOccupancy::busy`](crate::DeviceOccupancy::busy)
/// alone, at the speed at which the columns can be read.
pub fn busy_unions(timeline: &Timeline) -> Vec<(DeviceId, DurationNs)> {
    let work = DeviceWork::of(timeline);
    let lanes = Lanes::of(timeline);
    let chunks = lanes.chunks(&work);
    let parts: Vec<Vec<Union>> =
        chunks.par_iter().map(|chunk| unions(&work, &lanes, chunk, None)).collect();
    let mut totals = vec![Union::EMPTY; lanes.n_devices()];
    for (chunk, part) in chunks.iter().zip(&parts) {
        // What still ran when the chunk began was counted twice where its first items ran too.
        let overlaps = |(total, part): (&Union, &Union)| total.reach > part.first_start;
        if totals.iter().zip(part).any(overlaps) {
            let latest = totals.iter().map(|total| total.reach).max().unwrap_or(i64::MIN);
            let head = work.head_of(chunk, latest);
            let without = unions(&work, &lanes, &head, None);
            let with = unions(&work, &lanes, &head, Some(&totals));
            for (total, (without, with)) in totals.iter_mut().zip(without.iter().zip(with)) {
                total.length = total.length.wrapping_add(with.length).wrapping_sub(without.length);
            }
        }
        for (total, part) in totals.iter_mut().zip(part) {
            total.length = total.length.wrapping_add(part.length);
            total.first_start = total.first_start.min(part.first_start);
            total.reach = total.reach.max(part.reach);
        }
    }
    let n_devices = lanes.n_devices() - 1;
    let id_of =
        |lane: usize| if lane < n_devices { DeviceId::from_index(lane) } else { DeviceId::NONE };
    totals
        .iter()
        .enumerate()
        .filter(|(_, total)| total.first_start != i64::MAX || total.reach != i64::MIN)
        .map(|(lane, total)| (id_of(lane), DurationNs::from_ns(total.length)))
        .collect()
}

/// The unions of one chunk per device, given how far earlier work reaches.
fn unions(
    work: &DeviceWork<'_>,
    lanes: &Lanes,
    chunk: &WorkChunk,
    before: Option<&[Union]>,
) -> Vec<Union> {
    let mut unions = vec![Union::EMPTY; lanes.n_devices()];
    for (union, before) in unions.iter_mut().zip(before.unwrap_or(&[])) {
        union.reach = before.reach;
    }
    // Work mostly stays on one device for a while, whose union is then kept in registers.
    let (mut stream_column, mut lane, mut union) = (None, 0, unions[0]);
    work.for_each_run_in(chunk, |kind, rows| {
        let (starts, durations, streams) = work.columns(kind);
        let (starts, durations) = (&starts[rows.clone()], &durations[rows.clone()]);
        let blocks = starts.chunks(MANY_ROWS).zip(durations.chunks(MANY_ROWS));
        for ((starts, durations), streams) in blocks.zip(streams[rows].chunks(MANY_ROWS)) {
            if lanes.are_on(lane, streams)
                && let Some(of) = Sequence::of(starts, durations, union.reach)
            {
                union.length = (union.length)
                    .wrapping_add(of.end_ns.wrapping_sub(union.reach) as u64)
                    .wrapping_sub(of.idle_ns);
                union.first_start = union.first_start.min(starts[0]);
                union.reach = of.end_ns;
                continue;
            }
            for ((&start_ns, &duration_ns), &stream) in starts.iter().zip(durations).zip(streams) {
                if stream_column != Some(stream) {
                    stream_column = Some(stream);
                    let next = lanes.device_lane(lanes.stream_lane(stream));
                    if next != lane {
                        unions[lane] = union;
                        union = unions[next];
                        lane = next;
                    }
                }
                let end_ns = end_of(start_ns, duration_ns);
                let from = start_ns.max(union.reach);
                if end_ns > from {
                    union.length = union.length.wrapping_add(end_ns.wrapping_sub(from) as u64);
                }
                union.first_start = union.first_start.min(start_ns);
                union.reach = union.reach.max(end_ns);
            }
        }
    });
    unions[lane] = union;
    unions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Occupancy;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::NONE_U32;

    #[test]
    fn it_is_the_busy_time_of_the_occupancy() {
        // More than one chunk, with work that reaches from one into the next.
        let mut trace = TraceBuilder::new();
        for at in 0..300_000_i64 {
            trace.stream((at % 2) as u32, at as u64 % 5);
            let length = if at % 50_021 == 0 { 400_000 } else { at * 7 % 23 };
            trace.kernel("k", at * 10..at * 10 + length, NONE_U32);
        }
        let t = trace.build();
        assert_busy(&t);
        assert!(busy_unions(&Timeline::new()).is_empty());
    }

    fn assert_busy(t: &Timeline) {
        let occupancy = Occupancy::of(t);
        let expected: Vec<_> = occupancy.devices.iter().map(|d| (d.device, d.busy)).collect();
        assert_eq!(busy_unions(t), expected);
    }

    #[test]
    fn work_that_stays_on_a_device_for_long_is_summed_many_rows_at_a_time() {
        // Device after device, and all on one.
        for n_devices in [1, 2] {
            let mut trace = TraceBuilder::new();
            for at in 0..5_000_i64 {
                trace.stream((at / 700) as u32 % n_devices, at as u64 / 300 % 2);
                let length = if at % 1_009 == 7 { 70 } else { 1 + at % 9 };
                trace.kernel("k", at * 10..at * 10 + length, NONE_U32);
            }
            let mut t = trace.build();
            assert_busy(&t);
            // Of a few nobody knows the stream.
            t.kernels.stream[2_500..2_503].fill(NONE_U32);
            assert_busy(&t);
        }
    }
}
