//! Exports that are lists of objects: one walk for all of them.

use underspan_model::{ProblemKind, Timeline};

use super::SpanSink;
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, each_item};
use crate::{ImportError, ImportOptions, Progress};

/// Reads a document whose objects, at `path` (see [`each_item`]), `take` turns into spans.
///
/// # Errors
/// When the document cannot be read, is cut off, or holds no span.
pub(crate) fn read_documents(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
    format: &str,
    path: &[&str],
    mut take: impl FnMut(&mut SpanSink, &Json<'_>),
) -> Result<Timeline, ImportError> {
    let mut stream = JsonStream::open(input, options, progress)?;
    let mut sink = SpanSink::new(input, format);
    let outcome = each_item(&mut stream, path, &mut |item, _| take(&mut sink, item));
    let (offset, is_cut) = match outcome {
        Ok(()) => (stream.offset(), false),
        Err(Stop::Truncated { offset }) => (offset, true),
        Err(Stop::Failed(error)) => return Err(error),
    };
    let is_usable = sink.n_spans() > 0;
    if !is_usable || is_cut && !options.accept_truncated {
        let (expected, found) = if is_cut {
            ("the rest of the spans", "the end of the file")
        } else {
            ("at least one span with an id and times", "none")
        };
        return Err(ImportError::Malformed {
            path: input.path().to_owned(),
            offset,
            expected: expected.to_owned(),
            found: found.to_owned(),
        });
    }
    if is_cut {
        sink.problem(ProblemKind::TruncatedInput, 1, || format!("cut at byte {offset}"));
    }
    Ok(sink.finish())
}
