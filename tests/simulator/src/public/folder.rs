//! An investigation folder: everything an operator hands over about one run.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::nvml::{Board, Busy, process_table, query_table};
use super::otlp::{self, Server};
use super::trace::{TraceOptions, write_trace};
use super::{Declared, metrics, triton_json};
use crate::recording::Recording;
use crate::served::{Run, Served};
use crate::timeline::to_timeline;

/// What holds the device and host records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A trace of PyTorch's profiler per process.
    Kineto,
    /// One `.uspan` file with the engine's steps and their exact members, as the project's own
    /// collector and hook record them.
    Native,
}

/// A run and what of it is handed over.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub(crate) run: Run,
    pub(crate) server: Server,
    pub(crate) declared: Option<Declared>,
    pub(crate) base_ns: u64,
    pub(crate) seed: u64,
    /// What the trace covers, ns.
    pub(crate) window_ns: (u64, u64),
    /// Board and process samples are there.
    pub(crate) has_samples: bool,
    /// Requests whose spans are missing.
    pub(crate) lost_spans: Vec<usize>,
    /// The clock of the hosts that send spans is so far ahead, ns.
    pub(crate) span_skew_ns: i64,
    pub(crate) container: Container,
}

/// Writes the folder, which must exist.
///
/// # Errors
/// What the file system returns.
pub(crate) fn write_capture(capture: &Capture, folder: &Path) -> io::Result<()> {
    let run = &capture.run;
    let options = TraceOptions {
        window_ns: capture.window_ns,
        has_flows: capture.seed % 3 == 1,
        base_time_ns: capture.base_ns / 1_000_000_000 * 1_000_000_000 - 5_875_200_000_000_000,
    };
    if capture.container == Container::Native {
        write_native(capture, &folder.join("capture.uspan"))?;
    }
    let traced = if capture.container == Container::Kineto { &run.recordings[..] } else { &[] };
    for threads in processes(traced) {
        let name = match threads[0].rank {
            Some((rank, _)) => format!("trace.rank{rank}.json.gz"),
            None => "trace.json.gz".to_owned(),
        };
        let mut out = gzip(&folder.join(name))?;
        write_trace(&threads, &options, &mut out)?;
        out.finish()?.flush()?;
    }
    let kept: Vec<&Served> = run
        .served
        .iter()
        .enumerate()
        .filter(|(at, _)| !capture.lost_spans.contains(at))
        .map(|(_, served)| served)
        .collect();
    let span_base_ns = capture.base_ns.saturating_add_signed(capture.span_skew_ns);
    let spans = otlp::document(&kept, span_base_ns, capture.server);
    write_gzip(&folder.join("spans.otlp.json.gz"), &spans)?;
    if matches!(capture.server, Server::Triton(_)) {
        let monotonic_ns = 2_678_400_000_000_000 + capture.seed * 7_919;
        let stamps = triton_json::document(&kept, monotonic_ns, 1);
        write_gzip(&folder.join("triton.json.gz"), &stamps)?;
        let anchor_ns = 73_000_000;
        let anchor = json!({"realtime_ns": capture.base_ns + anchor_ns,
            "monotonic_ns": monotonic_ns + anchor_ns});
        std::fs::write(folder.join("clock.json"), anchor.to_string())?;
    }
    if let Some(declared) = &capture.declared {
        let text = serde_json::to_string_pretty(&declared.document())?;
        std::fs::write(folder.join("declared.json"), text)?;
    }
    let text = metrics::text(run, capture.base_ns);
    if !text.is_empty() {
        std::fs::write(folder.join("metrics.prom"), text)?;
    }
    if capture.has_samples {
        write_samples(capture, folder)?;
    }
    Ok(())
}

fn write_native(capture: &Capture, path: &Path) -> io::Result<()> {
    let mut recordings: Vec<Recording> =
        capture.run.recordings.iter().map(|r| r.inside(capture.window_ns)).collect();
    if capture.server != Server::Vllm {
        // Nothing hooks into Triton, whose own trace has the batches, nor into a plain handler,
        // whose annotations have its executions.
        recordings.iter_mut().for_each(|recording| recording.steps.clear());
    }
    let mut timeline = to_timeline(&recordings);
    // Spans come from the exporters, as everywhere.
    timeline.spans = Default::default();
    let options = underspan_native::WriteOptions::default();
    underspan_native::write_timeline(path, &timeline, &options).map_err(io::Error::other)?;
    Ok(())
}

fn write_samples(capture: &Capture, folder: &Path) -> io::Result<()> {
    let run = &capture.run;
    let end_ns = run.served.iter().map(Served::gateway_end_ns).max().unwrap_or(0);
    let boards: Vec<Board<'_>> = run
        .conditions
        .iter()
        .enumerate()
        .filter_map(|(index, conditions)| {
            let on_it: Vec<&Recording> =
                run.recordings.iter().filter(|r| r.device as usize == index).collect();
            let first = on_it.first()?;
            Some(Board {
                gpu: first.gpu?,
                index: index as u32,
                conditions,
                pid: first.pid,
                command: first.process_name,
                busy: Busy::of(&on_it),
            })
        })
        .collect();
    let table = query_table(&boards, end_ns, capture.base_ns, capture.seed);
    std::fs::write(folder.join("nvml.csv"), table)?;
    std::fs::write(folder.join("pmon.txt"), process_table(&boards, end_ns, capture.base_ns))
}

/// Recordings of the same process belong into one trace.
fn processes(recordings: &[Recording]) -> Vec<Vec<Recording>> {
    let mut processes: Vec<Vec<Recording>> = Vec::new();
    for recording in recordings {
        match processes.iter_mut().find(|of| of[0].pid == recording.pid) {
            Some(of) => of.push(recording.clone()),
            None => processes.push(vec![recording.clone()]),
        }
    }
    processes
}

fn gzip(path: &Path) -> io::Result<GzEncoder<BufWriter<File>>> {
    Ok(GzEncoder::new(BufWriter::new(File::create(path)?), Compression::new(4)))
}

fn write_gzip(path: &Path, document: &Value) -> io::Result<()> {
    let mut out = gzip(path)?;
    serde_json::to_writer(&mut out, document)?;
    out.finish()?.flush()
}
