//! One list of everything that can be wrong with captured or imported data, and a ledger that
//! counts it. Importers, the collector and the file reader all write here; nothing is dropped,
//! repaired or doubted without a line in it.

use std::collections::BTreeMap;

/// How much a problem matters to what a report may claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing, changes no number.
    Note,
    /// A value was repaired or is in doubt.
    Warning,
    /// Rows or values that existed are not in the capture.
    Loss,
    /// The input is damaged.
    Damage,
}

impl Severity {
    /// The name files and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Loss => "loss",
            Self::Damage => "damage",
        }
    }
}

/// How far a capture can be relied on, from the worst severity in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Nothing was lost.
    Full,
    /// Something was lost: totals are lower bounds.
    Partial,
    /// The input was damaged: only what is shown is known.
    Damaged,
}

impl Trust {
    /// The name files and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Damaged => "damaged",
        }
    }
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $severity:ident, $meaning:literal;)*) => {
        /// What can be wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $(#[doc = $meaning] $name,)*
        }

        impl ProblemKind {
            /// Every kind, in code order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number that stands for this kind in files.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The name reports and JSON use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// One sentence for a person.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// The kind with this code; `None` for a code of a later version.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

problem_kinds! {
    // Imported files.
    DuplicateEvent = 1, "duplicate_event", Note, "Events that occur twice, equal in every field; both are kept.";
    OutOfOrder = 2, "out_of_order", Note, "Events not in time order in the file; they were sorted.";
    DuplicateKey = 3, "duplicate_key", Note, "An object names a key twice; the last value counts.";
    UnknownCategory = 4, "unknown_category", Note, "Events of a category that is not imported.";
    UnknownPhase = 5, "unknown_phase", Note, "Events of a phase that is not imported.";
    MissingDeviceProperties = 6, "missing_device_properties", Note, "A device without a description in the file.";
    ForeignTable = 7, "foreign_table", Note, "A table that another tool added; it was ignored.";
    ForeignDevice = 8, "foreign_device", Note, "A device that cannot run kernels is listed.";
    MissingColumn = 9, "missing_column", Note, "A column that this version of the source does not have.";
    MissingTable = 10, "missing_table", Note, "A table that this version of the source does not have.";
    UnimportedTable = 11, "unimported_table", Note, "A table of the source that is not imported.";
    UnusableField = 12, "unusable_field", Note, "A field that is not needed holds no valid value; the rest was kept.";
    DuplicateSpan = 13, "duplicate_span", Note, "Spans that were exported twice under one id; one was kept.";
    WithheldAttribute = 14, "withheld_attribute", Note, "Attributes that may hold content of requests, or name persons or machines; they were not stored.";
    MissingBytes = 20, "missing_bytes", Warning, "Copies or fills whose size the source does not give.";
    InvalidUtf8 = 21, "invalid_utf8", Warning, "Text that is not UTF-8; undecodable bytes were replaced.";
    TrailingText = 22, "trailing_text", Warning, "Text after the end of the document; it was ignored.";
    NegativeDuration = 23, "negative_duration", Warning, "Events that end before they start; stored with length zero.";
    KernelBeforeLaunch = 24, "kernel_before_launch", Warning, "Kernels that start before the call that launched them.";
    UnresolvedString = 25, "unresolved_string", Warning, "A name id that the file does not define.";
    RenumberedCorrelation = 26, "renumbered_correlation", Warning, "Correlation ids wider than 32 bits; they were renumbered.";
    RoundedTime = 27, "rounded_time", Warning, "Times with more digits than a nanosecond; they were rounded.";
    UnknownMemcpyKind = 28, "unknown_memcpy_kind", Warning, "Copies whose direction the source does not give.";
    UnresolvedStream = 29, "unresolved_stream", Warning, "Device work without a device or stream number.";
    InvalidEscape = 30, "invalid_escape", Warning, "Text with an escape that its format does not have; it was kept as it stands.";
    DanglingReference = 34, "dangling_reference", Warning, "Rows that refer to an entry the file does not define; they refer to nothing.";
    InvalidSpanId = 31, "invalid_span_id", Warning, "Spans without a valid trace or span id; nothing can be joined to them.";
    MissingTimestamp = 40, "missing_timestamp", Loss, "Events without a start time; they were left out.";
    MissingDuration = 41, "missing_duration", Loss, "Complete events without a length; they were left out.";
    NonFiniteNumber = 42, "non_finite_number", Loss, "NaN or Infinity where a number must stand; the event was left out.";
    NumberOutOfRange = 43, "number_out_of_range", Loss, "A number too large for its field; the event was left out.";
    MalformedEvent = 44, "malformed_event", Loss, "An event with a field of the wrong type; it was left out.";
    OpenRange = 45, "open_range", Loss, "Ranges that were never closed; they were left out.";
    UnreadableFile = 46, "unreadable_file", Loss, "Traces of a folder that could not be read; they were left out.";
    UnopenedRange = 47, "unopened_range", Loss, "Ends of ranges that never began; they were left out.";
    // The collector.
    BufferStarved = 60, "buffer_starved", Loss, "Records lost because no buffer was free.";
    RecordDropped = 61, "record_dropped", Loss, "Records the driver reports as dropped.";
    ZeroTimestamp = 62, "zero_timestamp", Loss, "Records whose times the driver left at zero.";
    InvertedTimestamp = 63, "inverted_timestamp", Loss, "Records that end before they start.";
    UnknownRecordKind = 64, "unknown_record_kind", Note, "Records of a kind this version does not read.";
    CollectionGap = 65, "collection_gap", Loss, "Time in which nothing was collected.";
    ProfilerTakeover = 66, "profiler_takeover", Loss, "Another profiler took the driver's interface.";
    WriteFailed = 67, "write_failed", Loss, "Chunks that could not be written.";
    RingOverwritten = 68, "ring_overwritten", Note, "The flight recorder overwrote its oldest chunks, as it should.";
    MissingEvidence = 69, "missing_evidence", Note, "A source of evidence that was not available.";
    SecondLibcupti = 70, "second_libcupti", Warning, "Another libcupti works in the process beside the one that was named; each may keep records from the other.";
    // The capture file.
    MissingIndex = 80, "missing_index", Note, "The file's index is missing or damaged; it was rebuilt from the chunks.";
    TornTail = 81, "torn_tail", Loss, "The file ends inside a chunk; that chunk is lost.";
    CorruptChunk = 82, "corrupt_chunk", Damage, "A chunk whose checksum or layout is wrong; it was left out.";
    UnknownChunk = 83, "unknown_chunk", Note, "A chunk of a later version; it was skipped.";
    UnknownColumn = 84, "unknown_column", Note, "A column of a later version; it was skipped.";
    UnfinishedFile = 85, "unfinished_file", Loss, "The writer did not finish the file, as after a kill; what it had not written yet is lost.";
    // Damaged input.
    TruncatedInput = 90, "truncated_input", Damage, "The input ends early; everything before the cut was read.";
}

/// How often one problem occurred in one source, with the first place it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Source it occurred in: a file name, a process.
    pub source: String,
    /// How many rows, values or records it concerns.
    pub count: u64,
    /// The first occurrence in words: an offset, an event's name.
    pub example: String,
}

