//! Statistics of latencies that do not claim more than the sample carries.

use underspan_engine::nearest_rank;

/// A percentile of a sample with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentile {
    /// The nearest-rank percentile: a value that occurred.
    pub value: u64,
    /// Lower end of the interval.
    pub low: u64,
    /// Upper end of the interval.
    pub high: u64,
}

impl Percentile {
    /// The percentile of `sorted` values; `None` without any.
    ///
    /// The interval is that of order statistics: the number of values below the true percentile
    /// is binomial, whatever the distribution. Near the ends of a small sample it is cut off at
    /// the extremes, where its coverage is below 95 %.
    pub fn of_sorted(sorted: &[u64], percent: u32) -> Option<Self> {
        let rank = nearest_rank(percent, sorted.len())?;
        let n = sorted.len() as f64;
        let share = f64::from(percent.min(100)) / 100.0;
        let reach = 1.96 * (n * share * (1.0 - share)).sqrt();
        let last = sorted.len() - 1;
        let at = |rank: f64| sorted[(rank.max(0.0) as usize).min(last)];
        Some(Self {
            value: sorted[rank],
            low: at((n * share - reach).floor() - 1.0),
            high: at((n * share + reach).ceil() - 1.0),
        })
    }
}

/// The nearest-rank percentile of values in any order; zero without any.
pub fn percentile_of(values: &[u64], percent: u32) -> u64 {
    let mut sorted = values.to_vec();
    let Some(rank) = nearest_rank(percent, sorted.len()) else { return 0 };
    *sorted.select_nth_unstable(rank).1
}

/// The median of real numbers; `None` without any that is a number.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    let rank = nearest_rank(50, sorted.len())?;
    Some(*sorted.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// The value that half of the weight lies at or below, of values with a weight each; `None`
/// without any weight.
pub(crate) fn weighted_median(mut values: Vec<(f64, f64)>) -> Option<f64> {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut reached = 0.0;
    let found = values.iter().find(|(_, weight)| {
        reached += weight;
        reached >= half && *weight > 0.0
    });
    found.map(|(value, _)| *value)
}

/// A generator of pseudo-random numbers (SplitMix64): the same seed gives the same intervals on
/// every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.roll()) * n as u128) >> 64) as usize
    }
}

/// The interval that holds `share` of the differences of a percentile between two versions of the
/// same requests, by a moving-block bootstrap: neighbours in time share a queue and are drawn
/// together. `before` and `after` are in order of arrival and equally long.
///
/// `None` when there are too few requests for blocks.
pub fn paired_interval(
    before: &[u64],
    after: &[u64],
    percent: u32,
    share: f64,
) -> Option<(i64, i64)> {
    let n = before.len().min(after.len());
    let blocks = Blocks::of(n)?;
    let mut dice = Dice::new(0x5eed);
    interval_of(share, || {
        let drawn = blocks.draw(&mut dice);
        let [before, after] =
            [before, after].map(|values| blocks.percentile(values, &drawn, percent));
        before as i64 - after as i64
    })
}

/// The interval that holds `share` of the differences of a percentile between two runs of other
/// requests, each in order of arrival: what it grew by from `before` to `now`. `None` when there
/// are too few requests for blocks.
pub(crate) fn growth_interval(
    before: &[u64],
    now: &[u64],
    percent: u32,
    share: f64,
) -> Option<(i64, i64)> {
    let blocks = [Blocks::of(before.len())?, Blocks::of(now.len())?];
    let mut dice = Dice::new(0x5eed);
    interval_of(share, || {
        let [before, now] = [(&blocks[0], before), (&blocks[1], now)]
            .map(|(blocks, values)| blocks.percentile(values, &blocks.draw(&mut dice), percent));
        now as i64 - before as i64
    })
}

/// The middle `share` of the values that rounds of a bootstrap give.
fn interval_of(share: f64, mut round: impl FnMut() -> i64) -> Option<(i64, i64)> {
    const ROUNDS: usize = 200;
    let mut values: Vec<i64> = (0..ROUNDS).map(|_| round()).collect();
    values.sort_unstable();
    let tail = ((1.0 - share) / 2.0 * ROUNDS as f64) as usize;
    Some((values[tail], values[ROUNDS - 1 - tail]))
}

/// How a run of requests is drawn again: in blocks of neighbours.
struct Blocks {
    n: usize,
    length: usize,
}

