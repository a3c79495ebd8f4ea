//! Everything the engine can say about a capture, computed once.

use underspan_model::Timeline;
use underspan_model::tables::AnnotationKind;

use crate::idle::device_idle;
use crate::work_reach::WorkReach;
use crate::{
    CaptureSummary, Correlation, DeviceIdle, KernelStats, NamedStats, Occupancy, SignedStats,
    WorkClasses, annotation_stats, api_call_stats, cpu_op_stats,
};

/// What [`Analysis::of`] is asked for beyond the fixed part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// How many of the longest gaps to keep per device.
    pub longest_gaps: usize,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        Self { longest_gaps: 20 }
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
    /// What each device and stream did.
    pub occupancy: Occupancy,
    /// Why each device was idle.
    pub idle: Vec<DeviceIdle>,
    /// Kernels by name and launch shape.
    pub kernels: KernelStats,
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
        let (host_and_kernels, (correlation, (classes, reach, occupancy))) = rayon::join(
            || {
                let kernels = KernelStats::of(timeline);
                let api_calls = api_call_stats(timeline);
                (kernels, api_calls, annotation_stats(timeline), cpu_op_stats(timeline))
            },
            || {
                rayon::join(
                    || Correlation::of(timeline),
                    || {
                        let classes = WorkClasses::of(timeline);
                        let reach = WorkReach::of(timeline, &classes);
                        let occupancy = Occupancy::with_reach(timeline, &classes, &reach);
                        (classes, reach, occupancy)
                    },
                )
            },
        );
        drop(classes);
        let (kernels, api_calls, annotations, cpu_ops) = host_and_kernels;
        let (launch_to_start, idle) = rayon::join(
            || correlation.launch_to_start(timeline),
            || device_idle(timeline, &correlation, &occupancy, &reach, options.longest_gaps),
        );
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
            occupancy,
            idle,
            kernels,
            api_calls,
            annotations,
            cpu_ops,
        }
    }
}
