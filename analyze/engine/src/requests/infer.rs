//! Membership that no source states, guessed from what spans say and when steps ran.
//!
//! An engine's span says how long its request was in prefill and in decode, and how many tokens it
//! made: one a step. The steps of the request are then a row of steps whose lengths are those
//! times. Ranges that a program puts around its requests belong to the request that ended right
//! after them.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::StringId;
use underspan_model::tables::{Phase, Rung};

use super::Membership;
use super::discover::Found;
use super::engine_steps::{Engine, ServingSpans};
use super::engine_time::EngineTime;
use super::mates::join_mates;
use crate::StepDialect;
use underspan_model::give_up_if_cancelled;

/// How far the host's stamp of a step may lie from the engine's of scheduling it.
const STAMP_NS: i64 = 5_000_000;
/// Most steps that are tried as a request's first.
const TRY_LIMIT: usize = 4096;
/// Most steps that one prompt is cut into.
const CHUNK_LIMIT: usize = 512;

/// Adds guessed memberships for requests that have none, in steps whose members no source states.
/// Returns how long requests had been queued, where that is known with them.
pub(super) fn infer(
    time: &EngineTime<'_>,
    found: &[Found],
    of_request: &mut [Vec<Membership>],
) -> Vec<(u32, u64)> {
    // Times of a request whose own spans contradict each other say nothing to the step.
    let most_skew = time.half_median_step().map_or(0, |half| half.as_ns());
    let is_usable = |found: &Found| found.span().is_some() && found.skew_ns <= most_skew;
    let mut open: Vec<u32> = (0..found.len() as u32)
        .filter(|at| of_request[*at as usize].is_empty() && is_usable(&found[*at as usize]))
        .collect();
    open.sort_by_key(|at| (found[*at as usize].serving, *at));
    let engines: Vec<&Engine> = time
        .steps
        .engines
        .iter()
        .filter(|engine| {
            let states_members = |step: &u32| {
                let rung = time.steps.steps[*step as usize].rung;
                matches!(rung, Rung::ExactHook | Rung::ExactBatch)
            };
            !engine.steps.iter().any(states_members)
        })
        .collect();
    // Spans that tell of tokens are those of engines that iterate; others have ranges of their own.
    let tells_tokens = |at: &u32| {
        let facts = &found[*at as usize].facts;
        facts.ttft_ns.is_some() || facts.output_tokens.is_some()
    };
    let iterates = open.iter().any(tells_tokens);
    let (ranges, serial): (Vec<&Engine>, Vec<&Engine>) = engines.into_iter().partition(|engine| {
        let dialect = |step: &u32| time.steps.steps[*step as usize].label.dialect;
        engine.steps.iter().all(|step| match dialect(step) {
            StepDialect::Annotation => true,
            StepDialect::DeviceWork => !iterates,
            _ => false,
        })
    });
    let mut held = Vec::new();
    if !ranges.is_empty() {
        let owners = owners_of_ranges(time, &ranges, found, &open);
        for engine in ranges {
            give_ranges(time, engine, found, &owners, of_request);
        }
        held = join_mates(time, found, &owners, of_request);
    }
    let serial: Vec<Timetable<'_>> =
        serial.into_iter().map(|engine| Timetable::of(time, engine)).collect();
    for at in open.into_iter().filter(tells_tokens) {
        give_up_if_cancelled();
        let request = &found[at as usize];
        let fits = serial.iter().filter_map(|table| fit(time, table, request));
        if let Some(best) = fits.min_by_key(|fit| fit.misfit) {
            of_request[at as usize] = best.memberships(time, request);
        }
    }
    for memberships in of_request {
        memberships.sort_by_key(|membership| membership.step);
    }
    held
}

/// The requests of the service that the ranges belong to: that within whose requests most of them
/// lie, of equal ones the one whose requests are shorter. Others only wait for it, or have nothing
/// to do with it.
fn owners_of_ranges(
    time: &EngineTime<'_>,
    engines: &[&Engine],
    found: &[Found],
    open: &[u32],
) -> Vec<u32> {
    let mut services: Vec<StringId> = open.iter().map(|at| found[*at as usize].service).collect();
    services.sort_unstable();
    services.dedup();
    let of = |service: StringId| -> Vec<u32> {
        open.iter().copied().filter(|at| found[*at as usize].service == service).collect()
    };
    let held = |requests: &[u32]| {
        let spans = requests.iter().map(|at| {
            let serving = found[*at as usize].serving;
            (serving.start().as_ns(), serving.end().as_ns())
        });
        let spans = ServingSpans::new(spans.collect());
        let steps = engines.iter().flat_map(|engine| &engine.steps);
        let holds = |step: &&u32| {
            let host = time.steps.steps[**step as usize].host;
            spans.hold(host.start().as_ns(), host.end().as_ns())
        };
        steps.filter(holds).count()
    };
    let length = |requests: &[u32]| -> u64 {
        requests.iter().map(|at| found[*at as usize].serving.duration().as_ns()).sum()
    };
    let best = services.into_iter().map(of).max_by_key(|requests| {
        (held(requests), std::cmp::Reverse(length(requests) / requests.len().max(1) as u64))
    });
    best.unwrap_or_default()
}

