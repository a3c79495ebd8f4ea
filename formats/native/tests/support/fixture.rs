//! The capture in the golden files: a row or more of every table that version 1 began with, and
//! enough kernels for every encoding and a stored pyramid. It never changes; columns that were
//! added to the model later take their defaults in it.

use underspan_model::tables::*;
use underspan_model::{ClockDomain, KernelShape, ProblemKind, SourceId, StringId, Timeline};

const BASE_NS: i64 = 1_763_000_000_000_000_000;

/// The capture of `tests/golden/v1.uspan`.
pub fn version_1() -> Timeline {
    let mut t = Timeline::new();
    t.info.format = "uspan".to_owned();
    t.info.clock = ClockDomain::Realtime;
    dimensions(&mut t);
    kernels(&mut t);
    host(&mut t);
    serving(&mut t);
    t.problems.record(ProblemKind::BufferStarved, "rank 0", 17, || "at start µs 12".to_owned());
    t.problems.record(ProblemKind::MissingEvidence, "rank 1", 1, || "no NVML".to_owned());
    t.sort();
    t
}

fn text(t: &mut Timeline, text: &str) -> u32 {
    t.strings.intern(text).raw()
}

fn dimensions(t: &mut Timeline) {
    let (name, format) = (text(t, "rank0.uspan"), text(t, "uspan"));
    let source =
        t.dimensions.add_source(Source { name, format, file_bytes: 123_456, ..Source::default() });
    let (key, value) = (text(t, "driver_version"), text(t, "580.65.06"));
    t.dimensions.properties.push(Property { source: source.raw(), key, value });
    let process = t.dimensions.process_id(source, 4242);
    let device = t.dimensions.device_id(source, 1);
    for stream in 0..3 {
        t.dimensions.stream_id(process, device, 1, 7 + stream);
    }
    t.dimensions.thread_id(process, 4243);
    t.dimensions.thread_id(process, -1);
    let name = text(t, "python3 -m vllm");
    t.dimensions.processes.name[0] = name;
    t.dimensions.processes.rank[0] = 0;
    let (name, uuid) = (text(t, "NVIDIA H100 80GB HBM3"), text(t, "GPU-8f6d"));
    let devices = &mut t.dimensions.devices;
    (devices.name[0], devices.uuid[0]) = (name, uuid);
    devices.compute_capability[0] = 90;
    devices.sm_count[0] = 132;
    devices.memory_bytes[0] = 80 << 30;
    let (name, unit) = (text(t, "sm_clock"), text(t, "MHz"));
    let track = CounterTrack { name, unit, device: 0, ..CounterTrack::default() };
    t.dimensions.counter_tracks.push(track);
    t.dimensions.clock_anchors.push(ClockAnchor {
        process: 0,
        realtime_ns: BASE_NS,
        monotonic_ns: 77_000_000_000,
        activity_ns: BASE_NS + 12,
        uncertainty_ns: 350,
        ..ClockAnchor::default()
    });
    t.dimensions.rebuild_lookups();
    assert_eq!(source, SourceId::from_index(0));
}

fn kernels(t: &mut Timeline) {
    for n in 0..5u32 {
        let name = text(t, ["gemm µ<half>", "softmax", "rms_norm"][n as usize % 3]);
        t.shapes.intern(KernelShape {
            grid: [132 * (n + 1), 1, 1],
            block: [128, n + 1, 1],
            registers_per_thread: 168,
            ..KernelShape::named(StringId::from_raw(name))
        });
    }
    let mut end_ns = [BASE_NS, BASE_NS + 500, 0];
    for n in 0..8200u32 {
        let stream = usize::from(n % 50 == 49);
        let noise = u64::from(n.wrapping_mul(2_654_435_761) >> 29);
        let shape = n % 5;
        let start_ns = end_ns[stream] + 900 + noise as i64;
        let duration_ns = 2000 + 3000 * u64::from(shape) + 32 * (noise & 1);
        end_ns[stream] = start_ns + duration_ns as i64;
        end_ns[1] = end_ns[1].max(end_ns[0] - 5000);
        t.kernels.push(Kernel {
            start_ns,
            duration_ns,
            stream: stream as u32,
            shape,
            correlation_id: 100 + n / 40,
            graph_id: 3,
            graph_node_id: 0x7f00_0000_0000 + u64::from(n % 40),
            ..Kernel::default()
        });
    }
    t.memcpys.push(Memcpy {
        start_ns: BASE_NS - 4000,
        duration_ns: 1280,
        stream: 2,
        bytes: 65_536,
        kind: MemcpyKind::HtoD.code(),
        source_memory: MemoryKind::Pinned.code(),
        destination_memory: MemoryKind::Device.code(),
        correlation_id: 99,
        ..Memcpy::default()
    });
    t.memcpys.push(Memcpy {
        start_ns: i64::MIN,
        duration_ns: 0x0102_0304_0506_0708,
        stream: 2,
        external_id: 0xdead_beef_1234_5678,
        ..Memcpy::default()
    });
    t.memsets.push(Memset {
        start_ns: BASE_NS - 2000,
        duration_ns: 704,
        stream: 0,
        bytes: 4096,
        memory: MemoryKind::Device.code(),
        correlation_id: 98,
        ..Memset::default()
    });
    t.graph_launches.push(GraphLaunch {
        start_ns: BASE_NS,
        duration_ns: 90_000,
        stream: 0,
        correlation_id: 100,
        graph_id: 3,
    });
}

