//! How long a step of continuous batching takes, by what is in it, fitted on the capture.

use crate::Case;
use crate::statistics::median;

/// Fewest steps of a kind for a fit.
const STEPS_MIN: usize = 8;

/// The time of a step as a sum: what a step takes that only decodes, by its number of requests,
/// and a rate per token of prompts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepModel {
    /// Median length of steps that only decode, by number of requests rounded up to a power of
    /// two; NaN where there were too few.
    decode_ns: Vec<f64>,
    /// The median over all of them.
    decode_any_ns: f64,
    /// Time per token of prompts in steps that also hold prompts.
    pub(crate) prompt_token_ns: f64,
}

impl StepModel {
    /// Fits the model; `None` when there are too few steps.
    pub(crate) fn fit(case: &Case<'_>) -> Option<Self> {
        Self::fit_to(case, |step| case.step_ns(step) as f64)
    }

    /// The same for other lengths of the steps.
    pub(crate) fn fit_to(case: &Case<'_>, length_ns: impl Fn(usize) -> f64) -> Option<Self> {
        let mut by_size: Vec<Vec<f64>> = vec![Vec::new(); 64];
        let few = few_tokens(case);
        for step in 0..case.facts.len() {
            if case.prefill_tokens(step) <= few && case.members(step) > 0 {
                let size = bucket(case.decode_requests(step));
                by_size[size].push(length_ns(step));
            }
        }
        let all: Vec<f64> = by_size.iter().flatten().copied().collect();
        if all.len() < STEPS_MIN {
            return None;
        }
        let decode_any_ns = median(all)?;
        let decode_ns = by_size
            .into_iter()
            .map(|steps| if steps.len() < 4 { f64::NAN } else { median(steps).unwrap_or(f64::NAN) })
            .collect();
        let mut model = Self { decode_ns, decode_any_ns, prompt_token_ns: 0.0 };
        // Few tokens ride along for nothing: the rate is that of steps with many.
        let rates = |least: u64| {
            let steps = (0..case.facts.len()).filter(|step| case.prefill_tokens(*step) >= least);
            let rates: Vec<f64> = steps
                .map(|step| {
                    let more = length_ns(step) - model.decode(case.decode_requests(step));
                    more / case.prefill_tokens(step) as f64
                })
                .collect();
            (rates.len() >= STEPS_MIN).then(|| median(rates)).flatten()
        };
        let rate = [512, 128, 1].into_iter().find_map(rates);
        model.prompt_token_ns = rate.unwrap_or(0.0).max(0.0);
        Some(model)
    }

    /// A model by its numbers: the length of any step that only decodes, and a rate.
    #[cfg(test)]
    pub(crate) const fn of(decode_any_ns: f64, prompt_token_ns: f64) -> Self {
        Self { decode_ns: Vec::new(), decode_any_ns, prompt_token_ns }
    }

    /// The length of a step that computes `tokens` of prompts and decodes for `n` requests.
    pub(crate) fn step(&self, tokens: f64, n: u64) -> f64 {
        self.decode(n) + tokens * self.prompt_token_ns
    }

    /// The length of a step that only decodes for `n` requests.
    pub(crate) fn decode(&self, n: u64) -> f64 {
        let size = bucket(n);
        let near = (0..self.decode_ns.len())
            .filter(|at| !self.decode_ns[*at].is_nan())
            .min_by_key(|at| at.abs_diff(size));
        near.map_or(self.decode_any_ns, |at| self.decode_ns[at])
    }
}

/// Prompt tokens up to which a step counts as one that only decodes: none, or where next to every
/// step of a busy server holds prompts, as many as the half of the steps with the fewest have.
fn few_tokens(case: &Case<'_>) -> u64 {
    let steps = (0..case.facts.len()).filter(|step| case.members(*step) > 0);
    let mut tokens: Vec<u64> = steps.map(|step| case.prefill_tokens(step)).collect();
    tokens.sort_unstable();
    let n_without = tokens.partition_point(|tokens| *tokens == 0);
    if n_without >= STEPS_MIN { 0 } else { tokens.get(tokens.len() / 2).copied().unwrap_or(0) }
}

fn bucket(n: u64) -> usize {
    n.max(1).next_power_of_two().trailing_zeros() as usize
}
