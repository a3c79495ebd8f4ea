//! What devices did, in order of start: kernels, copies and fills merged, and cut into chunks
//! that can be walked in parallel.

use std::ops::Range;

use underspan_model::tables::{KernelTable, MemcpyTable, MemsetTable};
use underspan_model::{DurationNs, Interval, Timeline, TimestampNs, give_up_if_cancelled};

/// Items a chunk aims at: large enough that starting one costs nothing, small enough that two
/// threads share a capture of a few hundred thousand events evenly.
const CHUNK_ITEMS: usize = 1 << 17;

/// Rows that are passed at once on the way to the end of a run.
const BLOCK_ROWS: usize = 64;

/// What an item of device work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkKind {
    /// A row of the kernel table.
    Kernel,
    /// A row of the memcpy table.
    Memcpy,
    /// A row of the memset table.
    Memset,
}

/// One kernel, copy or fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkItem {
    /// Which table it is in.
    pub kind: WorkKind,
    /// Its row there.
    pub row: u32,
    /// Column value of its stream.
    pub stream: u32,
    /// Start on the device.
    pub(crate) start_ns: i64,
    /// End on the device.
    pub(crate) end_ns: i64,
}

impl WorkItem {
    /// When it ran.
    pub fn interval(&self) -> Interval {
        Interval::new(TimestampNs::from_ns(self.start_ns), TimestampNs::from_ns(self.end_ns))
    }

    /// How long it ran.
    pub fn duration(&self) -> DurationNs {
        self.interval().duration()
    }

    #[inline]
    pub(crate) fn duration_ns(&self) -> u64 {
        self.end_ns.wrapping_sub(self.start_ns) as u64
    }
}

/// The kernels, copies and fills of a capture.
#[derive(Debug, Clone, Copy)]
pub struct DeviceWork<'a> {
    kernels: &'a KernelTable,
    memcpys: &'a MemcpyTable,
    memsets: &'a MemsetTable,
}

/// A part of the device work: rows of each table that start within one range of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkChunk {
    kernels: Range<usize>,
    memcpys: Range<usize>,
    memsets: Range<usize>,
}

impl<'a> DeviceWork<'a> {
    /// The device work of a timeline.
    pub fn of(timeline: &'a Timeline) -> Self {
        Self { kernels: &timeline.kernels, memcpys: &timeline.memcpys, memsets: &timeline.memsets }
    }

    /// Number of kernels, copies and fills.
    pub fn len(&self) -> usize {
        self.kernels.len() + self.memcpys.len() + self.memsets.len()
    }

    /// Whether no device did anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` for every item in order of start; of items that start together kernels come
    /// first, then copies, then fills.
    pub fn for_each(&self, visit: impl FnMut(WorkItem)) {
        let all = WorkChunk {
            kernels: 0..self.kernels.len(),
            memcpys: 0..self.memcpys.len(),
            memsets: 0..self.memsets.len(),
        };
        self.for_each_in(&all, visit);
    }

    /// Cuts the work into chunks: every item of a chunk starts before every item of the next one.
    ///
    /// `lanes` is how many states a walk keeps for each chunk; with very many of them there are
    /// fewer chunks, so that states take no more memory than the tables do.
    pub(crate) fn chunks(&self, lanes: usize) -> Vec<WorkChunk> {
        let most = (self.len() / lanes.max(1)).max(1);
        self.cut(self.len().div_ceil(CHUNK_ITEMS).min(most))
    }

