//! How far each step was off the model of its content, and what of that lasts.

use super::lane::Observed;
use crate::step_model::StepModel;

/// Least of the longer of two steps that the shorter takes, by the model, for what made one of them
/// longer to be true of the other.
const ALIKE_MIN: f64 = 0.5;
/// How many steps before and after one are looked at for another like it.
const AROUND: usize = 8;
/// How many times as far as its neighbours a step must be off for it to have met something that
/// happened once: code that was loaded, memory that was taken.
const ONCE_MIN: f64 = 2.0;

/// How far a step was off the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Times the model's length: what a step like it would have taken too.
    pub(super) factor: f64,
    /// And so much more, once, in nanoseconds.
    pub(super) once_ns: f64,
}

/// The pace of each step, with lengths as `length_ns` gives them by step of the capture.
pub(super) fn paces(
    steps: &[Observed],
    model: &StepModel,
    length_ns: impl Fn(usize) -> f64,
) -> Vec<Pace> {
    let expected: Vec<f64> =
        steps.iter().map(|seen| model.step(seen.tokens, seen.decodes).max(1.0)).collect();
    let lengths: Vec<f64> = steps.iter().map(|seen| length_ns(seen.step as usize)).collect();
    let factor = |at: usize| (lengths[at] / expected[at]).clamp(0.02, 20.0);
    let usual = |at: usize| {
        let is_like = |other: &usize| is_alike(expected[at], expected[*other]);
        let before = (at.saturating_sub(AROUND)..at).rev().find(is_like);
        let after = (at + 1..steps.len().min(at + 1 + AROUND)).find(is_like);
        let (n, sum) = [before, after]
            .into_iter()
            .flatten()
            .fold((0.0, 0.0), |(n, sum), other| (n + 1.0, sum + factor(other)));
        (n > 0.0).then(|| sum / n)
    };
    (0..steps.len())
        .map(|at| {
            let own = factor(at);
            match usual(at).filter(|usual| own > ONCE_MIN * usual) {
                Some(usual) => Pace { factor: usual, once_ns: lengths[at] - usual * expected[at] },
                None => Pace { factor: own, once_ns: 0.0 },
            }
        })
        .collect()
}

/// The factor of the step nearest to `near` in order that held about as much as one of `length_ns`
/// by the model: how far a long prompt was off says nothing of steps without it. One where no step
/// around did.
pub(super) fn factor_alike(
    steps: &[Observed],
    paces: &[Pace],
    near: usize,
    model: &StepModel,
    length_ns: f64,
) -> f64 {
    let is_like = |at: &usize| {
        let seen = &steps[*at];
        is_alike(length_ns, model.step(seen.tokens, seen.decodes))
    };
    let around = (1..=AROUND).flat_map(|by| [near.checked_add(by), near.checked_sub(by)]);
    let around = around.flatten().filter(|at| *at < steps.len());
    let found = std::iter::once(near).filter(|at| *at < steps.len()).chain(around).find(is_like);
    found.map_or(1.0, |at| paces[at].factor)
}

fn is_alike(a: f64, b: f64) -> bool {
    a.min(b) >= ALIKE_MIN * a.max(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Observed> {
        let of = |at: i64| Observed {
            step: at as u32,
            start_ns: at * 2_000,
            end_ns: at * 2_000 + 1_000,
            tokens: if at % 10 == 9 { 900.0 } else { 0.0 },
            decodes: 4,
            lag_ns: 0.0,
        };
        (0..60).map(of).collect()
    }

    /// Decodes take 1,000 ns and prompts 10 ns a token.
    fn length(step: usize) -> f64 {
        1_000.0 + steps()[step].tokens * 10.0
    }

    fn model() -> StepModel {
        StepModel::of(1_000.0, 10.0)
    }

    #[test]
    fn what_happens_once_is_not_how_fast_the_device_is() {
        let loads = |step: usize| length(step) + if step == 25 { 7_000.0 } else { 0.0 };
        let paces = paces(&steps(), &model(), loads);
        assert_eq!((paces[25].factor, paces[25].once_ns), (1.0, 7_000.0));
        assert!(
            (0..60).all(|at| paces[at].factor == 1.0 && (at == 25 || paces[at].once_ns == 0.0))
        );
    }

    #[test]
    fn a_slow_device_is_slow_for_all_and_long_prompts_say_nothing_of_decodes() {
        let slow = |step: usize| length(step) * if step >= 30 { 3.0 } else { 1.0 };
        let of_slow = paces(&steps(), &model(), slow);
        assert!((30..60).all(|at| of_slow[at].factor == 3.0 && of_slow[at].once_ns == 0.0));
        // Prompts take twice what the model says.
        let long = |step: usize| length(step) + steps()[step].tokens * 12.0;
        let of_long = paces(&steps(), &model(), long);
        assert!(of_long[19].factor > 2.0 && of_long[19].once_ns == 0.0);
        let near_prompt = |ns: f64| factor_alike(&steps(), &of_long, 19, &model(), ns);
        assert_eq!(near_prompt(1_000.0), 1.0, "a decode at that time");
        assert_eq!(near_prompt(10_000.0), of_long[19].factor);
        assert_eq!(near_prompt(1e9), 1.0, "none is like it");
    }
}