/// Gives each range to the request, of those it lies within, that ends soonest after it. Of ranges
/// with one name a request has one, as long as others have none.
fn give_ranges(
    time: &EngineTime<'_>,
    engine: &Engine,
    found: &[Found],
    open: &[u32],
    of_request: &mut [Vec<Membership>],
) {
    let serving = |at: u32| {
        let serving = found[at as usize].serving;
        (serving.start().as_ns(), serving.end().as_ns())
    };
    let one_each = engine
        .steps
        .iter()
        .all(|step| time.steps.steps[*step as usize].label.dialect == StepDialect::Annotation);
    let mut order = engine.steps.clone();
    order.sort_by_key(|step| (time.steps.steps[*step as usize].host.end(), *step));
    // By request that has a range: when the last of its ranges ended.
    let mut is_given: HashMap<u32, i64, FixedState> = HashMap::default();
    // Requests by end: the first that ends after a range and began before it.
    let mut by_end: Vec<u32> = open.to_vec();
    by_end.sort_by_key(|at| (serving(*at).1, *at));
    for step in order {
        let host = time.steps.steps[step as usize].host;
        let (start, end) = (host.start().as_ns(), host.end().as_ns());
        let first = by_end.partition_point(|at| serving(*at).1 < end);
        let around = by_end[first..].iter().take(TRY_LIMIT).filter(|at| serving(**at).0 <= start);
        let mut nearest = None;
        let mut free = None;
        for at in around {
            nearest = nearest.or(Some(*at));
            if one_each && !is_given.contains_key(at) {
                free = Some(*at);
                break;
            }
            // Of several that are open, the server works on the one that came first, unless another
            // thread works on that already.
            let is_at_work = is_given.get(at).is_some_and(|until| *until > start);
            let is_first = free.is_none_or(|free| serving(*at).0 < serving(free).0);
            if !one_each && !is_at_work && is_first {
                free = Some(*at);
            }
        }
        let Some(at) = free.or(nearest) else { continue };
        is_given.insert(at, end);
        of_request[at as usize].push(Membership {
            step,
            own_tokens: None,
            computed_tokens: None,
            phase: Phase::Unknown,
            position: None,
            rung: Rung::Inferred,
        });
    }
}

/// The steps of an engine, and which of them decode: a request that has its first token is in
/// those only. Engines that compute prompts apart from the rest (SGLang, without mixed chunks) have
/// others in between, in which it waits.
struct Timetable<'a> {
    engine: &'a Engine,
    /// Places of the steps that may decode.
    decodes: Vec<usize>,
}

impl<'a> Timetable<'a> {
    fn of(time: &EngineTime<'_>, engine: &'a Engine) -> Self {
        let may_decode = |place: &usize| {
            let step = engine.steps[*place] as usize;
            time.steps.steps[step].label.generation_requests != Some(0)
        };
        Self { engine, decodes: (0..engine.steps.len()).filter(may_decode).collect() }
    }

    /// The place that is `n` steps of decode after a place; beyond all for a step that is not in
    /// the capture.
    fn decoded_after(&self, place: usize, n: usize) -> usize {
        let next = self.decodes.partition_point(|decode| *decode <= place);
        match n {
            0 => place,
            n => self.decodes.get(next + n - 1).copied().unwrap_or(self.engine.steps.len()),
        }
    }

    /// The place that is `n` steps of decode before a place; `None` when it is not in the capture.
    fn decoded_before(&self, place: usize, n: usize) -> Option<usize> {
        let next = self.decodes.partition_point(|decode| *decode <= place);
        self.decodes.get(next.checked_sub(n + 1)?).copied()
    }
}

/// Steps that may be those of a request.
#[derive(Clone, Copy)]
struct Fit<'a> {
    engine: &'a Engine,
    /// Places of the first step, of the one that made the first token, and of the last.
    first: usize,
    token: usize,
    last: usize,
    /// How far the times are from those that the span states.
    misfit: u64,
}

