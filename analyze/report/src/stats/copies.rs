//! Copies by direction and host memory. Pageable copies block the host and run slower.

use std::collections::BTreeMap;

use underspan_engine::Analysis;
use underspan_model::tables::{Memcpy, MemcpyKind, MemoryKind};
use underspan_model::{Bytes, DurationNs, NONE_U64, Timeline};

use super::table::{Cell, StatsTable};

#[derive(Default)]
struct Group {
    count: u64,
    bytes: u64,
    sized_time_ns: u64,
    time_ns: u64,
    longest_ns: u64,
    without_size: u64,
}

pub(super) fn table(timeline: &Timeline, _analysis: &Analysis) -> StatsTable {
    let mut groups: BTreeMap<(u8, u8, u8), Group> = BTreeMap::new();
    for copy in timeline.memcpys.iter() {
        let key = (copy.kind, copy.source_memory, copy.destination_memory);
        groups.entry(key).or_default().add(&copy);
    }
    let mut table = StatsTable::new(&[
        ("direction", "direction"),
        ("source_memory", "from"),
        ("destination_memory", "to"),
        ("count", "count"),
        ("bytes", "size"),
        ("total_ns", "time"),
        ("bytes_per_second", "rate"),
        ("max_ns", "longest"),
        ("bytes_missing", "no size"),
    ]);
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, group)| (std::cmp::Reverse(group.time_ns), *key));
    for ((kind, from, to), group) in groups {
        let memory = |code| Cell::Text(MemoryKind::from_code(code).as_str().to_owned());
        table.row([
            Cell::Text(MemcpyKind::from_code(kind).as_str().to_owned()),
            memory(from),
            memory(to),
            Cell::Count(group.count),
            Cell::Size(Bytes::new(group.bytes)),
            Cell::Time(DurationNs::from_ns(group.time_ns)),
            match group.sized_time_ns {
                0 => Cell::Missing,
                ns => Cell::Rate(group.bytes as f64 / ns as f64 * 1e9),
            },
            Cell::Time(DurationNs::from_ns(group.longest_ns)),
            Cell::Count(group.without_size),
        ]);
    }
    table
}

impl Group {
    fn add(&mut self, copy: &Memcpy) {
        self.count += 1;
        self.time_ns = self.time_ns.saturating_add(copy.duration_ns);
        self.longest_ns = self.longest_ns.max(copy.duration_ns);
        if copy.bytes == NONE_U64 {
            self.without_size += 1;
        } else {
            self.bytes = self.bytes.saturating_add(copy.bytes);
            self.sized_time_ns = self.sized_time_ns.saturating_add(copy.duration_ns);
        }
    }
}
