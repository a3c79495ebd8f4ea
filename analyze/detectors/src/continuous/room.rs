//! Whether an engine kept requests waiting that its batch and its budget had room for: then its KV
//! cache was used up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::lane::Rules;
use crate::Case;
use crate::replay::Schedule;
use underspan_model::give_up_if_cancelled;

/// Fewest steps that keep somebody waiting, and least share of all.
const STEPS_MIN: usize = 8;
const SHARE_MIN: f64 = 0.02;
/// A batch counts as full from this share of its limit on.
pub(crate) const FULL: f64 = 0.95;
/// Fewest requests that come in after a wait, and least share of them that do so as another
/// leaves.
const COME_MIN: usize = 8;
const AS_OTHERS_LEAVE_MIN: f64 = 0.8;
/// Most steps that somebody leaves for that to mean anything.
const LEAVE_MAX: f64 = 0.6;
/// Least share of a declared KV cache that must be asked for in most steps that keep somebody
/// waiting.
const DECLARED_MIN: f64 = 0.8;
/// How much worse than the best size of the cache the declared one may tell who waits.
const TOLERANCE: f64 = 0.25;

/// What kept requests out of a batch with room.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Room {
    /// Steps that kept a request waiting that they had room for.
    pub(super) is_held_back: Vec<bool>,
    /// Tokens that the KV cache holds; infinite where nothing shows that it was used up.
    pub(super) kv_tokens: f64,
}

/// What the steps of all lanes show.
#[derive(Debug, Default)]
struct Seen {
    /// Tokens held, and those of the first that waits, of steps that keep it waiting.
    refused: Vec<f64>,
    /// Tokens held in steps that take somebody in after such a step.
    taken: Vec<f64>,
    /// How many of these follow a step that somebody left with.
    as_others_leave: usize,
    /// Steps that somebody left with, and all.
    left: usize,
    all: usize,
}

impl Room {
    /// Looks at a case; `rules` say what else limits a step, `prompts` how many tokens of each
    /// request's prompt were computed.
    pub(super) fn of(case: &Case<'_>, rules: Rules, prompts: &[f64]) -> Self {
        let n_steps = case.facts.len();
        let mut found = Self { is_held_back: vec![false; n_steps], kv_tokens: f64::INFINITY };
        let mut seen = Seen::default();
        for lane in 0..case.n_lanes() as u32 {
            found.look_at_lane(case, lane, rules, prompts, &mut seen);
        }
        let n_held_back = seen.refused.len();
        let is_much = n_held_back >= STEPS_MIN && n_held_back as f64 >= SHARE_MIN * n_steps as f64;
        let declared = case.settings.kv_tokens();
        if is_much && (seen.comes_as_others_leave() || seen.fills(declared)) {
            found.kv_tokens = seen.kv_tokens(declared);
        } else {
            found.is_held_back.fill(false);
        }
        found
    }

    fn look_at_lane(
        &mut self,
        case: &Case<'_>,
        lane: u32,
        rules: Rules,
        prompts: &[f64],
        seen: &mut Seen,
    ) {
        let Schedule { runs, requests } = &case.schedule;
        let steps: Vec<usize> = (0..runs.len()).filter(|step| runs[*step].lane == lane).collect();
        let mut place = vec![usize::MAX; runs.len()];
        steps.iter().enumerate().for_each(|(at, step)| place[*step] = at);
        let place_of = |run: u32| place.get(run as usize).copied().filter(|at| *at != usize::MAX);
        // Requests by when they were ready, with the places of their first step.
        let mut coming: Vec<(i64, usize, u32)> = requests
            .iter()
            .enumerate()
            .filter_map(|(at, served)| {
                Some((served.ready_ns, place_of(served.first_run)?, at as u32))
            })
            .collect();
        coming.sort_unstable();
        let (mut has_new, mut has_left) = (vec![false; steps.len()], vec![false; steps.len()]);
        for served in requests {
            let ends = place_of(served.first_run).zip(place_of(served.last_run));
            let Some((first, last)) = ends else { continue };
            (has_new[first], has_left[last]) = (true, true);
        }
        let running = running(case, &place, steps.len(), prompts);
        let mut coming = coming.into_iter().peekable();
        let mut waiting: BinaryHeap<Reverse<(i64, usize, u32)>> = BinaryHeap::new();
        let mut kept = false;
        for (at, step) in steps.iter().copied().enumerate() {
            give_up_if_cancelled();
            // Who came while the step before was being put together may have come too late for
            // this one too.
            let known = at.checked_sub(2).map_or(i64::MIN, |before| runs[steps[before]].start_ns);
            while let Some(next) = coming.next_if(|(ready, ..)| *ready < known) {
                waiting.push(Reverse(next));
            }
            while waiting.peek().is_some_and(|Reverse((_, first, _))| *first <= at) {
                waiting.pop();
            }
            let n_left = usize::from(at > 0 && has_left[at - 1] || at > 1 && has_left[at - 2]);
            seen.left += n_left;
            seen.all += 1;
            if kept && has_new[at] {
                seen.taken.push(running[at].tokens);
                seen.as_others_leave += n_left;
            }
            let n_members = f64::from(case.members(step)).max(running[at].n);
            let used = (case.prefill_tokens(step) + case.decode_requests(step)) as f64;
            let first = waiting.peek().map(|Reverse((_, _, request))| prompts[*request as usize]);
            let first = first.filter(|prompt| {
                n_members > 0.0
                    && n_members < FULL * rules.limit
                    && used + prompt.max(1.0) <= rules.budget
            });
            kept = first.is_some();
            if let Some(prompt) = first {
                self.is_held_back[step] = true;
                seen.refused.push(running[at].tokens + prompt);
            }
        }
    }
}

