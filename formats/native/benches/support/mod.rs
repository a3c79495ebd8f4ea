//! Streams of events with the character of real ones, for benches.
//!
//! Modelled on traces of serving processes: a decode step is one graph launch that owns some four
//! hundred kernels, repeated in 35 batch sizes; lengths of one launch shape scatter by 0.7 to 3 %
//! (a few by more) and lie near multiples of 32 ns. Eager work has one API call per kernel.
//! Repetition is more exact than in life, so columns other than the two noisy ones look better
//! here than on real files.
#![allow(dead_code, unreachable_pub, reason = "every bench uses its own part")]

pub mod timing;

use underspan_model::tables::{ApiCall, ApiDomain, Kernel, Memcpy, MemcpyKind, MemoryKind};
use underspan_model::{KernelShape, NONE_U32, NONE_U64, StreamId, ThreadId, Timeline};

/// Batch sizes a decode graph was captured for.
const N_VARIANTS: usize = 35;
const KERNELS_PER_GRAPH: usize = 421;

/// A small fast generator, the same on every machine.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Near normal with mean 0 and deviation 1: twelve uniforms.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..12).map(|_| (self.next() >> 40) as f64 / (1u64 << 24) as f64).sum();
        sum - 6.0
    }

    /// A device time near `mean`: scattered, on a 32 ns tick blurred by a nanosecond.
    fn device_time(&mut self, mean: f64, deviation: f64) -> u64 {
        let exact = (mean * (1.0 + deviation * self.normal())).max(32.0);
        let tick = (exact / 32.0).round() as u64 * 32;
        tick + self.below(3) - 1
    }
}

#[derive(Clone, Copy)]
struct KernelTemplate {
    shape: u32,
    mean_ns: f64,
    deviation: f64,
    gap_ns: f64,
}

fn templates(
    timeline: &mut Timeline,
    rng: &mut Rng,
    n_kernels: usize,
    n_shapes: usize,
    label: &str,
) -> Vec<KernelTemplate> {
    let shapes: Vec<_> = (0..n_shapes)
        .map(|index| {
            let name = timeline.strings.intern(&format!(
                "void kernel_{label}_{}<cutlass::half_t, 128, {}>(Params)",
                index % 29,
                index % 3
            ));
            let shape = KernelShape {
                grid: [1 + rng.below(600) as u32, 1 + rng.below(3) as u32, 1],
                block: [32 << rng.below(5), 1, 1],
                static_shared_bytes: 1024 * rng.below(48) as u32,
                dynamic_shared_bytes: 0,
                registers_per_thread: 32 + 8 * rng.below(25) as u32,
                ..KernelShape::named(name)
            };
            let mean_ns = 1500.0 * (1.0 + rng.below(1000) as f64 / 1000.0 * 4.0).powi(2);
            let deviation = match rng.below(9) {
                0 => 0.05 + rng.below(30) as f64 / 100.0,
                _ => 0.007 + rng.below(23) as f64 / 1000.0,
            };
            (timeline.shapes.intern(shape).raw(), mean_ns, deviation)
        })
        .collect();
    (0..n_kernels)
        .map(|index| {
            // Layers repeat the same few kernels.
            let pick = match index % 13 {
                0 => rng.below(n_shapes as u64) as usize,
                step => step % n_shapes,
            };
            let (shape, mean_ns, deviation) = shapes[pick];
            KernelTemplate { shape, mean_ns, deviation, gap_ns: 900.0 + rng.below(400) as f64 }
        })
        .collect()
}

struct Process {
    stream: StreamId,
    copy_stream: StreamId,
    thread: ThreadId,
    rng: Rng,
    correlation_id: u32,
    host_ns: i64,
    device_ns: i64,
}

fn process(timeline: &mut Timeline, seed: u64) -> Process {
    let source = timeline.dimensions.add_source(Default::default());
    let process = timeline.dimensions.process_id(source, 4242);
    let device = timeline.dimensions.device_id(source, 0);
    Process {
        stream: timeline.dimensions.stream_id(process, device, 1, 7),
        copy_stream: timeline.dimensions.stream_id(process, device, 1, 20),
        thread: timeline.dimensions.thread_id(process, 4243),
        rng: Rng(seed),
        correlation_id: 1000,
        host_ns: 1_763_000_000_000_000_000,
        device_ns: 1_763_000_000_000_000_000,
    }
}

impl Process {
    fn api_call(&mut self, timeline: &mut Timeline, name: &str, mean_ns: f64) {
        self.correlation_id += 1;
        self.host_ns += 600 + self.rng.below(900) as i64;
        let duration_ns = (mean_ns * (1.0 + 0.15 * self.rng.normal())).max(200.0) as u64;
        timeline.api_calls.push(ApiCall {
            start_ns: self.host_ns,
            duration_ns,
            thread: self.thread.raw(),
            name: timeline.strings.intern(name).raw(),
            correlation_id: self.correlation_id,
            external_id: NONE_U64,
            domain: ApiDomain::Runtime.code(),
            return_value: 0,
        });
        self.host_ns += duration_ns as i64;
    }

