//! Device work in few records: what is known of rows that stand together is summed once, so that
//! a later walk need not read them again.

use crate::WorkItem;
use crate::sequence::Sequence;

/// Most rows of a run whose gaps are summed.
pub(crate) const MOST_ROWS: usize = 512;
/// Fewer rows than this are kept as they are.
pub(crate) const FEWEST_ROWS: usize = 8;
/// A record for each so many rows, and some more at the beginning of a chunk: rows beyond that are
/// put together without sums.
const ROWS_PER_RECORD: usize = 8;
const SPARE_RECORDS: usize = 256;

/// Rows that stand together in their table, with no row of another table due in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkRun {
    /// The first row.
    pub(crate) first: WorkItem,
    /// How many rows there are.
    pub(crate) n: u32,
    /// How many gaps lie within, and how long they are together.
    pub(crate) n_gaps: u32,
    pub(crate) idle_ns: u64,
    /// No gap within is longer. The highest number where nothing is known of the rows but the
    /// first; otherwise they have one correlation id and ran one after another on one device.
    pub(crate) longest_ns: u64,
    /// When the last row ended.
    pub(crate) end_ns: i64,
}

impl WorkRun {
    fn of_row(first: WorkItem, longest_ns: u64) -> Self {
        Self { first, n: 1, n_gaps: 0, idle_ns: 0, longest_ns, end_ns: first.end_ns }
    }
}

/// The runs of a chunk, while it is walked in order of start.
#[derive(Debug)]
pub(crate) struct WorkRuns {
    /// `None` where they would be nearly as many as rows, or are not asked for.
    runs: Option<Vec<WorkRun>>,
    n_rows: usize,
}

impl WorkRuns {
    /// No runs so far.
    pub(crate) fn new() -> Self {
        Self { runs: Some(Vec::new()), n_rows: 0 }
    }

    /// Keeps nothing.
    pub(crate) fn unwanted() -> Self {
        Self { runs: None, n_rows: 0 }
    }

    /// Adds rows of which nothing is known.
    #[inline]
    pub(crate) fn add_rows(&mut self, n: usize, item: impl Fn(usize) -> WorkItem) {
        let Some(runs) = &mut self.runs else { return };
        let most = self.n_rows / ROWS_PER_RECORD + SPARE_RECORDS;
        if runs.len() + n <= most {
            runs.extend((0..n).map(|at| WorkRun::of_row(item(at), 0)));
        } else if n > 0 {
            runs.push(WorkRun { n: n as u32, ..WorkRun::of_row(item(0), u64::MAX) });
        }
        self.n_rows += n;
        self.keep_few();
    }

    /// Adds rows with the gaps between them.
    #[inline]
    pub(crate) fn add_sequence(&mut self, first: WorkItem, n: usize, within: &Sequence) {
        let Some(runs) = &mut self.runs else { return };
        runs.push(WorkRun {
            first,
            n: n as u32,
            n_gaps: within.n_gaps as u32,
            idle_ns: within.idle_ns,
            longest_ns: within.longest_ns,
            end_ns: within.end_ns,
        });
        self.n_rows += n;
    }

    /// Where tables alternate from row to row, records are no shorter than the rows.
    fn keep_few(&mut self) {
        let most = 2 * (self.n_rows / ROWS_PER_RECORD + SPARE_RECORDS);
        if self.runs.as_ref().is_some_and(|runs| runs.len() > most) {
            self.runs = None;
        }
    }

    /// The runs of a chunk that was walked to its end, if they were kept.
    pub(crate) fn into_runs(self) -> Option<Vec<WorkRun>> {
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkKind;

    fn row(row: usize) -> WorkItem {
        let at = row as i64 * 10;
        let kind = if row.is_multiple_of(2) { WorkKind::Kernel } else { WorkKind::Memcpy };
        WorkItem { kind, row: row as u32, stream: 0, start_ns: at, end_ns: at + 5 }
    }

    fn add_sequence(runs: &mut WorkRuns, from: usize, n: usize) {
        let within = Sequence {
            n_gaps: n as u64 - 1,
            idle_ns: 5 * (n as u64 - 1),
            longest_ns: 5,
            end_ns: row(from + n - 1).end_ns,
        };
        runs.add_sequence(row(from), n, &within);
    }

    #[test]
    fn single_rows_are_kept_as_long_as_there_are_few() {
        let mut runs = WorkRuns::new();
        runs.add_rows(3, row);
        add_sequence(&mut runs, 3, 400);
        // Far more than one for eight rows: one record, with nothing but its first row.
        runs.add_rows(900, |at| row(403 + at));
        runs.add_rows(2, |at| row(1303 + at));
        let runs = runs.into_runs().unwrap();
        let shapes: Vec<_> =
            runs.iter().map(|run| (run.first.row, run.n, run.longest_ns)).collect();
        let first = [(0, 1, 0), (1, 1, 0), (2, 1, 0), (3, 400, 5), (403, 900, u64::MAX)];
        assert_eq!(shapes[..5], first);
        assert_eq!(shapes[5..], [(1303, 1, 0), (1304, 1, 0)]);
        assert_eq!((runs[3].n_gaps, runs[3].idle_ns, runs[3].end_ns), (399, 1995, 4025));
    }

    #[test]
    fn nothing_is_kept_where_records_would_be_as_many_as_rows() {
        let mut runs = WorkRuns::new();
        for at in 0..10_000 {
            runs.add_rows(1, |_| row(at));
        }
        assert_eq!(runs.into_runs(), None);
        let mut runs = WorkRuns::unwanted();
        runs.add_rows(1, row);
        add_sequence(&mut runs, 1, 9);
        assert_eq!(runs.into_runs(), None);
    }
}
