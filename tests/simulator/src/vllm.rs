//! A continuous-batching server in the manner of vLLM's V1 engine: one scheduler, chunked
//! prefill, a paged KV cache with prefix reuse and preemption by recomputation, CUDA graphs for
//! decode steps, graphs in pieces around attention for mixed ones, tensor parallelism.

use crate::conditions::Conditions;
use crate::device::Gpu;
use crate::faults::RuntimeFaults;
use crate::kernels::{Kernels, Library, Streaming};
use crate::load::{Load, Way};
use crate::model::{Model, Pass, Precision};
use crate::random::Random;
use crate::rank::{Identity, Rank, Work};
use crate::recording::{CopyKind, Member, Request, Step};
use crate::scheduler::{Scheduled, Scheduler};
use crate::served::{Metric, Run, Sample, Served, Stages};

/// Stream that the engine computes on.
const COMPUTE: u32 = 7;
/// Stream of uploads that overlap with it.
const UPLOAD: u32 = 20;
/// Time between samples of the metrics, ns.
const METRICS_EVERY_NS: u64 = 100_000_000;

const METRICS: &[Metric] = &[
    Metric { name: "vllm:num_requests_running", is_counter: false },
    Metric { name: "vllm:num_requests_waiting", is_counter: false },
    Metric { name: "vllm:kv_cache_usage_perc", is_counter: false },
    Metric { name: "vllm:prefix_cache_queries", is_counter: true },
    Metric { name: "vllm:prefix_cache_hits", is_counter: true },
    Metric { name: "vllm:num_preemptions", is_counter: true },
    Metric { name: "vllm:prompt_tokens", is_counter: true },
    Metric { name: "vllm:generation_tokens", is_counter: true },
    Metric { name: "vllm:request_success", is_counter: true },
];

/// Settings of the server and its load.
#[derive(Debug, Clone)]
pub(crate) struct Vllm {
    pub(crate) gpu: Gpu,
    pub(crate) model: Model,
    pub(crate) precision: Precision,
    pub(crate) max_num_seqs: usize,
    pub(crate) max_batched_tokens: u64,
    pub(crate) is_eager: bool,
    /// Sizes that graphs were captured for, ascending.
    pub(crate) graph_sizes: Vec<u64>,
    pub(crate) kv_tokens: u64,
    pub(crate) caches_prefixes: bool,
    /// Host time of one eager operator besides its launch, ns.
    pub(crate) host_per_op_ns: f64,
    pub(crate) load: Load,
    pub(crate) way: Way,
    pub(crate) faults: RuntimeFaults,
    /// One per rank.
    pub(crate) conditions: Vec<Conditions>,
    pub(crate) base_ns: u64,
}

/// One run in progress.
struct Serving<'a> {
    settings: &'a Vllm,
    kernels: Kernels,
    ranks: Vec<Rank>,
    random: Random,
    n_steps: u64,
    n_uploaded: usize,
    compilations_left: u32,
}

impl Vllm {
    /// Serves all requests. `noise_seed` changes the noise but not who asks for what.
    pub(crate) fn run(&self, load_seed: u64, noise_seed: u64) -> Run {
        let arrivals = self.load.arrivals(load_seed, &self.way);
        let n_ranks = self.conditions.len() as u32;
        let ranks = self
            .conditions
            .iter()
            .enumerate()
            .map(|(rank, conditions)| {
                let who = Identity {
                    pid: 6_001 + 2 * rank as u32,
                    tid: 6_001 + 2 * rank as u32,
                    process_name: if n_ranks > 1 { "VLLM::Worker_TP" } else { "VLLM::EngineCore" },
                    device: rank as u32,
                    rank: (n_ranks > 1).then_some((rank as u32, n_ranks)),
                    base_ns: self.base_ns,
                };
                let random = Random::for_purpose(noise_seed, &format!("rank {rank}"));
                let mut conditions = conditions.clone();
                self.slow_straggler(rank, &mut conditions);
                Rank::new(random, self.gpu, conditions, &who)
            })
            .collect();
        let mut serving = Serving {
            settings: self,
            kernels: Kernels { gpu: self.gpu, library: Library::Vllm },
            ranks,
            random: Random::for_purpose(noise_seed, "engine"),
            n_steps: 0,
            n_uploaded: 0,
            compilations_left: self.faults.compilations.map_or(0, |c| c.0),
        };
        let mut fronts = Random::for_purpose(load_seed, "front end");
        let queued_ns: Vec<u64> = arrivals
            .iter()
            .map(|a| {
                let own_ns = fronts.log_normal(220_000.0, 0.3) + 60.0 * a.prompt as f64;
                a.server_ns + a.frontend_ns + own_ns as u64
            })
            .collect();
        let mut scheduler = Scheduler::new(self, &arrivals, &queued_ns);
        let samples = serving.serve_all(&mut scheduler);
        let finished = scheduler.into_finished();
        let served: Vec<Served> = arrivals
            .into_iter()
            .zip(&queued_ns)
            .zip(finished)
            .map(|((arrival, &queued_ns), done)| Served {
                arrival,
                server_end_ns: done.last_token_ns + fronts.log_normal(330_000.0, 0.3) as u64,
                stages: Stages::Llm {
                    queued_ns,
                    scheduled_ns: done.scheduled_ns,
                    first_token_ns: done.first_token_ns,
                    last_token_ns: done.last_token_ns,
                },
            })
            .collect();
        serving.finish(served, samples)
    }

