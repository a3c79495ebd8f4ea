//! What a capture is, in the numbers `underspan info` prints: what it holds, not yet why.

use rayon::prelude::*;
use underspan_model::tables::{AnnotationKind, CpuOpKind, MemcpyKind};
use underspan_model::{
    Bytes, DurationNs, NONE_U32, NONE_U64, Problem, StreamId, StringId, StringTable, Timeline,
    Trust,
};

use crate::graph_nodes::{captured_calls, n_captured_kernels};
use crate::stats::annotation_stats;
use crate::{
    CallKind, Correlation, KernelStats, NamedStats, Occupancy, SignedStats, UnlaunchedCounts,
    WorkKind,
};

/// Names listed per category.
const TOP: usize = 5;
/// Rows a parallel task takes at once.
const PART_ROWS: usize = 1 << 17;

/// What a capture is.
///
/// Definitions: device work is kernels, copies and fills; busy is the length of the union of
/// `[start, start + duration)`; a window runs from the first start to the last end; a kernel is
/// correlated when an API call of its process carries its correlation id; percentiles are by
/// nearest rank.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureSummary {
    /// Format the capture was made in.
    pub format: String,
    /// Rows of all tables.
    pub event_count: u64,
    /// Number of kernels.
    pub kernel_count: u64,
    /// Sum of the kernels' durations.
    pub kernel_time: DurationNs,
    /// Number of different kernel names.
    pub distinct_kernel_names: u64,
    /// Devices with work, by id.
    pub devices: Vec<DeviceSummary>,
    /// Copies by direction, in the order of [`MemcpyKind::ALL`]; only directions that occur.
    pub memcpy: Vec<(MemcpyKind, MemcpySummary)>,
    /// Number of API calls.
    pub api_call_count: u64,
    /// Number of synchronization records.
    pub sync_count: u64,
    /// Sum of their lengths.
    pub sync_time: DurationNs,
    /// Device work and the calls that launched it.
    pub correlation: CorrelationSummary,
    /// Graph launches and captures.
    pub graphs: GraphSummary,
    /// The names with most total time in each category of annotations that occurs.
    pub annotations: Vec<(AnnotationKind, Vec<NamedTotal>)>,
    /// Number of different names in each of those categories.
    pub distinct_annotations: Vec<(AnnotationKind, u64)>,
    /// The kernel names with most total time; of equal ones the first in the alphabet.
    pub top_kernels: Vec<NamedTotal>,
    /// What was lost, repaired or doubted.
    pub problems: Vec<Problem>,
    /// How far the capture can be relied on.
    pub trust: Trust,
}

/// What one device did.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSummary {
    /// What the source calls it.
    pub id: String,
    /// Product name; empty when unknown.
    pub name: String,
    /// Number of kernels.
    pub kernel_count: u64,
    /// Sum of their durations.
    pub kernel_time: DurationNs,
    /// Time in which at least one kernel ran.
    pub kernel_busy_union: DurationNs,
    /// Time in which any work ran.
    pub gpu_busy_union: DurationNs,
    /// From the first start to the last end of any work.
    pub window: DurationNs,
    /// The share of the window in which nothing ran, rounded to nine digits; `None` for a window
    /// without length.
    pub idle_fraction: Option<f64>,
    /// Number of copies.
    pub memcpy_count: u64,
    /// Number of fills.
    pub memset_count: u64,
    /// Numbers of the streams with work, as text in alphabetical order; `?` where the source
    /// gives none.
    pub streams: Vec<String>,
    /// How often work started before earlier work of its stream had ended.
    pub same_stream_overlaps: u64,
    /// Longest time by which it did.
    pub longest_same_stream_overlap: DurationNs,
}

/// Copies of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemcpySummary {
    /// Number of copies.
    pub count: u64,
    /// Sum of the sizes that are known.
    pub bytes: Bytes,
    /// Copies whose size the source does not give.
    pub bytes_missing: u64,
    /// Sum of their durations.
    pub time: DurationNs,
}

