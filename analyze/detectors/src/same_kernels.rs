//! How long the kernels of each step would take at the pace of a baseline: kernels of the same
//! name and launch shape do the same work, so that what they take more is not more work.

use hashbrown::HashMap;
use underspan_model::{KernelShape, Timeline};

use crate::Case;
use crate::statistics::weighted_median;

/// Least share of the kernels of all steps, by number, that the baseline must know.
const KNOWN_MIN: f64 = 0.8;
/// Least share of a step's kernel time that must be known for the rest to be taken alike.
const KNOWN_OF_STEP_MIN: f64 = 0.5;

/// Name, grid and block.
type Shape<'a> = (&'a str, [u32; 3], [u32; 3]);

/// The kernels of a case against those of its baseline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SameKernels {
    /// How many times as long a kernel takes as in the baseline: the median over kernels.
    pub(crate) slower: f64,
    /// By step: nanoseconds its kernels would take in the baseline; `None` where it knows too
    /// few of them.
    expected_ns: Vec<Option<f64>>,
}

impl SameKernels {
    /// `None` when most kernels have no counterpart in the baseline: another model, another type
    /// or other batches.
    pub(crate) fn of(case: &Case<'_>, baseline: &Case<'_>) -> Option<Self> {
        let (then, now) = (means(baseline), means(case));
        // By shape of this case: the mean duration now, and in the baseline.
        let known: Vec<Option<(f64, f64)>> = case
            .timeline
            .shapes
            .as_slice()
            .iter()
            .map(|shape| {
                let key = key_of(case.timeline, shape)?;
                Some((now.get(&key)?.mean(), then.get(&key)?.mean()))
                    .filter(|(_, then)| *then > 0.0)
            })
            .collect();
        let mut n_all = 0_u64;
        let mut counts = vec![0_u64; known.len()];
        // By step: kernel time with a counterpart, and how long that takes in the baseline.
        let mut of_step = vec![(0.0, 0.0); case.facts.len()];
        for (row, step) in kernels_in_steps(case) {
            n_all += 1;
            let shape = case.timeline.kernels.shape[row] as usize;
            if let Some((_, then)) = known.get(shape).copied().flatten() {
                counts[shape] += 1;
                of_step[step].0 += case.timeline.kernels.duration_ns[row] as f64;
                of_step[step].1 += then;
            }
        }
        let n_known: u64 = counts.iter().sum();
        if n_all == 0 || (n_known as f64) < KNOWN_MIN * n_all as f64 {
            return None;
        }
        let ratios = known.iter().zip(&counts).filter_map(|(known, n)| {
            let (now, then) = (*known)?;
            (*n > 0).then_some((now / then, *n as f64))
        });
        let slower = weighted_median(ratios.collect())?;
        let expected_ns = of_step
            .iter()
            .zip(&case.facts)
            .map(|((now, then), facts)| {
                let all = facts.kernel_ns as f64;
                (*now > KNOWN_OF_STEP_MIN * all).then(|| all * then / now)
            })
            .collect();
        Some(Self { slower, expected_ns })
    }

    /// Nanoseconds the kernels of a step would take in the baseline.
    pub(crate) fn expected_ns(&self, step: usize) -> Option<f64> {
        self.expected_ns.get(step).copied().flatten()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    ns: f64,
    n: f64,
}

impl Sum {
    fn mean(self) -> f64 {
        self.ns / self.n
    }
}

/// The mean duration of the kernels in steps, by shape.
fn means<'a>(case: &Case<'a>) -> HashMap<Shape<'a>, Sum> {
    let kernels = &case.timeline.kernels;
    let mut sums = vec![Sum::default(); case.timeline.shapes.len()];
    for (row, _) in kernels_in_steps(case) {
        if let Some(sum) = sums.get_mut(kernels.shape[row] as usize) {
            sum.ns += kernels.duration_ns[row] as f64;
            sum.n += 1.0;
        }
    }
    let mut by_shape: HashMap<Shape<'a>, Sum> = HashMap::new();
    for (shape, sum) in case.timeline.shapes.as_slice().iter().zip(sums) {
        if let Some(key) = key_of(case.timeline, shape).filter(|_| sum.n > 0.0) {
            let all = by_shape.entry(key).or_default();
            all.ns += sum.ns;
            all.n += sum.n;
        }
    }
    by_shape
}

/// `None` for a kernel without a grid: its name alone does not say how much it does.
fn key_of<'a>(timeline: &'a Timeline, shape: &KernelShape) -> Option<Shape<'a>> {
    let name = timeline.strings.resolve_or_empty(shape.name);
    (shape.grid != [0; 3]).then_some((name, shape.grid, shape.block))
}

/// Row and step of every kernel that is of a step.
fn kernels_in_steps<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (usize, usize)> + 'a {
    let steps = case.requests.steps_of_kernels().enumerate();
    steps.filter_map(|(row, step)| Some((row, step?)))
}
