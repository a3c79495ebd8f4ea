//! Continuous batching in the manner of vLLM, in real time: chunked prefill launched kernel by
//! kernel, decode through CUDA graphs, sampling, one step after another.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Cuda, CudaError, Function, Graph, LaunchShape, Stream, Transfer};
use underspan_simulator::{Batch, Random, Work};

use super::hook::{Arrival, Hook, Member};
use super::pace;
use super::scenario::Settings;
use super::spans::{Exporter, RequestSpan};

/// Context that decode graphs are made for, tokens of each request.
const GRAPH_CONTEXT: u64 = 600;
/// Bus rates, bytes per ns.
const PINNED_RATE: f64 = 52.0;
const PAGEABLE_RATE: f64 = 9.0;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    pub(super) n_requests: u64,
    pub(super) n_steps: u64,
}

/// The engine.
pub(super) struct Engine {
    cuda: Cuda,
    settings: Settings,
    random: Random,
    compute: Stream,
    copies: Stream,
    functions: HashMap<String, Function>,
    graphs: HashMap<u64, Graph>,
    hook: Option<Hook>,
    exporter: Exporter,
    started: Instant,
    duration: Duration,
    n_arrivals: u64,
    served: Served,
    finished: Vec<String>,
}

struct Request {
    span: RequestSpan,
    arrived: Instant,
    prompt: u32,
    output: u32,
    computed: u32,
    produced: u32,
    has_uploaded: bool,
}

impl Engine {
    pub(super) fn new(cuda: Cuda, settings: Settings, seed: u64) -> Result<Self, CudaError> {
        Ok(Self {
            compute: cuda.stream()?,
            copies: cuda.stream()?,
            cuda,
            settings,
            random: Random::new(seed ^ u64::from(std::process::id()) << 32),
            functions: HashMap::new(),
            graphs: HashMap::new(),
            hook: Hook::find(),
            exporter: Exporter::from_environment(),
            started: Instant::now(),
            duration: Duration::ZERO,
            n_arrivals: 0,
            served: Served::default(),
            finished: Vec::new(),
        })
    }

    /// Takes requests for `duration`, and answers those that came.
    pub(super) fn serve(mut self, duration: Duration) -> Result<Served, CudaError> {
        if self.settings.uses_graphs {
            for n_requests in [1, 2, 4, 8, 16] {
                self.capture(n_requests)?;
            }
        }
        self.started = Instant::now();
        self.duration = duration;
        let mut next_arrival = self.started;
        let mut waiting: Vec<Request> = Vec::new();
        let mut running: Vec<Request> = Vec::new();
        loop {
            let now = Instant::now();
            let is_open = now.duration_since(self.started) < duration;
            while is_open && next_arrival <= now {
                waiting.push(self.arrival(next_arrival));
                let gap = self.random.exponential(self.settings.arrival_gap.as_secs_f64());
                next_arrival += Duration::from_secs_f64(gap);
            }
            let free = self.settings.max_requests - running.len();
            running.extend(waiting.drain(..free.min(waiting.len())));
            if running.is_empty() {
                if !is_open {
                    return Ok(self.served);
                }
                pace::sleep_until(next_arrival);
                continue;
            }
            self.step(&mut running)?;
        }
    }