    pub(crate) fn cut(&self, n_chunks: usize) -> Vec<WorkChunk> {
        let lists = [&self.kernels.start_ns, &self.memcpys.start_ns, &self.memsets.start_ns];
        let longest = lists.iter().fold(lists[0], |a, b| if b.len() > a.len() { b } else { a });
        let mut chunks = Vec::with_capacity(n_chunks);
        let mut from = [0; 3];
        for chunk in 1..=n_chunks {
            let boundary = longest.get(longest.len() * chunk / n_chunks);
            let to = match boundary {
                Some(start) if chunk < n_chunks => {
                    let mut to = lists.map(|starts| starts.partition_point(|s| s < start));
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = (*to).max(from));
                    to
                }
                _ => lists.map(|starts| starts.len()),
            };
            chunks.push(WorkChunk {
                kernels: from[0]..to[0],
                memcpys: from[1]..to[1],
                memsets: from[2]..to[2],
            });
            from = to;
        }
        chunks
    }

    /// The items of a chunk that start before `end_ns`.
    pub(crate) fn head_of(&self, chunk: &WorkChunk, end_ns: i64) -> WorkChunk {
        let head = |rows: &Range<usize>, starts: &[i64]| {
            let n = starts[rows.clone()].partition_point(|start| *start < end_ns);
            rows.start..rows.start + n
        };
        WorkChunk {
            kernels: head(&chunk.kernels, &self.kernels.start_ns),
            memcpys: head(&chunk.memcpys, &self.memcpys.start_ns),
            memsets: head(&chunk.memsets, &self.memsets.start_ns),
        }
    }

    /// Calls `visit` for every item of a chunk, as [`DeviceWork::for_each`] does.
    #[inline]
    pub(crate) fn for_each_in(&self, chunk: &WorkChunk, mut visit: impl FnMut(WorkItem)) {
        // One call of `visit`, so that it is compiled into the loop over the rows of a run.
        self.for_each_run_in(chunk, |kind, rows| {
            let (starts, durations, streams) = self.columns(kind);
            let columns = starts[rows.clone()].iter().zip(&durations[rows.clone()]);
            let columns = columns.zip(&streams[rows.clone()]);
            for (row, ((&start_ns, &duration_ns), &stream)) in (rows.start as u32..).zip(columns) {
                let end_ns = end_of(start_ns, duration_ns);
                visit(WorkItem { kind, row, stream, start_ns, end_ns });
            }
        });
    }

    /// Calls `visit` for every run of rows of a chunk: of one table, up to where the next row of
    /// another is due. Mostly many kernels.
    #[inline]
    pub(crate) fn for_each_run_in(
        &self,
        chunk: &WorkChunk,
        mut visit: impl FnMut(WorkKind, Range<usize>),
    ) {
        let mut tables = [
            (WorkKind::Kernel, chunk.kernels.clone()),
            (WorkKind::Memcpy, chunk.memcpys.clone()),
            (WorkKind::Memset, chunk.memsets.clone()),
        ];
        while let Some((at, run)) = self.next_run(&tables) {
            give_up_if_cancelled();
            let run = run.start..run.end.min(run.start + CHUNK_ITEMS);
            let (kind, rows) = &mut tables[at];
            rows.start = run.end;
            visit(*kind, run);
        }
    }

    /// Starts, lengths and streams of a table.
    pub(crate) fn columns(&self, kind: WorkKind) -> (&'a [i64], &'a [u64], &'a [u32]) {
        match kind {
            WorkKind::Kernel => {
                (&self.kernels.start_ns, &self.kernels.duration_ns, &self.kernels.stream)
            }
            WorkKind::Memcpy => {
                (&self.memcpys.start_ns, &self.memcpys.duration_ns, &self.memcpys.stream)
            }
            WorkKind::Memset => {
                (&self.memsets.start_ns, &self.memsets.duration_ns, &self.memsets.stream)
            }
        }
    }

    /// Correlation ids of a table.
    pub(crate) fn correlation_ids(&self, kind: WorkKind) -> &'a [u32] {
        match kind {
            WorkKind::Kernel => &self.kernels.correlation_id,
            WorkKind::Memcpy => &self.memcpys.correlation_id,
            WorkKind::Memset => &self.memsets.correlation_id,
        }
    }

    /// A row of a table.
    #[inline]
    pub(crate) fn item(&self, kind: WorkKind, row: usize) -> WorkItem {
        let (starts, durations, streams) = self.columns(kind);
        let (start_ns, end_ns) = (starts[row], end_of(starts[row], durations[row]));
        WorkItem { kind, row: row as u32, stream: streams[row], start_ns, end_ns }
    }

    /// Which table's row is next, and the rows of it that come before those of other tables.
    /// Of rows that start together those of the first table come first.
    fn next_run(&self, tables: &[(WorkKind, Range<usize>); 3]) -> Option<(usize, Range<usize>)> {
        let next = |at: usize| {
            let (kind, rows) = &tables[at];
            (!rows.is_empty()).then(|| self.columns(*kind).0[rows.start])
        };
        let first = (0..3).filter(|at| next(*at).is_some()).min_by_key(|at| (next(*at), *at))?;
        let others = (0..3).filter(|at| *at != first);
        // A row of a later table is due after rows that start with it, of an earlier one before.
        let due = others.filter_map(|at| next(at).map(|start| (start, at))).min();
        let (kind, rows) = &tables[first];
        let end = match due {
            None => rows.end,
            Some((start, at)) => {
                let starts = &self.columns(*kind).0[rows.clone()];
                // Rows that start with the other one are before it if their table is.
                let limit = if first < at { start.checked_add(1) } else { Some(start) };
                limit.map_or(rows.end, |limit| rows.start + n_below(starts, limit))
            }
        };
        Some((first, rows.start..end))
    }
}

