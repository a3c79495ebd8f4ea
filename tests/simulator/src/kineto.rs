//! Writes a recording as PyTorch's profiler (Kineto) would.
//!
//! Chrome trace events: `ph` "X" with `ts` and `dur` in microseconds with three decimals, relative
//! to `baseTimeNanoseconds`; device work has the device as `pid` and the stream as `tid`.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::recording::{CopyKind, Kernel, Recording};

/// Writes `recording` as one Kineto JSON document.
///
/// # Errors
/// What the writer returns.
pub fn write_kineto(recording: &Recording, mut out: impl Write) -> io::Result<()> {
    let mut head = json!({
        "schemaVersion": 1,
        "deviceProperties": [{
            "id": recording.device, "name": "Simulated GPU 80GB", "totalGlobalMem": 85_899_345_920_u64,
            "computeMajor": 9, "computeMinor": 0, "numSms": 132,
        }],
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": recording.base_ns,
    });
    if let Some((rank, world_size)) = recording.rank {
        head["distributedInfo"] =
            json!({"backend": "nccl", "rank": rank, "world_size": world_size});
    }
    let head = serde_json::to_string_pretty(&head)?;
    // The object stays open for the events; objects inside it are closed.
    let head = head.strip_suffix("\n}").unwrap_or(&head);
    write!(out, "{head},\n  \"traceEvents\": [")?;
    let mut events = Events { out, is_first: true };
    write_host(recording, &mut events)?;
    write_device(recording, &mut events)?;
    write_names(recording, &mut events)?;
    writeln!(events.out, "\n  ],\n  \"traceName\": \"simulated.pt.trace.json\"\n}}")
}

struct Events<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> Events<W> {
    fn put(&mut self, event: &Value) -> io::Result<()> {
        self.out.write_all(if self.is_first { b"\n  " } else { b",\n  " })?;
        self.is_first = false;
        serde_json::to_writer(&mut self.out, event)?;
        Ok(())
    }

    /// A complete event; times are written as text to keep every digit.
    fn complete(&mut self, mut event: Value, start_ns: u64, duration_ns: u64) -> io::Result<()> {
        event["ts"] = microseconds(start_ns);
        event["dur"] = microseconds(duration_ns);
        self.put(&event)
    }
}

fn microseconds(ns: u64) -> Value {
    // Exact: simulated times stay far below the 2^53 ns that a double carries.
    json!(ns as f64 / 1e3)
}

fn write_host<W: Write>(recording: &Recording, events: &mut Events<W>) -> io::Result<()> {
    let pid = recording.pid;
    for range in &recording.ranges {
        let event = json!({"ph": "X", "cat": "user_annotation", "name": range.name, "pid": pid, "tid": pid,
            "ts": 0, "dur": 0, "args": {"Ev Idx": 0}});
        events.complete(event, range.start_ns, range.duration_ns)?;
    }
    for op in &recording.cpu_ops {
        let types: Value = serde_json::from_str(&op.input_types)?;
        let event = json!({"ph": "X", "cat": "cpu_op", "name": op.name, "pid": pid, "tid": pid, "ts": 0, "dur": 0,
            "args": {"External id": op.external_id, "Input type": types}});
        events.complete(event, op.start_ns, op.duration_ns)?;
    }
    for call in &recording.api_calls {
        let event = json!({"ph": "X", "cat": "cuda_runtime", "name": call.name, "pid": pid, "tid": pid,
            "ts": 0, "dur": 0, "args": {"cbid": 211, "correlation": call.correlation}});
        events.complete(event, call.start_ns, call.duration_ns)?;
    }
    Ok(())
}

