//! Launch shapes: the part of a kernel record that repeats.
//!
//! A serving process launches a few hundred distinct (name, grid, block, memory, registers)
//! combinations millions of times, so a kernel row holds one 32-bit id instead of all of them.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::{NONE_U32, ShapeId, StringId};

/// One way a kernel is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelShape {
    /// The kernel's name as the source gave it (mangled or not).
    pub name: StringId,
    /// Grid size in blocks, x y z; zeros when the source does not say.
    pub grid: [u32; 3],
    /// Block size in threads, x y z; zeros when the source does not say.
    pub block: [u32; 3],
    /// Static shared memory per block in bytes, [`NONE_U32`] when unknown.
    pub static_shared_bytes: u32,
    /// Dynamic shared memory per block in bytes, [`NONE_U32`] when unknown.
    pub dynamic_shared_bytes: u32,
    /// Registers per thread, [`NONE_U32`] when unknown.
    pub registers_per_thread: u32,
}

impl KernelShape {
    /// A shape of which only the name is known.
    pub fn named(name: StringId) -> Self {
        Self {
            name,
            grid: [0; 3],
            block: [0; 3],
            static_shared_bytes: NONE_U32,
            dynamic_shared_bytes: NONE_U32,
            registers_per_thread: NONE_U32,
        }
    }
}

/// Interned launch shapes.
#[derive(Debug, Clone, Default)]
pub struct ShapeTable {
    shapes: Vec<KernelShape>,
    lookup: HashTable<u32>,
    hasher: FixedState,
}

impl ShapeTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of shapes.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Whether there are no shapes.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// The id of `shape`, adding it when it is new.
    ///
    /// # Panics
    /// When the table would hold 2^32 - 1 shapes.
    pub fn intern(&mut self, shape: KernelShape) -> ShapeId {
        let hash = self.hasher.hash_one(shape);
        if let Some(&id) = self.lookup.find(hash, |&id| self.shapes[id as usize] == shape) {
            return ShapeId::from_raw(id);
        }
        let id = ShapeId::from_index(self.shapes.len());
        self.shapes.push(shape);
        let (shapes, hasher) = (&self.shapes, &self.hasher);
        self.lookup.insert_unique(hash, id.raw(), |&id| hasher.hash_one(shapes[id as usize]));
        id
    }

    /// The shape behind `id`; `None` for [`ShapeId::NONE`] and ids of another table.
    pub fn resolve(&self, id: ShapeId) -> Option<&KernelShape> {
        self.shapes.get(id.index())
    }

    /// All shapes in id order.
    pub fn as_slice(&self) -> &[KernelShape] {
        &self.shapes
    }
}

/// Two tables are equal when they give the same ids to the same shapes.
impl PartialEq for ShapeTable {
    fn eq(&self, other: &Self) -> bool {
        self.shapes == other.shapes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_gets_one_id_and_any_difference_another() {
        let mut table = ShapeTable::new();
        let a = KernelShape::named(StringId::from_raw(3));
        let b = KernelShape { grid: [1, 1, 1], ..a };
        let (ia, ib) = (table.intern(a), table.intern(b));
        assert_ne!(ia, ib);
        assert_eq!(table.intern(a), ia);
        assert_eq!(table.resolve(ib), Some(&b));
        assert_eq!(table.resolve(ShapeId::NONE), None);
        assert_eq!(table.len(), 2);
    }
}