/// How many of the ascending values at the front are below a limit.
fn n_below(values: &[i64], limit: i64) -> usize {
    let mut n = 0;
    while values.get(n + BLOCK_ROWS - 1).is_some_and(|last| *last < limit) {
        n += BLOCK_ROWS;
    }
    let block = &values[n..values.len().min(n + BLOCK_ROWS)];
    n + block.partition_point(|value| *value < limit)
}

/// `start + duration`, at the end of time where it lies beyond.
#[inline]
pub(crate) fn end_of(start_ns: i64, duration_ns: u64) -> i64 {
    // Below the start only when the sum wrapped around.
    let end_ns = start_ns.wrapping_add(duration_ns as i64);
    if end_ns < start_ns { i64::MAX } else { end_ns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use underspan_model::tables::{Kernel, Memcpy, Memset};

    fn timeline(rows: &[(u8, i64, u64)]) -> Timeline {
        let mut t = Timeline::new();
        for &(kind, start_ns, duration_ns) in rows {
            match kind {
                0 | 1 => t.kernels.push(Kernel { start_ns, duration_ns, ..Kernel::default() }),
                2 => t.memcpys.push(Memcpy { start_ns, duration_ns, ..Memcpy::default() }),
                _ => t.memsets.push(Memset { start_ns, duration_ns, ..Memset::default() }),
            }
        }
        t.sort();
        t
    }

    proptest! {
        #[test]
        fn every_item_comes_once_and_in_order(
            rows in prop::collection::vec((0..4_u8, prop_oneof![0..50_i64, Just(i64::MAX)], 0..9_u64), 0..200),
            n_chunks in 1..9_usize,
        ) {
            let t = timeline(&rows);
            let work = DeviceWork::of(&t);
            let mut whole = Vec::new();
            work.for_each(|item| whole.push(item));
            prop_assert_eq!(whole.len(), rows.len());
            let key = |item: &WorkItem| (item.start_ns, item.kind, item.row);
            prop_assert!(whole.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));

            let mut parts = Vec::new();
            let mut last_start = i64::MIN;
            for chunk in work.cut(n_chunks) {
                let before = parts.len();
                work.for_each_in(&chunk, |item| parts.push(item));
                for item in &parts[before..] {
                    prop_assert!(before == 0 || item.start_ns > last_start);
                }
                last_start = parts.last().map_or(i64::MIN, |item: &WorkItem| item.start_ns);
            }
            prop_assert_eq!(parts, whole);
        }
    }

    proptest! {
        #[test]
        fn ends_are_sums_that_saturate(start in any::<i64>(), duration in any::<u64>()) {
            prop_assert_eq!(end_of(start, duration), start.saturating_add_unsigned(duration));
        }
    }

    #[test]
    fn many_lanes_mean_few_chunks() {
        let rows: Vec<_> = (0..1000).map(|at| (0, at, 1)).collect();
        let t = timeline(&rows);
        assert_eq!(DeviceWork::of(&t).chunks(1).len(), 1);
        assert_eq!(DeviceWork::of(&t).chunks(1_000_000).len(), 1);
        assert!(DeviceWork::of(&Timeline::new()).chunks(1).is_empty());
    }
}
