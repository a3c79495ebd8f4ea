//! What a run of a server leaves behind, whatever the engine.

use crate::conditions::Conditions;
use crate::load::Arrival;
use crate::recording::Recording;

/// One served request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Served {
    pub(crate) arrival: Arrival,
    /// The server's answer is complete, ns.
    pub(crate) server_end_ns: u64,
    pub(crate) stages: Stages,
}

/// What the engine itself noted about a request, ns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stages {
    /// A language model's request.
    Llm { queued_ns: u64, scheduled_ns: u64, first_token_ns: u64, last_token_ns: u64 },
    /// A request to Triton, with one execution per composing model.
    Triton(Vec<Execution>),
    /// A handler that notes nothing.
    Plain,
}

/// One model execution of a Triton request: the server's own stamps, ns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Execution {
    pub(crate) model: &'static str,
    pub(crate) request_start_ns: u64,
    pub(crate) queue_start_ns: u64,
    pub(crate) compute_start_ns: u64,
    pub(crate) compute_input_end_ns: u64,
    pub(crate) compute_output_start_ns: u64,
    pub(crate) compute_end_ns: u64,
    pub(crate) request_end_ns: u64,
}

/// Counters and gauges at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at_ns: u64,
    /// In the order of [`Run::metrics`].
    pub(crate) values: Vec<f64>,
}

/// A metric of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) is_counter: bool,
}

/// Everything a run leaves behind.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) recordings: Vec<Recording>,
    pub(crate) conditions: Vec<Conditions>,
    pub(crate) served: Vec<Served>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) samples: Vec<Sample>,
    /// Labels of every metric.
    pub(crate) labels: String,
}

impl Served {
    pub(crate) fn client_end_ns(&self) -> u64 {
        self.server_end_ns + self.arrival.back_ns.0
    }

    pub(crate) fn gateway_end_ns(&self) -> u64 {
        self.client_end_ns() + self.arrival.back_ns.1
    }

    /// Length of the outermost span, ns.
    pub(crate) fn outer_ns(&self) -> u64 {
        self.gateway_end_ns() - self.arrival.gateway_ns
    }

    /// Length of the serving span, ns.
    pub(crate) fn serving_ns(&self) -> u64 {
        self.server_end_ns - self.arrival.server_ns
    }
}

/// Nearest-rank percentile of durations, ns; 0 of none.
pub(crate) fn percentile(mut values: Vec<u64>, percent: f64) -> u64 {
    values.sort_unstable();
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}
