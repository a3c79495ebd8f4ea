//! What one parsing thread has seen so far: names, values, launch shapes, threads, streams and
//! counter tracks, numbered in the order in which this thread met them.
//!
//! Lanes keep their numbers from part to part, so that a name is hashed against a warm table. The
//! assembly renumbers them in file order, which makes the result independent of who parsed what.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use underspan_model::{NONE_U32, NONE_U64, ShapeTable};

use super::cursor::RawText;
use super::event::Id;
use super::skeleton::Skeletons;

#[derive(Default)]
pub(super) struct Lane {
    /// What events look like.
    pub(super) skeletons: Skeletons,
    /// Names, as they stand between the quotes.
    pub(super) texts: RawTexts,
    /// Argument values, as they stand in the file.
    pub(super) values: RawTexts,
    /// Launch shapes; their names are numbers of `texts`.
    pub(super) shapes: ShapeTable,
    pub(super) threads: Keys<ThreadKey>,
    pub(super) streams: Keys<StreamKey>,
    pub(super) tracks: Keys<TrackKey>,
}

/// A process or thread id; texts are numbers of a text table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum IdKey {
    #[default]
    Absent,
    Number(i64),
    Text(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct ThreadKey {
    pub(super) pid: IdKey,
    pub(super) tid: IdKey,
}

/// A stream as the file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StreamKey {
    /// Device number, [`NONE_U32`] when not given.
    pub(super) device: u32,
    /// Context number, [`NONE_U32`] when not given.
    pub(super) context: u32,
    /// Stream number, [`NONE_U64`] when not given.
    pub(super) stream: u64,
}

/// A series of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TrackKey {
    pub(super) name: TrackName,
    /// Device number, [`NONE_U32`] when it is about none.
    pub(super) device: u32,
    pub(super) pid: IdKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TrackName {
    /// Bytes the framework's allocator handed out.
    MemoryAllocated,
    /// Bytes the framework's allocator took from the device.
    MemoryReserved,
    /// A counter event's name and the series within it.
    Named { name: u32, series: u32 },
}

impl Lane {
    #[inline]
    pub(super) fn text(&mut self, text: RawText<'_>) -> u32 {
        self.texts.intern(text.bytes)
    }

    #[inline]
    pub(super) fn optional_text(&mut self, text: Option<RawText<'_>>) -> u32 {
        text.map_or(NONE_U32, |text| self.text(text))
    }

    #[inline]
    pub(super) fn optional_value(&mut self, value: Option<&[u8]>) -> u32 {
        value.map_or(NONE_U32, |value| self.values.intern(value))
    }

    #[inline]
    pub(super) fn id(&mut self, id: Id<'_>) -> IdKey {
        match id {
            Id::Absent => IdKey::Absent,
            Id::Number(value) => IdKey::Number(value),
            Id::Text(text) => IdKey::Text(self.text(text)),
        }
    }

    /// The thread of an event; none when it names neither process nor thread.
    #[inline]
    pub(super) fn thread(&mut self, pid: Id<'_>, tid: Id<'_>) -> u32 {
        let key = ThreadKey { pid: self.id(pid), tid: self.id(tid) };
        if key == ThreadKey::default() { NONE_U32 } else { self.threads.intern(key) }
    }

    /// The stream with this key; none when the key says nothing.
    #[inline]
    pub(super) fn stream(&mut self, key: StreamKey) -> u32 {
        if key.device == NONE_U32 && key.stream == NONE_U64 {
            return NONE_U32;
        }
        self.streams.intern(key)
    }
}

/// Distinct byte strings, numbered.
#[derive(Default)]
pub(super) struct RawTexts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    lookup: HashTable<u32>,
    hasher: FixedState,
}

impl RawTexts {
    #[inline]
    pub(super) fn intern(&mut self, text: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(text);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(&id) = self.lookup.find(hash, |&id| slice(bytes, ends, id) == text) {
            return id;
        }
        self.add(hash, text)
    }

    #[cold]
    fn add(&mut self, hash: u64, text: &[u8]) -> u32 {
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.lookup.insert_unique(hash, id, |&id| hasher.hash_one(slice(bytes, ends, id)));
        id
    }

    /// The text numbered `id` by this table.
    pub(super) fn resolve(&self, id: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

/// Distinct keys, numbered. Neighbouring events mostly share them, so the last one is remembered.
#[derive(Debug, Clone)]
pub(super) struct Keys<K> {
    keys: Vec<K>,
    lookup: HashMap<K, u32, FixedState>,
    last: u32,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), lookup: HashMap::with_hasher(FixedState::default()), last: 0 }
    }
}

impl<K: Copy + Eq + Hash> Keys<K> {
    #[inline]
    pub(super) fn intern(&mut self, key: K) -> u32 {
        if self.keys.get(self.last as usize) == Some(&key) {
            return self.last;
        }
        let next = self.keys.len() as u32;
        self.last = *self.lookup.entry(key).or_insert(next);
        if self.last == next {
            self.keys.push(key);
        }
        self.last
    }

    pub(super) fn as_slice(&self) -> &[K] {
        &self.keys
    }
}
