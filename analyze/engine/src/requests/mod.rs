//! Requests: which steps each was in, and where every nanosecond of its span went.
//!
//! 1. Spans, the hook's notes and steps are searched for requests (`discover`, `members`).
//! 2. Steps of all sources become one list per engine (`engine_steps`), with the device work of
//!    each (`step_work`).
//! 3. Members are those that a hook or spans state; where none do they are guessed (`infer`), and
//!    the request says so by its rung.
//! 4. Each span is cut into stages (`stages`), and each stage into parts (`account`), step by step
//!    as the device work of each tells (`profile`).

mod account;
mod clock;
mod deferred;
mod device_steps;
mod discover;
mod engine_steps;
mod engine_time;
mod excess;
mod foreign;
mod infer;
mod mates;
mod members;
mod part;
mod profile;
mod request;
mod share;
mod span_index;
mod stages;
mod step_work;
mod tokens;

use rayon::prelude::*;
use underspan_model::give_up_if_cancelled;
use underspan_model::tables::{Rung, SpanStatus};
use underspan_model::{
    DeviceId, DurationNs, Interval, NONE_U32, ProcessId, StringId, ThreadId, Timeline, TimestampNs,
};

pub use clock::{ClockCorrection, ClockEvidence, ClockQuality};
pub use part::{Evidence, Part, PartKind};
pub use request::{
    Membership, Request, RequestOrigin, RequestStep, RequestTokens, Stage, StageKind, StepMember,
};
pub use tokens::{LatencySummary, TokenGap, TokenLatencies};

use crate::{Analysis, WorkItem, WorkKind};
use account::{Accountant, Sums};
use clock::Apart;
use discover::{Discovery, Found};
use engine_steps::{EngineSteps, ServingSpans};
use engine_time::EngineTime;
use foreign::ForeignPrompts;
use members::Members;
use profile::{Profile, Profiler, Scratch};
use share::{Claim, FixedCost};
use span_index::SpanIndex;
use stages::{Known, Stages};
use step_work::StepOwners;

/// What [`Requests::of`] is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RequestOptions {}

/// The requests of a capture.
#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// Requests, in order of start.
    pub requests: Vec<Request>,
    /// Steps, in order of start. Ranks of one engine that run the same step have one.
    pub steps: Vec<RequestStep>,
    /// How well membership is known over the capture: the worst rung that any request with steps
    /// has; [`Rung::None`] when no request is known to be in any step.
    pub rung: Rung,
    /// How well the clocks agree.
    pub clock: ClockQuality,
    /// What could not be joined, in words for a person.
    pub notes: Vec<String>,
    /// By table of device work: the step of each row, [`NONE_U32`] for none.
    step_of_row: [Vec<u32>; 3],
}

