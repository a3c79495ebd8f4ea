//! Reading a completed buffer, with an account of everything in it that could not be used.

use cupti_sys::ActivityKind;

use crate::layout::Layouts;
use crate::views::{Record, TimeFault};

/// What came out of the decoded buffers, and what was lost in them.
///
/// Every byte of a buffer ends up in one of the counts: in a record that was yielded, in a record
/// that was stepped over, or in `undecoded_bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodeLedger {
    /// Buffers read.
    pub buffers: u64,
    /// Records yielded, those with faulty times included.
    pub records: u64,
    /// Records yielded that have no start time.
    pub zero_times: u64,
    /// Records yielded that have a start time and no end time.
    pub unfinished: u64,
    /// Records yielded that end before they start.
    pub inverted_times: u64,
    /// Records stepped over, by kind: the library has the kind, this crate has no view of it.
    pub unknown: KindCounts,
    /// Buffers whose end was not reached: a kind without a length, or a cut record.
    pub broken_buffers: u64,
    /// Bytes at the end of those buffers.
    pub undecoded_bytes: u64,
    /// The kind at which the last of those buffers broke.
    pub last_break: Option<ActivityKind>,
    /// Buffers said to be fuller than they are large.
    pub overfull_buffers: u64,
}

impl DecodeLedger {
    /// Whether every record in every buffer was yielded with sound times.
    pub fn is_clean(&self) -> bool {
        *self == Self { buffers: self.buffers, records: self.records, ..Self::default() }
    }

    /// Adds another ledger to this one.
    pub fn merge(&mut self, other: &Self) {
        self.buffers += other.buffers;
        self.records += other.records;
        self.zero_times += other.zero_times;
        self.unfinished += other.unfinished;
        self.inverted_times += other.inverted_times;
        self.unknown.merge(&other.unknown);
        self.broken_buffers += other.broken_buffers;
        self.undecoded_bytes += other.undecoded_bytes;
        self.last_break = other.last_break.or(self.last_break);
        self.overfull_buffers += other.overfull_buffers;
    }

    fn note(&mut self, record: &Record) {
        self.records += 1;
        match record.time_fault() {
            None => {}
            Some(TimeFault::Zero) => self.zero_times += 1,
            Some(TimeFault::Unfinished) => self.unfinished += 1,
            Some(TimeFault::Inverted) => self.inverted_times += 1,
        }
    }

    fn note_break(&mut self, kind: Option<ActivityKind>, bytes: usize) {
        self.broken_buffers += 1;
        self.undecoded_bytes += bytes as u64;
        self.last_break = kind.or(self.last_break);
    }
}

/// Counts by kind, in a fixed space: the first [`KindCounts::N`] kinds by name, the rest together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCounts {
    counts: [(ActivityKind, u64); Self::N],
    others: u64,
}

impl KindCounts {
    /// Kinds that are told apart.
    pub const N: usize = 16;

    /// Counts one record of `kind`.
    pub fn add(&mut self, kind: ActivityKind, n: u64) {
        for (known, count) in &mut self.counts {
            if *count == 0 || *known == kind {
                *known = kind;
                *count += n;
                return;
            }
        }
        self.others += n;
    }

    /// Records counted.
    pub fn total(&self) -> u64 {
        self.others + self.counts.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Counts by kind, in the order in which kinds appeared.
    pub fn iter(&self) -> impl Iterator<Item = (ActivityKind, u64)> + '_ {
        self.counts.iter().copied().filter(|(_, count)| *count > 0)
    }

    /// Records of kinds beyond the first [`Self::N`].
    pub fn others(&self) -> u64 {
        self.others
    }

    fn merge(&mut self, other: &Self) {
        for (kind, count) in other.iter() {
            self.add(kind, count);
        }
        self.others += other.others;
    }
}

/// The records of one buffer, in the order in which they lie in it. CUPTI promises no order in
/// time.
#[derive(Debug)]
pub struct Records<'a> {
    layouts: &'a Layouts,
    bytes: &'a [u8],
    ledger: &'a mut DecodeLedger,
}

impl<'a> Records<'a> {
    /// Reads `bytes`, the valid part of a completed buffer, and books what happens in `ledger`.
    pub fn new(layouts: &'a Layouts, bytes: &'a [u8], ledger: &'a mut DecodeLedger) -> Self {
        ledger.buffers += 1;
        Self { layouts, bytes, ledger }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    #[inline]
    fn next(&mut self) -> Option<Record> {
        while !self.bytes.is_empty() {
            let kind =
                self.bytes.first_chunk().map(|bytes| ActivityKind(u32::from_ne_bytes(*bytes)));
            let stride = kind.and_then(|kind| self.layouts.stride(kind)).map(usize::from);
            let (Some(kind), Some(stride)) = (kind, stride) else {
                return self.give_up(kind);
            };
            let Some((record, rest)) = self.bytes.split_at_checked(stride) else {
                return self.give_up(Some(kind));
            };
            self.bytes = rest;
            match self.layouts.slot(kind).and_then(|slot| slot.read(kind, record)) {
                Some(record) => {
                    self.ledger.note(&record);
                    return Some(record);
                }
                None => self.ledger.unknown.add(kind, 1),
            }
        }
        None
    }
}

impl Records<'_> {
    #[cold]
    fn give_up(&mut self, kind: Option<ActivityKind>) -> Option<Record> {
        self.ledger.note_break(kind, self.bytes.len());
        self.bytes = &[];
        None
    }
}
