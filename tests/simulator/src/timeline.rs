//! Turns recordings into a timeline, as if the collector and its hook had recorded them.

use underspan_model::tables::{
    self, AnnotationKind, ApiDomain, CpuOpKind, MemcpyKind, MemoryKind, Phase, Rung, SpanKind,
    SpanStatus, StepKind,
};
use underspan_model::{
    CaptureInfo, ClockDomain, DeviceId, KernelShape, ProcessId, SourceId, StreamId, Timeline,
};

use crate::recording::{CopyKind, Recording, Step};

/// The recordings as one capture, with steps, members and request spans. Recordings with the same
/// process id are threads of one process.
pub fn to_timeline(recordings: &[Recording]) -> Timeline {
    let mut t = Timeline::new();
    t.info = CaptureInfo { format: "uspan".to_owned(), clock: ClockDomain::Realtime };
    let name = t.strings.intern("simulated").raw();
    let format = t.strings.intern("uspan").raw();
    let source = t.dimensions.add_source(tables::Source { name, format, ..Default::default() });
    for recording in recordings {
        t = of_one(t, source, recording);
    }
    t.sort();
    t
}

struct Context<'a> {
    t: Timeline,
    recording: &'a Recording,
    process: ProcessId,
    device: DeviceId,
}

fn of_one(mut t: Timeline, source: SourceId, recording: &Recording) -> Timeline {
    let process = t.dimensions.process_id(source, i64::from(recording.pid));
    let device = t.dimensions.device_id(source, recording.device);
    let gpu = recording.gpu;
    let device_name = gpu.map_or("Simulated GPU 80GB", |gpu| gpu.name);
    let device_name = t.strings.intern(device_name).raw();
    let named = !recording.process_name.is_empty();
    let process_name = if named { recording.process_name } else { "python3" };
    let process_name = t.strings.intern(process_name).raw();
    t.dimensions.processes.name[process.index()] = process_name;
    t.dimensions.processes.rank[process.index()] =
        recording.rank.map_or(underspan_model::NONE_U32, |(rank, _)| rank);
    let devices = &mut t.dimensions.devices;
    devices.name[device.index()] = device_name;
    devices.compute_capability[device.index()] =
        gpu.map_or(90, |gpu| gpu.capability.0 * 10 + gpu.capability.1);
    devices.sm_count[device.index()] = gpu.map_or(132, |gpu| gpu.sms);
    devices.memory_bytes[device.index()] = gpu.map_or(80 << 30, |gpu| gpu.memory_bytes);
    let mut context = Context { t, recording, process, device };
    context.device_work();
    context.host_work();
    context.serving();
    context.t
}

