//! Whose the device time of a step is.
//!
//! Weights are read once for the whole batch: that much, the shortest step of the engine, is
//! shared equally; what a step takes beyond it goes by the tokens that each member computed.
//! Attention goes by what each member attends to. The shares of a step sum to its device time.

use underspan_classifier::Role;
use underspan_model::tables::Phase;

use super::engine_steps::EngineSteps;
use super::part::PartKind;
use super::profile::Profile;

/// What a member's share depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) own_tokens: Option<u32>,
    pub(super) computed_tokens: Option<u32>,
    pub(super) phase: Phase,
}

/// By engine: device time that every step takes, its attention apart.
#[derive(Debug)]
pub(super) struct FixedCost(Vec<u64>);

fn attention_time(profile: &Profile) -> u64 {
    let is_attention = |kind: PartKind| {
        matches!(
            kind,
            PartKind::Kernel(Role::Attention | Role::AttentionPrefill | Role::AttentionDecode)
        )
    };
    profile.parts.iter().filter(|(kind, _)| is_attention(*kind)).map(|(_, ns)| ns).sum()
}

impl FixedCost {
    pub(super) fn of(steps: &EngineSteps, profiles: &[Profile]) -> Self {
        let of_engine = |engine: &super::engine_steps::Engine| {
            let mut times: Vec<u64> = engine
                .steps
                .iter()
                .map(|step| &profiles[*step as usize])
                .filter(|profile| profile.busy > 0)
                .map(|profile| profile.busy - attention_time(profile).min(profile.busy))
                .collect();
            times.sort_unstable();
            times.get(times.len() / 20).copied().unwrap_or(0)
        };
        Self(steps.engines.iter().map(of_engine).collect())
    }

    /// The shares of the members of a step, of which `n_unnamed` more were in it.
    pub(super) fn shares(
        &self,
        engine: u32,
        profile: &Profile,
        claims: &[Claim],
        n_unnamed: u32,
    ) -> Vec<u64> {
        if claims.is_empty() {
            return Vec::new();
        }
        let busy = profile.busy;
        let attention = attention_time(profile).min(busy);
        let fixed = self.0.get(engine as usize).copied().unwrap_or(0).min(busy - attention);
        let equal = vec![1; claims.len()];
        let tokens: Option<Vec<u64>> =
            claims.iter().map(|claim| claim.own_tokens.map(u64::from)).collect();
        let tokens = tokens.unwrap_or_else(|| equal.clone());
        let attended: Vec<u64> = claims
            .iter()
            .zip(&tokens)
            .map(|(claim, own)| {
                let before = u64::from(claim.computed_tokens.unwrap_or(0));
                match claim.phase {
                    Phase::Prefill => own.saturating_mul(before + own / 2 + 1),
                    _ => own.saturating_mul(before + own),
                }
            })
            .collect();
        let mut shares = split(fixed, &equal, u64::from(n_unnamed));
        // What the unnamed computed is not known: they count like the mean of the named.
        let mean = |weights: &[u64]| {
            u64::from(n_unnamed) * (weights.iter().sum::<u64>() / weights.len() as u64)
        };
        let variable = split(busy - attention - fixed, &tokens, mean(&tokens));
        let attention = split(attention, &attended, mean(&attended));
        for (share, (a, b)) in shares.iter_mut().zip(variable.into_iter().zip(attention)) {
            *share += a + b;
        }
        shares
    }
}

/// Splits an amount by weights; `rest` is the weight of those that get no share here. Without
/// weights it is split equally. With no rest the shares sum to the amount.
fn split(amount: u64, weights: &[u64], rest: u64) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        let ones = vec![1; weights.len()];
        return if weights.is_empty() {
            Vec::new()
        } else {
            split(amount, &ones, u64::from(rest > 0))
        };
    }
    let total = total + u128::from(rest);
    let (mut seen, mut given) = (0_u128, 0);
    weights
        .iter()
        .map(|weight| {
            seen += u128::from(*weight);
            let until = (u128::from(amount) * seen / total) as u64;
            let share = until - given;
            given = until;
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_sum_to_the_device_time(
            busy in 0..u64::from(u32::MAX),
            attention in 0..u64::from(u32::MAX),
            fixed in 0..u64::from(u32::MAX),
            members in prop::collection::vec((0..9_000_u32, 0..9_000_u32, any::<bool>()), 1..40),
        ) {
            let profile = Profile {
                parts: vec![(PartKind::Kernel(Role::AttentionDecode), attention)],
                busy,
                device: 0,
            };
            let claims: Vec<Claim> = members
                .iter()
                .map(|(own, computed, is_prefill)| Claim {
                    own_tokens: Some(*own),
                    computed_tokens: Some(*computed),
                    phase: if *is_prefill { Phase::Prefill } else { Phase::Decode },
                })
                .collect();
            let shares = FixedCost(vec![fixed]).shares(0, &profile, &claims, 0);
            prop_assert_eq!(shares.iter().sum::<u64>(), busy);
            let with_unnamed = FixedCost(vec![fixed]).shares(0, &profile, &claims, 3);
            prop_assert!(with_unnamed.iter().sum::<u64>() <= busy);
        }
    }

    #[test]
    fn tokens_decide_beyond_what_every_step_costs() {
        let profile = Profile { parts: Vec::new(), busy: 1_000, device: 0 };
        let claim =
            |own| Claim { own_tokens: Some(own), computed_tokens: None, phase: Phase::Prefill };
        let shares = FixedCost(vec![400]).shares(0, &profile, &[claim(1), claim(5)], 0);
        assert_eq!(shares, [300, 700]);
    }
}
