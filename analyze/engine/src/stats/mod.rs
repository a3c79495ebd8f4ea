//! Statistics by name: kernels (and their launch shapes), API calls, annotations, operators.

mod grouped;
mod layers;
mod percentiles;

use underspan_model::tables::{AnnotationKind, Table};
use underspan_model::{DurationNs, ShapeId, StringId, StringTable, Timeline};

pub use layers::{LayerStats, layer_stats};

use grouped::{Grouping, group_durations};

/// Count, sum and percentiles of durations. Percentiles are exact, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DurationStats {
    /// Number of durations.
    pub count: u64,
    /// Sum.
    pub total: DurationNs,
    /// Shortest.
    pub min: DurationNs,
    /// Median.
    pub p50: DurationNs,
    /// 95th percentile.
    pub p95: DurationNs,
    /// 99th percentile.
    pub p99: DurationNs,
    /// Longest.
    pub max: DurationNs,
}

impl DurationStats {
    /// The mean, rounded down; zero of nothing.
    pub fn mean(&self) -> DurationNs {
        DurationNs::from_ns(self.total.as_ns().checked_div(self.count).unwrap_or(0))
    }
}

/// Statistics of everything that has one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedStats {
    /// The name; none for rows without one.
    pub name: StringId,
    /// The statistics.
    pub stats: DurationStats,
}

/// Kernel durations by name and by launch shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelStats {
    /// By name; most total time first, equal totals in order of the names.
    pub by_name: Vec<NamedStats>,
    /// By launch shape, in the same order, shapes of one name by total time.
    pub by_shape: Vec<ShapeStats>,
}

/// Statistics of the kernels of one launch shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeStats {
    /// The shape; none for kernels without one.
    pub shape: ShapeId,
    /// Its name.
    pub name: StringId,
    /// The statistics.
    pub stats: DurationStats,
}

impl KernelStats {
    /// The statistics of a timeline's kernels.
    pub fn of(timeline: &Timeline) -> Self {
        let shapes = timeline.shapes.as_slice();
        let name_of = |shape: usize| shapes.get(shape).map_or(StringId::NONE, |shape| shape.name);
        // Shapes of one name stand together; kernels without a shape come last.
        let mut order: Vec<u32> = (0..=shapes.len() as u32).collect();
        order.sort_unstable_by_key(|shape| (name_of(*shape as usize).raw(), *shape));
        let mut bounds = vec![0];
        for (at, pair) in order.windows(2).enumerate() {
            if name_of(pair[0] as usize) != name_of(pair[1] as usize) {
                bounds.push(at + 1);
            }
        }
        bounds.push(order.len());
        let mut slots = vec![0_u32; order.len()];
        for (slot, shape) in order.iter().enumerate() {
            slots[*shape as usize] = slot as u32;
        }
        let grouping = Grouping { slots: &slots, bounds: &bounds };
        let found =
            group_durations(&timeline.kernels.shape, &timeline.kernels.duration_ns, grouping);

        let mut by_name: Vec<NamedStats> = Vec::new();
        let mut by_shape = Vec::new();
        for (group, bounds) in found.iter().zip(bounds.windows(2)) {
            let name = name_of(order[bounds[0]] as usize);
            by_name.extend(group.all.map(|stats| NamedStats { name, stats }));
            for (shape, stats) in order[bounds[0]..bounds[1]].iter().zip(&group.members) {
                let known = (*shape as usize) < shapes.len();
                let shape = if known { ShapeId::from_raw(*shape) } else { ShapeId::NONE };
                by_shape.extend(stats.map(|stats| ShapeStats { shape, name, stats }));
            }
        }
        sort_by_total(&mut by_name, &timeline.strings);
        let mut position = vec![u32::MAX; timeline.strings.len() + 1];
        for (at, row) in by_name.iter().enumerate() {
            let slot = row.name.index().min(timeline.strings.len());
            position[slot] = at as u32;
        }
        by_shape.sort_by_key(|row| {
            let slot = row.name.index().min(timeline.strings.len());
            (position[slot], std::cmp::Reverse(row.stats.total), row.shape)
        });
        Self { by_name, by_shape }
    }
}

/// Durations of a table with a name column, by name; most total time first, equal totals in
/// order of the names.
fn by_name(names: &[u32], durations: &[u64], strings: &StringTable) -> Vec<NamedStats> {
    // Of all the strings of a capture few name rows of one table: only those get a slot.
    let mut slots = vec![0_u32; strings.len() + 1];
    for &name in names {
        slots[(name as usize).min(strings.len())] = 1;
    }
    let mut used = Vec::new();
    for (name, slot) in slots.iter_mut().enumerate() {
        if std::mem::replace(slot, used.len() as u32) == 1 {
            used.push(if name < strings.len() { name as u32 } else { u32::MAX });
        }
    }
    let bounds: Vec<usize> = (0..=used.len()).collect();
    let found = group_durations(names, durations, Grouping { slots: &slots, bounds: &bounds });
    let mut rows: Vec<NamedStats> = used
        .iter()
        .zip(&found)
        .filter_map(|(name, group)| {
            Some(NamedStats { name: StringId::from_raw(*name), stats: group.all? })
        })
        .collect();
    sort_by_total(&mut rows, strings);
    rows
}