impl Context<'_> {
    /// Thread that launches.
    fn tid(&self) -> i64 {
        let recording = self.recording;
        i64::from(if recording.tid > 0 { recording.tid } else { recording.pid })
    }

    fn at(&self, ns: u64) -> i64 {
        (self.recording.base_ns + ns) as i64
    }

    fn stream(&mut self, number: u32) -> StreamId {
        self.t.dimensions.stream_id(self.process, self.device, 1, u64::from(number))
    }

    fn device_work(&mut self) {
        for kernel in &self.recording.kernels {
            let launch = &kernel.launch;
            let shape = KernelShape {
                name: self.t.strings.intern(&launch.name),
                grid: launch.grid,
                block: launch.block,
                static_shared_bytes: 0,
                dynamic_shared_bytes: launch.shared_bytes,
                registers_per_thread: launch.registers,
            };
            let (graph_id, graph_node_id) =
                kernel.graph.unwrap_or((underspan_model::NONE_U32, underspan_model::NONE_U64));
            let row = tables::Kernel {
                start_ns: self.at(kernel.start_ns),
                duration_ns: kernel.duration_ns,
                stream: self.stream(kernel.stream).raw(),
                shape: self.t.shapes.intern(shape).raw(),
                correlation_id: kernel.correlation,
                external_id: kernel.external_id.unwrap_or(underspan_model::NONE_U64),
                graph_id,
                graph_node_id,
            };
            self.t.kernels.push(row);
        }
        for copy in &self.recording.copies {
            let (kind, from, to) = match copy.kind {
                CopyKind::PinnedToDevice => {
                    (MemcpyKind::HtoD, MemoryKind::Pinned, MemoryKind::Device)
                }
                CopyKind::PageableToDevice => {
                    (MemcpyKind::HtoD, MemoryKind::Pageable, MemoryKind::Device)
                }
                CopyKind::DeviceToPinned => {
                    (MemcpyKind::DtoH, MemoryKind::Device, MemoryKind::Pinned)
                }
                CopyKind::DeviceToPageable => {
                    (MemcpyKind::DtoH, MemoryKind::Device, MemoryKind::Pageable)
                }
                CopyKind::PeerToPeer => (MemcpyKind::PtoP, MemoryKind::Device, MemoryKind::Device),
                CopyKind::DeviceToDevice => {
                    (MemcpyKind::DtoD, MemoryKind::Device, MemoryKind::Device)
                }
            };
            let row = tables::Memcpy {
                start_ns: self.at(copy.start_ns),
                duration_ns: copy.duration_ns,
                stream: self.stream(copy.stream).raw(),
                bytes: copy.bytes,
                kind: kind.code(),
                source_memory: from.code(),
                destination_memory: to.code(),
                correlation_id: copy.correlation,
                ..tables::Memcpy::default()
            };
            self.t.memcpys.push(row);
        }
        for fill in &self.recording.fills {
            let row = tables::Memset {
                start_ns: self.at(fill.start_ns),
                duration_ns: fill.duration_ns,
                stream: self.stream(fill.stream).raw(),
                bytes: fill.bytes,
                memory: MemoryKind::Device.code(),
                correlation_id: fill.correlation,
                ..tables::Memset::default()
            };
            self.t.memsets.push(row);
        }
    }

    fn host_work(&mut self) {
        let tid = self.tid();
        let thread = self.t.dimensions.thread_id(self.process, tid).raw();
        let thread_name = self.t.strings.intern("engine").raw();
        self.t.dimensions.threads.name[thread as usize] = thread_name;
        for call in &self.recording.api_calls {
            let row = tables::ApiCall {
                start_ns: self.at(call.start_ns),
                duration_ns: call.duration_ns,
                thread,
                name: self.t.strings.intern(call.name).raw(),
                correlation_id: call.correlation,
                domain: ApiDomain::Runtime.code(),
                return_value: 0,
                ..tables::ApiCall::default()
            };
            self.t.api_calls.push(row);
        }
        for range in &self.recording.ranges {
            let row = tables::Annotation {
                start_ns: self.at(range.start_ns),
                duration_ns: range.duration_ns,
                thread,
                name: self.t.strings.intern(&range.name).raw(),
                kind: AnnotationKind::User.code(),
                ..tables::Annotation::default()
            };
            self.t.annotations.push(row);
        }
        for op in &self.recording.cpu_ops {
            let row = tables::CpuOp {
                start_ns: self.at(op.start_ns),
                duration_ns: op.duration_ns,
                thread,
                name: self.t.strings.intern(op.name).raw(),
                kind: CpuOpKind::Operator.code(),
                external_id: op.external_id,
                input_types: self.t.strings.intern(&op.input_types).raw(),
                ..tables::CpuOp::default()
            };
            self.t.cpu_ops.push(row);
        }
    }

    fn serving(&mut self) {
        let service = self.t.strings.intern("simulated-server").raw();
        let span_name = self.t.strings.intern("llm_request").raw();
        for request in &self.recording.requests {
            let row = tables::Span {
                start_ns: self.at(request.arrival_ns),
                duration_ns: request.end_ns - request.arrival_ns,
                trace_id_high: (request.trace_id >> 64) as u64,
                trace_id_low: request.trace_id as u64,
                span_id: request.span_id,
                parent_span_id: 0,
                name: span_name,
                service,
                request: self.t.strings.intern(&request.id).raw(),
                kind: SpanKind::Server.code(),
                status: SpanStatus::Ok.code(),
                source: 0,
                ..tables::Span::default()
            };
            self.t.spans.push(row);
        }
        for step in self.recording.steps.iter().filter(|step| !step.members.is_empty()) {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let tid = self.tid();
        let thread = self.t.dimensions.thread_id(self.process, tid).raw();
        let sum = |is_prefill: bool| {
            let of_kind = step.members.iter().filter(|m| m.is_prefill == is_prefill);
            of_kind.fold((0, 0), |(n, tokens), m| (n + 1, tokens + u64::from(m.own_tokens)))
        };
        let ((context_requests, context_tokens), (generation_requests, generation_tokens)) =
            (sum(true), sum(false));
        let kind = match (context_requests, generation_requests) {
            (0, _) => StepKind::Decode,
            (_, 0) => StepKind::Prefill,
            _ => StepKind::Mixed,
        };
        self.t.steps.push(tables::Step {
            start_ns: self.at(step.start_ns),
            duration_ns: step.duration_ns,
            step_id: step.step_id,
            process: self.process.raw(),
            thread,
            kind: kind.code(),
            rung: Rung::ExactHook.code(),
            context_requests,
            context_tokens,
            generation_requests,
            generation_tokens,
            ..tables::Step::default()
        });
        for member in &step.members {
            let id = &self.recording.requests[member.request].id;
            let row = tables::StepMember {
                process: self.process.raw(),
                step_id: step.step_id,
                request: self.t.strings.intern(id).raw(),
                own_tokens: member.own_tokens,
                computed_tokens: member.computed_tokens,
                phase: if member.is_prefill { Phase::Prefill } else { Phase::Decode }.code(),
                ..tables::StepMember::default()
            };
            self.t.step_members.push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn every_record_becomes_a_row() {
        let recordings = Scenario::StragglerRank.run(1);
        let timeline = to_timeline(&recordings);
        let kernels: usize = recordings.iter().map(|r| r.kernels.len()).sum();
        assert_eq!(timeline.kernels.len(), kernels);
        assert_eq!(timeline.dimensions.devices.len(), 2);
        assert_eq!(timeline.dimensions.processes.rank, [0, 1]);
        let recordings = Scenario::ContinuousBatching.run(1);
        let timeline = to_timeline(&recordings);
        let members: usize = recordings[0].steps.iter().map(|s| s.members.len()).sum();
        assert_eq!(timeline.step_members.len(), members);
        assert_eq!(timeline.spans.len(), recordings[0].requests.len());
    }
}
