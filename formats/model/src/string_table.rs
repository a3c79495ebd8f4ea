//! Every name of a capture, once.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::StringId;

/// Interned UTF-8 strings: one arena, an offset per string, and a hash table to find them again.
#[derive(Debug, Clone, Default)]
pub struct StringTable {
    bytes: String,
    ends: Vec<usize>,
    lookup: HashTable<u32>,
    hasher: FixedState,
}

impl StringTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The id of `text`, adding it when it is new.
    ///
    /// # Panics
    /// When the table would hold 2^32 - 1 strings.
    pub fn intern(&mut self, text: &str) -> StringId {
        let hash = self.hasher.hash_one(text);
        let found = self.lookup.find(hash, |&id| slice(&self.bytes, &self.ends, id) == text);
        if let Some(&id) = found {
            return StringId::from_raw(id);
        }
        let id = StringId::from_index(self.ends.len());
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.lookup.insert_unique(hash, id.raw(), |&id| hasher.hash_one(slice(bytes, ends, id)));
        id
    }

    /// The id of `text` if the table has it.
    pub fn find(&self, text: &str) -> Option<StringId> {
        let hash = self.hasher.hash_one(text);
        self.lookup
            .find(hash, |&id| slice(&self.bytes, &self.ends, id) == text)
            .map(|&id| StringId::from_raw(id))
    }

    /// The string behind `id`; `None` for [`StringId::NONE`] and for ids of another table.
    pub fn resolve(&self, id: StringId) -> Option<&str> {
        (id.index() < self.ends.len()).then(|| slice(&self.bytes, &self.ends, id.raw()))
    }

    /// The string behind `id`, empty when there is none.
    pub fn resolve_or_empty(&self, id: StringId) -> &str {
        self.resolve(id).unwrap_or("")
    }

    /// All strings in id order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|id| slice(&self.bytes, &self.ends, id as u32))
    }

    /// Total bytes of text held.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Two tables are equal when they give the same ids to the same strings.
impl PartialEq for StringTable {
    fn eq(&self, other: &Self) -> bool {
        self.ends == other.ends && self.bytes == other.bytes
    }
}

fn slice<'a>(bytes: &'a str, ends: &[usize], id: u32) -> &'a str {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn interning_is_stable_and_reversible(texts in prop::collection::vec(".{0,12}", 0..200)) {
            let mut table = StringTable::new();
            let ids: Vec<_> = texts.iter().map(|t| table.intern(t)).collect();
            for (text, id) in texts.iter().zip(&ids) {
                prop_assert_eq!(table.resolve(*id), Some(text.as_str()));
                prop_assert_eq!(table.find(text), Some(*id));
                prop_assert_eq!(table.intern(text), *id);
            }
            let distinct: std::collections::HashSet<_> = texts.iter().collect();
            prop_assert_eq!(table.len(), distinct.len());
        }
    }

    #[test]
    fn an_unknown_id_resolves_to_nothing() {
        let table = StringTable::new();
        assert_eq!(table.resolve(StringId::NONE), None);
        assert_eq!(table.resolve(StringId::from_raw(0)), None);
        assert_eq!(table.resolve_or_empty(StringId::from_raw(7)), "");
    }
}
