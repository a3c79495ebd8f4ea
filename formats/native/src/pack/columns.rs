//! The columns of a chunk, one after the other, each in the context of those before it.

use super::coder::{BitCoder, Meter};
use super::mixing::{Contexts, Counters, MAX_INPUTS, hash};
use super::numbers::Numbers;
use crate::codec::{Bits, LastByKey, Sign};

/// Rows that a way to store a column is tried on.
const TRIAL_ROWS: usize = 2048;

/// What a column's residuals are coded in the context of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings<'a> {
    /// What the row ran on.
    pub(super) key: Option<&'a [u64]>,
    /// What the row was.
    pub(super) name: Option<&'a [u64]>,
    /// Two more columns of the same row.
    pub(super) others: [Option<&'a [u64]>; 2],
}

/// How the residuals of a column are made from its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform<'a> {
    /// They are the values.
    Plain,
    /// Differences from the row before.
    Delta,
    /// Differences from the last row with the same name.
    Keyed(&'a [u64]),
    /// Differences from another column in the same row.
    Other(&'a [u64]),
}

impl Transform<'_> {
    pub(super) fn sign(self) -> Sign {
        if self == Self::Plain { Sign::Plain } else { Sign::Zigzag }
    }

    pub(super) fn residuals(self, values: &[u64]) -> Vec<u64> {
        let mut last = LastByKey::default();
        last.reset(0);
        let mut previous = 0;
        let residual = |(row, value): (usize, &u64)| match self {
            Self::Plain => *value,
            Self::Delta => value.zigzag_from(std::mem::replace(&mut previous, *value)),
            Self::Keyed(names) => {
                value.zigzag_from(std::mem::replace(last.slot(names[row] as u32), *value))
            }
            Self::Other(others) => value.zigzag_from(others[row]),
        };
        values.iter().enumerate().map(residual).collect()
    }

    pub(super) fn undo(self, residuals: &mut [u64]) {
        let mut last = LastByKey::default();
        last.reset(0);
        let mut previous = 0_u64;
        for (row, residual) in residuals.iter_mut().enumerate() {
            *residual = match self {
                Self::Plain => continue,
                Self::Delta => {
                    previous = residual.undo_zigzag(previous);
                    previous
                }
                Self::Keyed(names) => {
                    let slot = last.slot(names[row] as u32);
                    *slot = residual.undo_zigzag(*slot);
                    *slot
                }
                Self::Other(others) => residual.undo_zigzag(others[row]),
            };
        }
    }
}

/// Codes residuals in place.
pub(super) fn code_residuals<C: BitCoder>(
    coder: &mut C,
    counters: &mut Counters,
    seed: u32,
    around: Surroundings<'_>,
    residuals: &mut [u64],
) {
    let mut numbers = Numbers::new(seed);
    let mut last = [0_u64; 5];
    let (mut by_name, mut by_key) = (LastByKey::default(), LastByKey::default());
    by_name.reset(0);
    by_key.reset(0);
    let at = |column: Option<&[u64]>, row: usize| -> u32 {
        column
            .and_then(|column| column.get(row))
            .map_or(0, |value| *value as u32 ^ (*value >> 32) as u32)
    };
    for (row, residual) in residuals.iter_mut().enumerate() {
        let (key, name) = (at(around.key, row), at(around.name, row));
        let (a, b) = (at(around.others[0], row), at(around.others[1], row));
        let previous_name = row.checked_sub(1).map_or(0, |row| at(around.name, row));
        let one = last[0] as u32;
        let two = hash(one, last[1] as u32);
        let three = hash(two, last[2] as u32);
        let mut contexts: Contexts = [0; MAX_INPUTS];
        contexts[1] = one;
        contexts[2] = two;
        contexts[3] = three;
        contexts[7] = hash(key, *by_key.slot(key) as u32);
        if around.name.is_some() {
            contexts[4] = name;
            contexts[5] = hash(name, previous_name);
            contexts[6] = hash(name, *by_name.slot(name) as u32);
            contexts[8] = hash(name, a);
            contexts[9] = hash(rough(last[0]), rough(last[1]));
            contexts[10] = hash(hash(name, at(around.name, row + 1)), previous_name);
            contexts[11] = hash(hash(name, b), a);
        } else {
            let four = hash(three, last[3] as u32);
            contexts[4] = four;
            contexts[5] = hash(four, last[4] as u32);
            contexts[6] = hash(one, last[2] as u32);
            contexts[8] = a;
            contexts[9] = hash(a, one);
            contexts[10] = hash(b, a);
            contexts[11] = hash(key, one);
        }
        *residual = numbers.code(coder, counters, &contexts, *residual);
        last.rotate_right(1);
        last[0] = *residual;
        *by_name.slot(name) = rough(*residual).into();
        *by_key.slot(key) = *residual;
    }
}

/// A number's size and its top bits.
fn rough(value: u64) -> u32 {
    let class = u64::BITS - value.leading_zeros();
    let top = if class > 3 { value >> (class - 3) & 3 } else { value & 7 };
    class * 8 + top as u32
}

/// Size of the residuals when coded so, judged by the first rows.
pub(super) fn trial_cost(
    counters: &mut Counters,
    around: Surroundings<'_>,
    residuals: &[u64],
) -> u64 {
    counters.reset();
    let mut meter = Meter::default();
    let rows = residuals.len().min(TRIAL_ROWS);
    code_residuals(&mut meter, counters, 0, around, &mut residuals[..rows].to_vec());
    meter.cost
}
