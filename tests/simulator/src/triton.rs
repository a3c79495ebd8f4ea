//! A Triton server: a dynamic batcher with preferred sizes and a queue delay in front of one or
//! more instances of a model, alone or behind a preprocessing model in an ensemble.

use std::collections::VecDeque;

use crate::conditions::Conditions;
use crate::device::Gpu;
use crate::encoder::{Encoder, Executor};
use crate::faults::RuntimeFaults;
use crate::kernels::{Kernels, Library};
use crate::load::{Load, Way};
use crate::pytorch::request_of;
use crate::random::Random;
use crate::rank::{Identity, Rank};
use crate::recording::{Member, Step};
use crate::served::{Execution, Metric, Run, Sample, Served, Stages};

/// Time between samples of the metrics, ns.
const METRICS_EVERY_NS: u64 = 500_000_000;

const METRICS: &[Metric] = &[
    Metric { name: "nv_inference_request_success", is_counter: true },
    Metric { name: "nv_inference_count", is_counter: true },
    Metric { name: "nv_inference_exec_count", is_counter: true },
    Metric { name: "nv_inference_request_duration_us", is_counter: true },
    Metric { name: "nv_inference_queue_duration_us", is_counter: true },
    Metric { name: "nv_inference_compute_infer_duration_us", is_counter: true },
    Metric { name: "nv_inference_pending_request_count", is_counter: false },
];

/// Settings of the server and its load.
#[derive(Debug, Clone)]
pub(crate) struct Triton {
    pub(crate) gpu: Gpu,
    pub(crate) encoder: Encoder,
    pub(crate) max_batch: usize,
    pub(crate) preferred: Vec<usize>,
    pub(crate) queue_delay_ns: u64,
    pub(crate) instances: usize,
    /// A preprocessing model on the CPU comes first.
    pub(crate) is_ensemble: bool,
    pub(crate) load: Load,
    pub(crate) way: Way,
    pub(crate) faults: RuntimeFaults,
    pub(crate) conditions: Conditions,
    pub(crate) base_ns: u64,
}

/// A request in front of the batcher.
#[derive(Debug, Clone, Copy)]
struct Queued {
    request: usize,
    queued_ns: u64,
}

/// A batch that an instance executed.
struct Batch {
    members: Vec<Queued>,
    start_ns: u64,
    input_end_ns: u64,
    output_start_ns: u64,
    end_ns: u64,
}

impl Triton {
    /// Serves all requests. `noise_seed` changes the noise but not who asks for what.
    pub(crate) fn run(&self, load_seed: u64, noise_seed: u64) -> Run {
        let arrivals = self.load.arrivals(load_seed, &self.way);
        let mut fronts = Random::for_purpose(load_seed, "front end");
        let mut preprocessing = Vec::new();
        let mut queue: Vec<Queued> = Vec::new();
        for (request, arrival) in arrivals.iter().enumerate() {
            let start_ns =
                arrival.server_ns + arrival.frontend_ns + fronts.log_normal(150_000.0, 0.2) as u64;
            let cpu_ns = fronts.log_normal(420_000.0, 0.2) as u64;
            let queued_ns = if self.is_ensemble { start_ns + 30_000 + cpu_ns } else { start_ns };
            preprocessing.push((start_ns, cpu_ns));
            queue.push(Queued { request, queued_ns: queued_ns + 7_000 });
        }
        queue.sort_by_key(|q| q.queued_ns);
        let (ranks, batches) = self.execute_all(queue.into(), &arrivals, noise_seed);
        let mut executions = vec![Vec::new(); arrivals.len()];
        for batch in &batches {
            for member in &batch.members {
                let (start_ns, cpu_ns) = preprocessing[member.request];
                if self.is_ensemble {
                    executions[member.request].push(preprocess(start_ns, cpu_ns));
                }
                executions[member.request].push(Execution {
                    model: self.encoder.model.name,
                    request_start_ns: member.queued_ns - 7_000,
                    queue_start_ns: member.queued_ns,
                    compute_start_ns: batch.start_ns,
                    compute_input_end_ns: batch.input_end_ns,
                    compute_output_start_ns: batch.output_start_ns,
                    compute_end_ns: batch.end_ns,
                    request_end_ns: batch.end_ns + fronts.log_normal(110_000.0, 0.3) as u64,
                });
            }
        }
        let served: Vec<Served> = arrivals
            .into_iter()
            .zip(executions)
            .map(|(arrival, executions)| {
                let done_ns = executions.last().map_or(0, |e| e.request_end_ns);
                Served {
                    arrival,
                    server_end_ns: done_ns + fronts.log_normal(40_000.0, 0.3) as u64,
                    stages: Stages::Triton(executions),
                }
            })
            .collect();
        let samples = samples(&served, &batches);
        let mut recordings = Vec::new();
        let mut conditions = Vec::new();
        for (at, rank) in ranks.into_iter().enumerate() {
            let (mut recording, its_conditions) = rank.into_parts();
            if at == 0 {
                recording.requests = served.iter().map(request_of).collect();
                conditions.push(its_conditions);
            }
            recordings.push(recording);
        }
        recordings[0].steps =
            batches.iter().enumerate().map(|(at, b)| step(at, b, &served)).collect();
        let labels = format!("model=\"{}\",version=\"1\"", self.encoder.model.name);
        Run { recordings, conditions, served, metrics: METRICS.to_vec(), samples, labels }
    }