/// The best fit of a request to the steps of an engine; `None` when it cannot be in any.
fn fit<'a>(time: &EngineTime<'_>, table: &Timetable<'a>, found: &Found) -> Option<Fit<'a>> {
    let engine = table.engine;
    let facts = &found.facts;
    let start = found.serving.start().as_ns();
    let queue = facts.queue_ns.unwrap_or(0);
    let (Some(ttft), Some(prefill)) = (facts.ttft_ns, facts.prefill_ns) else {
        return by_tokens(time, table, found);
    };
    let decode = facts.decode_ns.unwrap_or(0);
    let n_output = usize::try_from(facts.output_tokens.unwrap_or(0)).ok()?;
    let steps = &engine.steps;
    let window = |place: usize| time.window(steps[place]);
    let host_start = |place: usize| time.steps.steps[steps[place] as usize].host.start().as_ns();
    // Scheduled at the earliest once queued, at the latest so that the first token is in time.
    let earliest = start.saturating_add(queue);
    let latest = start.saturating_add(ttft.saturating_sub(prefill)).max(earliest);
    let from = steps.partition_point(|step| {
        let host = time.steps.steps[*step as usize].host;
        host.start().as_ns() < earliest.saturating_sub(STAMP_NS)
    });
    let has_prompt = |place: usize| may_hold_prompt(time, steps[place]);
    let mut best: Option<Fit<'_>> = None;
    for first in (from..steps.len()).take(TRY_LIMIT) {
        let scheduled = host_start(first);
        if scheduled > latest.saturating_add(STAMP_NS) {
            break;
        }
        if !has_prompt(first) {
            continue;
        }
        let outside = if scheduled < earliest {
            earliest.abs_diff(scheduled)
        } else {
            scheduled.saturating_sub(latest).max(0).unsigned_abs()
        };
        for token in (first..steps.len()).take(CHUNK_LIMIT) {
            if !has_prompt(token) {
                break;
            }
            let made = window(token).1;
            let of_prefill = made.saturating_sub(scheduled).abs_diff(prefill);
            let last = table.decoded_after(token, n_output.saturating_sub(1));
            let of_decode = match steps.get(last) {
                Some(step) => time.window(*step).1.saturating_sub(made).abs_diff(decode),
                // Cut off by the end of the capture.
                None => 0,
            };
            let misfit = outside + of_prefill + of_decode;
            if best.is_none_or(|best| misfit < best.misfit) {
                best = Some(Fit { engine, first, token, last: last.min(steps.len() - 1), misfit });
            }
            if made.saturating_sub(scheduled) > prefill.saturating_add(STAMP_NS) {
                break;
            }
        }
    }
    let tolerance = STAMP_NS.unsigned_abs() + (prefill.unsigned_abs() + decode.unsigned_abs()) / 20;
    match best {
        Some(best) if best.misfit <= tolerance => Some(best),
        // It began before the capture, or was put out of the batch: by time alone.
        _ => by_time(time, engine, found, (latest, ttft, decode)),
    }
}

/// Whether a step may compute a prompt.
fn may_hold_prompt(time: &EngineTime<'_>, step: u32) -> bool {
    time.steps.steps[step as usize].label.context_requests != Some(0)
}

