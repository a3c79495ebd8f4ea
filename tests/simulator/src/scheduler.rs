//! The scheduler of the continuous-batching server: who is in the next step with how many tokens.

use std::collections::{BTreeMap, VecDeque};

use crate::load::Arrival;
use crate::recording::Member;
use crate::vllm::Vllm;

/// Tokens per block of the KV cache.
const BLOCK: u64 = 16;

/// One step as scheduled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scheduled {
    pub(crate) members: Vec<Member>,
    /// Members that produce a token.
    pub(crate) n_outputs: u64,
    /// Prompt lengths of the requests that are scheduled for the first time.
    pub(crate) started_prompts: Vec<u64>,
}

/// When a request got where, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Finished {
    pub(crate) scheduled_ns: u64,
    pub(crate) first_token_ns: u64,
    pub(crate) last_token_ns: u64,
}

#[derive(Debug, Clone)]
struct Sequence {
    request: usize,
    /// Tokens to compute before the next one is produced.
    known: u64,
    computed: u64,
    produced: u64,
    /// Tokens that are shared with the prefix cache.
    shared: u64,
}

/// Waiting and running requests, and the KV cache.
#[derive(Debug)]
pub(crate) struct Scheduler<'a> {
    settings: &'a Vllm,
    arrivals: &'a [Arrival],
    /// Requests that have not been queued yet, by time.
    coming: VecDeque<(u64, usize)>,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    /// Prefix group to tokens and when they were used last, ns.
    prefixes: BTreeMap<u64, (u64, u64)>,
    dropped_ns: u64,
    finished: Vec<Finished>,
    n_queried: u64,
    n_hit: u64,
    n_preempted: u64,
    n_prompt: u64,
    n_generated: u64,
    n_success: u64,
}

