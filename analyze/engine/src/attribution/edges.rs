//! Sorted instants with a category each, and for any instant `t` and every category the sum of
//! `t - instant` over the instants before `t`.

use rayon::prelude::*;

/// Instants per block: a query scans at most one block.
const BLOCK: usize = 256;

/// Instants in order, with running sums at the beginning of every block.
#[derive(Debug, Clone)]
pub(super) struct Edges {
    base_ns: i64,
    n_categories: usize,
    times: Vec<i64>,
    categories: Vec<u8>,
    /// First instant of each block.
    block_times: Vec<i64>,
    /// Per block and category, the number of instants before the block and the sum of their
    /// distances from the base, modulo 2^64.
    before: Vec<(u64, u64)>,
}

impl Edges {
    /// Takes instants in order. Categories must be below `n_categories`.
    pub(super) fn new(
        times: Vec<i64>,
        categories: Vec<u8>,
        n_categories: usize,
        base_ns: i64,
    ) -> Self {
        let mut before = vec![(0_u64, 0_u64); n_categories * (times.len().div_ceil(BLOCK) + 1)];
        // Each block's own sums, one block further on.
        before[n_categories..]
            .par_chunks_mut(n_categories)
            .zip(times.par_chunks(BLOCK))
            .zip(categories.par_chunks(BLOCK))
            .with_min_len(64)
            .for_each(|((sums, times), categories)| {
                for (&time, &category) in times.iter().zip(categories) {
                    let (count, sum) = &mut sums[category as usize];
                    *count += 1;
                    *sum = sum.wrapping_add(time.wrapping_sub(base_ns) as u64);
                }
            });
        for at in n_categories..before.len() {
            let earlier = before[at - n_categories];
            let (count, sum) = &mut before[at];
            *count += earlier.0;
            *sum = sum.wrapping_add(earlier.1);
        }
        let block_times = times.iter().step_by(BLOCK).copied().collect();
        Self { base_ns, n_categories, times, categories, block_times, before }
    }

    /// Adds to `out`, per category, the sum of `at - instant` over the instants before `at`,
    /// modulo 2^64, times `sign` (1 or -1 as a wrapping number).
    #[inline]
    pub(super) fn add_elapsed(&self, at: i64, sign: u64, out: &mut [u64]) {
        let block = self.block_times.partition_point(|time| *time < at).saturating_sub(1);
        let from_base = at.wrapping_sub(self.base_ns) as u64;
        let sums = &self.before[block * self.n_categories..][..self.n_categories];
        for (out, (count, sum)) in out.iter_mut().zip(sums) {
            let elapsed = count.wrapping_mul(from_base).wrapping_sub(*sum);
            *out = out.wrapping_add(elapsed.wrapping_mul(sign));
        }
        let rows = block * BLOCK..((block + 1) * BLOCK).min(self.times.len());
        for (&time, &category) in self.times[rows.clone()].iter().zip(&self.categories[rows]) {
            if time >= at {
                break;
            }
            let elapsed = at.wrapping_sub(time) as u64;
            let out = &mut out[category as usize];
            *out = out.wrapping_add(elapsed.wrapping_mul(sign));
        }
    }
}

/// Sorts instants that are nearly in order already, as ends of work are that come in order of
/// start: an insertion sort, which gives up when instants are far from their places.
pub(super) fn sort_nearly_sorted(edges: &mut [(i64, u8)]) {
    let mut moves_left = edges.len().saturating_mul(8);
    for at in 1..edges.len() {
        let edge = edges[at];
        let mut to = at;
        while to > 0 && edges[to - 1].0 > edge.0 {
            to -= 1;
        }
        if at == to {
            continue;
        }
        let Some(left) = moves_left.checked_sub(at - to) else {
            edges.par_sort_by_key(|edge| edge.0);
            return;
        };
        moves_left = left;
        edges.copy_within(to..at, to + 1);
        edges[to] = edge;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nearly_sorted_or_not_it_sorts(times in prop::collection::vec(0..1000_i64, 0..400)) {
            let mut edges: Vec<_> = times.iter().map(|time| (*time, (*time % 7) as u8)).collect();
            sort_nearly_sorted(&mut edges);
            prop_assert!(edges.is_sorted_by_key(|edge| edge.0));
            let mut expected = times;
            expected.sort_unstable();
            prop_assert_eq!(edges.iter().map(|edge| edge.0).collect::<Vec<_>>(), expected);
            prop_assert!(edges.iter().all(|(time, category)| time % 7 == i64::from(*category)));
        }
    }

    #[test]
    fn far_out_of_order_is_sorted_too() {
        let mut edges: Vec<_> = (0..5_000).rev().map(|time| (time, 0)).collect();
        sort_nearly_sorted(&mut edges);
        assert!(edges.is_sorted());
    }
}
