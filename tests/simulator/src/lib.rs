//! A simulated GPU server that writes traces with a known truth.
//!
//! A [`scenario`](Scenario) runs an engine (continuous batching with CUDA graphs, or a plain
//! PyTorch server) against a [`Machine`]: a host thread that launches work and devices that run
//! it in stream order, with launch latency, queueing, copies and synchronization. What happened
//! comes out as a [`Recording`], which is written as a Kineto trace ([`write_kineto`]) or a
//! [`Timeline`](underspan_model::Timeline) ([`to_timeline`]).
//!
//! Everything is deterministic: the same scenario and seed give the same bytes. Nothing here is
//! shared with the analysis that is tested against it.

mod case;
mod conditions;
mod corruption;
mod cost;
mod device;
mod encoder;
mod engine;
mod faults;
mod kernels;
mod kineto;
mod llm;
mod load;
mod machine;
mod model;
mod plain;
mod plant;
mod profile;
mod public;
mod pytorch;
mod random;
mod rank;
mod recording;
mod samples;
mod scenario;
mod scheduler;
mod score;
mod served;
mod server;
mod sow;
mod spans;
mod table;
mod timeline;
mod trap;
mod trial;
mod triton;
mod verdict;
mod vllm;

pub use case::{Case, Subject, Truth, matrix};
pub use corruption::Corruption;
pub use device::Gpu;
pub use kineto::write_kineto;
pub use llm::{Batch, Model, Precision};
pub use machine::{Machine, Work};
pub use plant::{Layer, Plant};
pub use public::Container;
pub use random::Random;
pub use recording::{
    ApiCall, Copy, CopyKind, CpuOp, Fill, Kernel, Launch, Member, Range, Recording, Request, Step,
};
pub use samples::{SAMPLES, SampleCase};
pub use scenario::{Output, Scenario};
pub use score::{Grade, Score, Tally, grade};
pub use server::EngineKind;
pub use table::render;
pub use timeline::to_timeline;
pub use trap::Trap;
pub use trial::{Trial, TrialOptions, run_trials, write_truth};
pub use verdict::{Answer, Cause, Verdict, ask};
