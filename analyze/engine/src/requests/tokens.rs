//! When the tokens of a request came: at the end of each step that made one.

use rayon::prelude::*;
use underspan_model::DurationNs;
use underspan_model::tables::Phase;

use super::request::{Membership, Request};
use super::{RequestStep, Requests};
use crate::percentile::{P99_MIN_N, nearest_rank};

/// An inter-token latency: the time between two tokens of a request that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGap {
    /// The step that made the later token, a position in [`Requests::steps`].
    pub step: u32,
    /// From the end of the step that made the earlier one to the end of this one.
    pub gap: DurationNs,
}

/// Percentiles of latencies, by nearest rank: each is a value that occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySummary {
    /// How many there are.
    pub n: u64,
    /// Median.
    pub p50: DurationNs,
    /// 95th percentile.
    pub p95: DurationNs,
    /// 99th percentile; `None` of fewer than [`P99_MIN_N`] values, of which it would be the
    /// largest.
    pub p99: Option<DurationNs>,
    /// The largest.
    pub max: DurationNs,
}

impl LatencySummary {
    /// The summary of values in any order; `None` without any.
    pub fn of(values: impl IntoIterator<Item = DurationNs>) -> Option<Self> {
        let mut sorted: Vec<DurationNs> = values.into_iter().collect();
        sorted.sort_unstable();
        let at = |percent| nearest_rank(percent, sorted.len()).map(|rank| sorted[rank]);
        Some(Self {
            n: sorted.len() as u64,
            p50: at(50)?,
            p95: at(95)?,
            p99: at(99).filter(|_| sorted.len() >= P99_MIN_N),
            max: *sorted.last()?,
        })
    }
}

/// How soon the requests of a capture had their tokens. `None` where no request tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenLatencies {
    /// Time to first token, one value a request.
    pub ttft: Option<LatencySummary>,
    /// Inter-token latency, one value for each token after a request's first.
    pub itl: Option<LatencySummary>,
    /// Time per output token after the first, one mean a request.
    pub tpot: Option<LatencySummary>,
}

impl Requests {
    /// The inter-token latencies of a request in order of time, as its steps tell; as well known
    /// as its membership in them ([`Request::rung`]). Empty when its steps or what it did in them
    /// is not known, or fewer than two of them made a token.
    ///
    /// Tokens of one step (drafts that were accepted) come together and count once. Time in which
    /// the request was put out of the batch lies in a gap: the caller waited for it.
    pub fn token_gaps(&self, request: &Request) -> Vec<TokenGap> {
        gaps_of(request, &self.steps)
    }

    /// Percentiles over all requests. Runs on the current rayon pool.
    pub fn token_latencies(&self) -> TokenLatencies {
        let gaps: Vec<Vec<TokenGap>> = self
            .requests
            .par_iter()
            .with_min_len(256)
            .map(|request| gaps_of(request, &self.steps))
            .collect();
        TokenLatencies {
            ttft: LatencySummary::of(self.requests.iter().filter_map(|request| request.ttft)),
            itl: LatencySummary::of(gaps.iter().flatten().map(|gap| gap.gap)),
            tpot: LatencySummary::of(self.requests.iter().filter_map(|request| request.tpot)),
        }
    }
}

/// The steps that made tokens of a request, by what is known of its prompt and output.
pub(super) fn making_steps(
    steps: &[Membership],
    prompt: Option<u64>,
    output: Option<u64>,
) -> Vec<u32> {
    let making = (0..steps.len()).filter(|at| makes_token(steps, *at, prompt));
    // An engine that schedules ahead runs a step more before it sees that an answer is whole.
    let most = output.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    making.map(|at| steps[at].step).take(most).collect()
}

fn gaps_of(request: &Request, steps: &[RequestStep]) -> Vec<TokenGap> {
    let making = making_steps(&request.steps, request.tokens.prompt, request.tokens.output);
    let end = |step: u32| steps.get(step as usize).map(|step| step.window.end());
    let gap = |pair: &[u32]| {
        let (before, after) = (end(pair[0])?, end(pair[1])?);
        Some(TokenGap { step: pair[1], gap: after.saturating_since(before) })
    };
    making.windows(2).filter_map(gap).collect()
}