impl Requests {
    /// Joins requests, steps and device work of a timeline. Runs on the current rayon pool; the
    /// result does not depend on the number of threads.
    pub fn of(timeline: &Timeline, analysis: &Analysis, _options: &RequestOptions) -> Self {
        let index = SpanIndex::of(timeline);
        let mut joined = Joined::of(timeline, analysis, &index, 0);
        if let Some((correction, uncertainty_ns)) = joined.worth_correcting() {
            let mut moved = Joined::of(timeline, analysis, &index, correction.offset_ns);
            // An offset that leaves them apart was not the reason.
            if moved.apart.is_none() {
                moved.clock.correct(correction, uncertainty_ns);
                joined = moved;
            }
        }
        let Joined { found, steps, mut owners, mut members, clock, .. } = joined;
        let mut time = EngineTime::of(&steps, &owners);
        let is_exact: Vec<bool> =
            members.of_request.iter().map(|steps| !steps.is_empty()).collect();
        if clock.is_refused {
            // Nothing is joined by time.
            owners.forget_adopted(&steps);
            time = EngineTime::of(&steps, &owners);
        } else {
            let held = infer::infer(&time, &found.requests, &mut members.of_request);
            members.waited.resize(found.requests.len(), Vec::new());
            held.into_iter().for_each(|(at, ns)| members.waited[at as usize] = vec![Some(ns)]);
        }
        members.waited.resize(found.requests.len(), Vec::new());

        let mut profiler = Profiler::new(timeline, analysis, &owners);
        if clock.is_refused && steps.steps.iter().all(|step| step.thread == NONE_U32) {
            profiler.coverage = None;
        }
        let profiles = profiler.profiles(&steps, &time.windows);
        let foreign = ForeignPrompts::of(&steps, &profiles);
        let deferrals = deferred::deferrals(timeline);
        let accountant = Accountant {
            time: &time,
            profiler: &profiler,
            profiles: &profiles,
            foreign: &foreign,
            only_engine: (steps.engines.len() == 1 && !clock.is_refused).then_some(0),
            deferrals: &deferrals,
        };
        let assembly = Assembly {
            timeline,
            found: &found,
            members: &members,
            is_exact: &is_exact,
            is_refused: clock.is_refused,
            owners: &owners,
            accountant: &accountant,
        };
        let mut requests: Vec<Request> = (0..found.requests.len())
            .into_par_iter()
            .with_min_len(64)
            .map_init(<(Scratch, Sums)>::default, |(scratch, sums), at| {
                give_up_if_cancelled();
                assembly.request(at, scratch, sums)
            })
            .collect();
        give_up_if_cancelled();
        let mut order: Vec<u32> = (0..requests.len() as u32).collect();
        order.sort_by_key(|at| {
            let request = &requests[*at as usize];
            (request.interval, *at)
        });
        let mut place = vec![0_u32; order.len()];
        for (to, from) in order.iter().enumerate() {
            place[*from as usize] = to as u32;
        }
        let steps = assembly.steps(&mut requests, &place);
        give_up_if_cancelled();
        for at in 0..place.len() {
            // Each exchange puts one where it belongs.
            while place[at] as usize != at {
                let to = place[at] as usize;
                requests.swap(at, to);
                place.swap(at, to);
            }
        }
        give_up_if_cancelled();
        let rung = worst_rung(&requests);
        let notes = notes(&found, &time, &clock, &requests);
        Self { requests, steps, rung, clock, notes, step_of_row: owners.into_rows() }
    }

    /// The step, as a position in [`Requests::steps`], that caused an item of device work; `None`
    /// for work of no step.
    pub fn step_of(&self, item: &WorkItem) -> Option<usize> {
        let step = *self.step_of_row[item.kind as usize].get(item.row as usize)?;
        (step != NONE_U32).then_some(step as usize)
    }

    /// By row of the kernel table: the step, as a position in [`Requests::steps`]; `None` for a
    /// kernel of no step.
    pub fn steps_of_kernels(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        let steps = self.step_of_row[WorkKind::Kernel as usize].iter();
        steps.map(|step| (*step != NONE_U32).then_some(*step as usize))
    }

    /// The requests of a trace.
    pub fn of_trace(&self, trace_id: u128) -> impl Iterator<Item = (usize, &Request)> {
        let requests = self.requests.iter().enumerate();
        requests.filter(move |(_, request)| request.trace_id == Some(trace_id))
    }
}

/// Requests and steps joined by name, before anything is joined by time.
struct Joined {
    found: Discovery,
    steps: EngineSteps,
    owners: StepOwners,
    members: Members,
    clock: ClockQuality,
    /// How far the clocks are apart, as the data shows.
    apart: Option<Apart>,
}

impl Joined {
    /// Joins with `offset_ns` added to the times of spans and of steps that spans tell of.
    fn of(timeline: &Timeline, analysis: &Analysis, index: &SpanIndex, offset_ns: i64) -> Self {
        let mut found = discover::discover(timeline, index);
        found.move_by(offset_ns);
        let serving = found
            .requests
            .iter()
            .map(|request| (request.serving.start().as_ns(), request.serving.end().as_ns()));
        let serving = ServingSpans::new(serving.collect());
        let steps = EngineSteps::of(timeline, analysis, &serving, offset_ns);
        let owners = StepOwners::of(timeline, &analysis.correlation, &steps);
        let time = EngineTime::of(&steps, &owners);
        let members = members::join(timeline, index, &mut found, &steps);
        for (request, memberships) in found.requests.iter_mut().zip(&members.of_request) {
            give_up_if_cancelled();
            request.cover_steps(&time, memberships);
        }
        let (clock, apart) = clock::quality(timeline, &found, &time, &members.of_request);
        Self { found, steps, owners, members, clock, apart }
    }

