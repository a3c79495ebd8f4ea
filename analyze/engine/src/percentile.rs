//! Exact percentiles by nearest rank: the smallest value that at least `p` of all values do not
//! exceed. No interpolation, so every percentile is a value that occurred.

/// Fewest values for a 99th percentile to mean anything: below it, it is the maximum.
pub const P99_MIN_N: usize = 100;

/// The 0-based rank of a percentile among `n` sorted values; `None` when there are none.
///
/// `percent` above 100 counts as 100.
pub fn nearest_rank(percent: u32, n: usize) -> Option<usize> {
    let last = n.checked_sub(1)?;
    let rank = (n as u128 * u128::from(percent.min(100))).div_ceil(100);
    Some(usize::try_from(rank.saturating_sub(1)).map_or(last, |rank| rank.min(last)))
}

/// The values at several ranks of a slice, which is reordered. Ranks must ascend.
///
/// # Panics
/// When a rank lies outside the slice.
pub(crate) fn select_ranks<T: Ord + Copy, const N: usize>(
    values: &mut [T],
    ranks: [usize; N],
) -> [T; N] {
    let mut from = 0;
    let mut previous: Option<(usize, T)> = None;
    ranks.map(|rank| {
        if let Some((_, value)) = previous.filter(|(before, _)| *before == rank) {
            return value;
        }
        let (_, value, _) = values[from..].select_nth_unstable(rank - from);
        let value = *value;
        from = rank + 1;
        previous = Some((rank, value));
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranks_are_those_of_the_definition() {
        assert_eq!(nearest_rank(50, 0), None);
        assert_eq!(nearest_rank(50, 1), Some(0));
        assert_eq!(nearest_rank(50, 2), Some(0));
        assert_eq!(nearest_rank(50, 3), Some(1));
        assert_eq!(nearest_rank(99, 100), Some(98));
        assert_eq!(nearest_rank(99, 101), Some(99));
        assert_eq!(nearest_rank(0, 7), Some(0));
        assert_eq!(nearest_rank(100, 7), Some(6));
        assert_eq!(nearest_rank(250, 7), Some(6));
        assert_eq!(nearest_rank(99, usize::MAX).map(|rank| rank < usize::MAX), Some(true));
    }

    proptest! {
        #[test]
        fn selection_is_that_of_sorting(
            mut values in prop::collection::vec(0..50_u32, 1..200),
            picks in prop::array::uniform4(0..1000_usize),
        ) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let mut ranks = picks.map(|pick| pick % values.len());
            ranks.sort_unstable();
            let expected = ranks.map(|rank| sorted[rank]);
            prop_assert_eq!(select_ranks(&mut values, ranks), expected);
        }
    }
}
