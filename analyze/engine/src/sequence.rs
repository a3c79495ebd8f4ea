//! Rows that ran one after another: many at a time, where nothing else has to be known of them.

/// Values that are compared at once.
const BLOCK: usize = 16;

/// The time between rows that ran one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// How often one began later than the one before it had ended.
    pub(crate) n_gaps: u64,
    /// How long all gaps are together.
    pub(crate) idle_ns: u64,
    /// No gap is longer than this; it may be less than twice the longest.
    pub(crate) longest_ns: u64,
    /// When the last one ended.
    pub(crate) end_ns: i64,
}

impl Sequence {
    /// Rows in order of start, of which the first follows what ended at `end_ns`. `None` where one
    /// began before the one before it had ended, or a time between them or a length is above the
    /// greatest time.
    ///
    /// The loop has no branch and compares by signs alone, so that it is compiled to as many rows
    /// at a time as a register holds.
    #[inline]
    pub(crate) fn of(starts: &[i64], durations: &[u64], end_ns: i64) -> Option<Self> {
        let n = starts.len().min(durations.len());
        let (starts, durations) = (&starts[..n], &durations[..n]);
        let first = *starts.first().filter(|first| **first >= end_ns)?;
        let last = n - 1;
        // A length above the greatest time is negative here, and so is a gap that wrapped around.
        let gap = first.wrapping_sub(end_ns);
        let (mut gaps, mut lengths) = (gap, durations[last]);
        let (mut idle, mut n_touching) = (gap, u64::from(gap == 0));
        for ((start, before), length) in starts[1..].iter().zip(starts).zip(durations) {
            let gap = start.wrapping_sub(*before).wrapping_sub(*length as i64);
            gaps |= gap;
            lengths |= length;
            idle = idle.wrapping_add(gap);
            n_touching += (gap.wrapping_sub(1) as u64) >> 63;
        }
        let end_ns = starts[last].checked_add(durations[last] as i64)?;
        let n_gaps = n as u64 - n_touching;
        // The bits of all gaps together are those of a number that none exceeds.
        let is_sequence = gaps >= 0 && lengths as i64 >= 0;
        is_sequence.then_some(Self {
            n_gaps,
            idle_ns: idle as u64,
            longest_ns: gaps as u64,
            end_ns,
        })
    }
}

/// How many values at the front are like the first.
#[inline]
pub(crate) fn n_alike(values: &[u32]) -> usize {
    let Some((first, others)) = values.split_first() else { return 0 };
    // Where each row has a call of its own, the second value already differs.
    if others.first() != Some(first) {
        return 1;
    }
    let blocks = values.chunks_exact(BLOCK).take_while(|block| are_all(block, *first)).count();
    let from = blocks * BLOCK;
    from + values[from..].iter().take_while(|of| *of == first).count()
}

/// Whether all values are `like`.
#[inline]
pub(crate) fn are_all(values: &[u32], like: u32) -> bool {
    values.iter().fold(0, |differing, value| differing | (value ^ like)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, row by row and with numbers that cannot wrap around.
    fn slowly(starts: &[i64], durations: &[u64], end_ns: i64) -> Option<Sequence> {
        let mut found = Sequence { n_gaps: 0, idle_ns: 0, longest_ns: 0, end_ns };
        let mut idle = 0_i128;
        for (start, duration) in starts.iter().zip(durations) {
            let gap = i128::from(*start) - i128::from(found.end_ns);
            found.longest_ns |= i64::try_from(gap).ok().filter(|gap| *gap >= 0)? as u64;
            found.n_gaps += u64::from(gap > 0);
            idle += gap;
            found.end_ns = i64::try_from(i128::from(*start) + i128::from(*duration)).ok()?;
        }
        found.idle_ns = u64::try_from(idle).ok()?;
        (!starts.is_empty()).then_some(found)
    }

    proptest! {
        #[test]
        fn it_is_what_row_by_row_finds(
            begin in prop_oneof![Just(i64::MIN), -50..50_i64, Just(i64::MAX - 99)],
            rows in prop::collection::vec((0..6_u64, 0..4_u64), 0..80),
            odd in (0..80_usize, prop_oneof![Just(0), -4..4_i64, Just(i64::MIN), Just(i64::MAX)]),
        ) {
            let mut at = begin;
            let mut starts = Vec::new();
            for (gap, length) in &rows {
                at = at.saturating_add_unsigned(*gap);
                starts.push(at);
                at = at.saturating_add_unsigned(*length);
            }
            let mut durations: Vec<u64> = rows.iter().map(|row| row.1).collect();
            if let Some(length) = durations.get_mut(odd.0) {
                *length = length.wrapping_add_signed(odd.1);
            }
            let found = Sequence::of(&starts, &durations, begin);
            // Lengths of centuries are left to who looks at rows one by one.
            let is_odd = durations.iter().any(|length| i64::try_from(*length).is_err());
            let slowly = slowly(&starts, &durations, begin);
            prop_assert!(found == slowly || is_odd && found.is_none(), "{found:?} {slowly:?}");
        }
    }

    proptest! {
        #[test]
        fn equal_values_at_the_front_are_counted(
            n in 0..70_usize, more in prop::collection::vec(0..3_u32, 0..9),
        ) {
            let mut values = vec![1; n];
            values.extend(more);
            let expected = values.iter().take_while(|value| **value == values[0]).count();
            prop_assert_eq!(n_alike(&values), expected);
        }
    }

    #[test]
    fn what_began_long_before_the_end_does_not_wrap_around_to_a_gap() {
        assert_eq!(Sequence::of(&[i64::MIN], &[1], i64::MAX), None);
    }

    #[test]
    fn one_other_value_is_seen() {
        assert!(are_all(&[7; 9], 7) && are_all(&[], 7));
        assert!(!are_all(&[7, 7, 6], 7));
    }
}
