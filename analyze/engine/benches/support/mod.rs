//! Streams of events as serving processes make them, from a fixed sequence of pseudo-random
//! numbers.

use underspan_model::tables::{
    Annotation, AnnotationKind, ApiCall, ApiDomain, Kernel, Memcpy, MemcpyKind, Source,
};
use underspan_model::{KernelShape, NONE_U32, Timeline};

/// What the engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Decode steps of 425 kernels of which one graph launch owns 421.
    Graph,
    /// Every kernel is launched for itself, with another API call besides.
    Eager,
}

const KERNELS_PER_STEP: u32 = 425;
const SHAPES: u32 = 1_203;
const NAMES: u32 = 130;

/// A timeline of about `n_events` kernels, copies and API calls.
pub(crate) fn timeline(kind: Kind, n_events: usize) -> Timeline {
    let mut g = Generator::new();
    while g.events() < n_events {
        g.step(kind);
    }
    let mut t = g.timeline;
    t.sort();
    t
}

struct Generator {
    timeline: Timeline,
    random: u64,
    thread: u32,
    streams: [u32; 2],
    labels: Vec<u32>,
    calls: [u32; 4],
    /// When the host, and when the device, is done with what it has.
    host_ns: i64,
    device_ns: i64,
    next_id: u32,
    n_steps: u32,
}

impl Generator {
    fn new() -> Self {
        let mut t = Timeline::new();
        let name = t.strings.intern("bench").raw();
        let source = t.dimensions.add_source(Source { name, ..Source::default() });
        let process = t.dimensions.process_id(source, 1);
        let device = t.dimensions.device_id(source, 0);
        let streams = [7, 13].map(|id| t.dimensions.stream_id(process, device, 1, id).raw());
        let thread = t.dimensions.thread_id(process, 1).raw();
        for shape in 0..SHAPES {
            let name = if shape % NAMES == 5 {
                "ncclDevKernel_AllReduce_Sum_bf16_RING_LL".to_owned()
            } else {
                format!("void some_kernel_{:03}<cutlass::half_t, 128>()", shape % NAMES)
            };
            let name = t.strings.intern(&name);
            t.shapes.intern(KernelShape { grid: [shape + 1, 1, 1], ..KernelShape::named(name) });
        }
        let labels = (0..35)
            .map(|batch| format!("execute_context_0(0)_generation_{batch}({batch})"))
            .map(|label| t.strings.intern(&label).raw())
            .collect();
        let calls = ["cudaGraphLaunch", "cudaLaunchKernel", "cudaMemcpyAsync", "cudaEventRecord"]
            .map(|name| t.strings.intern(name).raw());
        Self {
            timeline: t,
            random: 0x9E37_79B9_7F4A_7C15,
            thread,
            streams,
            labels,
            calls,
            host_ns: 1_700_000_000_000_000_000,
            device_ns: 1_700_000_000_000_000_000,
            next_id: 1_000,
            n_steps: 0,
        }
    }

    fn events(&self) -> usize {
        let t = &self.timeline;
        t.kernels.len() + t.memcpys.len() + t.api_calls.len()
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) % below
    }

    fn call(&mut self, call: usize, length: u64) -> (u32, i64) {
        let id = self.next_id;
        self.next_id += 1;
        let start_ns = self.host_ns;
        self.timeline.api_calls.push(ApiCall {
            start_ns,
            duration_ns: length,
            thread: self.thread,
            name: self.calls[call],
            correlation_id: id,
            domain: ApiDomain::Runtime.code(),
            return_value: 0,
            ..ApiCall::default()
        });
        self.host_ns += length as i64 + 900 + self.random(900) as i64;
        (id, start_ns)
    }

    fn kernel(&mut self, shape: u32, stream: usize, correlation_id: u32, launched_ns: i64) {
        let gap = 32 * (20 + self.random(24) as i64);
        let start_ns = self.device_ns.max(launched_ns + 4_000) + gap;
        let duration_ns = 32 * (50 + u64::from(shape % 97) * 4 + self.random(9));
        self.timeline.kernels.push(Kernel {
            start_ns,
            duration_ns,
            stream: self.streams[stream],
            shape,
            correlation_id,
            graph_id: NONE_U32,
            ..Kernel::default()
        });
        self.device_ns = start_ns + duration_ns as i64;
    }

    fn copy(&mut self) {
        let (id, launched_ns) = self.call(2, 4_000);
        let start_ns = self.device_ns.max(launched_ns + 3_000) + 700;
        self.timeline.memcpys.push(Memcpy {
            start_ns,
            duration_ns: 1_500,
            stream: self.streams[0],
            bytes: 4_096,
            kind: MemcpyKind::HtoD.code(),
            correlation_id: id,
            ..Memcpy::default()
        });
        self.device_ns = start_ns + 1_500;
    }

    fn step(&mut self, kind: Kind) {
        let batch = self.random(35) as usize;
        let begin_ns = self.host_ns;
        for _ in 0..9 {
            self.copy();
        }
        let variant = batch as u32 * 34;
        match kind {
            Kind::Graph => {
                let (id, launched_ns) = self.call(0, 60_000);
                for at in 0..KERNELS_PER_STEP - 4 {
                    let stream = usize::from(at % 50 == 49);
                    self.kernel((variant + at % 34) % SHAPES, stream, id, launched_ns);
                }
                for at in 0..4 {
                    let (id, launched_ns) = self.call(1, 4_000);
                    self.kernel(SHAPES - 1 - at, 0, id, launched_ns);
                }
            }
            Kind::Eager => {
                for at in 0..KERNELS_PER_STEP {
                    let (id, launched_ns) = self.call(1, 3_500);
                    self.kernel((variant + at % 34) % SHAPES, 0, id, launched_ns);
                    self.call(3, 400);
                }
            }
        }
        for _ in 0..14 {
            self.call(3, 300);
        }
        self.timeline.annotations.push(Annotation {
            start_ns: begin_ns,
            duration_ns: (self.host_ns - begin_ns) as u64,
            thread: self.thread,
            name: self.labels[batch],
            kind: AnnotationKind::User.code(),
            ..Annotation::default()
        });
        // The host waits for the step before it schedules the next one.
        self.host_ns = self.host_ns.max(self.device_ns) + 200_000;
        self.n_steps += 1;
    }
}