/// Where the span does not say how long the prompt took: by the end of the request, which its last
/// step ends shortly before, by how many tokens it has, each of which took a step, and by when the
/// first one came.
fn by_tokens<'a>(time: &EngineTime<'_>, table: &Timetable<'a>, found: &Found) -> Option<Fit<'a>> {
    let engine = table.engine;
    let steps = &engine.steps;
    let (start, end) = (found.serving.start().as_ns(), found.serving.end().as_ns());
    let window = |place: usize| time.window(steps[place]);
    let n_output = found.facts.output_tokens.and_then(|n| usize::try_from(n).ok());
    let after_first = n_output.map(|n| n.saturating_sub(1));
    let ended = steps.partition_point(|step| time.window(*step).1 <= end);
    // The last step in which it may have been, if the capture reaches that far.
    let last_seen = table.decodes.partition_point(|place| *place < ended).checked_sub(1);
    let by_end = last_seen.map(|at| table.decodes[at]);
    let token = match (found.facts.ttft_ns, by_end, after_first) {
        (Some(ttft), ..) => {
            let made = start.saturating_add(ttft);
            let ended = steps.partition_point(|step| time.window(*step).1 <= made);
            if ended == 0 {
                // Its first token came before the capture began.
                return by_time(time, engine, found, (made, ttft, end.saturating_sub(made)));
            }
            (0..ended).rev().take(CHUNK_LIMIT).find(|place| may_hold_prompt(time, steps[*place]))?
        }
        (None, Some(last), Some(n)) => {
            let from = match n {
                0 => ended,
                n => match table.decoded_before(last, n - 1) {
                    Some(from) => from,
                    // Longer than the capture reaches back.
                    None => return by_time(time, engine, found, (start, 0, end - start)),
                },
            };
            let mut held = (0..from).rev().take(CHUNK_LIMIT);
            let latest = held.find(|place| may_hold_prompt(time, steps[*place]))?;
            // Of several in a row the first that began once the request was there.
            let in_a_row = (0..=latest).rev().take(CHUNK_LIMIT);
            let in_a_row = in_a_row.take_while(|place| {
                may_hold_prompt(time, steps[*place]) && window(*place).0 >= start
            });
            in_a_row.last().unwrap_or(latest)
        }
        _ => return None,
    };
    let last = after_first.map_or(by_end?, |n| table.decoded_after(token, n));
    // Not before it came, and not after it had been answered.
    let is_its = window(token).1 > start && last >= token;
    let last = last.min(ended.saturating_sub(1)).min(steps.len() - 1).max(token);
    let first = first_chunk(time, engine, found, token);
    is_its.then_some(Fit { engine, first, token, last, misfit: u64::MAX - 1 })
}

/// The step of the first chunk of a prompt that is longer than the last one's step could compute.
fn first_chunk(time: &EngineTime<'_>, engine: &Engine, found: &Found, token: usize) -> usize {
    let facts = &found.facts;
    let cached = facts.cached_tokens.unwrap_or(0).max(0);
    let needed = facts.prompt_tokens.unwrap_or(0).saturating_sub(cached).max(0) as u64;
    let tokens = |place: usize| {
        time.steps.steps[engine.steps[place] as usize].label.context_tokens.unwrap_or(u64::MAX)
    };
    let start = found.serving.start().as_ns();
    let mut first = token;
    let mut computed = tokens(token);
    while computed < needed && token - first < CHUNK_LIMIT {
        let Some(before) = first.checked_sub(1) else { break };
        let step = engine.steps[before];
        if time.window(step).1 <= start || !may_hold_prompt(time, step) {
            break;
        }
        computed = computed.saturating_add(tokens(before));
        first = before;
    }
    first
}

/// The steps between being scheduled and the last token, by the clock.
fn by_time<'a>(
    time: &EngineTime<'_>,
    engine: &'a Engine,
    found: &Found,
    (scheduled, ttft, decode): (i64, i64, i64),
) -> Option<Fit<'a>> {
    let start = found.serving.start().as_ns();
    let made = start.saturating_add(ttft);
    let end = made.saturating_add(decode);
    let middle = |step: &u32| {
        let (start, end) = time.window(*step);
        start / 2 + end / 2
    };
    let first = engine.steps.partition_point(|step| middle(step) < scheduled);
    let after = engine.steps.partition_point(|step| middle(step) < end);
    let last = after.checked_sub(1).filter(|last| *last >= first)?;
    let token = engine.steps.partition_point(|step| middle(step) < made).saturating_sub(1);
    Some(Fit { engine, first, token: token.clamp(first, last), last, misfit: u64::MAX })
}

impl Fit<'_> {
    fn memberships(&self, time: &EngineTime<'_>, found: &Found) -> Vec<Membership> {
        let began_before = self.misfit == u64::MAX && {
            let (start, _) = time.window(self.engine.steps[self.first]);
            let token = found.facts.ttft_ns.unwrap_or(0);
            found.serving.start().as_ns().saturating_add(token) < start
        };
        (self.first..=self.last)
            .filter_map(|place| {
                let step = self.engine.steps[place];
                let label = &time.steps.steps[step as usize].label;
                let is_prefill = place <= self.token && !began_before;
                if !is_prefill && label.generation_requests == Some(0) {
                    // Only prompts of others: it waited.
                    return None;
                }
                let alone = label.context_requests == Some(1);
                let own = if is_prefill {
                    label.context_tokens.filter(|_| alone).and_then(|n| u32::try_from(n).ok())
                } else {
                    Some(1)
                };
                let has_counts = label.requests.is_some() || label.context_requests.is_some();
                Some(Membership {
                    step,
                    own_tokens: own,
                    computed_tokens: None,
                    phase: if is_prefill { Phase::Prefill } else { Phase::Decode },
                    position: None,
                    rung: if has_counts { Rung::Counts } else { Rung::Inferred },
                })
            })
            .collect()
    }
}