    fn execute_all(
        &self,
        mut coming: VecDeque<Queued>,
        arrivals: &[crate::load::Arrival],
        noise_seed: u64,
    ) -> (Vec<Rank>, Vec<Batch>) {
        let mut executor = Executor {
            kernels: Kernels { gpu: self.gpu, library: Library::TensorRt },
            random: Random::for_purpose(noise_seed, "executor"),
            n_executions: 0,
            compile_every: self
                .faults
                .compilations
                .map_or(1, |c| (self.load.n_requests as u64 / u64::from(c.0.max(1))).max(1)),
        };
        let mut ranks: Vec<Rank> = (0..self.instances as u32)
            .map(|instance| {
                let who = Identity {
                    pid: 6_005,
                    tid: 6_436 + instance,
                    process_name: "tritonserver",
                    device: 0,
                    rank: None,
                    base_ns: self.base_ns,
                };
                let purpose = format!("instance {instance}");
                let random = Random::for_purpose(noise_seed, &purpose);
                let mut rank = Rank::new(random, self.gpu, self.conditions.clone(), &who);
                rank.number_from(instance * 1_000_000);
                rank
            })
            .collect();
        let mut batches = Vec::new();
        let mut waiting: VecDeque<Queued> = VecDeque::new();
        while !(coming.is_empty() && waiting.is_empty()) {
            let at = (0..ranks.len()).min_by_key(|&at| ranks[at].now_ns()).unwrap_or(0);
            let start_ns = self.next_batch_ns(ranks[at].now_ns(), &mut waiting, &mut coming);
            let size = self.batch_size(waiting.len());
            let members: Vec<Queued> = waiting.drain(..size).collect();
            // Kernels of all instances share the multiprocessors: one batch after the other.
            let shared_ns = ranks.iter().map(device_ready_ns).max().unwrap_or(0);
            let rank = &mut ranks[at];
            let stream = 7 + 2 * at as u32;
            rank.stream_waits_until(stream, shared_ns);
            rank.host_waits_until(start_ns + 6_000);
            let start_ns = rank.now_ns();
            let sequences: Vec<u64> = members.iter().map(|m| arrivals[m.request].prompt).collect();
            let mut input_end_ns = 0;
            rank.annotated("triton_execute".to_owned(), |rank| {
                rank.host_works(42_000.0 + self.faults.step_delay_ns);
                input_end_ns = rank.now_ns() + 50_000;
                let offset = 2 * at as u32;
                self.encoder.execute(rank, &mut executor, &self.faults, &sequences, offset);
            });
            let output_start_ns = rank.now_ns();
            rank.host_works(34_000.0);
            let end_ns = rank.now_ns();
            rank.host_works(25_000.0);
            batches.push(Batch { members, start_ns, input_end_ns, output_start_ns, end_ns });
        }
        (ranks, batches)
    }

