//! Analysis of a [`Timeline`](underspan_model::Timeline): which call launched which work, what
//! devices did and why they were idle, engine steps, statistics.
//!
//! [`Analysis::of`] runs everything once; [`CaptureSummary::of`] only what `underspan info`
//! prints. Everything is linear in the number of events (but for sorting short lists), runs on
//! the current rayon pool, and gives the same result at any number of threads.

mod analysis;
mod attribution;
mod busy;
mod correlation;
mod device_work;
mod diff;
mod exact_ranks;
mod graph_nodes;
mod idle;
mod intervals;
mod occupancy;
mod percentile;
mod precision;
mod queue_depth;
mod requests;
mod sequence;
mod stats;
mod steps;
mod summary;
pub mod trace_builder;
mod wide_column;
mod work_class;
mod work_reach;
mod work_runs;

pub use analysis::{Analysis, AnalysisOptions};
pub use attribution::WorkAttribution;
pub use busy::busy_unions;
pub use correlation::{
    CallKind, CallNames, Correlation, Launch, LaunchTable, Unlaunched, UnlaunchedCounts,
};
pub use device_work::{DeviceWork, WorkItem, WorkKind};
pub use diff::{
    CaptureDiff, GroupChange, GroupKey, KernelGroup, LatencyChange, Quantile, QuantileChange,
    RoleChange, Side,
};
pub use exact_ranks::SignedStats;
pub use graph_nodes::captured_calls;
pub use idle::{DeviceIdle, Gap, IdleClass, idle_of};
pub use intervals::IntervalList;
pub use occupancy::{DeviceOccupancy, Occupancy, StreamOccupancy};
pub use percentile::{P99_MIN_N, nearest_rank};
pub use precision::{
    ClassTime, ClassifiedKernel, Declared, FALLBACK_SHARE, KernelClasses, PrecisionCensus,
    PrecisionVerdict, WideMultiply, WideReason,
};
pub use queue_depth::{DepthBin, QueueDepth};
pub use requests::{
    ClockCorrection, ClockEvidence, ClockQuality, Evidence, LatencySummary, Membership, Part,
    PartKind, Request, RequestOptions, RequestOrigin, RequestStep, RequestTokens, Requests, Stage,
    StageKind, StepMember, TokenGap, TokenLatencies,
};
pub use stats::{
    DurationStats, KernelStats, LayerStats, NamedStats, ShapeStats, annotation_stats,
    api_call_stats, cpu_op_stats, layer_stats,
};
pub use steps::{Step, StepDialect, StepLabel, StepLink, Steps};
pub use summary::{
    CaptureSummary, CorrelationSummary, DeviceSummary, GraphSummary, MemcpySummary, NamedTotal,
};
pub use work_class::{WorkClass, WorkClasses};
