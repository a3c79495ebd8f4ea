//! Who is told how a recording goes.

use crate::{Pieces, ProcessTree, Totals};

/// Who is told how a recording goes. All calls come from the thread that runs
/// [`record`](crate::record).
pub trait Observer {
    /// Something a person should know, in one line.
    fn note(&mut self, line: &str);

    /// How far it is, about once a second.
    fn progress(&mut self, totals: &Totals) {
        let _ = totals;
    }

    /// All files are complete. The command may still run when recording was limited. Called once,
    /// unless nothing could be recorded at all.
    fn complete(&mut self, pieces: &Pieces, processes: &ProcessTree);
}