    fn worth_correcting(&self) -> Option<(ClockCorrection, u64)> {
        let time = EngineTime::of(&self.steps, &self.owners);
        clock::worth_correcting(&self.clock, self.apart, &time)
    }
}

fn worst_rung(requests: &[Request]) -> Rung {
    let known = requests.iter().filter(|request| !request.steps.is_empty());
    known.map(|request| request.rung).max_by_key(|rung| rung.code()).unwrap_or(Rung::None)
}

fn notes(
    found: &Discovery,
    time: &EngineTime<'_>,
    clock: &ClockQuality,
    requests: &[Request],
) -> Vec<String> {
    let mut notes = Vec::new();
    let n_requests = requests.len();
    let n_without = requests.iter().filter(|request| request.steps.is_empty()).count();
    if found.n_traces_without > 0 && n_requests > 0 {
        let n = found.n_traces_without;
        notes.push(format!("{n} traces hold no span of a serving engine"));
    }
    if n_without > 0 && !time.steps.is_empty() {
        notes.push(format!("{n_without} of {n_requests} requests are in no known step"));
    }
    if time.steps.n_repeated > 0 {
        let n = time.steps.n_repeated;
        notes.push(format!("{n} steps repeat those of another rank and were left out"));
    }
    if clock.is_refused {
        notes.push("the clocks of spans and device work are too far apart to join them".to_owned());
    }
    if let Some(correction) = clock.correction {
        let by = DurationNs::from_ns(correction.offset_ns.unsigned_abs());
        let way = if correction.offset_ns < 0 { "earlier" } else { "later" };
        let by_what = correction.evidence.meaning();
        notes.push(format!(
            "spans were moved {by} {way}: their clock is not that of the steps, as told by {by_what}"
        ));
    }
    if clock.n_impossible_spans > 0 {
        let n = clock.n_impossible_spans;
        notes.push(format!(
            "{n} spans begin before the span that called them or lie outside it: clocks disagree"
        ));
    }
    notes
}

impl Found {
    /// Extends the span of a request without spans over its steps.
    fn cover_steps(&mut self, time: &EngineTime<'_>, memberships: &[Membership]) {
        let (Some(first), Some(last)) = (memberships.first(), memberships.last()) else { return };
        let is_open = match self.origin {
            RequestOrigin::Steps => true,
            RequestOrigin::Identity => self.interval.duration() == DurationNs::ZERO,
            _ => false,
        };
        if !is_open {
            return;
        }
        let (start, end) = (time.window(first.step).0, time.window(last.step).1);
        let start = match self.origin {
            RequestOrigin::Identity => self.interval.start().as_ns().min(start),
            _ => start,
        };
        let at = TimestampNs::from_ns;
        self.interval = Interval::new(at(start), at(end));
        self.serving = self.interval;
    }
}

/// Puts requests and steps together from what the parts found.
struct Assembly<'a> {
    timeline: &'a Timeline,
    found: &'a Discovery,
    members: &'a Members,
    is_exact: &'a [bool],
    /// Whether the times of spans cannot be compared with those of steps of a hook.
    is_refused: bool,
    owners: &'a StepOwners,
    accountant: &'a Accountant<'a>,
}

