//! Classes remembered by the caller's string id.

use std::collections::HashMap;

use crate::class::{KernelClass, TensorCore};
use crate::classify::classify;
use crate::dtype::Dtype;
use crate::query::KernelQuery;

/// Ids up to here index a flat table; larger ones, which only a damaged or foreign id space has, a
/// map.
const FLAT_IDS: u32 = 1 << 22;
/// Marks an id without a class.
const NONE: u32 = u32::MAX;

/// Remembers the class of each name by string id, so that a capture with millions of kernels
/// classifies each distinct name once and every further look-up is one array access.
///
/// ```
/// use underspan_classifier::{ClassCache, KernelQuery};
///
/// let mut cache = ClassCache::new();
/// let query = KernelQuery::named("nvjet_tst_128x256_64x4_2x1_v_bz_TNT");
/// assert_eq!(cache.classify(7, &query).operation.value, "gemm");
/// assert!(cache.get(7).is_some());
/// assert!(cache.get(8).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClassCache {
    classes: Vec<KernelClass>,
    flat: Vec<u32>,
    sparse: HashMap<u32, u32>,
}

impl ClassCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The class of the name with this id, computed from the query the first time.
    ///
    /// A later query with operand types or a launch completes a class that was still open, which is
    /// how a name seen in an eager phase explains its replays from a graph.
    pub fn classify(&mut self, id: u32, query: &KernelQuery<'_>) -> &KernelClass {
        let slot = match self.slot(id) {
            Some(slot) => {
                if is_open(&self.classes[slot]) && has_evidence(query) {
                    self.classes[slot] = classify(query);
                }
                slot
            }
            None => self.insert(id, classify(query)),
        };
        &self.classes[slot]
    }

    /// The class remembered for an id.
    pub fn get(&self, id: u32) -> Option<&KernelClass> {
        self.slot(id).and_then(|slot| self.classes.get(slot))
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    fn slot(&self, id: u32) -> Option<usize> {
        let slot =
            if id < FLAT_IDS { *self.flat.get(id as usize)? } else { *self.sparse.get(&id)? };
        (slot != NONE).then_some(slot as usize)
    }

    fn insert(&mut self, id: u32, class: KernelClass) -> usize {
        let slot = self.classes.len();
        self.classes.push(class);
        if id < FLAT_IDS {
            let index = id as usize;
            if self.flat.len() <= index {
                self.flat.resize(index + 1, NONE);
            }
            self.flat[index] = slot as u32;
        } else {
            self.sparse.insert(id, slot as u32);
        }
        slot
    }
}

fn is_open(class: &KernelClass) -> bool {
    class.compute_dtype.value == Dtype::Unknown || class.tensor_core.value == TensorCore::Unknown
}

fn has_evidence(query: &KernelQuery<'_>) -> bool {
    !query.operand_types.is_empty() || query.launch.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_operands_complete_an_open_class() {
        let mut cache = ClassCache::new();
        let name = "triton_tem_fused_mm_0";
        assert_eq!(
            cache.classify(3, &KernelQuery::named(name)).compute_dtype.value,
            Dtype::Unknown
        );
        let operands = [Dtype::Fp16, Dtype::Fp16];
        let eager = KernelQuery { operand_types: &operands, ..KernelQuery::named(name) };
        assert_eq!(cache.classify(3, &eager).compute_dtype.value, Dtype::Fp16);
        assert_eq!(cache.classify(3, &KernelQuery::named(name)).compute_dtype.value, Dtype::Fp16);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn huge_ids_cost_no_memory() {
        let mut cache = ClassCache::new();
        cache.classify(u32::MAX - 1, &KernelQuery::named("a"));
        assert!(cache.flat.is_empty());
        assert!(cache.get(u32::MAX - 1).is_some());
    }
}
