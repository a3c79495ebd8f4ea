//! A continuous-batching server in the manner of vLLM: chunked prefill, decode through CUDA
//! graphs, sampling outside the graph, one step after another.

use crate::llm::{Batch, Model};
use crate::machine::Machine;
use crate::recording::{CopyKind, Member, Request, Step};

/// Stream that the engine computes on.
pub(crate) const COMPUTE_STREAM: u32 = 7;
/// Stream for copies that overlap with it.
const COPY_STREAM: u32 = 17;

/// Settings of the engine and its load.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) model: Model,
    /// Most tokens per step.
    pub(crate) max_batched_tokens: u32,
    /// Most requests per step.
    pub(crate) max_requests: usize,
    /// Mean time between arrivals, ns.
    pub(crate) arrival_gap_ns: f64,
    /// Requests to serve.
    pub(crate) n_requests: usize,
    /// Prompt lengths, tokens.
    pub(crate) prompt_tokens: (u64, u64),
    /// Answer lengths, tokens.
    pub(crate) output_tokens: (u64, u64),
    /// Decode steps are launched as graphs.
    pub(crate) uses_graphs: bool,
}

#[derive(Debug, Clone)]
struct Active {
    request: usize,
    prompt: u32,
    output: u32,
    computed: u32,
    produced: u32,
}

impl Active {
    fn own_tokens(&self, budget: u32) -> u32 {
        if self.computed < self.prompt { (self.prompt - self.computed).min(budget) } else { 1 }
    }
}

impl Engine {
    /// Serves all requests.
    pub(crate) fn run(&self, machine: &mut Machine) {
        let mut waiting = self.arrivals(machine);
        waiting.reverse();
        let mut running: Vec<Active> = Vec::new();
        let mut step_id = 0;
        while !(waiting.is_empty() && running.is_empty()) {
            while running.len() < self.max_requests
                && waiting.last().is_some_and(|a| self.arrival_ns(machine, a) <= machine.now_ns())
            {
                running.extend(waiting.pop());
            }
            if running.is_empty() {
                let next_ns = waiting.last().map_or(0, |a| self.arrival_ns(machine, a));
                machine.host_waits_until(next_ns + 50_000);
                continue;
            }
            self.step(machine, step_id, &mut running);
            step_id += 1;
        }
    }

    fn arrivals(&self, machine: &mut Machine) -> Vec<Active> {
        let mut at_ns = machine.now_ns() as f64;
        (0..self.n_requests)
            .map(|request| {
                let random = machine.random();
                at_ns += random.exponential(self.arrival_gap_ns);
                let trace_id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
                let span_id = random.next_u64() | 1;
                let prompt = random.between(self.prompt_tokens.0, self.prompt_tokens.1) as u32;
                let output = random.between(self.output_tokens.0, self.output_tokens.1) as u32;
                machine.recording().requests.push(Request {
                    trace_id,
                    span_id,
                    id: format!("cmpl-{span_id:016x}"),
                    arrival_ns: at_ns as u64,
                    end_ns: at_ns as u64,
                });
                Active { request, prompt, output: output.max(1), computed: 0, produced: 0 }
            })
            .collect()
    }

    fn arrival_ns(&self, machine: &mut Machine, active: &Active) -> u64 {
        machine.recording().requests[active.request].arrival_ns
    }

    fn step(&self, machine: &mut Machine, step_id: u64, running: &mut Vec<Active>) {
        let start_ns = machine.now_ns();
        machine.host_works(90_000.0 + 2_500.0 * running.len() as f64);
        let members = self.schedule(running);
        let batch = batch_of(&members, running);
        let label = label_of(&members);
        machine.annotated(label, |machine| {
            machine.copy(COMPUTE_STREAM, CopyKind::PinnedToDevice, 8 * batch.tokens);
            machine.copy(
                COMPUTE_STREAM,
                CopyKind::PinnedToDevice,
                4 * batch.context_tokens / 16 + 64,
            );
            let forward = self.model.forward(batch);
            if self.uses_graphs && !batch.has_prefill {
                machine.launch_graph(COMPUTE_STREAM, batch.requests as u32, &forward);
            } else {
                for work in &forward {
                    machine.launch(COMPUTE_STREAM, work, 2_600.0);
                }
            }
        });
        for work in &self.model.sample(batch.requests) {
            machine.launch(COMPUTE_STREAM, work, 6_000.0);
        }
        machine.stream_waits_until(COPY_STREAM, machine.stream_ready_ns(COMPUTE_STREAM));
        machine.copy(COPY_STREAM, CopyKind::DeviceToPinned, 8 * batch.requests);
        machine.synchronize(COPY_STREAM);
        self.finish(machine, running, &members);
        let duration_ns = machine.now_ns() - start_ns;
        machine.recording().steps.push(Step { step_id, start_ns, duration_ns, members });
    }

    fn schedule(&self, running: &[Active]) -> Vec<Member> {
        let mut budget = self.max_batched_tokens;
        let mut members = Vec::new();
        let decodes_first = running
            .iter()
            .filter(|a| a.computed >= a.prompt)
            .chain(running.iter().filter(|a| a.computed < a.prompt));
        for active in decodes_first {
            let own_tokens = active.own_tokens(budget);
            if own_tokens == 0 || own_tokens > budget {
                continue;
            }
            budget -= own_tokens;
            members.push(Member {
                request: active.request,
                own_tokens,
                computed_tokens: active.computed,
                is_prefill: active.computed < active.prompt,
            });
        }
        members
    }

    fn finish(&self, machine: &mut Machine, running: &mut Vec<Active>, members: &[Member]) {
        let now_ns = machine.now_ns();
        for member in members {
            let Some(active) = running.iter_mut().find(|a| a.request == member.request) else {
                continue;
            };
            active.computed += member.own_tokens;
            if active.computed >= active.prompt {
                active.produced += 1;
            }
            if active.produced >= active.output {
                machine.recording().requests[member.request].end_ns = now_ns;
            }
        }
        running.retain(|a| a.produced < a.output);
    }
}

fn batch_of(members: &[Member], running: &[Active]) -> Batch {
    let tokens = members.iter().map(|m| u64::from(m.own_tokens)).sum();
    let context_tokens = members.iter().map(|m| u64::from(m.own_tokens + m.computed_tokens)).sum();
    Batch {
        tokens,
        context_tokens,
        has_prefill: members.iter().any(|m| m.is_prefill),
        requests: members.len().min(running.len()) as u64,
    }
}

/// vLLM's step label: requests and tokens in prefill, then in decode.
fn label_of(members: &[Member]) -> String {
    let count = |is_prefill: bool| {
        let of_kind = members.iter().filter(|m| m.is_prefill == is_prefill);
        of_kind.fold((0, 0), |(n, tokens), m| (n + 1, tokens + m.own_tokens))
    };
    let ((n_context, context), (n_generation, generation)) = (count(true), count(false));
    format!("execute_context_{n_context}({context})_generation_{n_generation}({generation})")
}