impl Assembly<'_> {
    fn request(&self, at: usize, scratch: &mut Scratch, sums: &mut Sums) -> Request {
        let found = &self.found.requests[at];
        let (empty, empty_steps) = (Vec::new(), Vec::new());
        let steps = &self.members.of_request[at];
        let is_apart = self.is_refused
            && found.span().is_some()
            && steps.iter().any(|step| step.rung == Rung::ExactHook);
        let known = Known {
            found,
            steps: if is_apart { &empty_steps } else { steps },
            waited: &self.members.waited[at],
            preempted: self.members.preempted.get(at).unwrap_or(&empty),
            is_exact: self.is_exact.get(at).copied().unwrap_or(false),
        };
        let time = self.accountant.time;
        let cut = Stages::of(self.timeline, time, known);
        let account = self.accountant.account(known, &cut.stages, scratch, sums);
        let facts = &found.facts;
        let whole = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let start = found.serving.start().as_ns();
        let since_start = |at: i64| whole(at.checked_sub(start)).map(DurationNs::from_ns);
        let output = whole(facts.output_tokens).or_else(|| self.tokens_made(steps));
        let between = cut.first_token.zip(cut.last_token);
        let tpot = whole(facts.tpot_ns).or_else(|| {
            let (first, last) = between?;
            let gaps = output?.checked_sub(1).filter(|gaps| *gaps > 0)?;
            Some(whole(last.checked_sub(first))? / gaps)
        });
        let span = found.span();
        let is_error = span.is_some_and(|row| {
            SpanStatus::from_code(self.timeline.spans.status[row as usize]) == SpanStatus::Error
        });
        let resolve = |id: StringId| self.timeline.strings.resolve_or_empty(id).to_owned();
        let request_id = match (found.request_id.is_none(), span) {
            (false, _) => resolve(found.request_id),
            (true, Some(row)) => {
                format!("span-{:016x}", self.timeline.spans.span_id[row as usize])
            }
            (true, None) => resolve(found.internal_id),
        };
        let rung = steps.iter().map(|step| step.rung).max_by_key(|rung| rung.code());
        Request {
            trace_id: found.trace_id,
            span_id: span.map(|row| self.timeline.spans.span_id[row as usize]),
            request_id,
            origin: found.origin,
            chain: found.chain.clone(),
            interval: found.interval,
            serving: found.serving,
            stages: cut.stages,
            parts: account.parts,
            steps: steps.clone(),
            rung: rung.unwrap_or(Rung::None),
            ttft: whole(facts.ttft_ns)
                .map(DurationNs::from_ns)
                .or_else(|| cut.first_token.and_then(since_start)),
            tpot: tpot.map(DurationNs::from_ns),
            tokens: RequestTokens {
                prompt: whole(facts.prompt_tokens),
                cached: whole(facts.cached_tokens).or_else(|| self.cached(at)),
                output,
            },
            engine: facts.engine.unwrap_or(StringId::NONE),
            model: facts.model.unwrap_or(StringId::NONE),
            model_version: facts.model_version.unwrap_or(StringId::NONE),
            service: found.service,
            process: steps.first().map_or(ProcessId::NONE, |step| self.process(step.step)),
            n_preemptions: cut.n_preemptions,
            is_error,
            gpu_wall: DurationNs::from_ns(account.gpu_wall),
            gpu_share: DurationNs::ZERO,
        }
    }

    /// Tokens that the steps of a request made, when all of them are known.
    fn tokens_made(&self, steps: &[Membership]) -> Option<u64> {
        use underspan_model::tables::Phase;
        let is_known = steps.iter().all(|step| step.rung == Rung::ExactHook);
        let n_decode = steps.iter().filter(|step| step.phase == Phase::Decode).count() as u64;
        let began = steps.first().is_some_and(|step| step.phase == Phase::Prefill);
        (is_known && began).then_some(n_decode + 1)
    }

    /// Tokens of the prompt that were there before the first step.
    fn cached(&self, at: usize) -> Option<u64> {
        let first = self.members.of_request[at].first()?;
        let is_first =
            first.phase == underspan_model::tables::Phase::Prefill && first.rung == Rung::ExactHook;
        first.computed_tokens.filter(|_| is_first).map(u64::from)
    }

    /// The process that did the device work of a step, or told of the step.
    fn process(&self, step: u32) -> ProcessId {
        match self.owners.thread[step as usize] {
            NONE_U32 => self.accountant.time.steps.steps[step as usize].process,
            thread => self.timeline.dimensions.process_of_thread(ThreadId::from_raw(thread)),
        }
    }

    /// The steps with their members; gives the members their shares of the device time.
    fn steps(&self, requests: &mut [Request], place: &[u32]) -> Vec<RequestStep> {
        let time = self.accountant.time;
        let steps = &time.steps.steps;
        let mut n_of_step = vec![0_usize; steps.len()];
        for membership in self.members.of_request.iter().flatten() {
            n_of_step[membership.step as usize] += 1;
        }
        let mut members: Vec<Vec<(u32, Membership)>> =
            n_of_step.into_iter().map(Vec::with_capacity).collect();
        for (at, memberships) in self.members.of_request.iter().enumerate() {
            give_up_if_cancelled();
            for membership in memberships {
                members[membership.step as usize].push((at as u32, *membership));
            }
        }
        let fixed = FixedCost::of(time.steps, self.accountant.profiles);
        let shares: Vec<Vec<u64>> = members
            .par_iter_mut()
            .enumerate()
            .with_min_len(64)
            .map(|(at, members)| {
                members.sort_by_key(|(request, _)| place[*request as usize]);
                let claims: Vec<Claim> = members
                    .iter()
                    .map(|(_, membership)| Claim {
                        own_tokens: membership.own_tokens,
                        computed_tokens: membership.computed_tokens,
                        phase: membership.phase,
                    })
                    .collect();
                let stated = n_members(&steps[at]).unwrap_or(0);
                let n_unnamed = stated.saturating_sub(members.len() as u32);
                let profile: &Profile = &self.accountant.profiles[at];
                fixed.shares(steps[at].engine, profile, &claims, n_unnamed)
            })
            .collect();
        for (members, shares) in members.iter().zip(&shares) {
            for ((request, _), share) in members.iter().zip(shares) {
                let request = &mut requests[*request as usize];
                request.gpu_share = request.gpu_share + DurationNs::from_ns(*share);
            }
        }
        let all = steps.iter().enumerate().zip(members).zip(shares);
        all.map(|(((at, step), members), shares)| {
            let profile = &self.accountant.profiles[at];
            let stated = n_members(step);
            let n_known = members.len() as u32;
            let rung = members.iter().map(|(_, m)| m.rung).max_by_key(|rung| rung.code());
            RequestStep {
                analysis_step: step.analysis_step,
                number: step.number,
                host: step.host,
                window: time.windows[at],
                device_interval: self.owners.device[at].or(step.device_interval),
                process: self.process(at as u32),
                thread: ThreadId::from_raw(self.owners.thread[at]),
                device: DeviceId::from_raw(profile.device),
                kind: step.kind,
                model: if step.rung == Rung::ExactBatch { step.name } else { StringId::NONE },
                label: step.label,
                rung: rung.unwrap_or(step.rung),
                n_members: stated.or((n_known > 0).then_some(n_known)),
                members: members
                    .iter()
                    .zip(shares)
                    .map(|((request, membership), share)| StepMember {
                        request: place[*request as usize],
                        own_tokens: membership.own_tokens,
                        phase: membership.phase,
                        gpu_share: DurationNs::from_ns(share),
                    })
                    .collect(),
                profile: profile.parts.clone(),
                busy: DurationNs::from_ns(profile.busy),
            }
        })
        .collect()
    }
}

/// How many requests a step says were in it.
fn n_members(step: &engine_steps::EngineStep) -> Option<u32> {
    let label = &step.label;
    let by_phase = label.context_requests.zip(label.generation_requests).map(|(a, b)| a + b);
    let stated = label.requests.or(by_phase).and_then(|n| u32::try_from(n).ok());
    let named = step.members.len() as u32;
    match stated {
        Some(stated) => Some(stated.max(named)),
        None => (named > 0).then_some(named),
    }
}