/// API call durations by function name.
pub fn api_call_stats(timeline: &Timeline) -> Vec<NamedStats> {
    by_name(&timeline.api_calls.name, &timeline.api_calls.duration_ns, &timeline.strings)
}

/// Operator and Python function durations by name.
pub fn cpu_op_stats(timeline: &Timeline) -> Vec<NamedStats> {
    by_name(&timeline.cpu_ops.name, &timeline.cpu_ops.duration_ns, &timeline.strings)
}

/// Annotation durations by where the annotation came from and by name. Kinds that do not occur
/// are left out.
pub fn annotation_stats(timeline: &Timeline) -> Vec<(AnnotationKind, Vec<NamedStats>)> {
    let annotations = &timeline.annotations;
    let mut found = Vec::new();
    for &kind in AnnotationKind::ALL {
        let is_of_kind = |code: &u8| AnnotationKind::from_code(*code) == kind;
        let n = annotations.kind.iter().filter(|code| is_of_kind(code)).count();
        if n == 0 {
            continue;
        }
        let stats = if n == Table::len(annotations) {
            by_name(&annotations.name, &annotations.duration_ns, &timeline.strings)
        } else {
            let rows =
                || (0..n_rows(annotations)).filter(|row| is_of_kind(&annotations.kind[*row]));
            let names: Vec<u32> = rows().map(|row| annotations.name[row]).collect();
            let durations: Vec<u64> = rows().map(|row| annotations.duration_ns[row]).collect();
            by_name(&names, &durations, &timeline.strings)
        };
        found.push((kind, stats));
    }
    found
}

fn n_rows(table: &dyn Table) -> usize {
    table.len()
}

fn sort_by_total(rows: &mut [NamedStats], strings: &StringTable) {
    rows.sort_by(|a, b| {
        let text = |row: &NamedStats| strings.resolve_or_empty(row.name);
        b.stats.total.cmp(&a.stats.total).then_with(|| text(a).cmp(text(b)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::{KernelShape, NONE_U32};

    #[test]
    fn kernels_are_counted_by_name_and_by_shape() {
        let mut trace = TraceBuilder::new();
        let gemm = trace.intern("gemm");
        let small = KernelShape { grid: [1, 1, 1], ..KernelShape::named(gemm) };
        for at in 0..4 {
            trace.kernel("gemm", at * 100..at * 100 + 10 + at, NONE_U32);
        }
        trace.kernel_of_shape(small, 1000..1100, NONE_U32);
        trace.kernel("b", 2000..2100, NONE_U32).kernel("a", 3000..3100, NONE_U32);
        let t = trace.build();
        let stats = KernelStats::of(&t);
        let text = |id| t.strings.resolve_or_empty(id);
        let by_name: Vec<_> = stats
            .by_name
            .iter()
            .map(|row| (text(row.name), row.stats.count, row.stats.total.as_ns()))
            .collect();
        assert_eq!(by_name, [("gemm", 5, 146), ("a", 1, 100), ("b", 1, 100)]);
        let first = stats.by_name[0].stats;
        assert_eq!(
            [first.min, first.p50, first.p95, first.p99, first.max, first.mean()]
                .map(|d| d.as_ns()),
            [10, 12, 100, 100, 100, 29]
        );
        let by_shape: Vec<_> = stats
            .by_shape
            .iter()
            .map(|row| (text(row.name), row.stats.count, row.stats.total.as_ns()))
            .collect();
        assert_eq!(by_shape, [("gemm", 1, 100), ("gemm", 4, 46), ("a", 1, 100), ("b", 1, 100)]);
    }

    #[test]
    fn annotations_of_each_kind_stay_apart() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::User, "step", 0..10)
            .annotation(AnnotationKind::User, "step", 20..40)
            .annotation(AnnotationKind::GpuUser, "step", 5..12);
        let t = trace.build();
        let counts: Vec<_> = annotation_stats(&t)
            .into_iter()
            .map(|(kind, rows)| {
                (kind, rows.len(), rows[0].stats.count, rows[0].stats.total.as_ns())
            })
            .collect();
        assert_eq!(counts, [(AnnotationKind::User, 1, 2, 30), (AnnotationKind::GpuUser, 1, 1, 7)]);
    }

    #[test]
    fn rows_without_a_name_or_shape_are_not_lost() {
        let mut trace = TraceBuilder::new();
        trace.kernel("a", 0..1, NONE_U32);
        trace
            .timeline_mut()
            .kernels
            .push(underspan_model::tables::Kernel { duration_ns: 7, ..Default::default() });
        let stats = KernelStats::of(&trace.build());
        assert_eq!(stats.by_name.iter().map(|row| row.stats.count).sum::<u64>(), 2);
        assert!(stats.by_name.iter().any(|row| row.name.is_none() && row.stats.count == 1));
        assert!(stats.by_shape.iter().any(|row| row.shape.is_none() && row.stats.count == 1));
    }
}