    fn slow_straggler(&self, rank: usize, conditions: &mut Conditions) {
        let Some(straggler) = self.faults.straggler.filter(|s| s.rank == rank) else { return };
        if straggler.kernel_factor > 1.0 {
            let always = crate::conditions::Tenancy {
                start_ns: 0,
                end_ns: u64::MAX,
                slowdown: straggler.kernel_factor,
            };
            conditions.tenancies = vec![always];
        }
    }

    /// Rows that a pass of `tokens` is padded to, and how it is launched.
    pub(crate) fn launch_mode(&self, tokens: u64, has_prefill: bool) -> (u64, Mode) {
        let size = self.graph_sizes.iter().copied().find(|size| *size >= tokens);
        match size {
            Some(rows) if !self.is_eager && has_prefill => (rows, Mode::Pieces),
            Some(rows) if !self.is_eager => (rows, Mode::Graph),
            _ => (tokens, Mode::Eager),
        }
    }
}

/// How a forward pass is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One graph for all of it.
    Graph,
    /// Graphs around the attention kernels.
    Pieces,
    /// Kernel by kernel.
    Eager,
}

impl Serving<'_> {
    fn serve_all(&mut self, scheduler: &mut Scheduler<'_>) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut next_sample_ns = 0;
        while let Some(next_ns) = scheduler.next_work_ns(self.now_ns()) {
            for rank in &mut self.ranks {
                rank.host_waits_until(next_ns);
            }
            self.step(scheduler);
            let now_ns = self.now_ns();
            if now_ns >= next_sample_ns {
                samples.push(Sample { at_ns: now_ns, values: scheduler.gauges(now_ns) });
                next_sample_ns = now_ns + METRICS_EVERY_NS;
            }
        }
        let now_ns = self.now_ns() + 1_000_000;
        samples.push(Sample { at_ns: now_ns, values: scheduler.gauges(now_ns) });
        samples
    }

    fn now_ns(&self) -> u64 {
        self.ranks.iter().map(Rank::now_ns).max().unwrap_or(0)
    }

    fn step(&mut self, scheduler: &mut Scheduler<'_>) {
        let settings = self.settings;
        let start_ns = self.now_ns();
        let host_ns =
            self.random.log_normal(45_000.0 + 1_500.0 * scheduler.n_running() as f64, 0.2)
                + settings.faults.step_delay_ns * self.random.within(0.75, 1.25);
        let scheduled_ns = start_ns + host_ns as u64;
        let scheduled = scheduler.schedule(scheduled_ns);
        for (at, rank) in self.ranks.iter_mut().enumerate() {
            rank.host_waits_until(scheduled_ns);
            if let Some(straggler) = settings.faults.straggler.filter(|s| s.rank == at) {
                rank.host_works(straggler.host_delay_ns);
            }
        }
        let ranges: Vec<usize> =
            self.ranks.iter_mut().map(|rank| rank.begin_range(label(&scheduled.members))).collect();
        self.inputs(&scheduled);
        self.forward(&scheduled);
        for (rank, range) in self.ranks.iter_mut().zip(ranges) {
            rank.end_range(range);
        }
        self.sample_tokens(&scheduled);
        let end_ns = self.now_ns();
        for rank in &mut self.ranks {
            rank.host_waits_until(end_ns);
            rank.host_works(70_000.0);
        }
        let step = Step {
            step_id: self.n_steps,
            start_ns: scheduled_ns,
            duration_ns: end_ns - scheduled_ns,
            members: scheduled.members.clone(),
        };
        self.n_steps += 1;
        self.ranks[0].recording_mut().steps.push(step);
        scheduler.finish_step(&scheduled, end_ns);
    }

    /// Uploads of what the step needs, and what a fault adds to them.
    fn inputs(&mut self, scheduled: &Scheduled) {
        let faults = &self.settings.faults;
        let tokens: u64 = scheduled.members.iter().map(|m| u64::from(m.own_tokens)).sum();
        let new_prompts = &scheduled.started_prompts;
        for rank in &mut self.ranks {
            if let Some((count, ns)) = faults.allocations {
                for _ in 0..count {
                    rank.allocate("cudaMalloc", ns);
                }
            }
            rank.copy(COMPUTE, CopyKind::PinnedToDevice, 2_048);
            rank.host_works(16_000.0);
            rank.copy(COMPUTE, CopyKind::PinnedToDevice, 8 * tokens + 64);
            rank.host_works(16_000.0);
            for &prompt in new_prompts {
                if let Some(upload) = faults.upload {
                    upload_to(rank, &upload);
                }
                if let Some(transfer) = faults.transfer {
                    let bytes = (transfer.bytes_per_token * prompt as f64) as u64;
                    let kind = if transfer.is_peer {
                        CopyKind::PeerToPeer
                    } else {
                        CopyKind::PinnedToDevice
                    };
                    rank.annotated("start_load_kv".to_owned(), |rank| {
                        rank.copy_at_rate(COMPUTE, kind, bytes, transfer.rate);
                    });
                }
            }
        }
        self.n_uploaded += new_prompts.len();
        let index = self.kernels.stream(Streaming::Index, tokens, 64.0 * tokens as f64);
        self.launch_all(&index);
    }

    fn forward(&mut self, scheduled: &Scheduled) {
        let settings = self.settings;
        let tokens: u64 = scheduled.members.iter().map(|m| u64::from(m.own_tokens)).sum();
        let has_prefill = scheduled.members.iter().any(|m| m.own_tokens > 1 || m.is_prefill);
        let (rows, mode) = settings.launch_mode(tokens, has_prefill);
        let pass =
            Pass { rows, sequences: sequences(&scheduled.members), outputs: scheduled.n_outputs };
        if self.compilations_left > 0 {
            self.compile_now_and_then();
        }
        let n_ranks = self.ranks.len() as u64;
        let stretches =
            settings.model.decoder_stretches(&self.kernels, &settings.precision, &pass, n_ranks);
        match mode {
            Mode::Graph => {
                let works: Vec<Work> = stretches
                    .into_iter()
                    .flat_map(|(works, attention)| works.into_iter().chain(attention))
                    .collect();
                self.graph(rows as u32, &works);
            }
            Mode::Pieces => {
                for (at, (works, attention)) in stretches.iter().enumerate() {
                    self.graph(10_000 + 100 * rows as u32 + at as u32, works);
                    if let Some(attention) = attention {
                        self.launch_all(attention);
                    }
                }
            }
            Mode::Eager => {
                for (works, attention) in &stretches {
                    for work in works.iter().chain(attention) {
                        self.launch_all(work);
                    }
                }
            }
        }
    }

    /// Modules are loaded in steps spread over the run, as new shapes turn up.
    fn compile_now_and_then(&mut self) {
        let Some((count, ns)) = self.settings.faults.compilations else { return };
        let n_expected = self.settings.load.n_requests as u64 * 2;
        let every = (n_expected / u64::from(count.max(1))).max(1);
        if self.n_steps % every != every / 2 {
            return;
        }
        self.compilations_left -= 1;
        let ns = ns * self.random.within(0.8, 1.2);
        for rank in &mut self.ranks {
            rank.host_works(0.85 * ns);
            rank.host_call("cuModuleLoadData", 0.15 * ns);
        }
    }

    fn sample_tokens(&mut self, scheduled: &Scheduled) {
        let settings = self.settings;
        let outputs = scheduled.n_outputs.max(1);
        let n_ranks = self.ranks.len() as u64;
        let works = settings.model.sampling(&self.kernels, &settings.precision, outputs, n_ranks);
        for work in &works {
            self.launch_all(work);
        }
        for rank in &mut self.ranks {
            if let Some((count, ns)) = settings.faults.reads_back {
                for _ in 0..count {
                    rank.copy(COMPUTE, CopyKind::DeviceToPageable, 4);
                    rank.synchronize(COMPUTE);
                    rank.host_works(ns);
                }
                // What the host decided is applied with one more kernel.
                if let Some(last) = works.last() {
                    rank.launch(COMPUTE, last, settings.host_per_op_ns);
                }
            }
            if let Some((count, ns)) = settings.faults.allocations {
                for _ in 0..count {
                    rank.allocate("cudaFree", ns);
                }
            }
            rank.copy(COMPUTE, CopyKind::DeviceToPinned, 8 * outputs);
            rank.wait_for_event(COMPUTE);
        }
    }

    fn launch_all(&mut self, work: &Work) {
        let host_ns = self.settings.host_per_op_ns + self.settings.faults.launch_delay_ns;
        let open: Vec<_> =
            self.ranks.iter_mut().map(|rank| rank.launch_open(COMPUTE, work, host_ns)).collect();
        self.run_all(work, open);
    }

    fn graph(&mut self, id: u32, works: &[Work]) {
        let mut graphs: Vec<_> =
            self.ranks.iter_mut().map(|rank| rank.begin_graph(COMPUTE, id, works.len())).collect();
        for work in works {
            let open = self.ranks.iter_mut().zip(&mut graphs);
            let open = open.map(|(rank, graph)| rank.node(graph, work)).collect();
            self.run_all(work, open);
        }
    }

    /// Ends one open kernel per rank; a collective ends everywhere once the last rank is in it.
    fn run_all(&mut self, work: &Work, open: Vec<crate::recording::Kernel>) {
        let last_ns = open.iter().map(|kernel| kernel.start_ns).max().unwrap_or(0);
        let common_ns = self.ranks[0].time_of(work, last_ns);
        for (rank, kernel) in self.ranks.iter_mut().zip(open) {
            let end_ns = if work.is_collective {
                last_ns + common_ns
            } else {
                kernel.start_ns + rank.time_of(work, kernel.start_ns)
            };
            rank.run(kernel, end_ns);
        }
    }

    fn finish(self, served: Vec<Served>, samples: Vec<Sample>) -> Run {
        let mut recordings = Vec::new();
        let mut conditions = Vec::new();
        for rank in self.ranks {
            let (mut recording, its_conditions) = rank.into_parts();
            recording.requests = served.iter().map(request_of).collect();
            recordings.push(recording);
            conditions.push(its_conditions);
        }
        let labels = format!("engine=\"0\",model_name=\"{}\"", self.settings.model.name);
        Run { recordings, conditions, served, metrics: METRICS.to_vec(), samples, labels }
    }
}

