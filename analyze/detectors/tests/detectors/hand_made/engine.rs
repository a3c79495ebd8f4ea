//! Engines made by hand: requests come, steps take what is there, the test says what a step does.

use underspan_model::tables::{
    MemcpyKind, Phase, Rung, Span, SpanAttribute, SpanKind, Step, StepKind, StepMember,
};
use underspan_model::{KernelShape, SourceId, span_facts};

use super::{MS, NARROW, Server, US, Work};

/// Multiprocessors of the devices here.
pub(crate) const N_SM: u32 = 132;

/// A request that somebody sends.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) at: i64,
    pub(crate) prompt: u32,
    /// Tokens of the prompt that need not be computed.
    pub(crate) cached: u32,
    pub(crate) answer: u32,
    /// Tokens of the answer that were lost and computed once more.
    pub(crate) lost: u32,
}

/// What a step holds.
pub(crate) struct Content {
    pub(crate) at: usize,
    pub(crate) start: i64,
    pub(crate) n_members: u64,
    pub(crate) n_decodes: u64,
    pub(crate) prompt_tokens: u64,
}

/// `n` requests that come every `apart` nanoseconds; `prompt` says how long each one's prompt is.
pub(crate) fn asked(n: i64, apart: i64, prompt: impl Fn(i64) -> u32) -> Vec<Asked> {
    let of = |at: i64| Asked {
        at: at * apart + at % 7 * 10 * US,
        prompt: prompt(at),
        cached: 0,
        answer: 20 + (at % 5) as u32,
        lost: 0,
    };
    (0..n).map(of).collect()
}

struct Running {
    request: usize,
    /// Tokens in the KV cache.
    held: u32,
    left: u32,
}

