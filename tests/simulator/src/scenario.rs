//! The named runs that samples and tests are made of.

use crate::engine::{COMPUTE_STREAM, Engine};
use crate::llm::{Model, Precision};
use crate::machine::{Machine, Work};
use crate::plain::PlainServer;
use crate::recording::{Launch, Recording};

const SMALL_MODEL: Model = Model {
    layers: 8,
    hidden: 2_048,
    intermediate: 8_192,
    kv_width: 512,
    vocabulary: 32_000,
    precision: Precision::Bf16,
};

/// What a scenario produces: one recording per process.
pub type Output = Vec<Recording>;

/// A named run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Continuous batching with CUDA graphs and chunked prefill, nothing wrong.
    ContinuousBatching,
    /// A plain PyTorch server whose model runs in FP32 and uploads from pageable memory.
    EagerFp32,
    /// A plain PyTorch server that is bound by launches and waits after every layer.
    LaunchBound,
    /// Two tensor-parallel ranks of which one is slow.
    StragglerRank,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: &[Self] =
        &[Self::ContinuousBatching, Self::EagerFp32, Self::LaunchBound, Self::StragglerRank];

    /// The name used on the command line and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContinuousBatching => "continuous-batching",
            Self::EagerFp32 => "eager-fp32",
            Self::LaunchBound => "launch-bound",
            Self::StragglerRank => "straggler-rank",
        }
    }

    /// The scenario with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scenario| scenario.name() == name)
    }

    /// Runs it.
    pub fn run(self, seed: u64) -> Output {
        match self {
            Self::ContinuousBatching => vec![continuous_batching(seed)],
            Self::EagerFp32 => vec![plain(seed, eager_fp32())],
            Self::LaunchBound => vec![plain(seed, launch_bound())],
            Self::StragglerRank => straggler_rank(seed),
        }
    }
}

fn continuous_batching(seed: u64) -> Recording {
    let mut machine = Machine::new(seed, 5_000_000, 4_242, 0);
    Engine {
        model: SMALL_MODEL,
        max_batched_tokens: 512,
        max_requests: 16,
        arrival_gap_ns: 2_500_000.0,
        n_requests: 14,
        prompt_tokens: (60, 700),
        output_tokens: (12, 40),
        uses_graphs: true,
    }
    .run(&mut machine);
    machine.into_recording()
}

fn plain(seed: u64, server: PlainServer) -> Recording {
    let mut machine = Machine::new(seed, 5_000_000, 5_151, 0);
    server.run(&mut machine);
    machine.into_recording()
}

fn eager_fp32() -> PlainServer {
    PlainServer {
        model: Model { precision: Precision::Fp32, ..SMALL_MODEL },
        tokens: 384,
        upload_bytes: 24 << 20,
        uploads_pageable: true,
        arrival_gap_ns: 24_000_000.0,
        n_requests: 24,
        host_per_op_ns: 5_000.0,
        syncs_every: None,
    }
}

fn launch_bound() -> PlainServer {
    PlainServer {
        model: Model { hidden: 512, intermediate: 2_048, kv_width: 128, ..SMALL_MODEL },
        tokens: 16,
        upload_bytes: 16 << 10,
        uploads_pageable: false,
        arrival_gap_ns: 9_000_000.0,
        n_requests: 30,
        host_per_op_ns: 14_000.0,
        syncs_every: Some(10),
    }
}

/// Two ranks run the same layers; an all-reduce after each ends for both when the later arrives.
fn straggler_rank(seed: u64) -> Output {
    let mut ranks: Vec<Machine> = (0..2)
        .map(|rank| Machine::new(seed + rank, 5_000_000, 6_000 + rank as u32, rank as u32))
        .collect();
    let batch =
        crate::llm::Batch { tokens: 256, context_tokens: 256, has_prefill: true, requests: 4 };
    let layers = Model { layers: 1, ..SMALL_MODEL }.forward(batch);
    for step in 0..24 {
        let starts: Vec<u64> = ranks.iter().map(Machine::now_ns).collect();
        for _ in 0..SMALL_MODEL.layers {
            for (rank, machine) in ranks.iter_mut().enumerate() {
                for work in &layers {
                    let slow = if rank == 1 { 1.45 } else { 1.0 };
                    let work = Work { duration_ns: work.duration_ns * slow, ..work.clone() };
                    machine.launch(COMPUTE_STREAM, &work, 2_600.0);
                }
            }
            all_reduce(&mut ranks);
        }
        for (machine, start_ns) in ranks.iter_mut().zip(starts) {
            machine.synchronize(COMPUTE_STREAM);
            let duration_ns = machine.now_ns() - start_ns;
            let name = "execute_context_4(256)_generation_0(0)".to_owned();
            machine.recording().ranges.push(crate::recording::Range {
                name,
                start_ns,
                duration_ns,
                ..Default::default()
            });
            machine.recording().steps.push(crate::recording::Step {
                step_id: step,
                start_ns,
                duration_ns,
                members: Vec::new(),
            });
            machine.host_works(120_000.0);
        }
    }
    ranks
        .into_iter()
        .enumerate()
        .map(|(rank, machine)| Recording {
            rank: Some((rank as u32, 2)),
            ..machine.into_recording()
        })
        .collect()
}

fn all_reduce(ranks: &mut [Machine]) {
    let both_ready_ns = ranks.iter().map(|m| m.stream_ready_ns(COMPUTE_STREAM)).max().unwrap_or(0);
    for machine in ranks {
        let waited = both_ready_ns - machine.stream_ready_ns(COMPUTE_STREAM);
        let launch = Launch {
            name: "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"
                .into(),
            grid: [8, 1, 1],
            block: [512, 1, 1],
            registers: 96,
            shared_bytes: 0,
        };
        let work = Work {
            launch,
            duration_ns: 14_000.0 + waited as f64,
            op: "nccl:all_reduce",
            input_types: "[\"c10::BFloat16\"]",
        };
        machine.launch(COMPUTE_STREAM, &work, 3_000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_deterministic_and_named() {
        for &scenario in Scenario::ALL {
            assert_eq!(Scenario::from_name(scenario.name()), Some(scenario));
            let (a, b) = (scenario.run(1), scenario.run(1));
            assert_eq!(a, b, "{}", scenario.name());
            assert_ne!(a, scenario.run(2), "{}: the seed matters", scenario.name());
        }
    }

    #[test]
    fn streams_run_one_kernel_at_a_time_after_its_launch() {
        for &scenario in Scenario::ALL {
            for recording in scenario.run(3) {
                let mut ready = std::collections::HashMap::new();
                for kernel in &recording.kernels {
                    let call = recording
                        .api_calls
                        .iter()
                        .find(|c| c.correlation == kernel.correlation)
                        .expect("every kernel has a call");
                    assert!(call.start_ns < kernel.start_ns);
                    let ready = ready.entry(kernel.stream).or_insert(0);
                    assert!(*ready <= kernel.start_ns, "{}", scenario.name());
                    *ready = kernel.start_ns + kernel.duration_ns;
                }
            }
        }
    }

    #[test]
    fn every_request_ends_after_it_arrived() {
        let recording = &Scenario::ContinuousBatching.run(1)[0];
        assert_eq!(recording.requests.len(), 14);
        assert!(recording.requests.iter().all(|r| r.end_ns > r.arrival_ns));
        let produced: usize = recording.steps.iter().map(|s| s.members.len()).sum();
        assert!(produced > 14 * 12);
    }
}