fn write_device<W: Write>(recording: &Recording, events: &mut Events<W>) -> io::Result<()> {
    let device = recording.device;
    for kernel in &recording.kernels {
        let event = json!({"ph": "X", "cat": "kernel", "name": kernel.launch.name, "pid": device,
            "tid": kernel.stream, "ts": 0, "dur": 0, "args": kernel_args(kernel, device)});
        events.complete(event, kernel.start_ns, kernel.duration_ns)?;
    }
    for copy in &recording.copies {
        let name = match copy.kind {
            CopyKind::PinnedToDevice => "Memcpy HtoD (Pinned -> Device)",
            CopyKind::PageableToDevice => "Memcpy HtoD (Pageable -> Device)",
            CopyKind::DeviceToPinned => "Memcpy DtoH (Device -> Pinned)",
            CopyKind::DeviceToPageable => "Memcpy DtoH (Device -> Pageable)",
            CopyKind::PeerToPeer => "Memcpy PtoP (Device -> Device)",
            CopyKind::DeviceToDevice => "Memcpy DtoD (Device -> Device)",
        };
        let event = json!({"ph": "X", "cat": "gpu_memcpy", "name": name, "pid": device, "tid": copy.stream,
            "ts": 0, "dur": 0, "args": {"device": device, "context": 1, "stream": copy.stream,
            "correlation": copy.correlation, "bytes": copy.bytes}});
        events.complete(event, copy.start_ns, copy.duration_ns)?;
    }
    for fill in &recording.fills {
        let event = json!({"ph": "X", "cat": "gpu_memset", "name": "Memset (Device)", "pid": device,
            "tid": fill.stream, "ts": 0, "dur": 0, "args": {"device": device, "context": 1,
            "stream": fill.stream, "correlation": fill.correlation, "bytes": fill.bytes}});
        events.complete(event, fill.start_ns, fill.duration_ns)?;
    }
    Ok(())
}

fn kernel_args(kernel: &Kernel, device: u32) -> Value {
    let mut args = json!({
        "queued": 0, "device": device, "context": 1, "stream": kernel.stream,
        "correlation": kernel.correlation, "registers per thread": kernel.launch.registers,
        "shared memory": kernel.launch.shared_bytes, "grid": kernel.launch.grid,
        "block": kernel.launch.block,
    });
    if let Some(external_id) = kernel.external_id {
        args["External id"] = json!(external_id);
    }
    if let Some((graph, node)) = kernel.graph {
        args["graph id"] = json!(graph);
        args["graph node id"] = json!(node);
    }
    args
}

fn write_names<W: Write>(recording: &Recording, events: &mut Events<W>) -> io::Result<()> {
    let (pid, device) = (recording.pid, recording.device);
    let rows = [
        json!({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": {"name": "python3"}}),
        json!({"ph": "M", "name": "process_labels", "pid": pid, "tid": 0, "ts": 0, "args": {"labels": "CPU"}}),
        json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": pid, "ts": 0, "args": {"name": "engine"}}),
        json!({"ph": "M", "name": "process_name", "pid": device, "tid": 0, "ts": 0, "args": {"name": "python3"}}),
        json!({"ph": "M", "name": "process_labels", "pid": device, "tid": 0, "ts": 0,
            "args": {"labels": format!("GPU {device}")}}),
    ];
    rows.iter().try_for_each(|row| events.put(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn ranks_of_a_job_are_json_too_and_say_which_they_are() {
        for (rank, recording) in Scenario::StragglerRank.run(1).iter().enumerate() {
            let mut text = Vec::new();
            write_kineto(recording, &mut text).unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(document["distributedInfo"]["rank"], rank);
            assert!(document["traceEvents"].is_array());
        }
    }

    #[test]
    fn the_document_is_json_with_one_event_per_record() {
        let recording = &Scenario::LaunchBound.run(1)[0];
        let mut text = Vec::new();
        write_kineto(recording, &mut text).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let of_category = |cat: &str| events.iter().filter(|e| e["cat"] == cat).count();
        assert_eq!(of_category("kernel"), recording.kernels.len());
        assert_eq!(of_category("gpu_memcpy"), recording.copies.len());
        assert_eq!(of_category("cuda_runtime"), recording.api_calls.len());
        let first = events.iter().find(|e| e["cat"] == "kernel").unwrap();
        let ts = first["ts"].as_f64().unwrap();
        assert_eq!((ts * 1e3).round() as u64, recording.kernels[0].start_ns);
    }
}
