//! The 95th percentile without causes, and how well it is known.

use crate::Case;
use crate::detector::Grade;
use crate::replay::Removal;
use crate::statistics::{block_interval, paired_interval, percentile_of};
use crate::verdict::Cause;

/// What repeating a run changes in its 95th percentile when nothing else does, as a share.
const REPEATED: f64 = 0.03;

/// Largest change of the load with which a baseline says what p95 would be.
const LOAD_CHANGE_MAX: f64 = 0.2;
/// Least share of the growth since the baseline that the causes explain for that.
const EXPLAINED_MIN: f64 = 0.8;

/// The 95th percentile without all of `causes`, in nanoseconds, and the interval that holds it with
/// 90 % confidence; no interval with too few requests.
///
/// Where the causes explain the growth since a baseline of the same load, its 95th percentile says
/// the same from another side: the two count by how well each is known.
///
/// The interval covers which requests happened to be sampled, how far what each cause took may be
/// off, which its grade says, and how far the model of the server is off when it runs unchanged.
pub(crate) fn p95_without(
    case: &Case<'_>,
    causes: &[Cause],
    misfit: f64,
) -> (u64, Option<(u64, u64)>) {
    let p95 = case.percentile(95);
    let without = |scale: &dyn Fn(Grade) -> f64| {
        let scaled = causes.iter().map(|cause| {
            let finding = &cause.finding;
            finding.removal.scaled(scale(finding.grade))
        });
        let removals: Vec<Removal> = scaled.collect();
        case.without(&removals.iter().collect::<Vec<_>>())
    };
    let as_found = without(&|_| 1.0);
    let after = percentile_of(&as_found, 95);
    let taken = paired_interval(&case.latencies, &as_found, 95, 0.90);
    let interval = taken.map(|(least, most)| {
        let sampled = (p95.saturating_add_signed(-most), p95.saturating_add_signed(-least));
        let if_less = percentile_of(&without(&|grade| 1.0 - amount_off(grade)), 95);
        let if_more = percentile_of(&without(&|grade| 1.0 + amount_off(grade)), 95);
        let slack = ((REPEATED + misfit) * after as f64) as u64;
        let below = after.saturating_sub(sampled.0) + after.saturating_sub(if_more) + slack;
        let above = sampled.1.saturating_sub(after) + if_less.saturating_sub(after) + slack;
        (after.saturating_sub(below), after.saturating_add(above))
    });
    let Some((low, high)) = interval else { return (after, None) };
    let both = before_the_change(case, causes)
        .map(|before| together(Known { value: after, low, high }, before));
    let after = both.unwrap_or(after);
    (after, Some((low.min(after), high.max(after))))
}

/// A value and an interval that holds it.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: u64,
    low: u64,
    high: u64,
}

impl Known {
    /// Half the width of the interval on a scale of ratios.
    fn spread(&self) -> f64 {
        let ratio = self.high.max(1) as f64 / self.low.max(1) as f64;
        (ratio.ln() / 2.0).max(REPEATED)
    }
}

/// The mean of what two sides say of one value, each by the inverse of its variance.
fn together(a: Known, b: Known) -> u64 {
    let [weight_a, weight_b] = [a, b].map(|known| known.spread().powi(-2));
    let sum = (a.value.max(1) as f64).ln() * weight_a + (b.value.max(1) as f64).ln() * weight_b;
    (sum / (weight_a + weight_b)).exp() as u64
}

/// The 95th percentile of a baseline that the causes lead back to.
fn before_the_change(case: &Case<'_>, causes: &[Cause]) -> Option<Known> {
    let baseline = case.baseline.as_deref()?;
    let explained: f64 = causes.iter().map(|cause| cause.share).sum();
    let load = load_ratio(case)?;
    let is_same_load = (1.0 - LOAD_CHANGE_MAX..=1.0 + LOAD_CHANGE_MAX).contains(&load);
    let is_slower = case.percentile(95) > baseline.percentile(95);
    if explained < EXPLAINED_MIN || !is_same_load || !is_slower {
        return None;
    }
    let (low, high) = block_interval(&baseline.latencies, 95, 0.90)?;
    Some(Known { value: baseline.percentile(95), low, high })
}

/// The rate of arrivals over that of the baseline.
pub(crate) fn load_ratio(case: &Case<'_>) -> Option<f64> {
    let rate = |case: &Case<'_>| {
        let arrivals = case.schedule.requests.iter().map(|served| served.arrival_ns);
        let (first, last) = (arrivals.clone().min()?, arrivals.max()?);
        (last > first).then(|| case.latencies.len() as f64 / (last - first) as f64)
    };
    Some(rate(case)? / case.baseline.as_deref().and_then(rate)?)
}

/// By how much of itself the time that a cause took may be off.
const fn amount_off(grade: Grade) -> f64 {
    match grade {
        Grade::Measured => 0.10,
        Grade::Derived => 0.15,
        Grade::Estimated => 0.30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_better_counts_more() {
        let vague = Known { value: 200, low: 100, high: 400 };
        let sharp = Known { value: 100, low: 95, high: 105 };
        let both = together(vague, sharp);
        assert!((100..105).contains(&both), "{both}");
        assert_eq!(together(vague, vague), 199, "rounded down");
    }
}