/// All problems of a capture, counted by kind and source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProblemLedger {
    entries: BTreeMap<(ProblemKind, String), (u64, String)>,
}

impl ProblemLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `count` more of a problem. `example` is called for the first one only.
    pub fn record(
        &mut self,
        kind: ProblemKind,
        source: &str,
        count: u64,
        example: impl FnOnce() -> String,
    ) {
        if count == 0 {
            return;
        }
        self.entries
            .entry((kind, source.to_owned()))
            .and_modify(|(total, _)| *total = total.saturating_add(count))
            .or_insert_with(|| (count, example()));
    }

    /// Adds everything another ledger counted. The first example is kept.
    pub fn merge(&mut self, other: Self) {
        for ((kind, source), (count, example)) in other.entries {
            self.record(kind, &source, count, || example);
        }
    }

    /// All problems, in order of kind then source.
    pub fn iter(&self) -> impl Iterator<Item = Problem> + '_ {
        self.entries.iter().map(|((kind, source), (count, example))| Problem {
            kind: *kind,
            source: source.clone(),
            count: *count,
            example: example.clone(),
        })
    }

    /// Takes a problem of one source back.
    pub fn forget(&mut self, kind: ProblemKind, source: &str) {
        self.entries.remove(&(kind, source.to_owned()));
    }

    /// How often a problem occurred over all sources.
    pub fn count(&self, kind: ProblemKind) -> u64 {
        self.entries.iter().filter(|((k, _), _)| *k == kind).map(|(_, (count, _))| count).sum()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How far the capture can be relied on.
    pub fn trust(&self) -> Trust {
        match self.entries.keys().map(|(kind, _)| kind.severity()).max() {
            Some(Severity::Damage) => Trust::Damaged,
            Some(Severity::Loss) => Trust::Partial,
            _ => Trust::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_reversible() {
        let mut seen = std::collections::HashSet::new();
        for &kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_code(kind.code()), Some(kind));
            assert!(seen.insert(kind.name()), "{} named twice", kind.name());
        }
    }

    #[test]
    fn trust_follows_the_worst_entry() {
        let mut ledger = ProblemLedger::new();
        assert_eq!(ledger.trust(), Trust::Full);
        ledger.record(ProblemKind::OutOfOrder, "a.json", 7, || "first".into());
        assert_eq!(ledger.trust(), Trust::Full);
        ledger.record(ProblemKind::MissingDuration, "a.json", 1, String::new);
        assert_eq!(ledger.trust(), Trust::Partial);
        ledger.record(ProblemKind::TruncatedInput, "b.json", 1, String::new);
        assert_eq!(ledger.trust(), Trust::Damaged);
    }

    #[test]
    fn merging_adds_counts_and_keeps_the_first_example() {
        let mut a = ProblemLedger::new();
        a.record(ProblemKind::MissingBytes, "x", 2, || "first".into());
        let mut b = ProblemLedger::new();
        b.record(ProblemKind::MissingBytes, "x", 3, || "second".into());
        b.record(ProblemKind::MissingBytes, "y", 0, || unreachable!("nothing to show"));
        a.merge(b);
        let all: Vec<_> = a.iter().collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].count, all[0].example.as_str()), (5, "first"));
    }
}
