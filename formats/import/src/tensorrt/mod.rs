//! TensorRT: what an engine is made of, how long its layers take, how long its runs took.
//!
//! `trtexec` writes three JSON documents; each is an importer of its own, and together they are one
//! capture:
//!
//! - `--exportLayerInfo` ([`graph`]): the engine's layers become operators. One is named by the
//!   layer and keeps the formats of inputs and outputs as they are written; one of the same external
//!   id is named `tensorrt::<layer type>/<tactic>` and keeps the element types of inputs, weights
//!   and outputs, which is what tells the layer's precision.
//! - `--exportProfile` ([`profile`]): each layer becomes one kernel of its average time, in the order
//!   of execution, named by the layer. The number of runs is a property.
//! - `--exportTimes` ([`timing`]): each run becomes an annotation on the device, its enqueue an
//!   operator, its copies copies.

mod graph;
mod profile;
mod timing;

pub use graph::TensorRtGraphImporter;
pub use profile::TensorRtProfileImporter;
pub use timing::TensorRtTimingImporter;

use underspan_model::tables::Property;
use underspan_model::{ProblemKind, SourceId, StreamId, ThreadId, Timeline};

use crate::importer::timeline_of;
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, parse};
use crate::{ImportError, ImportOptions};

/// A timeline under construction with the one thread and stream that these documents imply.
struct Capture {
    timeline: Timeline,
    source: SourceId,
    thread: ThreadId,
    stream: StreamId,
    file: String,
}

impl Capture {
    fn new(input: &InputFile, format: &str) -> Self {
        let (mut timeline, source) = timeline_of(input, format);
        let dimensions = &mut timeline.dimensions;
        let process = dimensions.process_id(source, 0);
        let thread = dimensions.thread_id(process, 0);
        let device = dimensions.device_id(source, 0);
        let stream = dimensions.stream_id(process, device, 0, 0);
        Self { timeline, source, thread, stream, file: input.name().into_owned() }
    }

    fn problem(&mut self, kind: ProblemKind, example: impl FnOnce() -> String) {
        self.timeline.problems.record(kind, &self.file, 1, example);
    }

    fn property(&mut self, key: &str, value: &str) {
        let strings = &mut self.timeline.strings;
        let (key, value) = (strings.intern(key).raw(), strings.intern(value).raw());
        let source = self.source.raw();
        self.timeline.dimensions.properties.push(Property { source, key, value });
    }

    /// The sorted timeline, or why there is none. What was read before a cut is kept when the
    /// caller accepts that.
    fn finish(
        mut self,
        read: Result<(), Stop>,
        input: &InputFile,
        options: &ImportOptions,
    ) -> Result<Timeline, ImportError> {
        match read {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Truncated { offset }) => {
                if !options.accept_truncated || self.timeline.event_count() == 0 {
                    return Err(ImportError::Malformed {
                        path: input.path().to_owned(),
                        offset,
                        expected: "the rest of the document".to_owned(),
                        found: "the end of the file".to_owned(),
                    });
                }
                self.problem(ProblemKind::TruncatedInput, || format!("cut at byte {offset}"));
            }
        }
        self.timeline.sort();
        Ok(self.timeline)
    }
}

/// Visits the items of the list that stands next, each with its offset.
fn each_item(
    stream: &mut JsonStream<'_>,
    mut visit: impl FnMut(&Json<'_>, u64),
) -> Result<(), Stop> {
    stream.open_bracket(b'[')?;
    let mut is_first = true;
    while stream.next_item(&mut is_first)? {
        stream.peek()?;
        let offset = stream.offset();
        let text = stream.value()?;
        match parse(&text) {
            Ok(parsed) => visit(&parsed.value, offset),
            Err(fault) => {
                let rest = text.as_bytes().get(fault.at..).unwrap_or(b"");
                let found = crate::foreign::describe(rest);
                drop(text);
                return stream.malformed(offset + fault.at as u64, fault.expected, found);
            }
        }
    }
    Ok(())
}

/// What stands behind the document is an error when compressed content was cut off there, and
/// counted otherwise.
fn end(stream: &mut JsonStream<'_>, capture: &mut Capture) -> Result<(), Stop> {
    if stream.peek()?.is_some() {
        let offset = stream.offset();
        capture.problem(ProblemKind::TrailingText, || format!("at byte {offset}"));
    } else if stream.is_cut_off() {
        return Err(Stop::Truncated { offset: stream.offset() });
    }
    Ok(())
}

/// Milliseconds of a document as nanoseconds; `None` for what is no time.
fn milliseconds(value: Option<&Json<'_>>) -> Option<i64> {
    let nanoseconds = value?.as_real()? * 1e6;
    // Beyond 2^62 ns (146 years) nothing was measured.
    (nanoseconds.is_finite() && nanoseconds.abs() < 4.6e18).then(|| nanoseconds.round() as i64)
}
