//! Values remembered by key, for predictions from the previous row of the same stream or shape.

use std::collections::HashMap;

/// Keys below this are looked up by index.
const DENSE_KEYS: usize = 1 << 16;

/// The last value of every key.
#[derive(Debug, Default)]
pub(crate) struct LastByKey {
    dense: Vec<u64>,
    sparse: HashMap<u32, u64>,
    initial: u64,
}

impl LastByKey {
    /// Forgets all keys; one not seen yet has the value `initial`.
    pub(crate) fn reset(&mut self, initial: u64) {
        self.dense.clear();
        self.sparse.clear();
        self.initial = initial;
    }

    /// Where the last value of `key` stands.
    #[inline]
    pub(crate) fn slot(&mut self, key: u32) -> &mut u64 {
        let index = key as usize;
        if index >= DENSE_KEYS {
            return self.sparse.entry(key).or_insert(self.initial);
        }
        if index >= self.dense.len() {
            let len = (index + 1).next_power_of_two().max(64);
            self.dense.resize(len, self.initial);
        }
        &mut self.dense[index]
    }
}
