//! Analysis of a [`Timeline`](underspan_model::Timeline): which call launched which work, what
//! devices did and why they were idle, engine steps, statistics.
//!
//! [`Analysis::of`] runs everything once; [`CaptureSummary::of`] only what `underspan info`
//! prints. Everything is linear in the number of events (but for sorting short lists), runs on
//! the current rayon pool, and gives the same result at any number of threads.

mod correlation;
mod device_work;
mod exact_ranks;
mod intervals;
mod percentile;
pub mod trace_builder;

pub use correlation::{
    CallKind, CallNames, Correlation, Launch, LaunchTable, Unlaunched, UnlaunchedCounts,
};
pub use device_work::{DeviceWork, WorkItem, WorkKind};
pub use exact_ranks::SignedStats;
pub use intervals::IntervalList;
pub use percentile::nearest_rank;
