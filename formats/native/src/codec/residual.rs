//! Values to residuals and back, a block at a time so that the compiler vectorises the loops.

use super::planes::{BLOCK_ROWS, PlaneSet};
use super::{Bits, Sign, Word};

/// The values as they are. Returns the bits that any of them has.
pub(crate) fn plain_residuals<T: Word>(values: &[T], out: &mut Vec<T::Bits>) -> T::Bits {
    out.clear();
    out.extend(values.iter().map(|value| value.to_bits()));
    out.iter().fold(T::Bits::default(), |all, bits| all.or(*bits))
}

/// Zigzag differences between neighbours, the first from `base`. Returns the bits that any of
/// them has.
pub(crate) fn delta_residuals<T: Word>(
    values: &[T],
    base: T::Bits,
    out: &mut Vec<T::Bits>,
) -> T::Bits {
    out.clear();
    if let Some(first) = values.first() {
        out.push(first.to_bits().zigzag_from(base));
    }
    let neighbours = values.iter().zip(values.get(1..).unwrap_or_default());
    out.extend(neighbours.map(|(previous, value)| value.to_bits().zigzag_from(previous.to_bits())));
    out.iter().fold(T::Bits::default(), |all, bits| all.or(*bits))
}

/// Fills `out` from planes of plain values.
pub(crate) fn undo_plain<T: Word>(planes: &PlaneSet<'_>, out: &mut [T]) {
    planes.for_each_block(Sign::Plain, |first_row, residuals: &[T::Bits]| {
        let Some(out) = out.get_mut(first_row..first_row + residuals.len()) else { return };
        for (value, bits) in out.iter_mut().zip(residuals) {
            *value = T::from_bits(*bits);
        }
    });
}

/// Fills `out` from planes of [`delta_residuals`].
pub(crate) fn undo_delta<T: Word>(planes: &PlaneSet<'_>, base: T::Bits, out: &mut [T]) {
    let mut previous = base;
    planes.for_each_block(Sign::Zigzag, |first_row, residuals: &[T::Bits]| {
        let Some(out) = out.get_mut(first_row..first_row + residuals.len()) else { return };
        for (value, bits) in out.iter_mut().zip(residuals) {
            previous = bits.undo_zigzag(previous);
            *value = T::from_bits(previous);
        }
    });
}

const _: () = assert!(BLOCK_ROWS.is_power_of_two());
