//! A Kineto trace of one process, as PyTorch's profiler exports it: complete events with `ts` and
//! `dur` in microseconds with three decimals, `ts` relative to `baseTimeNanoseconds`; device work
//! has the device as `pid` and the stream as `tid`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::recording::{ApiCall, Copy, CopyKind, Kernel, Recording};

/// What to write of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceOptions {
    /// Only what starts inside, ns.
    pub(crate) window_ns: (u64, u64),
    /// Flow events between calls and device work.
    pub(crate) has_flows: bool,
    /// Nanoseconds since the Unix epoch that `ts` counts from.
    pub(crate) base_time_ns: u64,
}

/// Writes the threads of one process.
///
/// # Errors
/// What the writer returns.
pub(crate) fn write_trace(
    threads: &[Recording],
    options: &TraceOptions,
    out: impl Write,
) -> io::Result<()> {
    let Some(first) = threads.first() else { return Ok(()) };
    let mut events = Events {
        out,
        is_first: true,
        options: *options,
        offset_ns: first.base_ns - options.base_time_ns,
    };
    events.header(first)?;
    for thread in threads {
        events.host(thread)?;
        events.device(thread)?;
    }
    events.profiler_overhead()?;
    events.names(threads)?;
    events.footer()
}

struct Events<W> {
    out: W,
    is_first: bool,
    options: TraceOptions,
    offset_ns: u64,
}

