//! A quick guess at how small residuals pack, to choose between encodings.

use super::Bits;

/// Fixed-point fraction bits of the logarithm below.
const FRACTION: u32 = 8;

/// About how many bits the byte planes of `residuals` take: their order-0 entropy, plane by plane.
///
/// Integer arithmetic alone, so that every machine writes the same file.
pub(crate) fn estimated_bits<B: Bits>(residuals: &[B]) -> u64 {
    let all = residuals.iter().fold(B::default(), |all, bits| all.or(*bits));
    let total_log = log2_fixed(residuals.len() as u32);
    let mut bits = 0;
    for plane in 0..all.significant_bytes() {
        let mut counts = [0u32; 256];
        for residual in residuals {
            counts[usize::from(residual.byte(plane))] += 1;
        }
        bits += counts
            .iter()
            .map(|&count| u64::from(count) * u64::from(total_log - log2_fixed(count)))
            .sum::<u64>();
    }
    bits >> FRACTION
}

/// Logarithm to base two with [`FRACTION`] bits after the point, straight between powers of two;
/// zero for zero.
fn log2_fixed(value: u32) -> u32 {
    let Some(whole) = value.checked_ilog2() else { return 0 };
    let mantissa = (u64::from(value) << FRACTION) >> whole;
    (whole << FRACTION) + (mantissa as u32 - (1 << FRACTION))
}
