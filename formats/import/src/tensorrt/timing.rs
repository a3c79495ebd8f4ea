//! `trtexec --exportTimes`: when each run was enqueued, computed and copied.
//!
//! # The bytes
//!
//! ```json
//! [{"startEnqMs": 2.6, "endEnqMs": 2.7, "startH2dMs": 2.5, "endH2dMs": 2.5, "startComputeMs": 2.5,
//!   "endComputeMs": 3.4, "startD2hMs": 3.4, "endD2hMs": 3.4, "h2dMs": 0, "computeMs": 0.87,
//!   "d2hMs": 0, "latencyMs": 0.87}, …]
//! ```

use underspan_model::tables::{Annotation, AnnotationKind, CpuOp, CpuOpKind, Memcpy, MemcpyKind};
use underspan_model::{NONE_U64, ProblemKind, Timeline};

use super::{Capture, each_item, end, milliseconds};
use crate::input::InputFile;
use crate::json::{Json, JsonStream, Stop, outline};
use crate::{ImportError, ImportOptions, Importer, Probe, ProbeInput, Progress};

const FORMAT: &str = "tensorrt_timing_json";
/// Name of a run's annotation.
const RUN: &str = "tensorrt run";
/// Name of a run's enqueue.
const ENQUEUE: &str = "tensorrt enqueue";

/// Reads the times of an engine's runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorRtTimingImporter;

impl Importer for TensorRtTimingImporter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "times of TensorRT runs in JSON"
    }

    fn probe(&self, head: &ProbeInput<'_>) -> Probe {
        let Some(outline) = outline(head.head).filter(|outline| outline.n_lists == 1) else {
            return Probe::No;
        };
        let has_stamps = outline.has("startComputeMs") && outline.has("endComputeMs");
        if has_stamps || (outline.has("computeMs") && outline.has("latencyMs")) {
            Probe::Yes
        } else {
            Probe::No
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
    let run = capture.timeline.strings.intern(RUN).raw();
    let enqueue = capture.timeline.strings.intern(ENQUEUE).raw();
    each_item(stream, |item, offset| {
        let Some((start_ns, duration_ns)) = span(item, "startComputeMs", "endComputeMs") else {
            let example = || format!("at byte {offset}: a run without its compute times");
            return capture.problem(ProblemKind::MissingTimestamp, example);
        };
        if duration_ns < 0 {
            let example = || format!("at byte {offset}: a run ends before it starts");
            capture.problem(ProblemKind::NegativeDuration, example);
        }
        capture.timeline.annotations.push(Annotation {
            start_ns,
            duration_ns: duration_ns.max(0).unsigned_abs(),
            stream: capture.stream.raw(),
            name: run,
            kind: AnnotationKind::GpuUser.code(),
            ..Annotation::default()
        });
        if let Some((start_ns, duration_ns)) = span(item, "startEnqMs", "endEnqMs") {
            capture.timeline.cpu_ops.push(CpuOp {
                start_ns,
                duration_ns: duration_ns.max(0).unsigned_abs(),
                thread: capture.thread.raw(),
                name: enqueue,
                kind: CpuOpKind::Operator.code(),
                ..CpuOp::default()
            });
        }
        let copies = [
            ("startH2dMs", "endH2dMs", MemcpyKind::HtoD),
            ("startD2hMs", "endD2hMs", MemcpyKind::DtoH),
        ];
        for (start, end, kind) in copies {
            // Runs without copies give both ends the same time.
            let Some((start_ns, length)) = span(item, start, end).filter(|(_, n)| *n > 0) else {
                continue;
            };
            capture.timeline.memcpys.push(Memcpy {
                start_ns,
                duration_ns: length.unsigned_abs(),
                stream: capture.stream.raw(),
                bytes: NONE_U64,
                kind: kind.code(),
                ..Memcpy::default()
            });
        }
    })?;
    end(stream, capture)
}

fn span(item: &Json<'_>, start: &str, end: &str) -> Option<(i64, i64)> {
    let start = milliseconds(item.get(start))?;
    Some((start, milliseconds(item.get(end))?.saturating_sub(start)))
}
