//! Columns whose values are multiples of some unit: times that a profiler rounded to
//! microseconds, sizes of whole elements.

/// Division by a number that is known to divide: a rotation and a multiplication.
#[derive(Debug, Clone, Copy)]
struct ExactDivision {
    inverse_of_odd: u64,
    trailing_zeros: u32,
    largest_quotient: u64,
}

impl ExactDivision {
    fn by(unit: u64) -> Self {
        let trailing_zeros = unit.trailing_zeros();
        let odd = unit >> trailing_zeros;
        // Newton's iteration doubles the correct bits: 3, 6, 12, 24, 48, 96.
        let inverse_of_odd = (0..5).fold(odd, |inverse, _| {
            inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)))
        });
        Self { inverse_of_odd, trailing_zeros, largest_quotient: u64::MAX / unit }
    }

    /// The quotient; `None` when the unit does not divide.
    #[inline]
    fn quotient(self, value: u64) -> Option<u64> {
        let quotient = value.wrapping_mul(self.inverse_of_odd).rotate_right(self.trailing_zeros);
        (quotient <= self.largest_quotient).then_some(quotient)
    }
}

/// How a residual stands for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It is the number.
    Plain,
    /// It is a zigzag difference.
    Zigzag,
}

/// The largest unit that all numbers of a sample are multiples of; 1 when there is none that
/// helps.
pub(crate) fn unit_of_sample<'a>(sample: impl IntoIterator<Item = &'a u64>, sign: Sign) -> u64 {
    let mut unit = 0;
    for residual in sample {
        unit = greatest_common_divisor(unit, magnitude(*residual, sign));
        if unit == 1 {
            return 1;
        }
    }
    unit.max(1)
}

/// Divides all residuals by `unit`, unless one of them is no multiple of it: then they stay as
/// they are and the answer is false.
pub(crate) fn divide(residuals: &mut [u64], unit: u64, sign: Sign) -> bool {
    let division = ExactDivision::by(unit);
    let is_multiple = |residual: &u64| division.quotient(magnitude(*residual, sign)).is_some();
    if !residuals.iter().all(is_multiple) {
        return false;
    }
    for residual in residuals {
        let quotient = division.quotient(magnitude(*residual, sign)).unwrap_or_default();
        *residual = match sign {
            Sign::Plain => quotient,
            // An odd residual is negative: -1, -2, … are 1, 3, …
            Sign::Zigzag if *residual & 1 == 1 => 2 * quotient - 1,
            Sign::Zigzag => 2 * quotient,
        };
    }
    true
}

/// Multiplies all residuals by `unit`.
#[inline]
pub(crate) fn multiply(residuals: &mut [u64], unit: u64, sign: Sign) {
    for residual in residuals {
        *residual = match sign {
            Sign::Plain => residual.wrapping_mul(unit),
            Sign::Zigzag => {
                let difference = (*residual >> 1) ^ (*residual & 1).wrapping_neg();
                let scaled = difference.wrapping_mul(unit) as i64;
                ((scaled << 1) ^ (scaled >> 63)) as u64
            }
        };
    }
}

#[inline]
fn magnitude(residual: u64, sign: Sign) -> u64 {
    match sign {
        Sign::Plain => residual,
        Sign::Zigzag => (residual >> 1) + (residual & 1),
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn multiples_are_divided_and_others_left_alone(
            quotients in prop::collection::vec(any::<u64>(), 1..50),
            unit in prop_oneof![1..5000u64, any::<u64>()],
            spoiler: u64,
            is_signed: bool,
        ) {
            let unit = unit.max(1);
            let sign = if is_signed { Sign::Zigzag } else { Sign::Plain };
            let limit = if is_signed { i64::MAX as u64 / unit } else { u64::MAX / unit };
            let mut residuals: Vec<u64> = quotients
                .iter()
                .enumerate()
                .map(|(at, quotient)| {
                    let magnitude = quotient % limit.max(1) * unit;
                    match sign {
                        Sign::Plain => magnitude,
                        Sign::Zigzag if at % 2 == 1 && magnitude > 0 => 2 * magnitude - 1,
                        Sign::Zigzag => 2 * magnitude,
                    }
                })
                .collect();
            let original = residuals.clone();
            prop_assert!(divide(&mut residuals, unit, sign));
            multiply(&mut residuals, unit, sign);
            prop_assert_eq!(&residuals, &original);
            residuals.push(spoiler);
            let before = residuals.clone();
            let is_multiple = magnitude(spoiler, sign).is_multiple_of(unit);
            prop_assert_eq!(divide(&mut residuals, unit, sign), is_multiple);
            if !is_multiple {
                prop_assert_eq!(&residuals, &before);
            }
            let found = unit_of_sample(&original, sign);
            prop_assert!(found.is_multiple_of(unit) || original.iter().all(|residual| *residual == 0));
        }
    }
}