    fn kernel(&mut self, timeline: &mut Timeline, template: KernelTemplate, graph: (u32, u64)) {
        let gap_ns = self.rng.device_time(template.gap_ns, 0.08) as i64;
        self.device_ns = (self.device_ns + gap_ns).max(self.host_ns + 2000);
        let duration_ns = self.rng.device_time(template.mean_ns, template.deviation);
        timeline.kernels.push(Kernel {
            start_ns: self.device_ns,
            duration_ns,
            stream: self.stream.raw(),
            shape: template.shape,
            correlation_id: self.correlation_id,
            external_id: NONE_U64,
            graph_id: graph.0,
            graph_node_id: graph.1,
        });
        self.device_ns += duration_ns as i64;
    }

    fn memcpy(&mut self, timeline: &mut Timeline, bytes: u64, kind: MemcpyKind) {
        self.api_call(timeline, "cudaMemcpyAsync", 4000.0);
        let duration_ns = self.rng.device_time(1200.0 + bytes as f64 / 20.0, 0.04);
        timeline.memcpys.push(Memcpy {
            start_ns: self.device_ns + 300,
            duration_ns,
            stream: self.copy_stream.raw(),
            bytes,
            kind: kind.code(),
            source_memory: MemoryKind::Pinned.code(),
            destination_memory: MemoryKind::Device.code(),
            correlation_id: self.correlation_id,
            ..Memcpy::default()
        });
    }
}

/// Decode steps under graph launches, with about `n_events` events.
pub fn graph_stream(n_events: usize) -> Timeline {
    let mut timeline = Timeline::new();
    let mut setup = Rng(7);
    let variants: Vec<_> = (0..N_VARIANTS)
        .map(|variant| {
            templates(&mut timeline, &mut setup, KERNELS_PER_GRAPH + 4, 34, &format!("b{variant}"))
        })
        .collect();
    let mut process = process(&mut timeline, 11);
    let mut n_running = 12u64;
    while timeline.event_count() < n_events as u64 {
        n_running = match process.rng.below(12) {
            0 => (n_running + 1).min(N_VARIANTS as u64 - 1),
            1 => n_running.saturating_sub(1),
            _ => n_running,
        };
        let variant = n_running as usize;
        let kernels = &variants[variant];
        for (index, bytes) in [256, 1024, 4096, 64, 128, 512, 2048, 96].into_iter().enumerate() {
            let kind = if index == 7 { MemcpyKind::DtoH } else { MemcpyKind::HtoD };
            process.memcpy(&mut timeline, bytes * (1 + n_running), kind);
        }
        process.api_call(&mut timeline, "cudaGraphLaunch", 380_000.0);
        for (node, template) in kernels[..KERNELS_PER_GRAPH].iter().enumerate() {
            let node_id = 0x7f00_0000 + (variant as u64) * 5000 + node as u64;
            process.kernel(&mut timeline, *template, (3 + variant as u32, node_id));
        }
        for template in &kernels[KERNELS_PER_GRAPH..] {
            process.api_call(&mut timeline, "cudaLaunchKernel", 5500.0);
            process.kernel(&mut timeline, *template, (NONE_U32, NONE_U64));
        }
        for _ in 0..6 {
            process.api_call(&mut timeline, "cudaEventRecord", 1400.0);
        }
        process.api_call(&mut timeline, "cudaStreamSynchronize", 900_000.0);
        process.host_ns = process.host_ns.max(process.device_ns);
    }
    timeline.sort();
    timeline
}

/// Kernels launched one by one, with about `n_events` events.
pub fn eager_stream(n_events: usize) -> Timeline {
    let mut timeline = Timeline::new();
    let mut setup = Rng(70);
    let models: Vec<_> = (0..5)
        .map(|model| templates(&mut timeline, &mut setup, 900, 60, &format!("m{model}")))
        .collect();
    let mut process = process(&mut timeline, 110);
    while timeline.event_count() < n_events as u64 {
        let model = process.rng.below(5) as usize;
        for (index, template) in models[model].iter().enumerate() {
            process.api_call(&mut timeline, "cudaLaunchKernel", 6200.0);
            process.kernel(&mut timeline, *template, (NONE_U32, NONE_U64));
            if index % 3 == 0 {
                process.api_call(&mut timeline, "cudaEventQuery", 900.0);
            }
            if index % 6 == 0 {
                process.memcpy(&mut timeline, 4096 << (index % 5), MemcpyKind::DtoD);
            }
        }
        process.api_call(&mut timeline, "cudaDeviceSynchronize", 300_000.0);
        process.host_ns = process.host_ns.max(process.device_ns);
    }
    timeline.sort();
    timeline
}
