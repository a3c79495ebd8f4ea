//! Column values as unsigned integers of the same width.

/// An unsigned integer that residuals are computed in. All arithmetic wraps.
pub(crate) trait Bits: Copy + Eq + Default + Send + Sync + 'static {
    /// Bytes per value, and planes at most.
    const WIDTH: usize;

    /// `self - previous`, with small differences of either sign made small numbers.
    fn zigzag_from(self, previous: Self) -> Self;
    /// The value whose [`Bits::zigzag_from`] `previous` is `self`.
    fn undo_zigzag(self, previous: Self) -> Self;
    /// Byte `plane` of the value, the lowest first.
    fn byte(self, plane: usize) -> u8;
    fn or(self, other: Self) -> Self;
    fn from_u32(value: u32) -> Self;
    fn from_u64(value: u64) -> Self;
    fn to_u64(self) -> u64;

    /// The values as 64-bit ones, which alone may have a unit.
    fn as_wide(_values: &mut [Self]) -> Option<&mut [u64]> {
        None
    }

    /// Bytes needed to hold the value: 0 for zero.
    fn significant_bytes(self) -> usize {
        (64 - self.to_u64().leading_zeros()).div_ceil(8) as usize
    }
}

macro_rules! bits {
    ($($unsigned:ty, $signed:ty $(, $as_wide:item)?;)*) => {$(
        impl Bits for $unsigned {
            const WIDTH: usize = size_of::<$unsigned>();

            $($as_wide)?

            #[inline(always)]
            fn zigzag_from(self, previous: Self) -> Self {
                let difference = self.wrapping_sub(previous) as $signed;
                ((difference << 1) ^ (difference >> (<$signed>::BITS - 1))) as $unsigned
            }
            #[inline(always)]
            fn undo_zigzag(self, previous: Self) -> Self {
                let difference = (self >> 1) ^ (self & 1).wrapping_neg();
                previous.wrapping_add(difference)
            }
            #[inline(always)]
            fn byte(self, plane: usize) -> u8 {
                (self >> (8 * plane)) as u8
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn from_u32(value: u32) -> Self {
                value as $unsigned
            }
            #[inline(always)]
            fn from_u64(value: u64) -> Self {
                value as $unsigned
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    )*};
}

bits! {
    u8, i8;
    u32, i32;
    u64, i64, fn as_wide(values: &mut [Self]) -> Option<&mut [u64]> {
        Some(values)
    };
}

/// A type a column's values have.
pub(crate) trait Word: Copy + Send + Sync + Default + 'static {
    type Bits: Bits;

    fn to_bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
}

macro_rules! words {
    ($($ty:ty, $bits:ty, $to:expr, $from:expr;)*) => {$(
        impl Word for $ty {
            type Bits = $bits;

            #[inline(always)]
            fn to_bits(self) -> $bits {
                $to(self)
            }
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                $from(bits)
            }
        }
    )*};
}

words! {
    u8, u8, |v| v, |b| b;
    u32, u32, |v| v, |b| b;
    u64, u64, |v| v, |b| b;
    i64, u64, |v| v as u64, |b| b as i64;
    f64, u64, f64::to_bits, f64::from_bits;
}
