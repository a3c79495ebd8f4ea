//! Work and busy time by stream.

use underspan_engine::Analysis;
use underspan_model::{NONE_U64, Timeline};

use super::table::{Cell, StatsTable};

pub(super) fn table(timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let mut table = StatsTable::new(&[
        ("device", "device"),
        ("stream", "stream"),
        ("busy_ns", "busy"),
        ("busy_fraction", "of its window"),
        ("work_ns", "work"),
        ("kernel_count", "kernels"),
        ("memcpy_count", "copies"),
        ("memset_count", "fills"),
        ("overlap_count", "overlaps"),
        ("longest_overlap_ns", "longest overlap"),
    ]);
    let mut streams: Vec<_> = analysis.occupancy.streams.iter().collect();
    streams.sort_by_key(|stream| (stream.device.raw(), std::cmp::Reverse(stream.busy)));
    for stream in streams {
        let number = timeline.dimensions.streams.stream_id.get(stream.stream.index());
        table.row([
            Cell::Text(timeline.dimensions.device_label(stream.device)),
            match number {
                Some(&number) if number != NONE_U64 => Cell::Count(number),
                _ => Cell::Missing,
            },
            Cell::Time(stream.busy),
            Cell::share_of(stream.busy, stream.window.duration()),
            Cell::Time(stream.work_time),
            Cell::Count(stream.n_kernels),
            Cell::Count(stream.n_memcpys),
            Cell::Count(stream.n_memsets),
            Cell::Count(stream.n_overlaps),
            Cell::Time(stream.longest_overlap),
        ]);
    }
    table
}