impl Blocks {
    /// `None` when there are too few requests.
    fn of(n: usize) -> Option<Self> {
        (n >= 20).then(|| Self { n, length: (n as f64).sqrt().round() as usize })
    }

    /// Where the blocks of one round begin.
    fn draw(&self, dice: &mut Dice) -> Vec<usize> {
        let n_blocks = self.n.div_ceil(self.length);
        (0..n_blocks).map(|_| dice.below(self.n - self.length + 1)).collect()
    }

    fn percentile(&self, values: &[u64], drawn: &[usize], percent: u32) -> u64 {
        let mut round: Vec<u64> =
            drawn.iter().flat_map(|from| &values[*from..*from + self.length]).copied().collect();
        round.truncate(self.n);
        percentile_of(&round, percent)
    }
}

/// The interval that holds a percentile with a probability of `share`, values in order of arrival:
/// as in [`paired_interval`] neighbours are drawn together, since they share a queue.
pub(crate) fn block_interval(values: &[u64], percent: u32, share: f64) -> Option<(u64, u64)> {
    let interval = paired_interval(values, &vec![0; values.len()], percent, share)?;
    Some((interval.0.max(0) as u64, interval.1.max(0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_percentile_and_shrink_with_the_sample() {
        let few: Vec<u64> = (0..40).collect();
        let many: Vec<u64> = (0..4000).map(|value| value / 100).collect();
        let [few, many] = [few, many].map(|v| Percentile::of_sorted(&v, 50).expect("values"));
        assert!(few.low < few.value && few.value < few.high, "{few:?}");
        assert!(many.high - many.low < few.high - few.low, "{many:?} {few:?}");
        assert_eq!(Percentile::of_sorted(&[], 50), None);
        assert_eq!(Percentile::of_sorted(&[7], 99), Some(Percentile { value: 7, low: 7, high: 7 }));
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_percentile() {
        let mut dice = Dice::new(3);
        let held = (0..400)
            .filter(|_| {
                let mut sample: Vec<u64> = (0..200).map(|_| dice.below(1_000) as u64).collect();
                sample.sort_unstable();
                let p95 = Percentile::of_sorted(&sample, 95).expect("values");
                p95.low <= 950 && 949 <= p95.high
            })
            .count();
        assert!((368..=400).contains(&held), "{held} of 400");
    }

    #[test]
    fn a_difference_is_inside_its_interval_and_none_is_around_zero() {
        let mut dice = Dice::new(9);
        let after: Vec<u64> = (0..300).map(|_| 1_000 + dice.below(100) as u64).collect();
        let before: Vec<u64> = after.iter().map(|value| value + 50).collect();
        assert_eq!(paired_interval(&before, &after, 95, 0.95), Some((50, 50)));
        assert_eq!(paired_interval(&after, &after, 95, 0.95), Some((0, 0)));
        assert_eq!(paired_interval(&after[..5], &after[..5], 95, 0.95), None);
    }

    #[test]
    fn growth_is_told_from_chance_by_how_far_runs_of_the_same_server_differ() {
        let mut dice = Dice::new(5);
        let mut run = |more: u64| -> Vec<u64> {
            // A burst of slow requests now and then, as where there is a queue.
            let slow: Vec<bool> = (0..60).map(|_| dice.below(4) == 0).collect();
            let of = |at: usize, dice: &mut Dice| {
                1_000 + more + dice.below(100) as u64 + if slow[at / 10] { 500 } else { 0 }
            };
            (0..600).map(|at| of(at, &mut dice)).collect()
        };
        let (before, same, grown) = (run(0), run(0), run(300));
        let (low, high) = growth_interval(&before, &same, 95, 0.95).expect("an interval");
        assert!(low <= 0 && high >= 0, "{low}..{high}");
        let (low, high) = growth_interval(&before, &grown, 95, 0.95).expect("an interval");
        assert!(low > 0 && (low..=high).contains(&300), "{low}..{high}");
        assert_eq!(growth_interval(&before, &grown[..5], 95, 0.95), None);
    }

    #[test]
    fn medians_leave_out_what_is_no_number() {
        assert_eq!(median([3.0, f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([]), None);
        assert_eq!(percentile_of(&[5, 1, 9], 50), 5);
        assert_eq!(percentile_of(&[], 50), 0);
    }
}
