//! What is done once everything is read: ranges closed, dimensions made, times put on their
//! clock, rows put in order, problems and facts written down.

use std::collections::BTreeMap;

use underspan_model::tables::{Property, Table, TableKind};
use underspan_model::{ClockDomain, ColumnRef, ProblemKind, Timeline};

use super::assembly::Assembly;
use super::facts::Facts;
use super::identity;
use super::part::CensusClass;
use super::ranges::{close_ranges, renumber_wide_correlations};

/// A time that lies later than this many nanoseconds after its origin (in September 2001, were
/// that the Unix epoch) is taken to count from the epoch.
const EPOCH_FROM_NS: i64 = 1_000_000_000_000_000_000;

/// Makes the timeline. `source_name` is what the ledger calls the file.
pub(super) fn finish(mut assembly: Assembly, mut facts: Facts, source_name: &str) -> Timeline {
    renumber_wide_correlations(&mut assembly);
    close_ranges(&mut assembly);
    identity::build(&mut assembly, &facts);
    let base_ns = facts.base_time_ns.unwrap_or(0);
    set_clock(&mut assembly.timeline, facts.base_time_ns);
    for (kind, inversions) in assembly.timeline.sort() {
        let example = || format!("{} rows", kind.name());
        assembly.tallies.add(ProblemKind::OutOfOrder, inversions, example);
    }
    count_duplicates(&mut assembly);
    take_census(&mut assembly, &mut facts);
    for (index, (start_ns, duration_ns)) in assembly.recordings.iter().enumerate() {
        let start_ns = start_ns.saturating_add(base_ns);
        facts.properties.push((format!("recording.{index}.start_ns"), start_ns.to_string()));
        facts.properties.push((format!("recording.{index}.duration_ns"), duration_ns.to_string()));
    }
    let mut timeline = assembly.timeline;
    for (key, value) in &facts.properties {
        let property = Property {
            source: assembly.source.raw(),
            key: timeline.strings.intern(key).raw(),
            value: timeline.strings.intern(value).raw(),
        };
        timeline.dimensions.properties.push(property);
    }
    for tally in facts.tallies.iter().chain(assembly.tallies.iter()) {
        timeline.problems.record(tally.kind, source_name, tally.count, || tally.example.clone());
    }
    timeline
}

/// Puts all times on the clock they count from.
fn set_clock(timeline: &mut Timeline, base_ns: Option<i64>) {
    let earliest = timeline
        .tables()
        .iter()
        .filter_map(|table| table.start_column()?.iter().min().copied())
        .min();
    let is_epoch = base_ns.is_some() || earliest.is_some_and(|earliest| earliest >= EPOCH_FROM_NS);
    timeline.info.clock =
        if is_epoch { ClockDomain::Realtime } else { ClockDomain::SourceRelative };
    let Some(base_ns) = base_ns.filter(|base_ns| *base_ns != 0) else { return };
    for starts in [
        &mut timeline.kernels.start_ns,
        &mut timeline.memcpys.start_ns,
        &mut timeline.memsets.start_ns,
        &mut timeline.api_calls.start_ns,
        &mut timeline.syncs.start_ns,
        &mut timeline.overheads.start_ns,
        &mut timeline.annotations.start_ns,
        &mut timeline.cpu_ops.start_ns,
        &mut timeline.counters.time_ns,
    ] {
        for start in starts {
            *start = start.saturating_add(base_ns);
        }
    }
}

/// Counts rows that are equal to another in every column.
fn count_duplicates(assembly: &mut Assembly) {
    for table in assembly.timeline.tables() {
        if table.kind() == TableKind::Counter {
            continue;
        }
        let count = duplicates(table);
        let example = || format!("{} rows", table.kind().name());
        assembly.tallies.add(ProblemKind::DuplicateEvent, count, example);
    }
}

/// Rows of a sorted table that are equal to another one. Only rows with one start are compared.
fn duplicates(table: &dyn Table) -> u64 {
    let Some(starts) = table.start_column() else { return 0 };
    let columns = table.columns();
    let mut count = 0;
    let mut rows: Vec<usize> = Vec::new();
    for run in starts.chunk_by(|a, b| a == b) {
        let first = rows.last().map_or(0, |last| last + 1);
        rows.clear();
        rows.extend(first..first + run.len());
        if run.len() == 1 {
            continue;
        }
        let mut sorted = rows.clone();
        let key = |row: usize| columns.iter().map(move |column| bits(column, row));
        sorted.sort_by(|a, b| key(*a).cmp(key(*b)));
        count += sorted.windows(2).filter(|pair| key(pair[0]).eq(key(pair[1]))).count() as u64;
    }
    count
}

fn bits(column: &ColumnRef<'_>, row: usize) -> u64 {
    match column {
        ColumnRef::U8(values) => u64::from(values[row]),
        ColumnRef::U32(values) => u64::from(values[row]),
        ColumnRef::U64(values) => values[row],
        ColumnRef::I64(values) => values[row] as u64,
        ColumnRef::F64(values) => values[row].to_bits(),
    }
}

/// Writes down what was counted instead of stored.
fn take_census(assembly: &mut Assembly, facts: &mut Facts) {
    let mut flows: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in [CensusClass::Category, CensusClass::Phase] {
        let rows = assembly.census.iter().filter(|((class, ..), _)| *class == kind);
        let named = rows.clone().map(|((_, phase, category), count)| {
            let phase = char::from(*phase).escape_default();
            format!("{count} × {phase} {category:?}")
        });
        let example = named.take(20).collect::<Vec<_>>().join(", ");
        let count = rows.map(|(_, count)| count).sum();
        if count > 0 {
            let problem = match kind {
                CensusClass::Category => ProblemKind::UnknownCategory,
                _ => ProblemKind::UnknownPhase,
            };
            assembly.tallies.add(problem, count, || example);
        }
    }
    for ((class, _, category), count) in &assembly.census {
        if *class == CensusClass::Flow {
            *flows.entry(category).or_default() += count;
        }
    }
    for (category, count) in flows {
        facts.properties.push((format!("flow_events.{category}"), count.to_string()));
    }
}
