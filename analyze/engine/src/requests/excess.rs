//! What kernels took longer than they would without a known fault.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_classifier::{Dtype, KernelClass};
use underspan_model::StringId;

use crate::Analysis;
use crate::precision::width;

/// How much of the time of multiplies their type costs that is wider than declared.
///
/// A type twice as wide moves twice the bytes and, on tensor cores, multiplies at half the rate:
/// of its time the share `1 - narrow / wide` is excess. Where the wide type runs on ordinary cores
/// it costs more than that; the share is a lower bound.
#[derive(Debug, Default)]
pub(super) struct PrecisionCost {
    declared_bits: Option<u32>,
    fallbacks: HashMap<StringId, (), FixedState>,
}

impl PrecisionCost {
    pub(super) fn of(analysis: &Analysis) -> Self {
        let census = &analysis.precision;
        let declared = census.declared.as_ref().and_then(|declared| width(declared.dtype));
        let fallbacks = census.wide.iter().filter(|wide| wide.reason.is_fallback());
        Self { declared_bits: declared, fallbacks: fallbacks.map(|wide| (wide.name, ())).collect() }
    }

    /// The share of the time of kernels of a name and class that is excess, of 256.
    pub(super) fn share_of(&self, name: StringId, class: &KernelClass) -> u64 {
        let Some(narrow) = self.declared_bits else { return 0 };
        if !self.fallbacks.contains_key(&name) {
            return 0;
        }
        // TF32 is stored in 32 bits and multiplies at the rate of those.
        let wide = match class.compute_dtype.value {
            Dtype::Tf32 => Some(32),
            other => width(other),
        };
        match wide {
            Some(wide) if wide > narrow => 256 - u64::from(narrow) * 256 / u64::from(wide),
            _ => 0,
        }
    }
}