/// Device work and the calls that launched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrelationSummary {
    /// Kernels, copies and fills.
    pub gpu_ops: u64,
    /// Those of them with a launching call.
    pub correlated_gpu_ops: u64,
    /// Kernels with a launching call.
    pub correlated_kernels: u64,
    /// Calls that launched kernels.
    pub distinct_launches: u64,
    /// Most kernels that one call launched.
    pub max_kernels_per_launch: u64,
    /// Kernels that start before the call that launched them.
    pub kernels_starting_before_launch: u64,
    /// Kernels that carry a correlation id.
    pub kernels_with_correlation: u64,
    /// Kernels that carry an external id.
    pub kernels_with_external_id: u64,
    /// Kernels whose two ids are equal, so that the external one links nothing.
    pub kernels_external_id_equals_correlation: u64,
    /// Kernels whose external id an operator carries too.
    pub kernels_external_id_matches_cpu_op: u64,
    /// Kernels without a launching call, by reason.
    pub unlaunched_kernels: UnlaunchedCounts,
    /// From the start of the call to the start of the kernel; `None` without correlated kernels.
    pub launch_to_start: Option<SignedStats>,
}

/// Graph launches and captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GraphSummary {
    /// API calls that launch a graph.
    pub graph_launch_calls: u64,
    /// Kernels launched by them.
    pub kernels_under_graph_launch: u64,
    /// Kernels that name the graph node they are.
    pub kernels_with_graph_node_id: u64,
    /// Those of them of which it is known where they were captured.
    pub kernels_with_captured_node: u64,
    /// Nodes of graphs of which it is known where they were captured.
    pub captured_nodes: u64,
    /// Those of them whose call is known.
    pub captured_nodes_with_call: u64,
    /// API calls that begin or end the recording of a graph.
    pub stream_capture_calls: u64,
    /// Graph launches traced as a whole.
    pub graph_trace_rows: u64,
}

/// A name with the number and total time of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTotal {
    /// The name.
    pub name: String,
    /// Number of rows.
    pub count: u64,
    /// Sum of their durations.
    pub total: DurationNs,
}

impl CaptureSummary {
    /// Summarizes a timeline.
    pub fn of(timeline: &Timeline) -> Self {
        let ((occupancy, kernels), correlation) = rayon::join(
            || rayon::join(|| Occupancy::of(timeline), || KernelStats::of(timeline)),
            || Correlation::of(timeline),
        );
        let launch_to_start = correlation.launch_to_start(timeline);
        let annotations = annotation_stats(timeline);
        Self::from_parts(
            timeline,
            &occupancy,
            &kernels,
            &annotations,
            &correlation,
            launch_to_start,
        )
    }

    pub(crate) fn from_parts(
        timeline: &Timeline,
        occupancy: &Occupancy,
        kernels: &KernelStats,
        annotations: &[(AnnotationKind, Vec<NamedStats>)],
        correlation: &Correlation,
        launch_to_start: Option<SignedStats>,
    ) -> Self {
        let top = |rows: &[NamedStats]| top(rows, &timeline.strings);
        Self {
            format: timeline.info.format.clone(),
            event_count: timeline.event_count(),
            kernel_count: timeline.kernels.len() as u64,
            kernel_time: occupancy.devices.iter().map(|device| device.kernel_time).sum(),
            distinct_kernel_names: kernels.by_name.len() as u64,
            devices: devices(timeline, occupancy),
            memcpy: memcpy(timeline),
            api_call_count: timeline.api_calls.len() as u64,
            sync_count: timeline.syncs.len() as u64,
            sync_time: timeline.syncs.duration_ns.iter().map(|ns| DurationNs::from_ns(*ns)).sum(),
            correlation: CorrelationSummary::of(timeline, correlation, launch_to_start),
            graphs: GraphSummary::of(timeline, correlation),
            distinct_annotations: annotations
                .iter()
                .map(|(kind, rows)| (*kind, rows.len() as u64))
                .collect(),
            annotations: annotations.iter().map(|(kind, rows)| (*kind, top(rows))).collect(),
            top_kernels: top(&kernels.by_name),
            problems: timeline.problems.iter().collect(),
            trust: timeline.problems.trust(),
        }
    }
}

