//! Several files of one recording, as a flight recorder leaves them.

use std::path::Path;

use underspan_model::tables::TableKind;
use underspan_model::{ColumnMut, ColumnRef, ProblemKind, Timeline};

use super::read_timeline;
use crate::error::Result;
use crate::writer::is_dimension;

/// Reads segments of one recording, oldest first, as one timeline.
///
/// Each segment repeats the dictionaries of the one before and adds to them, and its ledger counts
/// from the start of the recording, so rows are put together without renumbering and the last
/// ledger counts. A file that does not continue the one before is joined as a capture of its own.
///
/// # Errors
/// When a segment cannot be read, see [`read_timeline`].
pub fn read_segments<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Timeline> {
    let mut joined = Timeline::new();
    for path in paths {
        let mut next = read_timeline(path.as_ref())?;
        if continues(&joined, &next) {
            prepend_rows(&mut next, &joined);
            for problem in joined.problems.iter().filter(|p| is_of_reader(p.kind)) {
                let example = problem.example;
                next.problems.record(problem.kind, &problem.source, problem.count, || example);
            }
            joined = next;
        } else {
            joined.append(next);
        }
    }
    joined.sort();
    Ok(joined)
}

/// Whether every id of `before` means the same in `next`.
fn continues(before: &Timeline, next: &Timeline) -> bool {
    let (old, new) = (before.dimensions.tables(), next.dimensions.tables());
    before.strings.len() <= next.strings.len()
        && before.strings.iter().eq(next.strings.iter().take(before.strings.len()))
        && next.shapes.as_slice().starts_with(before.shapes.as_slice())
        && old.iter().zip(new).all(|(old, new)| old.len() <= new.len())
        && next.dimensions.processes.pid.starts_with(&before.dimensions.processes.pid)
}

/// Found by reading a file, as opposed to counted by who wrote it.
fn is_of_reader(kind: ProblemKind) -> bool {
    kind.code() >= ProblemKind::MissingIndex.code()
}

fn prepend_rows(next: &mut Timeline, before: &Timeline) {
    for &kind in TableKind::ALL.iter().filter(|kind| !is_dimension(**kind)) {
        let older = before.table(kind).columns();
        for (column, older) in next.table_mut(kind).columns_mut().into_iter().zip(older) {
            match (column, older) {
                (ColumnMut::U8(to), ColumnRef::U8(from)) => drop(to.splice(..0, from.to_vec())),
                (ColumnMut::U32(to), ColumnRef::U32(from)) => drop(to.splice(..0, from.to_vec())),
                (ColumnMut::U64(to), ColumnRef::U64(from)) => drop(to.splice(..0, from.to_vec())),
                (ColumnMut::I64(to), ColumnRef::I64(from)) => drop(to.splice(..0, from.to_vec())),
                (ColumnMut::F64(to), ColumnRef::F64(from)) => drop(to.splice(..0, from.to_vec())),
                // The same table has the same columns.
                _ => {}
            }
        }
    }
}