    fn arrival(&mut self, arrived: Instant) -> Request {
        self.n_arrivals += 1;
        let settings = &self.settings;
        let (low, high) = settings.prompt_tokens;
        let mut prompt = self.random.between(low, high) as u32;
        if let Some((every, tokens)) = settings.long_prompt
            && self.n_arrivals.is_multiple_of(every)
        {
            prompt = tokens;
        }
        let (low, high) = settings.output_tokens;
        let output = self.random.between(low, high).max(1) as u32;
        let trace_id =
            u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        let (parent_id, span_id) = (self.random.next_u64() | 1, self.random.next_u64() | 1);
        let request = format!("cmpl-{span_id:016x}-0");
        let since = Instant::now().saturating_duration_since(arrived);
        let start_ns = realtime_ns().saturating_sub(nanos(since));
        if let Some(hook) = self.hook {
            let monotonic_ns = monotonic_ns();
            hook.arrived(&Arrival {
                id: &request,
                traceparent: &format!("00-{trace_id:032x}-{parent_id:016x}-01"),
                realtime_ns: realtime_ns(),
                monotonic_ns,
                received_ns: monotonic_ns.saturating_sub(nanos(since)),
            });
        }
        let span = RequestSpan {
            trace_id,
            span_id,
            parent_id,
            request,
            start_ns,
            scheduled_ns: 0,
            first_token_ns: 0,
            end_ns: 0,
            prompt_tokens: prompt,
            output_tokens: output,
        };
        Request { span, arrived, prompt, output, computed: 0, produced: 0, has_uploaded: false }
    }

    fn step(&mut self, running: &mut Vec<Request>) -> Result<(), CudaError> {
        pace::work(Duration::from_nanos(90_000 + 2_500 * running.len() as u64));
        let scheduled = self.schedule(running);
        let step = self.served.n_steps;
        let members: Vec<Member> = scheduled
            .iter()
            .filter_map(|(at, own_tokens)| {
                let request = running.get(*at)?;
                Some(Member {
                    id: request.span.request.clone(),
                    prompt_tokens: request.prompt,
                    own_tokens: *own_tokens,
                    computed_tokens: request.computed,
                })
            })
            .collect();
        let finished = std::mem::take(&mut self.finished);
        if let Some(hook) = self.hook {
            hook.begin(step, &members, &finished);
        }
        self.upload(running, &scheduled)?;
        self.forward(&members)?;
        if let Some(hook) = self.hook {
            hook.end(step);
        }
        self.cuda.wait_for(self.copies, self.compute)?;
        self.transfer(false, 8 * members.len() as u64, self.copies)?;
        self.cuda.synchronize(self.copies)?;
        self.served.n_steps += 1;
        self.account(running, &scheduled);
        Ok(())
    }

    /// Who computes how many tokens: decoding requests first, then prompts as far as they fit.
    fn schedule(&self, running: &[Request]) -> Vec<(usize, u32)> {
        let mut budget = self.settings.max_batched_tokens;
        let is_decoding = |request: &Request| request.computed >= request.prompt;
        let all = || running.iter().enumerate();
        let ordered = all()
            .filter(|(_, request)| is_decoding(request))
            .chain(all().filter(|(_, request)| !is_decoding(request)));
        let mut scheduled = Vec::new();
        for (at, request) in ordered {
            let wanted = if is_decoding(request) { 1 } else { request.prompt - request.computed };
            let own_tokens = wanted.min(budget);
            if own_tokens > 0 {
                budget -= own_tokens;
                scheduled.push((at, own_tokens));
            }
        }
        scheduled
    }

    fn upload(
        &mut self,
        running: &mut [Request],
        scheduled: &[(usize, u32)],
    ) -> Result<(), CudaError> {
        let bytes = self.settings.upload_bytes;
        for (at, _) in scheduled {
            let Some(request) = running.get_mut(*at) else { continue };
            if request.span.scheduled_ns == 0 {
                request.span.scheduled_ns = realtime_ns();
            }
            if bytes > 0 && !std::mem::replace(&mut request.has_uploaded, true) {
                let transfer = Transfer { to_device: true, is_pageable: true, bytes };
                let duration_ns = 1_100 + (bytes as f64 / PAGEABLE_RATE) as u64;
                self.cuda.copy(transfer, self.compute, duration_ns)?;
            }
        }
        Ok(())
    }