/// Whether a request had a token from a step: each step in which it decodes makes one, and the last
/// of a prompt's, or of one that is computed anew after a preemption.
fn makes_token(steps: &[Membership], at: usize, prompt: Option<u64>) -> bool {
    let this = &steps[at];
    match this.phase {
        Phase::Decode => return true,
        Phase::Prefill => {}
        _ => return false,
    }
    let reached = this.computed_tokens.zip(this.own_tokens);
    let reached = reached.map(|(before, own)| u64::from(before) + u64::from(own));
    let is_whole = reached.zip(prompt).map(|(reached, prompt)| reached >= prompt);
    match steps.get(at + 1) {
        Some(next) if next.phase == Phase::Decode => true,
        // More of the prompt follows, unless it begins anew: then it was put out of the batch.
        Some(next) => {
            let is_anew = next.computed_tokens.zip(reached).is_some_and(|(n, r)| u64::from(n) < r);
            is_anew && is_whole == Some(true)
        }
        None => is_whole.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::Rung;

    fn member(phase: Phase, computed: u32, own: u32) -> Membership {
        Membership {
            step: 0,
            own_tokens: Some(own),
            computed_tokens: Some(computed),
            phase,
            position: None,
            rung: Rung::ExactHook,
        }
    }

    #[track_caller]
    fn assert_makes(steps: &[(Phase, u32, u32)], prompt: Option<u64>, expected: &[bool]) {
        let steps: Vec<_> = steps.iter().map(|(phase, c, own)| member(*phase, *c, *own)).collect();
        let found: Vec<bool> = (0..steps.len()).map(|at| makes_token(&steps, at, prompt)).collect();
        assert_eq!(found, expected);
    }

    use Phase::{Decode, Prefill, Unknown};

    #[test]
    fn the_last_chunk_of_a_prompt_and_each_decode_make_a_token() {
        let steps = [(Prefill, 0, 512), (Prefill, 512, 88), (Decode, 600, 1), (Decode, 601, 1)];
        assert_makes(&steps, Some(600), &[false, true, true, true]);
        assert_makes(&steps, None, &[false, true, true, true]);
    }

    #[test]
    fn a_prompt_computed_anew_makes_one_again_when_it_is_whole() {
        let steps = [
            (Prefill, 0, 600),
            (Prefill, 0, 512),
            (Prefill, 512, 89),
            (Decode, 601, 1),
            (Prefill, 0, 603),
        ];
        assert_makes(&steps, Some(600), &[true, false, true, true, true]);
        // Put out of the batch with half a prompt: no token came of it.
        let halved = [(Prefill, 0, 300), (Prefill, 0, 600), (Decode, 600, 1)];
        assert_makes(&halved, Some(600), &[false, true, true]);
    }

    #[test]
    fn the_end_of_a_capture_within_a_prompt_is_no_token() {
        assert_makes(&[(Prefill, 0, 512)], Some(600), &[false]);
        assert_makes(&[(Prefill, 0, 600)], Some(600), &[true]);
        assert_makes(&[(Unknown, 0, 1), (Unknown, 0, 1)], None, &[false, false]);
    }

    #[test]
    fn a_small_sample_has_no_99th_percentile() {
        let values = |n: u64| (1..=n).map(DurationNs::from_ns);
        assert_eq!(LatencySummary::of(values(0)), None);
        let few = LatencySummary::of(values(99)).expect("values");
        assert_eq!((few.n, few.p50.as_ns(), few.p95.as_ns(), few.p99), (99, 50, 95, None));
        let many = LatencySummary::of(values(200)).expect("values");
        assert_eq!(many.p99, Some(DurationNs::from_ns(198)));
        assert_eq!(many.max.as_ns(), 200);
    }
}
