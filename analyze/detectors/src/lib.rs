//! What made requests slow: one detector per kind of fault, a replay that measures what each cost,
//! and a verdict that says which layer is to blame, or that the evidence does not say.
//!
//! [`Case::of`] joins a capture, [`detectors`] look at it, [`Verdict::of`] weighs what they found.

mod batching;
mod case;
mod cohorts;
mod content;
mod continuous;
mod cost;
mod counterfactual;
mod coverage;
mod detect;
mod detector;
mod gpu;
mod host_calls;
mod measure;
mod objective;
mod pace;
mod quality;
mod replay;
mod same_kernels;
mod sampling;
mod settings;
mod shapley;
mod shared_device;
mod statistics;
mod step_facts;
mod step_model;
mod telemetry;
mod verdict;

pub use case::{Case, ServerKind};
pub use cohorts::{Cohort, cohorts};
pub use cost::Cost;
pub use detect::{detector, detectors};
pub use detector::{Detection, Detector, Finding, Grade, Layer, Setting};
pub use objective::{Attainment, ItlBasis, Measure, Objective, ObjectiveError};
pub use quality::Quality;
pub use replay::{Misfit, NO_LANE, NO_RUN, Removal, Run, Schedule, Served, replay};
pub use settings::Settings;
pub use shapley::{MOST_CAUSES, shapley};
pub use statistics::{Percentile, median, paired_interval, percentile_of};
pub use step_facts::{StepFacts, step_facts};
pub use telemetry::{Clocks, GpuProcess, Series, Telemetry};
pub use verdict::{Cause, Latency, Verdict, VerdictKind};