impl<'a> Scheduler<'a> {
    pub(crate) fn new(settings: &'a Vllm, arrivals: &'a [Arrival], queued_ns: &[u64]) -> Self {
        let mut coming: Vec<(u64, usize)> =
            queued_ns.iter().copied().enumerate().map(|(at, ns)| (ns, at)).collect();
        coming.sort_unstable();
        // The server has been running for a while: beginnings that were asked for are cached.
        let warm = settings.load.prefixes.filter(|_| settings.caches_prefixes);
        let prefixes =
            warm.into_iter().flat_map(|p| (0..p.groups).map(move |group| (group, (p.tokens, 0))));
        Self {
            settings,
            arrivals,
            coming: coming.into(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            prefixes: prefixes.collect(),
            dropped_ns: 0,
            finished: vec![Finished::default(); arrivals.len()],
            n_queried: 0,
            n_hit: 0,
            n_preempted: 0,
            n_prompt: 0,
            n_generated: 0,
            n_success: 0,
        }
    }

    /// When there is something to do: now, or when the next request is queued.
    pub(crate) fn next_work_ns(&self, now_ns: u64) -> Option<u64> {
        if self.running.is_empty() && self.waiting.is_empty() {
            self.coming.front().map(|(ns, _)| now_ns.max(*ns))
        } else {
            Some(now_ns)
        }
    }

    pub(crate) fn n_running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn into_finished(self) -> Vec<Finished> {
        self.finished
    }

    /// Forms the step that starts at `now_ns`.
    pub(crate) fn schedule(&mut self, now_ns: u64) -> Scheduled {
        self.take_in(now_ns);
        self.drop_prefixes(now_ns);
        let mut budget = self.settings.max_batched_tokens;
        let mut members = Vec::new();
        let mut at = 0;
        while at < self.running.len() {
            let tokens = self.running[at].missing().min(budget);
            if tokens == 0 {
                break;
            }
            if !self.make_room(at, tokens, now_ns) {
                continue;
            }
            budget -= tokens;
            members.push(self.running[at].member(tokens, self.arrivals));
            at += 1;
        }
        let started_prompts = self.admit(now_ns, &mut budget, &mut members);
        let outputs = |m: &&Member| {
            let sequence = self.running.iter().find(|s| s.request == m.request);
            sequence.is_some_and(|s| s.missing() == u64::from(m.own_tokens))
        };
        let n_outputs = members.iter().filter(outputs).count() as u64;
        Scheduled { members, n_outputs, started_prompts }
    }

    /// Applies what a step computed.
    pub(crate) fn finish_step(&mut self, scheduled: &Scheduled, now_ns: u64) {
        for member in &scheduled.members {
            let Some(sequence) = self.running.iter_mut().find(|s| s.request == member.request)
            else {
                continue;
            };
            sequence.computed += u64::from(member.own_tokens);
            let arrival = &self.arrivals[member.request];
            if let Some((group, tokens)) = arrival.prefix
                && self.settings.caches_prefixes
                && sequence.computed >= tokens
            {
                self.prefixes.insert(group, (tokens, now_ns));
            }
            if sequence.missing() > 0 {
                continue;
            }
            sequence.known += 1;
            sequence.produced += 1;
            self.n_generated += 1;
            let finished = &mut self.finished[member.request];
            if sequence.produced == 1 {
                finished.first_token_ns = now_ns;
                self.n_prompt += arrival.prompt;
            }
            if sequence.produced == arrival.output {
                finished.last_token_ns = now_ns;
                self.n_success += 1;
            }
        }
        let arrivals = self.arrivals;
        self.running.retain(|s| s.produced < arrivals[s.request].output);
    }

    /// The metrics in their order.
    pub(crate) fn gauges(&self, now_ns: u64) -> Vec<f64> {
        let arrived = self.coming.iter().filter(|(ns, _)| *ns <= now_ns).count();
        let used = self.used_tokens() as f64 / self.settings.kv_tokens as f64;
        vec![
            self.running.len() as f64,
            (self.waiting.len() + arrived) as f64,
            (used * 1e5).round() / 1e5,
            self.n_queried as f64,
            self.n_hit as f64,
            self.n_preempted as f64,
            self.n_prompt as f64,
            self.n_generated as f64,
            self.n_success as f64,
        ]
    }

    fn take_in(&mut self, now_ns: u64) {
        while let Some(&(ns, request)) = self.coming.front()
            && ns <= now_ns
        {
            self.coming.pop_front();
            let known = self.arrivals[request].prompt;
            let fresh = Sequence { request, known, computed: 0, produced: 0, shared: 0 };
            self.waiting.push_back(fresh);
        }
    }

    fn admit(&mut self, now_ns: u64, budget: &mut u64, members: &mut Vec<Member>) -> Vec<u64> {
        let mut started = Vec::new();
        while self.running.len() < self.settings.max_num_seqs && *budget > 0 {
            let Some(mut sequence) = self.waiting.pop_front() else { break };
            let is_new = self.finished[sequence.request].scheduled_ns == 0;
            let hit = self.look_up(&sequence, now_ns);
            sequence.computed = hit;
            sequence.shared = hit;
            let tokens = sequence.missing().min(*budget);
            if self.free_tokens(now_ns) < blocks(sequence.missing()) && !self.running.is_empty() {
                self.waiting.push_front(Sequence { computed: 0, shared: 0, ..sequence });
                break;
            }
            if is_new {
                self.n_queried += sequence.known;
                self.n_hit += hit;
                self.finished[sequence.request].scheduled_ns = now_ns;
                started.push(sequence.known);
            }
            *budget -= tokens;
            members.push(sequence.member(tokens, self.arrivals));
            self.running.push(sequence);
        }
        started
    }

    fn look_up(&mut self, sequence: &Sequence, now_ns: u64) -> u64 {
        let Some((group, _)) = self.arrivals[sequence.request].prefix else { return 0 };
        let Some((tokens, used_ns)) = self.prefixes.get_mut(&group) else { return 0 };
        *used_ns = now_ns;
        // At least one token is always computed.
        (*tokens).min(sequence.known - 1) / BLOCK * BLOCK
    }

    /// Makes room for `tokens` more of the sequence at `at`, preempting from the back. Whether
    /// that sequence still runs.
    fn make_room(&mut self, at: usize, tokens: u64, now_ns: u64) -> bool {
        let sequence = &self.running[at];
        let needed = blocks(sequence.computed + tokens) - blocks(sequence.computed);
        while self.free_tokens(now_ns) < needed && self.running.len() > 1 {
            let Some(victim) = self.running.pop() else { return false };
            self.n_preempted += 1;
            self.waiting.push_front(Sequence { computed: 0, shared: 0, ..victim });
            if at >= self.running.len() {
                return false;
            }
        }
        true
    }

    /// Tokens that fit, after dropping cached prefixes that nobody has used for longest.
    fn free_tokens(&mut self, _now_ns: u64) -> u64 {
        let used = self.used_tokens();
        let capacity = self.settings.kv_tokens;
        while used + self.cached_tokens() > capacity {
            let oldest = self.prefixes.iter().min_by_key(|(_, (_, used_ns))| *used_ns);
            let Some(group) = oldest.map(|(group, _)| *group) else { break };
            self.prefixes.remove(&group);
        }
        capacity.saturating_sub(used)
    }

    fn used_tokens(&self) -> u64 {
        self.running.iter().map(|s| blocks(s.computed.max(1)) - s.shared).sum()
    }

    fn cached_tokens(&self) -> u64 {
        self.prefixes.values().map(|(tokens, _)| blocks(*tokens)).sum()
    }

    fn drop_prefixes(&mut self, now_ns: u64) {
        if let Some(flushes) = self.settings.faults.cache_flushes
            && now_ns >= (self.dropped_ns + flushes.every_ns).max(flushes.from_ns)
        {
            self.dropped_ns = now_ns;
            self.prefixes.clear();
        }
    }
}

impl Sequence {
    fn missing(&self) -> u64 {
        self.known - self.computed
    }

    fn member(&self, tokens: u64, arrivals: &[Arrival]) -> Member {
        let is_prefill = self.produced == 0 || self.computed + 1 < self.known;
        debug_assert!(self.request < arrivals.len());
        Member {
            request: self.request,
            own_tokens: tokens as u32,
            computed_tokens: self.computed as u32,
            is_prefill,
        }
    }
}

fn blocks(tokens: u64) -> u64 {
    tokens.next_multiple_of(BLOCK)
}