fn upload_to(rank: &mut Rank, upload: &crate::faults::Upload) {
    let kind =
        if upload.is_pageable { CopyKind::PageableToDevice } else { CopyKind::PinnedToDevice };
    let stream = if upload.is_overlapped { UPLOAD } else { COMPUTE };
    rank.copy(stream, kind, upload.bytes);
}

fn request_of(served: &Served) -> Request {
    Request {
        trace_id: served.arrival.trace_id,
        span_id: served.arrival.span_ids[2],
        id: crate::spans::request_id(&served.arrival),
        arrival_ns: served.arrival.server_ns,
        end_ns: served.server_end_ns,
    }
}

/// Query and context tokens of every member.
pub(crate) fn sequences(members: &[Member]) -> Vec<(u64, u64)> {
    members
        .iter()
        .map(|m| (u64::from(m.own_tokens), u64::from(m.own_tokens) + u64::from(m.computed_tokens)))
        .collect()
}

/// vLLM's step label: requests and tokens in prefill, then in decode.
fn label(members: &[Member]) -> String {
    let count = |is_prefill: bool| {
        let of_kind = members.iter().filter(|m| m.is_prefill == is_prefill);
        of_kind.fold((0, 0), |(n, tokens), m| (n + 1, tokens + m.own_tokens))
    };
    let ((n_context, context), (n_generation, generation)) = (count(true), count(false));
    format!("execute_context_{n_context}({context})_generation_{n_generation}({generation})")
}
