//! How fast the device worked through the same work at different times.

use hashbrown::HashMap;

use crate::Case;
use crate::statistics::median;

/// Fewest steps on either side of a comparison.
const STEPS_MIN: usize = 5;

/// The time of each step's kernels against the usual time of the same work.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// By step: its kernels' time over that of the median step of its group; NaN for steps without
    /// comparable ones.
    relative: Vec<f64>,
    group: Vec<u64>,
}

/// How much slower steps of one kind were than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slowdown {
    /// How much longer the same work took, as a share.
    pub(crate) by: f64,
    /// How sure it is that it is not chance: standard deviations of a rank test.
    pub(crate) z: f64,
}

impl Pace {
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let mut groups: HashMap<u64, Vec<f64>> = HashMap::new();
        let group: Vec<u64> = (0..case.facts.len()).map(|step| group_of(case, step)).collect();
        for (step, group) in group.iter().enumerate() {
            if case.facts[step].kernel_ns > 0 {
                groups.entry(*group).or_default().push(case.facts[step].kernel_ns as f64);
            }
        }
        let medians: HashMap<u64, f64> = groups
            .into_iter()
            .filter(|(_, times)| times.len() >= 3)
            .filter_map(|(group, times)| Some((group, median(times)?)))
            .collect();
        let relative = group
            .iter()
            .enumerate()
            .map(|(step, group)| {
                let usual = medians.get(group).copied().unwrap_or(f64::NAN);
                case.facts[step].kernel_ns as f64 / usual
            })
            .collect();
        Self { relative, group }
    }

    /// The kernel time that a tenth of the steps of each step's group do not exceed, in
    /// nanoseconds; `None` for steps of small groups.
    pub(crate) fn quickest(&self, case: &Case<'_>) -> Vec<Option<f64>> {
        let mut groups: HashMap<u64, Vec<u64>> = HashMap::new();
        for (step, group) in self.group.iter().enumerate() {
            if case.facts[step].kernel_ns > 0 {
                groups.entry(*group).or_default().push(case.facts[step].kernel_ns);
            }
        }
        let quick: HashMap<u64, f64> = groups
            .into_iter()
            .filter(|(_, times)| times.len() >= 2 * STEPS_MIN)
            .map(|(group, times)| (group, crate::statistics::percentile_of(&times, 10) as f64))
            .collect();
        self.group.iter().map(|group| quick.get(group).copied()).collect()
    }

    /// How much slower the steps that `is_slow` picks were than the others of their groups; `None`
    /// when there are too few to compare.
    pub(crate) fn slowdown(&self, is_slow: impl Fn(usize) -> bool) -> Option<Slowdown> {
        let mut groups: HashMap<u64, [Vec<f64>; 2]> = HashMap::new();
        for (step, relative) in self.relative.iter().enumerate() {
            if relative.is_finite() && *relative > 0.0 {
                let sides = groups.entry(self.group[step]).or_default();
                sides[usize::from(is_slow(step))].push(*relative);
            }
        }
        let mut ratios: Vec<(f64, usize)> = Vec::new();
        let mut all: [Vec<f64>; 2] = Default::default();
        for [fast, slow] in groups.into_values() {
            let Some((usual, slower)) =
                median(fast.iter().copied()).zip(median(slow.iter().copied()))
            else {
                continue;
            };
            if fast.len() >= 2 && slow.len() >= 2 {
                ratios.push((slower / usual, fast.len().min(slow.len())));
            }
            all[0].extend(fast);
            all[1].extend(slow);
        }
        if ratios.is_empty() || all.iter().any(|side| side.len() < STEPS_MIN) {
            return None;
        }
        let weight: usize = ratios.iter().map(|(_, n)| n).sum();
        let by = ratios.iter().map(|(ratio, n)| ratio * *n as f64).sum::<f64>() / weight as f64;
        Some(Slowdown { by: by - 1.0, z: rank_test(&all[0], &all[1]) })
    }
}

/// Steps of one group do the same work: the same launches, on about as many tokens.
fn group_of(case: &Case<'_>, step: usize) -> u64 {
    let facts = &case.facts[step];
    let tokens = case.prefill_tokens(step);
    // Buckets of a quarter of a power of two.
    let bucket = if tokens < 4 { tokens } else { (tokens as f64).log2().mul_add(4.0, 8.0) as u64 };
    let members = u64::from(case.members(step)).min(1 << 16);
    let batch = if members < 8 { members } else { 8 + u64::from(members.ilog2()) };
    facts.sequence ^ (bucket << 40) ^ (batch << 52)
}

/// The Mann–Whitney test: how many standard deviations the ranks of `b` lie above what chance
/// would give.
fn rank_test(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|value| (*value, false)).chain(b.iter().map(|value| (*value, true))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    // Equal values share the mean of their ranks.
    let mut ranks = 0.0;
    let mut from = 0;
    while from < all.len() {
        let same = all[from..].iter().take_while(|other| other.0 == all[from].0).count();
        let rank = from as f64 + (same as f64 + 1.0) / 2.0;
        ranks += all[from..from + same].iter().filter(|(_, is_b)| *is_b).count() as f64 * rank;
        from += same;
    }
    let (n_a, n_b) = (a.len() as f64, b.len() as f64);
    let u = ranks - n_b * (n_b + 1.0) / 2.0;
    let deviation = (n_a * n_b * (n_a + n_b + 1.0) / 12.0).sqrt();
    if deviation == 0.0 { 0.0 } else { (u - n_a * n_b / 2.0) / deviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_tell_a_shift_from_chance() {
        let a: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 30)).collect();
        let shifted: Vec<f64> = a.iter().map(|value| value + 20.0).collect();
        assert!(rank_test(&a, &shifted) > 4.0);
        assert!(rank_test(&a, &a).abs() < 0.1);
        assert_eq!(rank_test(&[], &[]), 0.0);
    }
}