    fn forward(&mut self, members: &[Member]) -> Result<(), CudaError> {
        let own: u64 = members.iter().map(|member| u64::from(member.own_tokens)).sum();
        let context: u64 = members
            .iter()
            .map(|member| u64::from(member.own_tokens + member.computed_tokens))
            .sum();
        let has_prefill =
            members.iter().any(|member| member.computed_tokens < member.prompt_tokens);
        let requests = members.len() as u64;
        self.transfer(true, 8 * own, self.compute)?;
        self.transfer(true, context / 4 + 64, self.compute)?;
        let size = requests.next_power_of_two();
        match self.graphs.get(&size).copied().filter(|_| !has_prefill && !self.is_slow()) {
            Some(graph) => self.cuda.launch_graph(graph, self.compute)?,
            None => {
                let batch = Batch { tokens: own, context_tokens: context, has_prefill, requests };
                self.launch_all(&self.settings.model.forward(batch))?;
            }
        }
        self.launch_all(&self.settings.model.sample(requests))
    }

    /// Makes the graph that decodes `n_requests`.
    fn capture(&mut self, n_requests: u64) -> Result<(), CudaError> {
        let batch = Batch {
            tokens: n_requests,
            context_tokens: n_requests * GRAPH_CONTEXT,
            has_prefill: false,
            requests: n_requests,
        };
        let mut launches = Vec::new();
        for work in self.settings.model.forward(batch) {
            let (function, shape) = self.launch_of(&work)?;
            launches.push((function, shape, work.duration_ns as u64));
        }
        let (cuda, stream) = (self.cuda, self.compute);
        let graph = cuda.graph(stream, || {
            launches.iter().try_for_each(|(function, shape, duration_ns)| {
                cuda.launch(*function, shape, stream, *duration_ns)
            })
        })?;
        self.graphs.insert(n_requests, graph);
        Ok(())
    }

    fn launch_all(&mut self, kernels: &[Work]) -> Result<(), CudaError> {
        let slower =
            if self.is_slow() { self.settings.slow_from.map_or(1.0, |(_, f)| f) } else { 1.0 };
        for work in kernels {
            pace::work(self.settings.host_per_launch);
            let (function, shape) = self.launch_of(work)?;
            let duration_ns = self.random.jitter(work.duration_ns * slower, 0.02);
            self.cuda.launch(function, &shape, self.compute, duration_ns)?;
        }
        Ok(())
    }

    fn launch_of(&mut self, work: &Work) -> Result<(Function, LaunchShape), CudaError> {
        let launch = &work.launch;
        let function = match self.functions.get(launch.name.as_ref()) {
            Some(function) => *function,
            None => {
                let function = self.cuda.function(&launch.name)?;
                self.functions.insert(launch.name.to_string(), function);
                function
            }
        };
        let shape = LaunchShape {
            grid: launch.grid,
            block: launch.block,
            shared_bytes: launch.shared_bytes,
            registers: launch.registers,
        };
        Ok((function, shape))
    }

    fn transfer(&self, to_device: bool, bytes: u64, stream: Stream) -> Result<(), CudaError> {
        let duration_ns = 1_100 + (bytes as f64 / PINNED_RATE) as u64;
        self.cuda.copy(Transfer { to_device, is_pageable: false, bytes }, stream, duration_ns)
    }

    fn is_slow(&self) -> bool {
        self.settings.slow_from.is_some_and(|(part, _)| {
            self.started.elapsed().as_secs_f64() >= part * self.duration.as_secs_f64()
        })
    }

    /// Books the tokens, and answers whoever has all of them.
    fn account(&mut self, running: &mut Vec<Request>, scheduled: &[(usize, u32)]) {
        let now_ns = realtime_ns();
        for (at, own_tokens) in scheduled {
            let Some(request) = running.get_mut(*at) else { continue };
            request.computed += own_tokens;
            if request.computed >= request.prompt {
                request.produced += 1;
                if request.produced == 1 {
                    request.span.first_token_ns = now_ns;
                }
            }
        }
        for mut request in running.extract_if(.., |request| request.produced >= request.output) {
            request.span.end_ns = request.span.start_ns + nanos(request.arrived.elapsed());
            self.finished.push(request.span.request.clone());
            self.served.n_requests += 1;
            self.exporter.export(request.span);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn realtime_ns() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// `CLOCK_MONOTONIC`, which is what [`Instant`] reads but does not tell.
fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}