impl CorrelationSummary {
    fn of(
        timeline: &Timeline,
        correlation: &Correlation,
        launch_to_start: Option<SignedStats>,
    ) -> Self {
        let kernels = &timeline.kernels;
        let launches = correlation.launches();
        let correlated = |kind| correlation.n_launched(kind);
        let correlated_kernels = correlated(WorkKind::Kernel);
        let ids = KernelIds::of(&kernels.correlation_id, &kernels.external_id);
        Self {
            gpu_ops: (kernels.len() + timeline.memcpys.len() + timeline.memsets.len()) as u64,
            correlated_gpu_ops: correlated_kernels
                + correlated(WorkKind::Memcpy)
                + correlated(WorkKind::Memset),
            correlated_kernels,
            distinct_launches: launches.n_launching_kernels(),
            max_kernels_per_launch: launches.max_kernels().into(),
            kernels_starting_before_launch: launch_to_start.map_or(0, |stats| stats.n_negative),
            kernels_with_correlation: ids.with_correlation,
            kernels_with_external_id: ids.with_external,
            kernels_external_id_equals_correlation: ids.equal,
            kernels_external_id_matches_cpu_op: if ids.with_external == 0 {
                0
            } else {
                matching_cpu_op(timeline)
            },
            unlaunched_kernels: correlation.unlaunched_kernels(),
            launch_to_start,
        }
    }
}

/// How many kernels carry which ids.
#[derive(Clone, Copy, Default)]
struct KernelIds {
    with_correlation: u64,
    with_external: u64,
    equal: u64,
}

impl KernelIds {
    fn of(correlation_ids: &[u32], external_ids: &[u64]) -> Self {
        correlation_ids
            .par_chunks(PART_ROWS)
            .zip(external_ids.par_chunks(PART_ROWS))
            .map(|(correlation_ids, external_ids)| {
                let mut counts = Self::default();
                for (&correlation, &external) in correlation_ids.iter().zip(external_ids) {
                    counts.with_correlation += u64::from(correlation != NONE_U32);
                    counts.with_external += u64::from(external != NONE_U64);
                    let is_equal = u64::from(correlation) == external && correlation != NONE_U32;
                    counts.equal += u64::from(is_equal);
                }
                counts
            })
            .reduce(Self::default, |a, b| Self {
                with_correlation: a.with_correlation + b.with_correlation,
                with_external: a.with_external + b.with_external,
                equal: a.equal + b.equal,
            })
    }
}

impl GraphSummary {
    fn of(timeline: &Timeline, correlation: &Correlation) -> Self {
        let names = correlation.call_names();
        let kind = |call: u32| names.kind(timeline.api_calls.name[call as usize]);
        let calls_of = |wanted| names.n_calls(wanted);
        Self {
            graph_launch_calls: calls_of(CallKind::GraphLaunch),
            kernels_under_graph_launch: if calls_of(CallKind::GraphLaunch) == 0 {
                0
            } else {
                correlation
                    .launches()
                    .iter()
                    .filter(|launch| kind(launch.call) == CallKind::GraphLaunch)
                    .map(|launch| u64::from(launch.n_kernels))
                    .sum()
            },
            kernels_with_graph_node_id: count(&timeline.kernels.graph_node_id, |id| {
                *id != NONE_U64
            }),
            kernels_with_captured_node: n_captured_kernels(timeline),
            captured_nodes: timeline.dimensions.graph_nodes.len() as u64,
            captured_nodes_with_call: count(&captured_calls(timeline), |call| *call != NONE_U32),
            stream_capture_calls: calls_of(CallKind::StreamCapture),
            graph_trace_rows: timeline.graph_launches.len() as u64,
        }
    }
}

