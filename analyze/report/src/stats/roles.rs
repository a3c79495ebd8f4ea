//! GPU time by what kernels are for.

use std::collections::BTreeMap;

use underspan_engine::Analysis;
use underspan_model::{DurationNs, Timeline};

use super::table::{Cell, StatsTable};

pub(super) fn table(_timeline: &Timeline, analysis: &Analysis) -> StatsTable {
    let census = &analysis.precision;
    let mut roles: BTreeMap<&str, (u64, DurationNs)> = BTreeMap::new();
    for row in &census.classes {
        let sum = roles.entry(row.role.as_str()).or_default();
        sum.0 += row.count;
        sum.1 = [sum.1, row.total].into_iter().sum();
    }
    let mut roles: Vec<_> = roles.into_iter().collect();
    roles.sort_by_key(|(name, (_, total))| (std::cmp::Reverse(*total), *name));
    let mut table = StatsTable::new(&[
        ("share", "share"),
        ("total_ns", "total"),
        ("count", "count"),
        ("mean_ns", "mean"),
        ("role", "role"),
    ]);
    for (role, (count, total)) in roles {
        table.row([
            Cell::share_of(total, census.total),
            Cell::Time(total),
            Cell::Count(count),
            Cell::Time(DurationNs::from_ns(total.as_ns() / count.max(1))),
            Cell::Text(role.to_owned()),
        ]);
    }
    table
}
