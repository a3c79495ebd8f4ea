//! Which columns of a table say on what a row ran and what it was: the key and the name that the
//! level-of-detail pyramid groups by and that predictions are made from.

use std::collections::BTreeMap;
use std::ops::Range;

use underspan_model::ColumnRef;
use underspan_model::tables::{Table, TableKind};

/// Name of the column with starts.
pub(crate) const START_COLUMN: &str = "start_ns";
/// Name of the column with lengths.
pub(crate) const DURATION_COLUMN: &str = "duration_ns";

/// Keys below this are grouped by a table of all of them.
const MOST_DENSE_KEYS: usize = 1 << 16;

/// The columns of a table that group its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackColumns {
    /// What a row ran on.
    pub(crate) key: &'static str,
    /// What a row was.
    pub(crate) name: &'static str,
}

/// The grouping columns of a table; `None` for tables whose rows have no length.
pub(crate) const fn track_columns(kind: TableKind) -> Option<TrackColumns> {
    let (key, name) = match kind {
        TableKind::Kernel => ("stream", "shape"),
        TableKind::Memcpy | TableKind::Sync => ("stream", "kind"),
        TableKind::Memset => ("stream", "memory"),
        TableKind::GraphLaunch => ("stream", "graph_id"),
        TableKind::ApiCall | TableKind::Overhead | TableKind::Annotation | TableKind::CpuOp => {
            ("thread", "name")
        }
        TableKind::Span => ("service", "name"),
        TableKind::Step => ("process", "name"),
        _ => return None,
    };
    Some(TrackColumns { key, name })
}

/// The grouping columns of a table with its times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackRows<'a> {
    keys: &'a [u32],
    names: Names<'a>,
    starts: &'a [i64],
    durations: &'a [u64],
}

#[derive(Debug, Clone, Copy)]
enum Names<'a> {
    Narrow(&'a [u32]),
    Codes(&'a [u8]),
}

/// One row of [`TrackRows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackRow {
    pub(crate) key: u32,
    pub(crate) name: u32,
    pub(crate) start: i64,
    pub(crate) duration: u64,
}

impl<'a> TrackRows<'a> {
    /// The rows of a table; `None` for tables without tracks.
    pub(crate) fn of(table: &'a dyn Table) -> Option<Self> {
        let names = track_columns(table.kind())?;
        let columns = table.columns();
        let find = |name: &str| {
            let at = table.specs().iter().position(|spec| spec.name == name)?;
            columns.get(at).copied()
        };
        let ColumnRef::U32(keys) = find(names.key)? else { return None };
        let names = match find(names.name)? {
            ColumnRef::U32(names) => Names::Narrow(names),
            ColumnRef::U8(names) => Names::Codes(names),
            _ => return None,
        };
        Some(Self {
            keys,
            names,
            starts: table.start_column()?,
            durations: table.duration_column()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The row at `index`; `None` outside the table.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<TrackRow> {
        let name = match self.names {
            Names::Narrow(names) => *names.get(index)?,
            Names::Codes(names) => u32::from(*names.get(index)?),
        };
        Some(TrackRow {
            key: *self.keys.get(index)?,
            name,
            start: *self.starts.get(index)?,
            duration: *self.durations.get(index)?,
        })
    }

    /// The rows at `range`.
    pub(crate) fn range(self, range: Range<usize>) -> impl Iterator<Item = TrackRow> + 'a {
        range.filter_map(move |index| self.get(index))
    }

    /// The rows of each key in table order, the keys in order.
    pub(crate) fn by_key(&self) -> Vec<(u32, Vec<u32>)> {
        // Keys are positions in lists, and so small: a table of them is quicker than any map.
        let mut counts: Vec<u32> = Vec::new();
        for key in self.keys {
            let at = *key as usize;
            if at >= MOST_DENSE_KEYS {
                return self.by_sparse_key();
            }
            if at >= counts.len() {
                counts.resize(at + 1, 0);
            }
            counts[at] += 1;
        }
        let mut group_of = vec![0u32; counts.len()];
        let mut groups: Vec<(u32, Vec<u32>)> = Vec::new();
        for (key, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            group_of[key] = groups.len() as u32;
            groups.push((key as u32, Vec::with_capacity(*count as usize)));
        }
        for (row, key) in self.keys.iter().enumerate() {
            groups[group_of[*key as usize] as usize].1.push(row as u32);
        }
        groups
    }

    fn by_sparse_key(&self) -> Vec<(u32, Vec<u32>)> {
        let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (row, key) in self.keys.iter().enumerate() {
            groups.entry(*key).or_default().push(row as u32);
        }
        groups.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_alike_by_small_and_by_any_keys() {
        let durations = [1; 6];
        let starts = [0, 1, 2, 3, 4, 5];
        let rows = |keys| TrackRows {
            keys,
            names: Names::Codes(&[0; 6]),
            starts: &starts,
            durations: &durations,
        };
        let small = rows(&[3, 1, 3, 0, 1, 3]);
        assert_eq!(small.by_key(), [(0, vec![3]), (1, vec![1, 4]), (3, vec![0, 2, 5])]);
        assert_eq!(small.by_key(), small.by_sparse_key());
        let large = rows(&[u32::MAX, 1, u32::MAX, 0, 1, 3]);
        assert_eq!(
            large.by_key(),
            [(0, vec![3]), (1, vec![1, 4]), (3, vec![5]), (u32::MAX, vec![0, 2])]
        );
    }
}