impl Server {
    /// An engine with continuous batching and room for everybody.
    pub(crate) fn continuous(asked: &[Asked], work: impl Fn(&mut Work<'_>, &Content)) -> Self {
        Self::iterating(asked, false, u32::MAX, work)
    }

    /// One that computes prompts first, in steps of their own, while all others wait.
    pub(crate) fn prompts_apart(asked: &[Asked], work: impl Fn(&mut Work<'_>, &Content)) -> Self {
        Self::iterating(asked, true, u32::MAX, work)
    }

    /// One whose KV cache holds so many tokens: who does not fit waits.
    pub(crate) fn with_kv_cache(
        asked: &[Asked],
        tokens: u32,
        work: impl Fn(&mut Work<'_>, &Content),
    ) -> Self {
        Self::with_untold_kv_cache(asked, tokens, work)
            .declare("engine.kv_cache_tokens", &tokens.to_string())
            .sample("vllm:kv_cache_usage_perc", |_| 0.97)
    }

    /// The same, and nothing says how large it is or how full.
    pub(crate) fn with_untold_kv_cache(
        asked: &[Asked],
        tokens: u32,
        work: impl Fn(&mut Work<'_>, &Content),
    ) -> Self {
        Self::iterating(asked, false, tokens, work)
    }

    fn iterating(
        asked: &[Asked],
        is_apart: bool,
        kv_tokens: u32,
        work: impl Fn(&mut Work<'_>, &Content),
    ) -> Self {
        let mut server = Self::with_devices();
        let mut waiting = asked.iter().enumerate().peekable();
        let (mut running, mut now, mut at): (Vec<Running>, i64, usize) = (Vec::new(), 0, 0);
        let mut ends = vec![0; asked.len()];
        let mut starts = ends.clone();
        let mut firsts = ends.clone();
        loop {
            let mut members: Vec<StepMember> = Vec::new();
            let has_prompt = waiting.peek().is_some_and(|(_, new)| new.at <= now);
            let n_before = running.len();
            let waits = is_apart && has_prompt;
            let n_decodes = if waits { 0 } else { n_before };
            for r in &running[..n_decodes] {
                members.push(server.member(at, r.request, 1, true));
            }
            let n_decodes = n_decodes as u64;
            let mut prompt_tokens = 0;
            let mut held: u32 = running.iter().map(|r| r.held).sum();
            let fits = |new: &Asked, held| held == 0 || held + new.prompt <= kv_tokens;
            while let Some((request, new)) =
                waiting.next_if(|(_, new)| new.at <= now && fits(new, held))
            {
                starts[request] = now;
                held += new.prompt;
                let tokens = new.prompt - new.cached;
                prompt_tokens += u64::from(tokens);
                members.push(server.member(at, request, tokens, false));
                running.push(Running { request, held: new.prompt, left: new.answer + new.lost });
            }
            if members.is_empty() {
                let Some((_, next)) = waiting.peek() else { break };
                now = next.at;
                continue;
            }
            let n_members = members.len() as u64;
            let content = Content { at, start: now, n_members, n_decodes, prompt_tokens };
            let end = server.step(StepKind::Mixed, now, members, |w| work(w, &content));
            let from = if waits { n_before } else { 0 };
            running[from..].iter().for_each(|r| {
                if firsts[r.request] == 0 {
                    firsts[r.request] = end;
                }
            });
            running[from..].iter_mut().for_each(|r| (r.left, r.held) = (r.left - 1, r.held + 1));
            running.iter().filter(|r| r.left == 0).for_each(|r| ends[r.request] = end);
            running.retain(|r| r.left > 0);
            (now, at) = (end + 20 * US, at + 1);
        }
        server.answer(asked, &starts, &firsts, &ends);
        server
    }

    /// The same without anything that names steps.
    pub(crate) fn unlabelled(mut self) -> Self {
        let timeline = self.trace.timeline_mut();
        timeline.steps = Default::default();
        timeline.step_members = Default::default();
        self
    }

    /// A dynamic batcher that holds a request `hold` nanoseconds for company.
    pub(crate) fn batching(
        asked: &[Asked],
        hold: i64,
        work: impl Fn(&mut Work<'_>, &Content),
    ) -> Self {
        let mut server = Self::with_devices();
        let mut waiting = asked.iter().enumerate().peekable();
        let (mut free, mut at) = (0, 0);
        let mut ends = vec![0; asked.len()];
        let mut starts = ends.clone();
        while let Some((_, first)) = waiting.peek() {
            let start = free.max(first.at + hold + 50 * US);
            let mut batch = Vec::new();
            while let Some((request, _)) = waiting.next_if(|(_, new)| new.at <= start) {
                starts[request] = start;
                batch.push(request);
            }
            let members = batch.iter().map(|r| server.member(at, *r, 1, false)).collect();
            let n_members = batch.len() as u64;
            let content = Content { at, start, n_members, n_decodes: 0, prompt_tokens: 0 };
            let end = server.step(StepKind::Batch, start, members, |w| work(w, &content));
            batch.iter().for_each(|request| ends[*request] = end);
            (free, at) = (end + 20 * US, at + 1);
        }
        server.answer(asked, &starts, &ends, &ends);
        server
    }

    /// Two devices whose size is known; steps run on the first.
    fn with_devices() -> Self {
        let mut server = Self::new();
        server.trace.process(2).stream(1, 7).process(1);
        server.trace.timeline_mut().dimensions.devices.sm_count.fill(N_SM);
        server
    }

    fn member(&mut self, at: usize, request: usize, tokens: u32, decodes: bool) -> StepMember {
        let timeline = self.trace.timeline_mut();
        StepMember {
            process: timeline.dimensions.process_id(SourceId::from_raw(0), 1).raw(),
            step_id: at as u64,
            request: timeline.strings.intern(&format!("request-{request}")).raw(),
            own_tokens: tokens,
            phase: if decodes { Phase::Decode } else { Phase::Prefill }.code(),
            ..StepMember::default()
        }
    }

    /// Runs a step and returns its end.
    fn step(
        &mut self,
        kind: StepKind,
        start: i64,
        members: Vec<StepMember>,
        work: impl FnOnce(&mut Work<'_>),
    ) -> i64 {
        let mut worker =
            Work { trace: &mut self.trace, next_id: &mut self.next_id, host: start, device: start };
        work(&mut worker);
        let end = worker.host.max(worker.device);
        let of = |phase: Phase| members.iter().filter(move |m| m.phase == phase.code());
        let timeline = self.trace.timeline_mut();
        let process = timeline.dimensions.process_id(SourceId::from_raw(0), 1);
        let thread = timeline.dimensions.thread_id(process, 1).raw();
        let Some(first) = members.first() else { return end };
        let mut row = Step {
            start_ns: start,
            duration_ns: (end - start) as u64,
            step_id: first.step_id,
            process: process.raw(),
            thread,
            kind: kind.code(),
            rung: Rung::ExactBatch.code(),
            ..Step::default()
        };
        if kind != StepKind::Batch {
            row.context_requests = of(Phase::Prefill).count() as u32;
            row.context_tokens = of(Phase::Prefill).map(|m| u64::from(m.own_tokens)).sum();
            row.generation_requests = of(Phase::Decode).count() as u32;
            row.generation_tokens = u64::from(row.generation_requests);
        }
        timeline.steps.push(row);
        members.into_iter().for_each(|member| timeline.step_members.push(member));
        end
    }

    /// The spans of all requests: when each was first in a step, and when it was done.
    fn answer(&mut self, asked: &[Asked], starts: &[i64], firsts: &[i64], ends: &[i64]) {
        let timeline = self.trace.timeline_mut();
        for (at, (asked, end)) in asked.iter().zip(ends).enumerate() {
            let request = timeline.strings.intern(&format!("request-{at}")).raw();
            let ends = [end + 200 * US, end + 100 * US];
            let spans = [
                (asked.at - 200 * US..ends[0], SpanKind::Client),
                (asked.at..ends[1], SpanKind::Server),
            ];
            for (depth, (range, kind)) in spans.into_iter().enumerate() {
                timeline.spans.push(Span {
                    start_ns: range.start,
                    duration_ns: (range.end - range.start) as u64,
                    trace_id_low: 1 + at as u64,
                    span_id: 1 + depth as u64,
                    parent_span_id: depth as u64,
                    kind: kind.code(),
                    request,
                    id: (at * 2 + depth) as u32,
                    ..Span::default()
                });
            }
            let facts = [
                (span_facts::QUEUE_NS, starts[at] - asked.at),
                (span_facts::PROMPT_TOKENS, i64::from(asked.prompt)),
                (span_facts::CACHED_TOKENS, i64::from(asked.cached)),
                (span_facts::OUTPUT_TOKENS, i64::from(asked.answer)),
                (span_facts::TTFT_NS, firsts[at] - asked.at),
            ];
            for (key, value) in facts {
                let key = timeline.strings.intern(key);
                let row = SpanAttribute::of_whole((at * 2 + 1) as u32, key, value);
                timeline.span_attributes.push(row);
            }
        }
    }
}

impl Work<'_> {
    /// Launches a kernel of so many blocks.
    pub(crate) fn blocks(&mut self, name: &str, blocks: u32, ns: i64) -> &mut Self {
        let id = self.id();
        let name = self.trace.intern(name);
        let shape = KernelShape { grid: [blocks, 1, 1], ..KernelShape::named(name) };
        let call = self.host..self.host + 5 * US;
        let run = self.device.max(call.end + 2 * US);
        self.trace.api_call("cudaLaunchKernel", call.clone(), id);
        self.trace.kernel_of_shape(shape, run..run + ns, id);
        (self.host, self.device) = (call.end, run + ns);
        self
    }

    /// Launches a kernel of so many blocks, after the others or beside the last of them on a stream
    /// of its own.
    pub(crate) fn branch(&mut self, is_beside: bool, blocks: u32, ns: i64) -> &mut Self {
        if !is_beside {
            return self.blocks(NARROW, blocks, ns);
        }
        let before = self.device;
        self.trace.stream(0, 20);
        self.device = before - ns;
        self.blocks(NARROW, blocks, ns);
        self.trace.stream(0, 7);
        self.device = self.device.max(before);
        self
    }

    /// Launches a graph of `n` kernels.
    pub(crate) fn graph(&mut self, name: &str, n: usize, ns: i64) -> &mut Self {
        let id = self.id();
        let call = self.host..self.host + 10 * US;
        self.trace.api_call("cudaGraphLaunch", call.clone(), id);
        for _ in 0..n {
            let start = self.device.max(call.end + 2 * US);
            self.trace.kernel(name, start..start + ns, id);
            self.device = start + ns;
        }
        self.host = call.end;
        self
    }

    /// One collective of two ranks: how long each is in it.
    pub(crate) fn collective(&mut self, first_ns: i64, second_ns: i64) -> &mut Self {
        let name = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)";
        self.kernel(name, first_ns);
        let end = self.device;
        let id = self.id();
        self.trace.process(2).stream(1, 7);
        self.trace.kernel(name, end - second_ns..end, id).process(1);
        self
    }

    /// The step's result goes to the host, which waits for it.
    pub(crate) fn sample_tokens(&mut self) -> &mut Self {
        let id = self.id();
        let call = self.host..self.host + 5 * US;
        let start = self.device.max(call.end);
        self.trace.api_call("cudaMemcpyAsync", call.clone(), id);
        self.trace.memcpy(MemcpyKind::DtoH, 256, start..start + 2 * US, id);
        (self.host, self.device) = (call.end, start + 2 * US);
        self.wait()
    }
}

/// Long enough for counters that are sampled ten times a second.
pub(crate) const LONG: i64 = 9_000 * MS;