fn host(t: &mut Timeline) {
    let name = text(t, "cudaGraphLaunch");
    for n in 0..200i64 {
        t.api_calls.push(ApiCall {
            // A source that counts in microseconds.
            start_ns: BASE_NS - 60_000 + n * 400_000,
            duration_ns: 1000 * (9 + n as u64 % 7),
            thread: 0,
            name,
            correlation_id: 100 + n as u32,
            domain: ApiDomain::Runtime.code(),
            return_value: 0,
            ..ApiCall::default()
        });
    }
    t.syncs.push(Sync {
        start_ns: BASE_NS + 7000,
        duration_ns: 100,
        kind: SyncKind::ContextSynchronize.code(),
        ..Sync::default()
    });
    let name = text(t, "Buffer Flush");
    t.overheads.push(Overhead { start_ns: BASE_NS + 5, duration_ns: 6, thread: 1, name });
    let (name, domain) = (text(t, "decode"), text(t, "vllm"));
    t.annotations.push(Annotation {
        start_ns: BASE_NS - 100,
        duration_ns: 95_000,
        thread: 0,
        name,
        domain,
        kind: AnnotationKind::NvtxPushPop.code(),
        ..Annotation::default()
    });
    let (name, input_types, input_dims) =
        (text(t, "aten::mm"), text(t, "[\"c10::Half\"]"), text(t, "[[8, 4096]]"));
    t.cpu_ops.push(CpuOp {
        start_ns: BASE_NS - 90,
        duration_ns: 80,
        thread: 0,
        name,
        kind: CpuOpKind::Operator.code(),
        external_id: 12,
        input_types,
        input_dims,
    });
}

fn serving(t: &mut Timeline) {
    let (name, service, request) = (text(t, "llm_request"), text(t, "api"), text(t, "cmpl-1"));
    t.spans.push(Span {
        start_ns: BASE_NS - 1_000_000,
        duration_ns: 3_000_000,
        trace_id_high: 0x0af7_6519_16cd_43dd,
        trace_id_low: 0x8448_eb21_1c80_319c,
        span_id: 0xb7ad_6b71_6920_3331,
        parent_span_id: 0,
        name,
        service,
        request,
        kind: SpanKind::Server.code(),
        status: SpanStatus::Ok.code(),
        source: 0,
        ..Span::default()
    });
    t.steps.push(Step {
        start_ns: BASE_NS - 70_000,
        duration_ns: 400_000,
        step_id: 9,
        process: 0,
        thread: 0,
        kind: StepKind::Decode.code(),
        rung: Rung::ExactHook.code(),
        generation_requests: 1,
        generation_tokens: 1,
        ..Step::default()
    });
    t.step_members.push(StepMember {
        process: 0,
        step_id: 9,
        request,
        own_tokens: 1,
        computed_tokens: 511,
        phase: Phase::Decode.code(),
        ..StepMember::default()
    });
    for (n, value) in [1980.0, 1755.0, -0.0].into_iter().enumerate() {
        let time_ns = BASE_NS + n as i64 * 100_000_000;
        t.counters.push(Counter { time_ns, track: 0, value });
    }
}