impl<W: Write> Events<W> {
    fn header(&mut self, recording: &Recording) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "{{\n  \"schemaVersion\": 1,\n  \"deviceProperties\": [")?;
        let n_devices = recording.rank.map_or(1, |(_, n)| n);
        if let Some(gpu) = recording.gpu {
            let threads = if gpu.capability.1 == 0 { 2_048 } else { 1_536 };
            for id in 0..n_devices {
                let comma = if id + 1 < n_devices { "," } else { "" };
                writeln!(
                    out,
                    "    {{\"id\": {id}, \"name\": \"{}\", \"totalGlobalMem\": {}, \"computeMajor\": {}, \"computeMinor\": {}, \"maxThreadsPerBlock\": 1024, \"maxThreadsPerMultiprocessor\": {threads}, \"regsPerBlock\": 65536, \"warpSize\": 32, \"sharedMemPerBlock\": 49152, \"numSms\": {}, \"regsPerMultiprocessor\": 65536, \"sharedMemPerBlockOptin\": {}, \"sharedMemPerMultiprocessor\": {}}}{comma}",
                    gpu.name,
                    gpu.memory_bytes,
                    gpu.capability.0,
                    gpu.capability.1,
                    gpu.sms,
                    gpu.shared_bytes - 1_024,
                    gpu.shared_bytes,
                )?;
            }
        }
        writeln!(out, "  ],")?;
        if let Some((rank, n)) = recording.rank {
            writeln!(
                out,
                "  \"distributedInfo\": {{\"backend\": \"nccl\", \"rank\": {rank}, \"world_size\": {n}}},"
            )?;
        }
        write!(
            out,
            "  \"cupti_version\": 26, \"cuda_runtime_version\": 12080, \"cuda_driver_version\": 12090,\n  \"displayTimeUnit\": \"ms\",\n  \"baseTimeNanoseconds\": {},\n  \"traceEvents\": [",
            self.options.base_time_ns
        )
    }

    fn begin(&mut self) -> io::Result<()> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        self.out.write_all(if is_first { b"\n  " } else { b",\n  " })
    }

    fn is_inside(&self, start_ns: u64) -> bool {
        let (from_ns, to_ns) = self.options.window_ns;
        (from_ns..to_ns).contains(&start_ns)
    }

    /// `ts` text of a time.
    fn ts(&self, ns: u64) -> Microseconds {
        Microseconds(ns + self.offset_ns)
    }

    fn host(&mut self, recording: &Recording) -> io::Result<()> {
        let (pid, tid) = (recording.pid, recording.tid);
        let mut index = 0;
        for range in &recording.ranges {
            if !self.is_inside(range.start_ns) {
                continue;
            }
            let (ts, dur) = (self.ts(range.start_ns), Microseconds(range.duration_ns));
            self.begin()?;
            write!(
                self.out,
                "{{\"ph\": \"X\", \"cat\": \"user_annotation\", \"name\": {}, \"pid\": {pid}, \"tid\": {tid}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{\"External id\": {}, \"Record function id\": 0, \"Ev Idx\": {index}}}}}",
                quoted(&range.name)?,
                range.external_id,
            )?;
            index += 1;
        }
        for op in recording.cpu_ops.iter().filter(|op| !op.name.is_empty()) {
            if !self.is_inside(op.start_ns) {
                continue;
            }
            let (ts, dur) = (self.ts(op.start_ns), Microseconds(op.duration_ns));
            self.begin()?;
            write!(
                self.out,
                "{{\"ph\": \"X\", \"cat\": \"cpu_op\", \"name\": \"{}\", \"pid\": {pid}, \"tid\": {tid}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{\"External id\": {}, \"Record function id\": 0, \"Ev Idx\": {index}}}}}",
                op.name, op.external_id,
            )?;
            index += 1;
        }
        for call in &recording.api_calls {
            if self.is_inside(call.start_ns) {
                self.call(call, pid, tid)?;
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &ApiCall, pid: u32, tid: u32) -> io::Result<()> {
        let (ts, dur) = (self.ts(call.start_ns), Microseconds(call.duration_ns));
        let category = if call.name.starts_with("cuda") { "cuda_runtime" } else { "cuda_driver" };
        self.begin()?;
        write!(
            self.out,
            "{{\"ph\": \"X\", \"cat\": \"{category}\", \"name\": \"{}\", \"pid\": {pid}, \"tid\": {tid}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{",
            call.name,
        )?;
        if let Some(id) = call.external_id {
            write!(self.out, "\"External id\": {id}, ")?;
        }
        write!(
            self.out,
            "\"cbid\": {}, \"correlation\": {}}}}}",
            callback_id(call.name),
            call.correlation
        )?;
        if self.options.has_flows {
            self.begin()?;
            write!(
                self.out,
                "{{\"ph\": \"s\", \"id\": {}, \"pid\": {pid}, \"tid\": {tid}, \"ts\": {ts}, \"cat\": \"ac2g\", \"name\": \"ac2g\"}}",
                call.correlation
            )?;
        }
        Ok(())
    }

    fn device(&mut self, recording: &Recording) -> io::Result<()> {
        for kernel in &recording.kernels {
            if self.is_inside(kernel.start_ns) {
                self.kernel(kernel, recording)?;
            }
        }
        for copy in &recording.copies {
            if self.is_inside(copy.start_ns) {
                self.copy(copy, recording.device)?;
            }
        }
        for fill in &recording.fills {
            if self.is_inside(fill.start_ns) {
                let (ts, dur) = (self.ts(fill.start_ns), Microseconds(fill.duration_ns));
                self.begin()?;
                write!(
                    self.out,
                    "{{\"ph\": \"X\", \"cat\": \"gpu_memset\", \"name\": \"Memset (Device)\", \"pid\": {0}, \"tid\": {1}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{\"device\": {0}, \"context\": 1, \"stream\": {1}, \"correlation\": {2}, \"bytes\": {3}}}}}",
                    recording.device, fill.stream, fill.correlation, fill.bytes,
                )?;
            }
        }
        self.device_ranges(recording)
    }

    fn kernel(&mut self, kernel: &Kernel, recording: &Recording) -> io::Result<()> {
        let (ts, dur) = (self.ts(kernel.start_ns), Microseconds(kernel.duration_ns));
        let (device, stream, launch) = (recording.device, kernel.stream, &kernel.launch);
        self.begin()?;
        write!(
            self.out,
            "{{\"ph\": \"X\", \"cat\": \"kernel\", \"name\": {}, \"pid\": {device}, \"tid\": {stream}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{",
            quoted(&launch.name)?,
        )?;
        if let Some(id) = kernel.external_id {
            write!(self.out, "\"External id\": {id}, ")?;
        }
        let sms = recording.gpu.map_or(132.0, |gpu| f64::from(gpu.sms));
        let blocks: f64 = launch.grid.iter().map(|&n| f64::from(n)).product::<f64>() / sms;
        let warps = blocks * f64::from(launch.block[0]) / 32.0;
        let occupancy = (warps / 64.0 * 100.0).min(75.0) as u32;
        let [x, y, z] = launch.grid;
        write!(
            self.out,
            "\"queued\": 0, \"device\": {device}, \"context\": 1, \"stream\": {stream}, \"correlation\": {}, \"registers per thread\": {}, \"shared memory\": {}, \"blocks per SM\": {blocks:.6}, \"warps per SM\": {warps:.6}, \"grid\": [{x}, {y}, {z}], \"block\": [{}, 1, 1], \"est. achieved occupancy %\": {occupancy}}}}}",
            kernel.correlation, launch.registers, launch.shared_bytes, launch.block[0],
        )?;
        self.flow_end(kernel.correlation, device, stream, ts, kernel.graph.is_none())
    }

    fn copy(&mut self, copy: &Copy, device: u32) -> io::Result<()> {
        let name = match copy.kind {
            CopyKind::PinnedToDevice => "Memcpy HtoD (Pinned -> Device)",
            CopyKind::PageableToDevice => "Memcpy HtoD (Pageable -> Device)",
            CopyKind::DeviceToPinned => "Memcpy DtoH (Device -> Pinned)",
            CopyKind::DeviceToPageable => "Memcpy DtoH (Device -> Pageable)",
            CopyKind::DeviceToDevice => "Memcpy DtoD (Device -> Device)",
            CopyKind::PeerToPeer => "Memcpy PtoP (Device -> Device)",
        };
        let (ts, dur) = (self.ts(copy.start_ns), Microseconds(copy.duration_ns));
        let rate = copy.bytes as f64 / copy.duration_ns.max(1) as f64;
        self.begin()?;
        write!(
            self.out,
            "{{\"ph\": \"X\", \"cat\": \"gpu_memcpy\", \"name\": \"{name}\", \"pid\": {device}, \"tid\": {0}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{\"device\": {device}, \"context\": 1, \"stream\": {0}, \"correlation\": {1}, \"bytes\": {2}, \"memory bandwidth (GB/s)\": {rate:.6}}}}}",
            copy.stream, copy.correlation, copy.bytes,
        )?;
        self.flow_end(copy.correlation, device, copy.stream, ts, true)
    }

    fn flow_end(
        &mut self,
        correlation: u32,
        device: u32,
        stream: u32,
        ts: Microseconds,
        is_single: bool,
    ) -> io::Result<()> {
        if !(self.options.has_flows && is_single) {
            return Ok(());
        }
        self.begin()?;
        write!(
            self.out,
            "{{\"ph\": \"f\", \"id\": {correlation}, \"pid\": {device}, \"tid\": {stream}, \"ts\": {ts}, \"cat\": \"ac2g\", \"name\": \"ac2g\", \"bp\": \"e\"}}"
        )
    }

    /// Where the device worked for each range, as the profiler derives it from correlations.
    fn device_ranges(&mut self, recording: &Recording) -> io::Result<()> {
        let mut work: Vec<(u32, u64, u64, u32)> = recording
            .kernels
            .iter()
            .map(|k| (k.correlation, k.start_ns, k.start_ns + k.duration_ns, k.stream))
            .chain(
                recording
                    .copies
                    .iter()
                    .map(|c| (c.correlation, c.start_ns, c.start_ns + c.duration_ns, c.stream)),
            )
            .collect();
        work.sort_unstable();
        for range in &recording.ranges {
            let from = work.partition_point(|w| w.0 < range.correlations.0);
            let to = work.partition_point(|w| w.0 < range.correlations.1);
            let Some(stream) = work.get(from).map(|w| w.3).filter(|_| from < to) else { continue };
            let inside = work[from..to].iter().filter(|w| w.3 == stream);
            let (start_ns, end_ns) =
                inside.fold((u64::MAX, 0), |(start, end), w| (start.min(w.1), end.max(w.2)));
            if !self.is_inside(start_ns) {
                continue;
            }
            let (ts, dur) = (self.ts(start_ns), Microseconds(end_ns - start_ns));
            self.begin()?;
            write!(
                self.out,
                "{{\"ph\": \"X\", \"cat\": \"gpu_user_annotation\", \"name\": {}, \"pid\": {}, \"tid\": {stream}, \"ts\": {ts}, \"dur\": {dur}, \"args\": {{\"External id\": {}}}}}",
                quoted(&range.name)?,
                recording.device,
                range.external_id,
            )?;
        }
        Ok(())
    }

    /// The profiler takes its first buffers.
    fn profiler_overhead(&mut self) -> io::Result<()> {
        let from_ns = self.options.window_ns.0;
        for (start_ns, duration_ns) in [(from_ns + 72_000, 223_000), (from_ns + 590_000, 295_000)] {
            let (ts, dur) = (self.ts(start_ns), Microseconds(duration_ns));
            self.begin()?;
            write!(
                self.out,
                "{{\"ph\": \"X\", \"cat\": \"overhead\", \"name\": \"Activity Buffer Request\", \"pid\": -1, \"tid\": 0, \"ts\": {ts}, \"dur\": {dur}}}"
            )?;
        }
        Ok(())
    }

    fn names(&mut self, threads: &[Recording]) -> io::Result<()> {
        let Some(first) = threads.first() else { return Ok(()) };
        let at = self.ts(self.options.window_ns.0);
        let (pid, process) = (first.pid, first.process_name);
        self.process(pid, process, "CPU", i64::from(pid), at)?;
        for device in 0..8 {
            self.process(
                device,
                process,
                &format!("GPU {device}"),
                5_000_000 + i64::from(device),
                at,
            )?;
        }
        let mut streams = BTreeSet::new();
        for thread in threads {
            streams.extend(thread.kernels.iter().map(|k| k.stream));
            streams.extend(thread.copies.iter().map(|c| c.stream));
            let tid = thread.tid;
            self.thread(pid, tid, &format!("thread {tid} ({process:.15})"), at)?;
        }
        for stream in streams {
            self.thread(first.device, stream, &format!("stream {stream} "), at)?;
        }
        let (from_ns, to_ns) = self.window_of(threads);
        let (from, dur) = (self.ts(from_ns), Microseconds(to_ns - from_ns));
        let to = self.ts(to_ns);
        self.begin()?;
        write!(
            self.out,
            "{{\"ph\": \"X\", \"cat\": \"Trace\", \"ts\": {from}, \"dur\": {dur}, \"pid\": \"Spans\", \"tid\": \"PyTorch Profiler\", \"name\": \"PyTorch Profiler (0)\", \"args\": {{\"Op count\": 0}}}}"
        )?;
        self.begin()?;
        write!(
            self.out,
            "{{\"name\": \"Iteration Start: PyTorch Profiler\", \"ph\": \"i\", \"s\": \"g\", \"pid\": \"Traces\", \"tid\": \"Trace PyTorch Profiler\", \"ts\": {from}}}"
        )?;
        self.begin()?;
        write!(
            self.out,
            "{{\"name\": \"Record Window End\", \"ph\": \"i\", \"s\": \"g\", \"pid\": \"\", \"tid\": \"\", \"ts\": {to}}}"
        )
    }

    fn window_of(&self, threads: &[Recording]) -> (u64, u64) {
        let last_ns = threads
            .iter()
            .flat_map(|t| &t.api_calls)
            .map(|call| call.start_ns + call.duration_ns)
            .max()
            .unwrap_or(0);
        let (from_ns, to_ns) = self.options.window_ns;
        (from_ns, to_ns.min(last_ns + 200_000).max(from_ns))
    }

    fn process(
        &mut self,
        pid: u32,
        name: &str,
        label: &str,
        order: i64,
        ts: Microseconds,
    ) -> io::Result<()> {
        for (key, field, value) in [
            ("process_name", "name", format!("\"{name}\"")),
            ("process_labels", "labels", format!("\"{label}\"")),
            ("process_sort_index", "sort_index", order.to_string()),
        ] {
            self.begin()?;
            write!(
                self.out,
                "{{\"name\": \"{key}\", \"ph\": \"M\", \"ts\": {ts}, \"pid\": {pid}, \"tid\": 0, \"args\": {{\"{field}\": {value}}}}}"
            )?;
        }
        Ok(())
    }

    fn thread(&mut self, pid: u32, tid: u32, name: &str, ts: Microseconds) -> io::Result<()> {
        self.begin()?;
        write!(
            self.out,
            "{{\"name\": \"thread_name\", \"ph\": \"M\", \"ts\": {ts}, \"pid\": {pid}, \"tid\": {tid}, \"args\": {{\"name\": \"{name}\"}}}}"
        )?;
        self.begin()?;
        write!(
            self.out,
            "{{\"name\": \"thread_sort_index\", \"ph\": \"M\", \"ts\": {ts}, \"pid\": {pid}, \"tid\": {tid}, \"args\": {{\"sort_index\": {tid}}}}}"
        )
    }

    fn footer(&mut self) -> io::Result<()> {
        write!(self.out, "\n  ],\n  \"traceName\": \"trace.pt.trace.json\"\n}}\n")?;
        self.out.flush()
    }
}

/// Nanoseconds that print as microseconds with three decimals.
#[derive(Debug, Clone, Copy)]
struct Microseconds(u64);

impl std::fmt::Display for Microseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

fn quoted(text: &str) -> io::Result<String> {
    serde_json::to_string(text).map_err(io::Error::from)
}

/// CUPTI's callback ids of the calls that are made (`cupti_runtime_cbid.h`, `cupti_driver_cbid.h`).
fn callback_id(name: &str) -> u32 {
    match name {
        "cudaMalloc" => 20,
        "cudaFree" => 22,
        "cudaMemcpyAsync" => 41,
        "cudaMemsetAsync" => 51,
        "cudaStreamSynchronize" => 131,
        "cudaEventRecord" => 135,
        "cudaEventSynchronize" => 137,
        "cudaDeviceSynchronize" => 165,
        "cudaLaunchKernel" => 211,
        "cudaGraphLaunch" => 311,
        _ => 0,
    }
}
