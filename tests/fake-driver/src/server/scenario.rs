//! What can be the matter with a server.

use std::time::Duration;

use underspan_simulator::{Model, Precision};

/// A model of about seven billion parameters.
const MODEL: Model = Model {
    layers: 24,
    hidden: 4_096,
    intermediate: 14_336,
    kv_width: 1_024,
    vocabulary: 32_000,
    precision: Precision::Bf16,
};

/// A named server with its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Steady,
    LongPrompts,
    Overload,
    Fp32,
    LaunchBound,
    PageableUploads,
    Throttled,
}

/// Settings of the engine and its load.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) model: Model,
    /// Most tokens in a step.
    pub(super) max_batched_tokens: u32,
    /// Most requests in a step.
    pub(super) max_requests: usize,
    /// Mean time between arrivals.
    pub(super) arrival_gap: Duration,
    /// Prompt lengths, tokens.
    pub(super) prompt_tokens: (u64, u64),
    /// Every so many requests one has a prompt of this length.
    pub(super) long_prompt: Option<(u64, u32)>,
    /// Answer lengths, tokens.
    pub(super) output_tokens: (u64, u64),
    /// Decode steps are launched as graphs.
    pub(super) uses_graphs: bool,
    /// Host time before each launch outside graphs.
    pub(super) host_per_launch: Duration,
    /// Bytes that each new request uploads from pageable memory.
    pub(super) upload_bytes: u64,
    /// Kernels take that much longer from this part of the run on.
    pub(super) slow_from: Option<(f64, f64)>,
}

impl Scenario {
    pub(super) const ALL: &[Self] = &[
        Self::Steady,
        Self::LongPrompts,
        Self::Overload,
        Self::Fp32,
        Self::LaunchBound,
        Self::PageableUploads,
        Self::Throttled,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::LongPrompts => "long-prompts",
            Self::Overload => "overload",
            Self::Fp32 => "fp32",
            Self::LaunchBound => "launch-bound",
            Self::PageableUploads => "pageable-uploads",
            Self::Throttled => "throttled",
        }
    }

    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Steady => "nothing is wrong",
            Self::LongPrompts => "a few long prompts hold up everybody's next token",
            Self::Overload => "more requests come than fit, and wait",
            Self::Fp32 => "multiplications run in FP32",
            Self::LaunchBound => "the device waits for the host's launches",
            Self::PageableUploads => "each request uploads from pageable memory, which blocks",
            Self::Throttled => "kernels slow down in the second half",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scenario| scenario.name() == name)
    }

    pub(super) fn settings(self) -> Settings {
        let steady = Settings {
            model: MODEL,
            max_batched_tokens: 2_048,
            max_requests: 16,
            arrival_gap: Duration::from_millis(60),
            prompt_tokens: (80, 500),
            long_prompt: None,
            output_tokens: (20, 60),
            uses_graphs: true,
            host_per_launch: Duration::from_micros(3),
            upload_bytes: 0,
            slow_from: None,
        };
        match self {
            Self::Steady => steady,
            Self::LongPrompts => Settings { long_prompt: Some((10, 12_000)), ..steady },
            Self::Overload => {
                Settings { arrival_gap: Duration::from_millis(25), max_requests: 6, ..steady }
            }
            Self::Fp32 => Settings {
                model: Model { precision: Precision::Fp32, ..MODEL },
                arrival_gap: Duration::from_millis(120),
                ..steady
            },
            Self::LaunchBound => Settings {
                model: Model { hidden: 1_024, intermediate: 4_096, kv_width: 256, ..MODEL },
                uses_graphs: false,
                host_per_launch: Duration::from_micros(25),
                ..steady
            },
            Self::PageableUploads => Settings { upload_bytes: 96 << 20, ..steady },
            Self::Throttled => Settings { slow_from: Some((0.5, 1.9)), ..steady },
        }
    }
}
