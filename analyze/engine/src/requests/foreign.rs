//! How much longer the prompts of other requests made a step.
//!
//! A step with prompts in it takes longer than one that only decodes. What it takes beyond the
//! median decode step with about as many requests is due to its prompts, each in proportion to its
//! tokens. A request that decodes pays for all of it; one with a prompt of its own in the step
//! pays for those of others.

use underspan_model::tables::Phase;

use super::Membership;
use super::engine_steps::EngineSteps;
use super::part::PartKind;
use super::profile::Profile;
use underspan_model::give_up_if_cancelled;

/// Fewest pure decode steps of a size that a median is taken of.
const FEWEST: usize = 3;

/// By step: kernel time beyond that of a decode step.
#[derive(Debug)]
pub(super) struct ForeignPrompts {
    /// Excess, and the prompt tokens in the step that it is due to.
    of_step: Vec<(u64, Option<u64>)>,
}

/// Sizes of batches that count as about the same: 1, 2, 3–4, 5–8, …
fn bucket(n_requests: u64) -> usize {
    (64 - n_requests.saturating_sub(1).leading_zeros()) as usize
}

fn kernel_time(profile: &Profile) -> u64 {
    let is_kernel = |kind: PartKind| matches!(kind, PartKind::Kernel(_));
    profile.parts.iter().filter(|(kind, _)| is_kernel(*kind)).map(|(_, ns)| ns).sum()
}

impl ForeignPrompts {
    pub(super) fn of(steps: &EngineSteps, profiles: &[Profile]) -> Self {
        let mut of_step = vec![(0, None); profiles.len()];
        for engine in &steps.engines {
            let label = |step: u32| &steps.steps[step as usize].label;
            let time = |step: u32| kernel_time(&profiles[step as usize]);
            let mut decode: Vec<Vec<u64>> = vec![Vec::new(); 65];
            for step in &engine.steps {
                give_up_if_cancelled();
                let label = label(*step);
                let generation = label.generation_requests.unwrap_or(0);
                if label.context_requests == Some(0) && generation > 0 && time(*step) > 0 {
                    decode[bucket(generation)].push(time(*step));
                }
            }
            let medians: Vec<Option<u64>> = decode
                .into_iter()
                .map(|mut times| {
                    times.sort_unstable();
                    let median = times.get(times.len() / 2).copied();
                    median.filter(|_| times.len() >= FEWEST)
                })
                .collect();
            for step in &engine.steps {
                give_up_if_cancelled();
                let label = label(*step);
                let context = label.context_requests.unwrap_or(0);
                if context == 0 {
                    continue;
                }
                let size = label.generation_requests.unwrap_or(0).max(1);
                // The nearest size that was seen, smaller ones first.
                let near = (0..=bucket(size)).rev().chain(bucket(size) + 1..65);
                let Some(base) = near.filter_map(|at| medians[at]).next() else { continue };
                let excess = time(*step).saturating_sub(base);
                of_step[*step as usize] = (excess, label.context_tokens);
            }
        }
        Self { of_step }
    }

    /// How much of a step's kernel time a member spent on the prompts of others.
    pub(super) fn of_member(&self, step: u32, member: &Membership) -> u64 {
        let (excess, tokens) = self.of_step[step as usize];
        match (member.phase, tokens, member.own_tokens) {
            (Phase::Decode, _, _) => excess,
            (Phase::Prefill, Some(tokens), Some(own)) if tokens > 0 => {
                let others = tokens.saturating_sub(u64::from(own));
                (u128::from(excess) * u128::from(others) / u128::from(tokens)) as u64
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_about_the_same_size_share_a_bucket() {
        let buckets: Vec<_> = [0, 1, 2, 3, 4, 5, 8, 9].map(bucket).to_vec();
        assert_eq!(buckets, [0, 0, 1, 2, 2, 3, 3, 4]);
    }
}
