//! One capture as detectors see it: requests, steps, what happened in them, settings, counters.

use hashbrown::{HashMap, HashSet};
use underspan_engine::{Analysis, Request, RequestStep, Requests, Stage, StageKind};
use underspan_model::give_up_if_cancelled;
use underspan_model::tables::StepKind;
use underspan_model::{NONE_U32, StringId, Timeline};

use crate::batching::Batching;
use crate::content::{Content, contents_of};
use crate::continuous::Continuous;
use crate::coverage::Coverage;
use crate::replay::{Misfit, NO_LANE, NO_RUN, Removal, Run, Schedule, Served, replay};
use crate::same_kernels::SameKernels;
use crate::settings::Settings;
use crate::shared_device::{spread, waits_for_others};
use crate::statistics::percentile_of;
use crate::step_facts::{StepFacts, add_lags, step_facts};
use crate::telemetry::Telemetry;

/// How a server takes requests to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerKind {
    /// Continuous batching: a request is in many steps, each with other company.
    Continuous,
    /// A batch of requests runs once.
    Batch,
    /// One request at a time.
    Single,
    /// No request is known to have run in any step.
    Unknown,
}

/// A server to run again.
#[derive(Debug)]
enum Server {
    Continuous(Continuous),
    Batching(Batching),
}

/// Largest misfit of a model of batches that is used: otherwise the schedule is replayed.
const BATCHING_MISFIT_MAX: f64 = 0.08;

/// One capture, joined and measured.
#[derive(Debug)]
pub struct Case<'a> {
    /// The capture.
    pub timeline: &'a Timeline,
    /// What the engine says of it.
    pub analysis: &'a Analysis,
    /// Its requests.
    pub requests: &'a Requests,
    /// What the operator declared.
    pub settings: Settings,
    /// Counters.
    pub telemetry: Telemetry,
    /// What happened in each step of [`Requests::steps`].
    pub facts: Vec<StepFacts>,
    /// Steps and requests in the form of a replay; positions are those of [`Requests`].
    pub schedule: Schedule,
    /// How the server works.
    pub kind: ServerKind,
    /// Latency of every request: the length of its outermost span.
    pub latencies: Vec<u64>,
    /// The server to run again, when it can be modelled.
    server: Option<Server>,
    /// Which part of the time that runs of several lanes overlap they wait for each other's kernels.
    waits_for_others: f64,
    /// Prompt tokens and decoding requests of each step.
    contents: Vec<Content>,
    /// Which of it the trace of the device covers.
    pub(crate) coverage: Coverage,
    /// The same kind of run from before a change, if there is one.
    pub baseline: Option<Box<Case<'a>>>,
    /// Its kernels against those of the baseline, where most are the same.
    pub(crate) same_kernels: Option<SameKernels>,
}

impl<'a> Case<'a> {
    /// Puts a case together.
    pub fn of(timeline: &'a Timeline, analysis: &'a Analysis, requests: &'a Requests) -> Self {
        let kind = kind_of(requests);
        let mut facts = step_facts(timeline, analysis, requests);
        let schedule = schedule_of(requests);
        if kind == ServerKind::Continuous {
            add_lags(timeline, requests, &idle_before(&schedule), &mut facts);
        }
        let latencies = schedule.requests.iter().map(Served::latency_ns).collect();
        let mut case = Self {
            timeline,
            analysis,
            requests,
            settings: Settings::of(timeline),
            telemetry: Telemetry::of(timeline),
            facts,
            kind,
            schedule,
            latencies,
            server: None,
            waits_for_others: 1.0,
            contents: Vec::new(),
            coverage: Coverage::of(timeline, requests),
            baseline: None,
            same_kernels: None,
        };
        if case.n_lanes() > 1 && kind != ServerKind::Continuous {
            case.waits_for_others = waits_for_others(&case.schedule, analysis);
        }
        case.contents = contents_of(case.kind, requests, &case.facts);
        case.server = match case.kind {
            ServerKind::Continuous => Continuous::of(&case).map(Server::Continuous),
            ServerKind::Batch | ServerKind::Single => Batching::of(&case)
                .filter(|batching| batching.misfit(&case).latency <= BATCHING_MISFIT_MAX)
                .map(Server::Batching),
            ServerKind::Unknown => None,
        };
        case
    }

