//! How one column's values become bytes.
//!
//! A column is turned into *residuals* (the values themselves, or differences from a prediction),
//! the residuals are split into *byte planes* (all lowest bytes, then all second bytes, …), and
//! each plane is stored as one byte when constant, with zstd when that gains, raw otherwise.

mod estimate;
mod planes;
mod predict;
mod residual;
mod unit;
mod word;
mod zstd_io;

pub(crate) use estimate::estimated_bits;
pub(crate) use planes::{PlaneSet, write_planes};
pub(crate) use predict::LastByKey;
pub(crate) use residual::{delta_residuals, plain_residuals, undo_delta, undo_plain};
#[cfg(feature = "reader")]
pub(crate) use unit::multiply;
pub(crate) use unit::{Sign, divide, unit_of_sample};
pub(crate) use word::{Bits, Word};
pub(crate) use zstd_io::{Packer, Unpacker};

/// How a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// One value, in the column's head.
    Constant,
    /// Little-endian values side by side.
    Raw,
    /// Byte planes of the values.
    Planes,
    /// Byte planes of the zigzag differences from the previous row.
    DeltaPlanes,
    /// Byte planes of the zigzag gaps between a row's start and the end of the previous row with
    /// the same key (stream, thread).
    EndGap,
    /// Byte planes of the zigzag differences from the previous row with the same key (shape,
    /// name).
    KeyedDelta,
}

impl Encoding {
    /// Every encoding, in code order.
    pub const ALL: &[Self] = &[
        Self::Constant,
        Self::Raw,
        Self::Planes,
        Self::DeltaPlanes,
        Self::EndGap,
        Self::KeyedDelta,
    ];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Constant => 0,
            Self::Raw => 1,
            Self::Planes => 2,
            Self::DeltaPlanes => 3,
            Self::EndGap => 4,
            Self::KeyedDelta => 5,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Raw => "raw",
            Self::Planes => "planes",
            Self::DeltaPlanes => "delta-planes",
            Self::EndGap => "end-gap",
            Self::KeyedDelta => "keyed-delta",
        }
    }
}

#[cfg(test)]
mod tests;
