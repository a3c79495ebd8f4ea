//! Reading a table piece by piece, whatever table it is: for who copies rows and must not hold all
//! of them.

use underspan_model::tables::TableKind;
use underspan_model::{Interval, ProblemLedger, Timeline};

use super::references::References;
use super::rows::decode_columns;
use super::{Fault, Reader};
use crate::chunk::TableDecoder;
use crate::error::Error;

impl Reader {
    /// Calls `each` with the rows of one table, chunk by chunk in file order, as the only rows of a
    /// timeline that may be changed. Rows refer to the lists of [`Reader::head`]. With `range` only
    /// chunks that have rows in it come, with all of their rows. What is damaged is left out and
    /// counted in `problems`.
    ///
    /// # Errors
    /// When the dictionaries take too much memory, and what `each` fails with, which ends it.
    pub fn for_each_chunk<E: From<Error>>(
        &self,
        kind: TableKind,
        range: Option<Interval>,
        problems: &mut ProblemLedger,
        mut each: impl FnMut(&mut Timeline) -> Result<(), E>,
    ) -> Result<(), E> {
        let head = self.read_head()?;
        let references = References::new(&head.timeline, &head.maps);
        let mut decoder = TableDecoder::new().map_err(self.set_up_error())?;
        let mut rows = Timeline::new();
        let columns: Vec<usize> = (0..rows.table(kind).specs().len()).collect();
        let mut faults: Vec<Fault> = Vec::new();
        for entry in self.row_chunks(kind, range, &mut faults) {
            let table = rows.table_mut(kind);
            match decode_columns(self, entry, &columns, &references, &mut decoder, table) {
                Ok(()) => each(&mut rows)?,
                Err(fault) => faults.push(fault),
            }
        }
        for fault in &faults {
            fault.record(problems, &self.source_name());
        }
        Ok(())
    }
}