    /// The latency of every request with `removals` taken out. What is taken out of runs is known
    /// where the trace covers them, and carried over to the other requests.
    pub fn without(&self, removals: &[&Removal]) -> Vec<u64> {
        give_up_if_cancelled();
        if !self.coverage.is_partial() {
            return self.without_observed(removals);
        }
        let around: Vec<Removal> = removals.iter().map(|removal| removal.around_runs()).collect();
        if around.iter().zip(removals).all(|(around, removal)| around == *removal) {
            return self.without_observed(removals);
        }
        let around: Vec<&Removal> = around.iter().collect();
        let before = self.without_observed(&around);
        self.coverage.carried_over(&before, &self.without_observed(removals))
    }

    fn without_observed(&self, removals: &[&Removal]) -> Vec<u64> {
        if let Some(Server::Continuous(server)) = &self.server {
            return server.without(self, removals);
        }
        let spread: Vec<Removal> = match self.n_lanes() {
            ..2 => Vec::new(),
            _ => {
                let spread =
                    |removal: &&Removal| spread(&self.schedule, removal, self.waits_for_others);
                removals.iter().map(spread).collect()
            }
        };
        let spread: Vec<&Removal> = spread.iter().collect();
        let removals = if spread.is_empty() { removals } else { &spread };
        // Of single requests the schedule stays the same with any amount of time taken out.
        let is_another = self.kind == ServerKind::Batch
            || removals.iter().any(|removal| removal.changes_server());
        match &self.server {
            Some(Server::Batching(server)) if is_another => server.without(self, removals),
            _ => replay(&self.schedule, removals),
        }
    }

    /// How far the unchanged run of the model is from what was observed; zero for a replay, which is
    /// exact.
    pub fn misfit(&self) -> Misfit {
        match &self.server {
            Some(Server::Continuous(server)) => server.misfit(self),
            Some(Server::Batching(server)) if self.kind == ServerKind::Batch => server.misfit(self),
            _ => Misfit::default(),
        }
    }

    /// The same with a run to compare with.
    pub fn with_baseline(mut self, baseline: Case<'a>) -> Self {
        self.same_kernels = SameKernels::of(&self, &baseline);
        self.baseline = Some(Box::new(baseline));
        self
    }

    /// Whether a step of continuous batching kept a request waiting that its batch and its budget had
    /// room for, and its KV cache had not.
    pub(crate) fn is_held_back(&self, step: usize) -> bool {
        matches!(&self.server, Some(Server::Continuous(server)) if server.is_held_back(step))
    }

    /// How many times as long the same kernels take as in the baseline; one where that is not known.
    pub(crate) fn kernel_slowdown(&self) -> f64 {
        self.same_kernels.as_ref().map_or(1.0, |same| same.slower)
    }

