//! `trtexec --exportProfile`: average time of each layer.
//!
//! # The bytes
//!
//! ```json
//! [{"count": 100}, {"name": "Conv_0 + Relu_1", "timeMs": 11.1, "averageMs": 0.111, "medianMs": 0.11,
//!   "percentage": 10.9}, …]
//! ```

use underspan_model::tables::Kernel;
use underspan_model::{KernelShape, ProblemKind, Timeline};

use super::{Capture, each_item, end, milliseconds};
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, outline};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "tensorrt_profile_json";

/// Reads the layer times of an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorRtProfileImporter;

impl Importer for TensorRtProfileImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "a TensorRT layer profile in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head).filter(|outline| outline.n_lists == 1) else {
            return Probe::No;
        };
        let starts_right = outline.has("count") || outline.has("averageMs");
        match starts_right && memchr::memmem::find(head.head, b"\"averageMs\"").is_some() {
            true => Probe::Yes,
            false => Probe::No,
        }
    }

    fn import(
        &self,
        input: &InputFile,
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Timeline, ImportError> {
        let mut capture = Capture::new(input, FORMAT);
        let mut stream = JsonStream::open(input, options, progress)?;
        let read = read(&mut stream, &mut capture);
        capture.finish(read, input, options)
    }
}

fn read(stream: &mut JsonStream<'_>, capture: &mut Capture) -> Result<(), Stop> {
    let mut at_ns = 0_i64;
    each_item(stream, |item, offset| match item.get("name").and_then(Json::as_text) {
        Some(name) => match milliseconds(item.get("averageMs")) {
            Some(length) if length >= 0 => {
                let name = capture.timeline.strings.intern(name);
                let shape = capture.timeline.shapes.intern(KernelShape::named(name));
                capture.timeline.kernels.push(Kernel {
                    start_ns: at_ns,
                    duration_ns: length.unsigned_abs(),
                    stream: capture.stream.raw(),
                    shape: shape.raw(),
                    ..Kernel::default()
                });
                at_ns = at_ns.saturating_add(length);
            }
            _ => {
                let example = || format!("at byte {offset}: layer {name:?} without a time");
                capture.problem(ProblemKind::MissingDuration, example);
            }
        },
        None => match item.get("count").and_then(Json::as_token) {
            Some(count) => capture.property("tensorrt.profile.count", count),
            None => {
                let example = || format!("at byte {offset}: neither a layer nor a count");
                capture.problem(ProblemKind::MalformedEvent, example);
            }
        },
    })?;
    end(stream, capture)
}
