//! How fast the device worked through the same work at different times.

use hashbrown::HashMap;

use crate::Case;
use crate::statistics::median;
use crate::step_model::StepModel;

/// Fewest steps on either side of a comparison.
const STEPS_MIN: usize = 5;

/// Group of the steps that compute prompts of a length of their own: a model of their content
/// tells their usual time.
const PROMPTS: u64 = u64::MAX;

/// The time of each step's kernels against the usual time of the same work.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// By step: what its kernels usually take, in nanoseconds; NaN for steps without comparable
    /// ones.
    usual_ns: Vec<f64>,
    /// By step: its kernels' time over that.
    relative: Vec<f64>,
    group: Vec<u64>,
}

/// How much slower steps of one kind were than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slowdown {
    /// How much longer the same work took, as a share: the mean over all kinds of steps.
    pub(crate) by: f64,
    /// The same of steps with prompts: arithmetic bounds those, memory the others.
    by_prompts: f64,
    /// The same of all other steps.
    by_others: f64,
    /// How sure it is that it is not chance: standard deviations of a rank test.
    pub(crate) z: f64,
}

impl Pace {
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let kernel_ns = |step: usize| case.facts[step].kernel_ns as f64;
        let mut group: Vec<u64> = (0..case.facts.len()).map(|step| group_of(case, step)).collect();
        let mut groups: HashMap<u64, Vec<f64>> = HashMap::new();
        for (step, group) in group.iter().enumerate().filter(|(step, _)| kernel_ns(*step) > 0.0) {
            groups.entry(*group).or_default().push(kernel_ns(step));
        }
        let medians: HashMap<u64, f64> = groups
            .into_iter()
            .filter(|(_, times)| times.len() >= 3)
            .filter_map(|(group, times)| Some((group, median(times)?)))
            .collect();
        let model = StepModel::fit_to(case, kernel_ns);
        let usual_of = |step: usize, group: &mut u64| {
            if let Some(usual) = medians.get(group) {
                return *usual;
            }
            let tokens = case.prefill_tokens(step);
            let Some(model) = model.as_ref().filter(|_| tokens > 0) else { return f64::NAN };
            *group = PROMPTS;
            model.step(tokens as f64, case.decode_requests(step)).max(1.0)
        };
        let usual_ns: Vec<f64> =
            group.iter_mut().enumerate().map(|(step, group)| usual_of(step, group)).collect();
        let relative =
            usual_ns.iter().enumerate().map(|(step, usual)| kernel_ns(step) / usual).collect();
        Self { usual_ns, relative, group }
    }

    /// The kernel time of each step at the pace that a tenth of the steps of its group do not
    /// exceed, in nanoseconds; `None` for steps of small groups.
    pub(crate) fn quickest(&self) -> Vec<Option<f64>> {
        let mut groups: HashMap<u64, Vec<f64>> = HashMap::new();
        for (group, relative) in self.group.iter().zip(&self.relative) {
            if relative.is_finite() && *relative > 0.0 {
                groups.entry(*group).or_default().push(*relative);
            }
        }
        let quick: HashMap<u64, f64> = groups
            .into_iter()
            .filter(|(_, paces)| paces.len() >= 2 * STEPS_MIN)
            .map(|(group, mut paces)| {
                paces.sort_by(f64::total_cmp);
                (group, paces[(paces.len() - 1) / 10])
            })
            .collect();
        let of_step = |(group, usual): (&u64, &f64)| Some(quick.get(group)? * usual);
        self.group.iter().zip(&self.usual_ns).map(of_step).collect()
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
        let mut prompts = Mean::default();
        let mut others = Mean::default();
        let mut all: [Vec<f64>; 2] = Default::default();
        for (group, [fast, slow]) in groups {
            let Some((usual, slower)) =
                median(fast.iter().copied()).zip(median(slow.iter().copied()))
            else {
                continue;
            };
            // A model of their content tells steps with prompts less sharply.
            let (mean, least) =
                if group == PROMPTS { (&mut prompts, STEPS_MIN) } else { (&mut others, 2) };
            if fast.len() >= least && slow.len() >= least {
                mean.add(slower / usual - 1.0, fast.len().min(slow.len()));
            }
            all[0].extend(fast);
            all[1].extend(slow);
        }
        let mut both = prompts;
        both.merge(others);
        let by = both.value()?;
        if all.iter().any(|side| side.len() < STEPS_MIN) {
            return None;
        }
        Some(Slowdown {
            by,
            by_prompts: prompts.value().unwrap_or(by),
            by_others: others.value().unwrap_or(by),
            z: rank_test(&all[0], &all[1]),
        })
    }

    /// The part of a slow-down that a step has by what it holds.
    pub(crate) fn of_step(&self, slowdown: &Slowdown, step: usize) -> f64 {
        if self.group[step] == PROMPTS { slowdown.by_prompts } else { slowdown.by_others }
    }
}

/// A weighted mean.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: f64, weight: usize) {
        self.sum += value * weight as f64;
        self.weight += weight as f64;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
    }

    fn value(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
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
pub(crate) fn rank_test(a: &[f64], b: &[f64]) -> f64 {
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