    /// The steps.
    pub fn steps(&self) -> &'a [RequestStep] {
        &self.requests.steps
    }

    /// A nearest-rank percentile of the latencies.
    pub fn percentile(&self, percent: u32) -> u64 {
        percentile_of(&self.latencies, percent)
    }

    /// Positions of the slowest twentieth of the requests; where the trace covers a part of them,
    /// of that part.
    pub fn slow(&self) -> Vec<usize> {
        let bar = if self.coverage.is_partial() {
            let all = 0..self.latencies.len();
            let covered = all.filter(|at| self.coverage.has_request(*at));
            percentile_of(&covered.map(|at| self.latencies[at]).collect::<Vec<_>>(), 95)
        } else {
            self.percentile(95)
        };
        self.positions(|latency| latency >= bar)
    }

    /// Positions of the requests around the median: from the 40th to the 60th percentile.
    pub fn typical(&self) -> Vec<usize> {
        let (low, high) = (self.percentile(40), self.percentile(60));
        self.positions(|latency| (low..=high).contains(&latency))
    }

    fn positions(&self, is_wanted: impl Fn(u64) -> bool) -> Vec<usize> {
        let all = self.latencies.iter().enumerate();
        let wanted = all.filter(|(_, latency)| is_wanted(**latency)).map(|(at, _)| at);
        wanted.filter(|at| self.coverage.has_request(*at)).collect()
    }

    /// How long a request waited from being ready until it first ran; zero for one that never
    /// ran.
    pub fn wait_ns(&self, request: usize) -> u64 {
        let served = &self.schedule.requests[request];
        let first = self.schedule.runs.get(served.first_run as usize);
        first.map_or(0, |run| run.start_ns.saturating_sub(served.ready_ns).max(0) as u64)
    }

    /// Length of a step: its run in the schedule.
    pub fn step_ns(&self, step: usize) -> u64 {
        self.schedule.runs[step].length_ns()
    }

    /// From the first to the last moment of any run, in nanoseconds.
    pub fn served_window_ns(&self) -> u64 {
        let runs = || self.worker_steps().map(|step| &self.schedule.runs[step]);
        let start = runs().map(|run| run.start_ns).min();
        let end = runs().map(|run| run.end_ns).max();
        start.zip(end).map_or(0, |(start, end)| (end - start).max(0) as u64)
    }

    /// Number of lanes.
    pub fn n_lanes(&self) -> usize {
        self.schedule.n_lanes()
    }

    /// Positions of the steps that took up a worker.
    pub fn worker_steps(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.schedule.runs.len()).filter(|step| self.schedule.runs[*step].has_lane())
    }

    /// How many requests were in a step: what its source says, or those known to be in it.
    pub fn members(&self, step: usize) -> u32 {
        let step = &self.steps()[step];
        step.n_members.unwrap_or(step.members.len() as u32).max(step.members.len() as u32)
    }

    /// Tokens of prompts that a step computed; zero when not known.
    pub fn prefill_tokens(&self, step: usize) -> u64 {
        self.contents[step].prompt_tokens
    }

    /// Requests that decoded in a step; zero when not known.
    pub fn decode_requests(&self, step: usize) -> u64 {
        self.contents[step].decodes
    }
}

fn kind_of(requests: &Requests) -> ServerKind {
    let known: Vec<&Request> =
        requests.requests.iter().filter(|request| !request.steps.is_empty()).collect();
    if known.is_empty() {
        return ServerKind::Unknown;
    }
    let of_phases = requests.steps.iter().filter(|step| step.label.generation_requests.is_some());
    // A request of an ensemble runs once in each of its models: that is no continuous batching.
    let n_many = known.iter().filter(|request| request.steps.len() > 3).count();
    let n_batches = requests.steps.iter().filter(|step| step.kind == StepKind::Batch).count();
    if n_batches * 2 > requests.steps.len() {
        let is_engine = requests.requests.iter().any(|request| request.engine.raw() != NONE_U32);
        let is_batch = requests.steps.iter().any(|step| step.members.len() > 1);
        return if is_batch || is_engine { ServerKind::Batch } else { ServerKind::Single };
    }
    if of_phases.count() * 2 > requests.steps.len() || n_many * 2 > known.len() {
        return ServerKind::Continuous;
    }
    let is_batch = requests.steps.iter().any(|step| step.members.len() > 1);
    let engine =
        requests.requests.iter().map(|request| request.engine).find(|id| id.raw() != NONE_U32);
    if is_batch || engine.is_some() { ServerKind::Batch } else { ServerKind::Single }
}

