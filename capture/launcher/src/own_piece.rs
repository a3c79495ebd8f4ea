//! What the launcher itself has to say about a recording, as a piece like those of processes.

use std::path::Path;

use underspan_model::tables::Source;
use underspan_model::{ProblemLedger, Timeline};
use underspan_native::{Result, WriteOptions};

/// The name of that piece.
pub(crate) const OWN_PIECE: &str = "launcher.uspan";

/// Writes problems as a capture without events. Nothing is written when there are none.
pub(crate) fn write_problems(pieces: &Path, problems: ProblemLedger) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let mut timeline = Timeline { problems, ..Timeline::default() };
    let name = timeline.strings.intern("underspan").raw();
    let format = timeline.strings.intern("launcher").raw();
    timeline.dimensions.add_source(Source { name, format, ..Source::default() });
    let path = pieces.join(OWN_PIECE);
    underspan_native::write_timeline(&path, &timeline, &WriteOptions::default()).map(drop)
}
