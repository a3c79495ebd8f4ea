//! What was written of the dimension lists, to find the entries that are new or have changed.
//!
//! Nodes of graphs can be hundreds of thousands and never change: of them only the number counts.

use std::collections::BTreeMap;
use std::ops::Range;

use underspan_model::ColumnRef;
use underspan_model::tables::{Table, TableKind};

/// Rows already written, as the bits of each column, by table code. Lists are compared on every
/// flush and some grow with time, so nothing is allocated to compare them.
#[derive(Debug, Default)]
pub(super) struct WrittenRows {
    tables: BTreeMap<u16, Vec<Vec<u64>>>,
}

impl WrittenRows {
    /// The smallest range that holds every row of `table` that is new or differs from what was
    /// written.
    pub(super) fn changed(&self, table: &dyn Table) -> Option<Range<usize>> {
        let written = self.tables.get(&table.kind().code());
        let n_written = written.and_then(|columns| columns.first()).map_or(0, Vec::len);
        let mut changed = (n_written < table.len()).then_some(n_written..table.len());
        if is_only_added_to(table.kind()) {
            return changed;
        }
        for (column, before) in table.columns().iter().zip(written.into_iter().flatten()) {
            let Some((first, last)) = differing(column, before) else { continue };
            let range = changed.get_or_insert(first..last + 1);
            *range = range.start.min(first)..range.end.max(last + 1);
        }
        changed
    }

    /// Takes note that the rows `changed` of `table` were written.
    pub(super) fn remember(&mut self, table: &dyn Table, changed: Range<usize>) {
        let mut columns = table.columns();
        if is_only_added_to(table.kind()) {
            columns.truncate(1);
        }
        let written = self.tables.entry(table.kind().code()).or_default();
        written.resize(columns.len(), Vec::new());
        for (column, bits) in columns.iter().zip(written) {
            bits.resize(bits.len().max(changed.end), 0);
            for row in changed.clone() {
                if let (Some(slot), Some(value)) = (bits.get_mut(row), bits_at(column, row)) {
                    *slot = value;
                }
            }
        }
    }
}

fn is_only_added_to(kind: TableKind) -> bool {
    kind == TableKind::GraphNode
}

/// First and last row, of those that were written, whose value is another now.
fn differing(column: &ColumnRef<'_>, before: &[u64]) -> Option<(usize, usize)> {
    match column {
        ColumnRef::U8(values) => ends(values, before, |value| u64::from(*value)),
        ColumnRef::U32(values) => ends(values, before, |value| u64::from(*value)),
        ColumnRef::U64(values) => ends(values, before, |value| *value),
        ColumnRef::I64(values) => ends(values, before, |value| *value as u64),
        ColumnRef::F64(values) => ends(values, before, |value| value.to_bits()),
    }
}

fn ends<T>(values: &[T], before: &[u64], bits: impl Fn(&T) -> u64) -> Option<(usize, usize)> {
    let mut pairs = values.iter().zip(before);
    let first = pairs.clone().position(|(value, before)| bits(value) != *before)?;
    let last = pairs.rposition(|(value, before)| bits(value) != *before).unwrap_or(first);
    Some((first, last))
}

fn bits_at(column: &ColumnRef<'_>, row: usize) -> Option<u64> {
    match column {
        ColumnRef::U8(values) => values.get(row).map(|value| u64::from(*value)),
        ColumnRef::U32(values) => values.get(row).map(|value| u64::from(*value)),
        ColumnRef::U64(values) => values.get(row).copied(),
        ColumnRef::I64(values) => values.get(row).map(|value| *value as u64),
        ColumnRef::F64(values) => values.get(row).map(|value| value.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::tables::{Property, PropertyTable};

    fn row(key: u32) -> Property {
        Property { source: 0, key, value: 7 }
    }

    #[test]
    fn new_and_changed_rows_are_found_and_no_others() {
        let mut written = WrittenRows::default();
        let mut table = PropertyTable::default();
        assert_eq!(written.changed(&table), None);
        (0..5).for_each(|key| table.push(row(key)));
        assert_eq!(written.changed(&table), Some(0..5));
        written.remember(&table, 0..5);
        assert_eq!(written.changed(&table), None);
        table.key[1] = 77;
        table.value[3] = 8;
        assert_eq!(written.changed(&table), Some(1..4));
        table.push(row(9));
        assert_eq!(written.changed(&table), Some(1..6));
        written.remember(&table, 1..6);
        assert_eq!(written.changed(&table), None);
        table.push(row(10));
        assert_eq!(written.changed(&table), Some(6..7));
    }
}