fn count<T: Sync>(values: &[T], is_counted: impl Fn(&T) -> bool + Sync) -> u64 {
    let of_part = |part: &[T]| part.iter().filter(|value| is_counted(value)).count() as u64;
    values.par_chunks(PART_ROWS).map(of_part).sum()
}

/// Kernels whose external id is one that an operator carries.
fn matching_cpu_op(timeline: &Timeline) -> u64 {
    let ops = &timeline.cpu_ops;
    let mut ids: Vec<u64> = ops
        .external_id
        .iter()
        .zip(&ops.kind)
        .filter(|(id, kind)| {
            **id != NONE_U64 && CpuOpKind::from_code(**kind) == CpuOpKind::Operator
        })
        .map(|(id, _)| *id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    count(&timeline.kernels.external_id, |id| *id != NONE_U64 && ids.binary_search(id).is_ok())
}

fn devices(timeline: &Timeline, occupancy: &Occupancy) -> Vec<DeviceSummary> {
    let dimensions = &timeline.dimensions;
    occupancy
        .devices
        .iter()
        .map(|device| {
            let streams =
                || occupancy.streams.iter().filter(|stream| stream.device == device.device);
            let mut numbers: Vec<String> =
                streams().map(|stream| stream_number(timeline, stream.stream)).collect();
            numbers.sort();
            numbers.dedup();
            let name = dimensions.devices.name.get(device.device.index()).copied();
            let name = StringId::from_raw(name.unwrap_or(NONE_U32));
            DeviceSummary {
                id: dimensions.device_label(device.device),
                name: timeline.strings.resolve_or_empty(name).to_owned(),
                kernel_count: device.n_kernels,
                kernel_time: device.kernel_time,
                kernel_busy_union: device.kernel_busy,
                gpu_busy_union: device.busy,
                window: device.window.duration(),
                idle_fraction: device.idle_fraction().map(round_9),
                memcpy_count: device.n_memcpys,
                memset_count: device.n_memsets,
                streams: numbers,
                same_stream_overlaps: streams().map(|stream| stream.n_overlaps).sum(),
                longest_same_stream_overlap: streams()
                    .map(|stream| stream.longest_overlap)
                    .max()
                    .unwrap_or_default(),
            }
        })
        .collect()
}

fn stream_number(timeline: &Timeline, stream: StreamId) -> String {
    match timeline.dimensions.streams.stream_id.get(stream.index()) {
        Some(&number) if number != NONE_U64 => number.to_string(),
        _ => "?".to_owned(),
    }
}

fn memcpy(timeline: &Timeline) -> Vec<(MemcpyKind, MemcpySummary)> {
    let table = &timeline.memcpys;
    let mut sums = [MemcpySummary::default(); 256];
    for ((&kind, &bytes), &duration) in table.kind.iter().zip(&table.bytes).zip(&table.duration_ns)
    {
        let sum = &mut sums[MemcpyKind::from_code(kind).code() as usize];
        sum.count += 1;
        sum.time = sum.time + DurationNs::from_ns(duration);
        if bytes == NONE_U64 {
            sum.bytes_missing += 1;
        } else {
            sum.bytes = Bytes::new(sum.bytes.as_u64().saturating_add(bytes));
        }
    }
    MemcpyKind::ALL
        .iter()
        .map(|kind| (*kind, sums[kind.code() as usize]))
        .filter(|(_, sum)| sum.count > 0)
        .collect()
}

fn top(rows: &[NamedStats], strings: &StringTable) -> Vec<NamedTotal> {
    rows.iter()
        .take(TOP)
        .map(|row| NamedTotal {
            name: strings.resolve_or_empty(row.name).to_owned(),
            count: row.stats.count,
            total: row.stats.total,
        })
        .collect()
}

/// Rounds to nine decimal places, the exact value to the nearest, ties to even.
fn round_9(value: f64) -> f64 {
    format!("{value:.9}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;

    fn eager_and_graph() -> Timeline {
        let mut trace = TraceBuilder::new();
        trace
            .kernel("before", 0..10, 7)
            .launch("gemm", 20..25, 30..60)
            .api_call("cudaGraphLaunch", 50..55, 100)
            .kernel("gemm", 58..70, 100)
            .kernel("norm", 70..75, 100)
            .api_call("cudaMemcpyAsync", 60..61, 101)
            .memcpy(MemcpyKind::DtoH, 64, 72..90, 101)
            .memcpy(MemcpyKind::DtoH, NONE_U64, 95..96, NONE_U32)
            .api_call("cudaStreamBeginCapture", 80..81, 102)
            .stream(0, 13)
            .memset(8, 85..100, NONE_U32);
        trace.build()
    }

    #[test]
    fn every_number_of_a_small_capture() {
        let s = CaptureSummary::of(&eager_and_graph());
        assert_eq!((s.kernel_count, s.kernel_time.as_ns(), s.distinct_kernel_names), (4, 57, 3));
        let [device] = s.devices.as_slice() else { panic!("one device: {:?}", s.devices) };
        assert_eq!((device.id.as_str(), device.window.as_ns()), ("0", 100));
        // 0-10, 30-75 | 72-90, 85-100
        assert_eq!((device.kernel_busy_union.as_ns(), device.gpu_busy_union.as_ns()), (55, 80));
        assert_eq!(device.idle_fraction, Some(0.2));
        assert_eq!((device.memcpy_count, device.memset_count), (2, 1));
        assert_eq!(device.streams, ["13", "7"]);
        assert_eq!(device.same_stream_overlaps, 2);
        assert_eq!(device.longest_same_stream_overlap.as_ns(), 3);
        let copies = MemcpySummary {
            count: 2,
            bytes: Bytes::new(64),
            bytes_missing: 1,
            time: DurationNs::from_ns(19),
        };
        assert_eq!(s.memcpy, [(MemcpyKind::DtoH, copies)]);
        let c = s.correlation;
        assert_eq!((c.gpu_ops, c.correlated_gpu_ops, c.correlated_kernels), (7, 4, 3));
        assert_eq!((c.distinct_launches, c.max_kernels_per_launch), (2, 2));
        assert_eq!(c.unlaunched_kernels.before_capture, 1);
        let latency = c.launch_to_start.map(|l| (l.n, l.min_ns, l.p50_ns, l.max_ns, l.sum_ns));
        assert_eq!(latency, Some((3, 8, 10, 20, 38)));
        assert_eq!(
            s.graphs,
            GraphSummary {
                graph_launch_calls: 1,
                kernels_under_graph_launch: 2,
                stream_capture_calls: 1,
                ..GraphSummary::default()
            }
        );
        let top: Vec<_> =
            s.top_kernels.iter().map(|k| (k.name.as_str(), k.total.as_ns())).collect();
        assert_eq!(top, [("gemm", 42), ("before", 10), ("norm", 5)]);
        assert_eq!(s.trust, Trust::Full);
    }

    #[test]
    fn a_kernel_before_its_launch_is_counted() {
        let mut trace = TraceBuilder::new();
        trace.launch("a", 10..12, 5..20).launch("b", 10..12, 20..30);
        let c = CaptureSummary::of(&trace.build()).correlation;
        assert_eq!(c.kernels_starting_before_launch, 1);
        assert_eq!(c.launch_to_start.map(|l| (l.min_ns, l.sum_ns)), Some((-5, 5)));
    }

    #[test]
    fn nothing_is_not_an_error() {
        let s = CaptureSummary::of(&Timeline::new());
        assert_eq!(s.devices, []);
        assert_eq!(s.correlation.launch_to_start, None);
        let mut trace = TraceBuilder::new();
        trace.kernel("empty", 5..5, NONE_U32);
        let s = CaptureSummary::of(&trace.build());
        assert_eq!(s.devices[0].idle_fraction, None);
    }

    #[test]
    fn rounding_is_to_nine_digits() {
        assert_eq!(round_9(1.0 - 2.0 / 3.0), 0.333_333_333);
        assert_eq!(round_9(8.769_999_6e-7), 8.77e-7);
    }
}
