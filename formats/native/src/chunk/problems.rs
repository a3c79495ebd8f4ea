//! The whole problem ledger so far. The last such chunk of a file counts.
//!
//! ```text
//! …  per entry (the header's rows say how many):
//!      2  code of the kind
//!      8  count
//!      4  length of the source, the source
//!      4  length of the example, the example
//! ```

use underspan_model::{ProblemKind, ProblemLedger};

use crate::error::LayoutError;
use crate::layout::Cursor;

/// Appends the payload to `out` and returns the number of entries.
pub(crate) fn write_problems(ledger: &ProblemLedger, out: &mut Vec<u8>) -> u32 {
    let mut n_entries = 0;
    for problem in ledger.iter() {
        out.extend_from_slice(&problem.kind.code().to_le_bytes());
        out.extend_from_slice(&problem.count.to_le_bytes());
        for text in [&problem.source, &problem.example] {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        n_entries += 1;
    }
    n_entries
}

/// Reads the ledger; a kind of a later version is kept as an unknown chunk's note with its code.
pub(crate) fn read_problems(payload: &[u8], rows: u32) -> Result<ProblemLedger, LayoutError> {
    let mut cursor = Cursor::new(payload);
    let mut ledger = ProblemLedger::new();
    for _ in 0..rows {
        let code = cursor.u16("code of a problem")?;
        let count = cursor.u64("count of a problem")?;
        let source_len = cursor.u32("length of a problem's source")?;
        let source = cursor.text(source_len as usize, "source of a problem")?;
        let example_len = cursor.u32("length of a problem's example")?;
        let example = cursor.text(example_len as usize, "example of a problem")?;
        match ProblemKind::from_code(code) {
            Some(kind) => ledger.record(kind, source, count, || example.to_owned()),
            None => ledger.record(ProblemKind::UnknownChunk, source, count, || {
                format!("problem of kind {code}: {example}")
            }),
        }
    }
    cursor.finish("problems")?;
    Ok(ledger)
}