fn schedule_of(requests: &Requests) -> Schedule {
    let mut lanes: HashMap<(u32, u32), u32> = HashMap::new();
    // Steps without device work have no thread: they are of their process's first one.
    let mut first_thread: HashMap<u32, u32> = HashMap::new();
    for step in requests.steps.iter().filter(|step| step.thread.raw() != NONE_U32) {
        first_thread.entry(step.process.raw()).or_insert(step.thread.raw());
    }
    let first = requests.steps.iter().find(|step| step.thread.raw() != NONE_U32);
    let fallback =
        first.map_or((NONE_U32, NONE_U32), |step| (step.process.raw(), step.thread.raw()));
    let on_host = host_models(requests);
    let runs: Vec<Run> = requests
        .steps
        .iter()
        .map(|step| {
            let (start_ns, end_ns) = (step.window.start().as_ns(), step.window.end().as_ns());
            if on_host.contains(&step.model) {
                return Run { lane: NO_LANE, start_ns, end_ns };
            }
            let next = lanes.len() as u32;
            let process = step.process.raw();
            let key = match step.thread.raw() {
                NONE_U32 => first_thread.get(&process).map_or(fallback, |t| (process, *t)),
                thread => (process, thread),
            };
            let lane = *lanes.entry(key).or_insert(next);
            Run { lane, start_ns, end_ns }
        })
        .collect();
    let requests = requests
        .requests
        .iter()
        .map(|request| {
            let steps = || request.steps.iter().map(|member| member.step);
            let has_lane = |step: &u32| runs[*step as usize].has_lane();
            let first = steps().find(has_lane);
            let on_host = steps().take_while(|step| !has_lane(step)).last();
            let done_ns = on_host.filter(|_| first.is_some()).map(|at| runs[at as usize].end_ns);
            Served {
                arrival_ns: request.interval.start().as_ns(),
                end_ns: request.interval.end().as_ns(),
                ready_ns: ready_ns(request, done_ns),
                first_run: first.unwrap_or(NO_RUN),
                last_run: steps().rfind(has_lane).unwrap_or(NO_RUN),
            }
        })
        .collect();
    Schedule { runs, requests }
}

/// Models of a server that never use a device, although others do: what composes an ensemble with
/// them (a tokenizer, postprocessing) runs on the host, beside the workers.
fn host_models(requests: &Requests) -> HashSet<StringId> {
    let names = |has_work: bool| -> HashSet<StringId> {
        let steps = requests.steps.iter().filter(|step| !step.model.is_none());
        steps.filter(|s| s.device_interval.is_some() == has_work).map(|s| s.model).collect()
    };
    let on_device = names(true);
    let is_composed = requests.steps.iter().any(|step| step.kind == StepKind::Batch);
    if on_device.is_empty() || !is_composed {
        return HashSet::new();
    }
    names(false).into_iter().filter(|model| !on_device.contains(model)).collect()
}

/// When the server could first have begun with a request: when it was queued, or when it was
/// queued for the first model that needs a worker, once those on the host were `done_ns`.
fn ready_ns(request: &Request, done_ns: Option<i64>) -> i64 {
    let is_in = |stage: &&Stage| !matches!(stage.kind, StageKind::Outside | StageKind::Frontend);
    let is_after =
        |stage: &&Stage| done_ns.is_none_or(|done| stage.interval.start().as_ns() >= done);
    let queued = request.stages.iter().find(|stage| is_in(stage) && is_after(stage));
    let ready = queued.map_or(request.serving.start(), |stage| stage.interval.start());
    ready.as_ns()
}

/// When each run's lane stood idle before it although requests were in its batch all the time:
/// nothing but the host kept the run from starting.
fn idle_before(schedule: &Schedule) -> Vec<Option<(i64, i64)>> {
    let runs = &schedule.runs;
    let mut is_running = vec![false; runs.len()];
    for served in &schedule.requests {
        let (first, last) = (served.first_run as usize, served.last_run as usize);
        if first < last && last < runs.len() {
            is_running[first + 1..=last].iter_mut().for_each(|running| *running = true);
        }
    }
    let mut free = vec![None; schedule.n_lanes()];
    runs.iter()
        .enumerate()
        .map(|(at, run)| {
            let free = free.get_mut(run.lane as usize)?;
            let before: Option<i64> = *free;
            *free = Some(before.map_or(run.end_ns, |end| end.max(run.end_ns)));
            before
                .filter(|from| is_running[at] && *from < run.start_ns)
                .map(|from| (from, run.start_ns))
        })
        .collect()
}
