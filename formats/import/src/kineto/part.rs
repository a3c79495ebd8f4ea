//! Rows read from one part of a file. Their names, threads and streams are numbers of the
//! [`Lane`](super::lane::Lane) that parsed them.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::ProblemKind;
use underspan_model::tables::{
    AnnotationTable, ApiCallTable, CounterTable, CpuOpTable, KernelTable, MemcpyTable, MemsetTable,
    OverheadTable, SyncTable, TableKind,
};

use super::lane::IdKey;

#[derive(Default)]
pub(super) struct Part {
    pub(super) kernels: KernelTable,
    pub(super) memcpys: MemcpyTable,
    pub(super) memsets: MemsetTable,
    pub(super) api_calls: ApiCallTable,
    pub(super) syncs: SyncTable,
    pub(super) overheads: OverheadTable,
    pub(super) annotations: AnnotationTable,
    pub(super) cpu_ops: CpuOpTable,
    pub(super) counters: CounterTable,
    /// Beginnings and ends of ranges written as two events.
    pub(super) marks: Vec<RangeMark>,
    /// Names of processes and threads.
    pub(super) labels: Vec<Label>,
    /// Correlation ids that do not fit the column.
    pub(super) wide_correlations: Vec<WideCorrelation>,
    /// The profiler's own frames around its recording.
    pub(super) recordings: Vec<(i64, u64)>,
    pub(super) tallies: Tallies,
    /// How many events of one class, phase and category were counted instead of stored.
    pub(super) census: HashMap<(CensusClass, u8, u32), u64, FixedState>,
    /// Elements of `traceEvents`, whatever they were.
    pub(super) n_events: u64,
}

/// A row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) table: TableKind,
    pub(super) row: u32,
}

/// A begin (`B`) or end (`E`) event.
#[derive(Debug, Clone, Copy)]
pub(super) struct RangeMark {
    pub(super) thread: u32,
    pub(super) time_ns: i64,
    pub(super) kind: MarkKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum MarkKind {
    /// Where the row that waits for its length lies; none when its category is not imported.
    Begin(Option<Place>),
    End,
}

/// A name given to a process or thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) pid: IdKey,
    /// None for a process.
    pub(super) tid: Option<IdKey>,
    pub(super) text: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct WideCorrelation {
    pub(super) place: Place,
    pub(super) value: u64,
}

/// Why events are counted instead of stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CensusClass {
    /// A category that is not imported.
    Category,
    /// A phase that is not imported.
    Phase,
    /// A flow arrow: what it links is linked by the correlation id already.
    Flow,
}

/// Problems, counted, with the place of the first.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallies {
    tallies: Vec<Tally>,
}

#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) kind: ProblemKind,
    pub(super) count: u64,
    pub(super) example: String,
}

impl Tallies {
    /// Counts `count` more. `example` is called for the first.
    pub(super) fn add(&mut self, kind: ProblemKind, count: u64, example: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        match self.tallies.iter_mut().find(|tally| tally.kind == kind) {
            Some(tally) => tally.count += count,
            None => self.tallies.push(Tally { kind, count, example: example() }),
        }
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        for tally in other.tallies.drain(..) {
            self.add(tally.kind, tally.count, || tally.example);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tally> {
        self.tallies.iter()
    }
}

impl Part {
    /// Counts an event that is not stored.
    pub(super) fn count(&mut self, class: CensusClass, phase: u8, text: u32) {
        *self.census.entry((class, phase, text)).or_default() += 1;
    }

    /// Forgets all rows and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.kernels.clear();
        self.memcpys.clear();
        self.memsets.clear();
        self.api_calls.clear();
        self.syncs.clear();
        self.overheads.clear();
        self.annotations.clear();
        self.cpu_ops.clear();
        self.counters.clear();
        self.marks.clear();
        self.labels.clear();
        self.wide_correlations.clear();
        self.recordings.clear();
        self.tallies.tallies.clear();
        self.census.clear();
        self.n_events = 0;
    }
}
