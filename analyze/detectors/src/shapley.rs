//! Fair shares of a joint effect.
//!
//! Causes interact: without either of two the queue would be short. The Shapley value gives each
//! cause the mean of what its removal changes over all orders of removal; shares sum to the effect
//! of removing all.

/// Most causes whose shares are computed exactly: every subset is valued once.
pub const MOST_CAUSES: usize = 5;

/// The shares of `n` causes. `value` says what removing a set of them, given as a bit mask, gains;
/// it is called once for each set but the empty one, which gains nothing.
///
/// # Panics
/// When there are more than [`MOST_CAUSES`] causes.
pub fn shapley(n: usize, mut value: impl FnMut(u32) -> f64) -> Vec<f64> {
    assert!(n <= MOST_CAUSES, "at most {MOST_CAUSES} causes, not {n}");
    let values: Vec<f64> =
        (0..1_u32 << n).map(|set| if set == 0 { 0.0 } else { value(set) }).collect();
    // Weight of joining a set of `size`: the share of orders in which exactly that set came before.
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    let weight = |size: usize| factorial(size) * factorial(n - size - 1) / factorial(n);
    (0..n)
        .map(|cause| {
            let bit = 1_u32 << cause;
            (0..1_u32 << n)
                .filter(|set| set & bit == 0)
                .map(|set| {
                    let gain = values[(set | bit) as usize] - values[set as usize];
                    weight(set.count_ones() as usize) * gain
                })
                .sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_joint_effect_is_shared_and_a_lone_one_is_not() {
        // Removing both of the first two gains 10, either alone nothing; the third gains 3.
        let shares = shapley(3, |set| {
            (if set & 3 == 3 { 10.0 } else { 0.0 }) + if set & 4 != 0 { 3.0 } else { 0.0 }
        });
        assert_eq!(shares, [5.0, 5.0, 3.0]);
        assert_eq!(shapley(0, |_| 1.0), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_whole(values in prop::collection::vec(0.0..100.0_f64, 32)) {
            for n in 1..=MOST_CAUSES {
                let shares = shapley(n, |set| values[set as usize]);
                let all = values[(1 << n) - 1];
                prop_assert!((shares.iter().sum::<f64>() - all).abs() < 1e-9);
            }
        }
    }
}
