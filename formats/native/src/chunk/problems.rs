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
        let entry = ProblemEntry {
            code: problem.kind.code(),
            count: problem.count,
            source: &problem.source,
            example: &problem.example,
        };
        entry.write(out);
        n_entries += 1;
    }
    n_entries
}

/// One entry as the payload has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProblemEntry<'a> {
    pub(crate) code: u16,
    pub(crate) count: u64,
    pub(crate) source: &'a str,
    pub(crate) example: &'a str,
}

impl ProblemEntry<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        for text in [self.source, self.example] {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// The `rows` entries of a payload.
pub(crate) fn problem_entries(
    payload: &[u8],
    rows: u32,
) -> Result<Vec<ProblemEntry<'_>>, LayoutError> {
    let mut cursor = Cursor::new(payload);
    let mut entries = Vec::new();
    for _ in 0..rows {
        let code = cursor.u16("code of a problem")?;
        let count = cursor.u64("count of a problem")?;
        let source_len = cursor.u32("length of a problem's source")?;
        let source = cursor.text(source_len as usize, "source of a problem")?;
        let example_len = cursor.u32("length of a problem's example")?;
        let example = cursor.text(example_len as usize, "example of a problem")?;
        entries.push(ProblemEntry { code, count, source, example });
    }
    cursor.finish("problems")?;
    Ok(entries)
}

/// Reads the ledger; a kind of a later version is kept as an unknown chunk's note with its code.
pub(crate) fn read_problems(payload: &[u8], rows: u32) -> Result<ProblemLedger, LayoutError> {
    let mut ledger = ProblemLedger::new();
    for ProblemEntry { code, count, source, example } in problem_entries(payload, rows)? {
        match ProblemKind::from_code(code) {
            Some(kind) => ledger.record(kind, source, count, || example.to_owned()),
            None => ledger.record(ProblemKind::UnknownChunk, source, count, || {
                format!("problem of kind {code}: {example}")
            }),
        }
    }
    Ok(ledger)
}
