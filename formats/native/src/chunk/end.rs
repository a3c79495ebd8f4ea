//! The writer's closing statement: how many rows each table has.
//!
//! ```text
//! …  per table (the header's rows say how many): 2 table code, 8 rows
//! ```

use std::collections::BTreeMap;

use crate::error::LayoutError;
use crate::layout::Cursor;

/// Rows per table code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EndChunk {
    pub(crate) rows: BTreeMap<u16, u64>,
}

impl EndChunk {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (table, rows) in &self.rows {
            out.extend_from_slice(&table.to_le_bytes());
            out.extend_from_slice(&rows.to_le_bytes());
        }
    }

    pub(crate) fn read(payload: &[u8], n_tables: u32) -> Result<Self, LayoutError> {
        let mut cursor = Cursor::new(payload);
        let mut rows = BTreeMap::new();
        for _ in 0..n_tables {
            rows.insert(cursor.u16("table code")?, cursor.u64("rows of a table")?);
        }
        cursor.finish("row counts")?;
        Ok(Self { rows })
    }
}
