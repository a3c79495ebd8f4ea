//! Everything the engine can say about a capture, computed once.

use underspan_model::Timeline;
use underspan_model::tables::AnnotationKind;

use crate::idle::idle_of;
use crate::queue_depth::queue_depths;
use crate::{
    CaptureSummary, Correlation, Declared, DeviceIdle, KernelStats, NamedStats, Occupancy,
    PrecisionCensus, QueueDepth, SignedStats, Steps, annotation_stats, api_call_stats,
    cpu_op_stats,
};

/// What [`Analysis::of`] is asked for beyond the fixed part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// How many of the longest gaps to keep per device.
    pub longest_gaps: usize,
    /// Into how many parts to cut the time line of the queue depth.
    pub queue_depth_bins: usize,
    /// The type the model is declared to compute in; overrides what the capture declares.
    pub declared: Option<Declared>,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        Self { longest_gaps: 20, queue_depth_bins: 200, declared: None }
    }
}

/// Everything the engine can say about a capture.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// What the capture is.
    pub summary: CaptureSummary,
    /// Which call launched which work.
    pub correlation: Correlation,
    /// From launching call to kernel start; `None` without correlated kernels.
    pub launch_to_start: Option<SignedStats>,
    /// Launches waiting for the device, by process.
    pub queue_depths: Vec<QueueDepth>,
    /// Engine and profiler steps.
    pub steps: Steps,
    /// What each device and stream did.
    pub occupancy: Occupancy,
    /// Why each device was idle.
    pub idle: Vec<DeviceIdle>,
    /// Kernels by name and launch shape.
    pub kernels: KernelStats,
    /// What the kernels are and computed in.
    pub precision: PrecisionCensus,
    /// API calls by name.
    pub api_calls: Vec<NamedStats>,
    /// Annotations by kind and name.
    pub annotations: Vec<(AnnotationKind, Vec<NamedStats>)>,
    /// Operators and Python functions by name.
    pub cpu_ops: Vec<NamedStats>,
}

impl Analysis {
    /// Analyzes a timeline on the current rayon pool. The result does not depend on the number
    /// of threads.
    pub fn of(timeline: &Timeline, options: &AnalysisOptions) -> Self {
        let (by_name, (correlation, mut occupancy)) = rayon::join(
            || ByName::of(timeline),
            || rayon::join(|| Correlation::of(timeline), || Occupancy::of(timeline)),
        );
        let ((launch_to_start, queue_depths), (idle, steps)) = rayon::join(
            || {
                rayon::join(
                    || correlation.launch_to_start(timeline),
                    || queue_depths(timeline, &correlation, options.queue_depth_bins),
                )
            },
            || {
                rayon::join(
                    || idle_of(timeline, &correlation, &occupancy, options.longest_gaps),
                    || Steps::with_chunks(timeline, &correlation, occupancy.reach().chunks()),
                )
            },
        );
        occupancy.forget_runs();
        let ByName { kernels, api_calls, annotations, cpu_ops } = by_name;
        let precision = PrecisionCensus::of(timeline, &kernels, options.declared.clone());
        let summary = CaptureSummary::from_parts(
            timeline,
            &occupancy,
            &kernels,
            &annotations,
            &correlation,
            launch_to_start,
        );
        Self {
            summary,
            correlation,
            launch_to_start,
            queue_depths,
            steps,
            occupancy,
            idle,
            kernels,
            precision,
            api_calls,
            annotations,
            cpu_ops,
        }
    }
}

/// Statistics by name.
struct ByName {
    kernels: KernelStats,
    api_calls: Vec<NamedStats>,
    annotations: Vec<(AnnotationKind, Vec<NamedStats>)>,
    cpu_ops: Vec<NamedStats>,
}

impl ByName {
    fn of(timeline: &Timeline) -> Self {
        let (kernels, (api_calls, (annotations, cpu_ops))) = rayon::join(
            || KernelStats::of(timeline),
            || {
                rayon::join(
                    || api_call_stats(timeline),
                    || rayon::join(|| annotation_stats(timeline), || cpu_op_stats(timeline)),
                )
            },
        );
        Self { kernels, api_calls, annotations, cpu_ops }
    }
}