impl Seen {
    /// Whether requests come in when others leave, and at no other time.
    fn comes_as_others_leave(&self) -> bool {
        let n = self.taken.len();
        n >= COME_MIN
            && self.as_others_leave as f64 >= AS_OTHERS_LEAVE_MIN * n as f64
            && self.left as f64 <= LEAVE_MAX * self.all as f64
    }

    /// Whether most steps that keep somebody waiting would need the whole KV cache with it.
    fn fills(&self, declared: Option<f64>) -> bool {
        let Some(declared) = declared else { return false };
        let n = self.refused.iter().filter(|tokens| **tokens >= DECLARED_MIN * declared).count();
        n * 2 > self.refused.len()
    }

    /// The size of the cache that tells best who came in and who waited; the declared one where it
    /// tells it about as well.
    fn kv_tokens(&self, declared: Option<f64>) -> f64 {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let (refused, taken) = (sorted(&self.refused), sorted(&self.taken));
        let wrong = |size: f64| {
            let refused_below = refused.partition_point(|tokens| *tokens <= size);
            let taken_above = taken.len() - taken.partition_point(|tokens| *tokens <= size);
            let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
            share(refused_below, refused.len()) + share(taken_above, taken.len())
        };
        let sizes = taken.iter().chain(refused.first()).copied();
        let best = sizes.min_by(|a, b| wrong(*a).total_cmp(&wrong(*b))).unwrap_or(f64::INFINITY);
        declared.filter(|size| wrong(*size) <= wrong(best) + TOLERANCE).unwrap_or(best)
    }
}

/// Requests that are running at a step, in it or waiting for it, and the tokens that the KV cache
/// holds for them.
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    n: f64,
    tokens: f64,
}

/// The same of each of the `n_steps` of a lane; `place` says which of them a step is.
fn running(case: &Case<'_>, place: &[usize], n_steps: usize, prompts: &[f64]) -> Vec<Running> {
    let mut running = vec![Running::default(); n_steps + 1];
    for (request, computed) in case.requests.requests.iter().zip(prompts) {
        give_up_if_cancelled();
        let places = request.steps.iter().map(|member| place[member.step as usize]);
        let mut places = places.filter(|at| *at != usize::MAX);
        let Some(first) = places.next() else { continue };
        let mut held = request.tokens.prompt.map_or(*computed, |tokens| tokens as f64);
        let mut last = first;
        (running[first].n, running[first].tokens) =
            (running[first].n + 1.0, running[first].tokens + held);
        for at in places {
            (last, held) = (at, held + 1.0);
            running[at].tokens += 1.0;
        }
        running[last + 1].n -= 1.0;
        running[last + 1].tokens -= held;
    }
    let mut now = Running::default();
    for step in &mut running {
        now = Running { n: now.n + step.n, tokens: now.tokens + step.tokens };
        *step = now;
    }
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(refused: &[f64], taken: &[f64]) -> Seen {
        Seen { refused: refused.to_vec(), taken: taken.to_vec(), ..Seen::default() }
    }

    #[test]
    fn the_size_of_the_cache_lies_between_what_came_in_and_what_waited() {
        let of = seen(&[1_100.0, 1_050.0, 1_200.0], &[990.0, 700.0, 850.0]);
        assert_eq!(of.kv_tokens(None), 990.0);
        assert_eq!(of.kv_tokens(Some(1_000.0)), 1_000.0);
        assert_eq!(of.kv_tokens(Some(5_000.0)), 990.0, "all that waited would have had room");
    }

    #[test]
    fn who_comes_in_at_any_time_does_not_wait_for_room() {
        let n = COME_MIN;
        let mut of = seen(&[], &vec![1.0; n]);
        (of.as_others_leave, of.left, of.all) = (n, 20, 100);
        assert!(of.comes_as_others_leave());
        of.as_others_leave = n / 2;
        assert!(!of.comes_as_others_leave());
        (of.as_others_leave, of.left) = (n, 80);
        assert!(!of.comes_as_others_leave(), "somebody leaves with nearly every step");
    }

    #[test]
    fn a_declared_cache_must_be_what_the_waiting_ask_for() {
        let of = seen(&[900.0, 950.0, 300.0], &[]);
        assert!(of.fills(Some(1_000.0)) && !of.fills(Some(10_000.0)) && !of.fills(None));
    }
}
