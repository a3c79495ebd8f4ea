//! What was written of the dimension lists, to find the entries that are new or have changed.

use std::collections::BTreeMap;
use std::ops::Range;

use underspan_model::ColumnRef;
use underspan_model::tables::Table;

/// Rows already written, as the bits of their columns, by table code.
#[derive(Debug, Default)]
pub(super) struct WrittenRows {
    tables: BTreeMap<u16, Vec<Vec<u64>>>,
}

impl WrittenRows {
    /// The smallest range that holds every row of `table` that is new or differs from what was
    /// written.
    pub(super) fn changed(&self, table: &dyn Table) -> Option<Range<usize>> {
        let columns = table.columns();
        let written = self.tables.get(&table.kind().code());
        let is_changed = |row: &usize| {
            let before = written.and_then(|rows| rows.get(*row));
            before.is_none_or(|before| *before != row_bits(&columns, *row))
        };
        let first = (0..table.len()).find(is_changed)?;
        let last = (first..table.len()).rev().find(is_changed).unwrap_or(first);
        Some(first..last + 1)
    }

    /// Takes note that the rows `changed` of `table` were written.
    pub(super) fn remember(&mut self, table: &dyn Table, changed: Range<usize>) {
        let columns = table.columns();
        let rows = self.tables.entry(table.kind().code()).or_default();
        rows.resize(rows.len().max(changed.end), Vec::new());
        for (row, bits) in rows.iter_mut().enumerate().take(changed.end).skip(changed.start) {
            *bits = row_bits(&columns, row);
        }
    }
}

fn row_bits(columns: &[ColumnRef<'_>], row: usize) -> Vec<u64> {
    let bits = columns.iter().map(|column| match column {
        ColumnRef::U8(values) => values.get(row).map(|value| u64::from(*value)),
        ColumnRef::U32(values) => values.get(row).map(|value| u64::from(*value)),
        ColumnRef::U64(values) => values.get(row).copied(),
        ColumnRef::I64(values) => values.get(row).map(|value| *value as u64),
        ColumnRef::F64(values) => values.get(row).map(|value| value.to_bits()),
    });
    bits.map(Option::unwrap_or_default).collect()
}