    /// When an instance that is free at `free_ns` gets its next batch; the requests that are there
    /// by then have been taken in.
    fn next_batch_ns(
        &self,
        free_ns: u64,
        waiting: &mut VecDeque<Queued>,
        coming: &mut VecDeque<Queued>,
    ) -> u64 {
        let mut now_ns = free_ns;
        loop {
            while let Some(next) = coming.front()
                && next.queued_ns <= now_ns
            {
                waiting.extend(coming.pop_front());
            }
            let enough = self.preferred.last().copied().unwrap_or(self.max_batch);
            if waiting.len() >= enough.min(self.max_batch) {
                return now_ns;
            }
            let Some(first) = waiting.front() else {
                match coming.front() {
                    Some(next) => now_ns = next.queued_ns,
                    None => return now_ns,
                }
                continue;
            };
            let deadline_ns = first.queued_ns + self.queue_delay_ns;
            if now_ns >= deadline_ns {
                return now_ns;
            }
            let next_ns = coming.front().map_or(u64::MAX, |next| next.queued_ns);
            now_ns = deadline_ns.min(next_ns);
        }
    }

    /// The largest preferred size that fits, otherwise all that wait.
    fn batch_size(&self, n_waiting: usize) -> usize {
        let fits = self.preferred.iter().copied().filter(|size| *size <= n_waiting).max();
        fits.unwrap_or(n_waiting).min(self.max_batch).min(n_waiting)
    }
}

fn device_ready_ns(rank: &Rank) -> u64 {
    (0..4).map(|at| rank.stream_ready_ns(7 + 2 * at)).max().unwrap_or(0)
}

fn preprocess(start_ns: u64, cpu_ns: u64) -> Execution {
    Execution {
        model: "preprocess",
        request_start_ns: start_ns,
        queue_start_ns: start_ns + 5_000,
        compute_start_ns: start_ns + 12_000,
        compute_input_end_ns: start_ns + 15_000,
        compute_output_start_ns: start_ns + cpu_ns - 6_000,
        compute_end_ns: start_ns + cpu_ns,
        request_end_ns: start_ns + cpu_ns + 15_000,
    }
}

fn step(at: usize, batch: &Batch, served: &[Served]) -> Step {
    let member = |queued: &Queued| Member {
        request: queued.request,
        own_tokens: served[queued.request].arrival.prompt as u32,
        computed_tokens: 0,
        is_prefill: true,
    };
    Step {
        step_id: at as u64,
        start_ns: batch.start_ns,
        duration_ns: batch.end_ns - batch.start_ns,
        members: batch.members.iter().map(member).collect(),
    }
}

fn samples(served: &[Served], batches: &[Batch]) -> Vec<Sample> {
    let end_ns = served.iter().map(|s| s.server_end_ns).max().unwrap_or(0);
    let first_ns = served.iter().map(|s| s.arrival.server_ns).min().unwrap_or(0);
    let model = |s: &Served| match &s.stages {
        Stages::Triton(executions) => executions.last().cloned(),
        _ => None,
    };
    let mut samples = Vec::new();
    let mut at_ns = first_ns + METRICS_EVERY_NS / 5;
    while at_ns < end_ns + METRICS_EVERY_NS {
        let done: Vec<Execution> =
            served.iter().filter_map(model).filter(|e| e.request_end_ns <= at_ns).collect();
        let sum_us = |of: &dyn Fn(&Execution) -> u64| done.iter().map(of).sum::<u64>() as f64 / 1e3;
        let n_batches = batches.iter().filter(|b| b.end_ns <= at_ns).count();
        let pending = served
            .iter()
            .filter_map(model)
            .filter(|e| e.queue_start_ns <= at_ns && at_ns < e.compute_start_ns)
            .count();
        samples.push(Sample {
            at_ns,
            values: vec![
                done.len() as f64,
                done.len() as f64,
                n_batches as f64,
                sum_us(&|e| e.request_end_ns - e.request_start_ns).round(),
                sum_us(&|e| e.compute_start_ns - e.queue_start_ns).round(),
                sum_us(&|e| e.compute_output_start_ns - e.compute_input_end_ns).round(),
                pending as f64,
            ],
        });
        at_ns += METRICS_EVERY_NS;
    }
    samples
}
