//! CUDA toolkit versions, as the ledger of layouts and symbols names them.

use std::fmt;

/// A CUDA toolkit release, `major.minor`.
///
/// This is not what `cuptiGetVersion` returns: 11.8, 12.0 and 12.1 all report API version 18 while
/// their kernel records are 200, 208 and 208 bytes long. A `Toolkit` says from which release on a
/// fact was checked against headers; it never selects a layout at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Toolkit {
    /// Major release, such as 12.
    pub major: u16,
    /// Minor release, such as 4.
    pub minor: u16,
}

impl Toolkit {
    /// The release `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// `a >= b`, usable in constants.
    pub const fn at_least(self, floor: Self) -> bool {
        self.major > floor.major || (self.major == floor.major && self.minor >= floor.minor)
    }

    /// Reads `"12.4"`; anything after the second dot is ignored (`"12.4.127"`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

impl fmt::Display for Toolkit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The oldest release this crate reads.
pub const CUDA_11_8: Toolkit = Toolkit::new(11, 8);
/// CUDA 12.0.
pub const CUDA_12_0: Toolkit = Toolkit::new(12, 0);
/// CUDA 12.4 (12.2 and 12.3 were not compared).
pub const CUDA_12_4: Toolkit = Toolkit::new(12, 4);
/// CUDA 12.6 (12.5 was not compared).
pub const CUDA_12_6: Toolkit = Toolkit::new(12, 6);
/// CUDA 12.8.
pub const CUDA_12_8: Toolkit = Toolkit::new(12, 8);
/// CUDA 12.9.
pub const CUDA_12_9: Toolkit = Toolkit::new(12, 9);
/// CUDA 13.0.
pub const CUDA_13_0: Toolkit = Toolkit::new(13, 0);
/// CUDA 13.1.
pub const CUDA_13_1: Toolkit = Toolkit::new(13, 1);
/// CUDA 13.2, the first with the per-subscriber (v2) activity API.
pub const CUDA_13_2: Toolkit = Toolkit::new(13, 2);
/// CUDA 13.3, the first whose completed buffers describe user-defined records.
pub const CUDA_13_3: Toolkit = Toolkit::new(13, 3);
/// CUDA 13.4.
pub const CUDA_13_4: Toolkit = Toolkit::new(13, 4);
/// CUDA 13.5, the newest the ledger was compared with.
pub const CUDA_13_5: Toolkit = Toolkit::new(13, 5);
