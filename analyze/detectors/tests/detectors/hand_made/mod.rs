//! Servers made by hand: one worker that handles one request at a time, with what the test puts in.

pub(crate) mod engine;

use std::ops::Range;

use underspan_detectors::{Case, Detection, detector};
use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::tables::{
    AnnotationKind, Counter, CounterTrack, MemcpyKind, MemoryKind, Property, Span, SpanKind,
};
use underspan_model::{ClockDomain, Timeline};

pub(crate) const US: i64 = 1_000;
pub(crate) const MS: i64 = 1_000_000;

/// A multiply on tensor cores, and one in fp32 on CUDA cores.
pub(crate) const NARROW: &str = "ampere_fp16_s16816gemm_fp16_128x128_ldg8_f2f_stages_64x4_tn";
pub(crate) const WIDE: &str = "ampere_sgemm_128x64_tn";

/// Requests that each server gets.
pub(crate) const N: i64 = 60;

/// A server that is being traced.
pub(crate) struct Server {
    trace: TraceBuilder,
    n_requests: u32,
    free: i64,
    next_id: u32,
}

impl Server {
    pub(crate) fn new() -> Self {
        let mut trace = TraceBuilder::new();
        trace.timeline_mut().info.clock = ClockDomain::Realtime;
        Self { trace, n_requests: 0, free: 0, next_id: 1 }
    }

    /// A server that gets a request every `apart` nanoseconds; `work` is what it does for each.
    pub(crate) fn serving(apart: i64, work: impl Fn(&mut Work<'_>, i64)) -> Self {
        let mut server = Self::new();
        for at in 0..N {
            // Never quite regular, so that percentiles differ.
            server.request(at * apart + at % 7 * 10 * US, 200 * US, |w| work(w, at));
        }
        server
    }

    /// A server without ids that holds a request `hold` nanoseconds for company, and then runs one
    /// range for all who are there; `sent` is when their callers send them, in order.
    pub(crate) fn together(sent: &[i64], hold: i64, work: impl Fn(&mut Work<'_>, usize)) -> Self {
        let mut server = Self::new();
        let mut left = sent;
        while let Some(first) = left.first() {
            let ready = (first + 200 * US + hold).max(server.free);
            let n = left.iter().take_while(|sent| **sent + 200 * US <= ready).count();
            server.batch(&left[..n], 200 * US, hold, |w| work(w, n));
            left = &left[n..];
        }
        server
    }

    /// Serves a request that its caller sends at `sent` and that arrives `way` later.
    pub(crate) fn request(&mut self, sent: i64, way: i64, work: impl FnOnce(&mut Work<'_>)) {
        self.batch(&[sent], way, 0, work);
    }

    /// Serves requests at once, `hold` after the first of them arrived or later.
    fn batch(&mut self, sent: &[i64], way: i64, hold: i64, work: impl FnOnce(&mut Work<'_>)) {
        let Some(first) = sent.first() else { return };
        let start = self.free.max(first + way + hold + 50 * US);
        let mut worker =
            Work { trace: &mut self.trace, next_id: &mut self.next_id, host: start, device: start };
        work(&mut worker);
        let end = worker.host.max(worker.device);
        self.trace.annotation(AnnotationKind::User, "predict", start..end);
        self.free = end + 20 * US;
        for (at, sent) in sent.iter().enumerate() {
            // One answer after the other.
            let end = end + at as i64 * 30 * US;
            self.answer_one(*sent..end + 200 * US, sent + way..end + 100 * US);
        }
    }

    /// The spans of a request: its caller's and the server's.
    fn answer_one(&mut self, client: Range<i64>, serving: Range<i64>) {
        let spans = [(client, SpanKind::Client), (serving, SpanKind::Server)];
        for (depth, (range, kind)) in spans.into_iter().enumerate() {
            let number = self.n_requests * 2 + depth as u32;
            self.trace.timeline_mut().spans.push(Span {
                start_ns: range.start,
                duration_ns: (range.end - range.start) as u64,
                trace_id_low: 1 + u64::from(self.n_requests),
                span_id: 1 + depth as u64,
                parent_span_id: depth as u64,
                kind: kind.code(),
                id: number,
                ..Span::default()
            });
        }
        self.n_requests += 1;
    }

    /// What the operator wrote down.
    pub(crate) fn declare(mut self, path: &str, value: &str) -> Self {
        let timeline = self.trace.timeline_mut();
        let key = timeline.strings.intern(&format!("declared.{path}")).raw();
        let value = timeline.strings.intern(value).raw();
        timeline.dimensions.properties.push(Property { source: 0, key, value });
        self
    }

    /// A counter, sampled ten times a second over ten seconds.
    pub(crate) fn sample(mut self, name: &str, value: impl Fn(i64) -> f64) -> Self {
        let timeline = self.trace.timeline_mut();
        let name = timeline.strings.intern(name).raw();
        let track = CounterTrack { name, ..CounterTrack::default() };
        let track = timeline.dimensions.counter_track(track).raw();
        for time_ns in (0..100).map(|at| at * 100 * MS) {
            timeline.counters.push(Counter { time_ns, track, value: value(time_ns) });
        }
        self
    }

    /// Another process on the GPU, sampled once a second.
    pub(crate) fn neighbour(mut self, sm_percent: impl Fn(i64) -> f64) -> Self {
        let timeline = self.trace.timeline_mut();
        let name = timeline.strings.intern("nvidia_smi_pmon").raw();
        let source = timeline.dimensions.add_source(underspan_model::tables::Source {
            name,
            format: name,
            ..Default::default()
        });
        let process = timeline.dimensions.process_id(source, 4_711);
        timeline.dimensions.processes.name[process.index()] =
            timeline.strings.intern("train.py").raw();
        let name = timeline.strings.intern("pmon.sm").raw();
        let track = CounterTrack { name, process: process.raw(), ..CounterTrack::default() };
        let track = timeline.dimensions.counter_track(track).raw();
        for second in 1..40 {
            let time_ns = second * 1_000 * MS;
            timeline.counters.push(Counter { time_ns, track, value: sm_percent(time_ns) });
        }
        self
    }

    /// The same with a trace of the device of that time only.
    pub(crate) fn traced(mut self, within: std::ops::Range<i64>) -> Self {
        let timeline = self.trace.timeline_mut();
        let is_in = |start: i64| within.contains(&start);
        let kernels = std::mem::take(&mut timeline.kernels);
        let memcpys = std::mem::take(&mut timeline.memcpys);
        let calls = std::mem::take(&mut timeline.api_calls);
        let ranges = std::mem::take(&mut timeline.annotations);
        kernels.iter().filter(|row| is_in(row.start_ns)).for_each(|row| timeline.kernels.push(row));
        memcpys.iter().filter(|row| is_in(row.start_ns)).for_each(|row| timeline.memcpys.push(row));
        calls.iter().filter(|row| is_in(row.start_ns)).for_each(|row| timeline.api_calls.push(row));
        ranges.iter().filter(|row| is_in(row.start_ns)).for_each(|r| timeline.annotations.push(r));
        self
    }

    pub(crate) fn timeline_mut(&mut self) -> &mut Timeline {
        self.trace.timeline_mut()
    }

    pub(crate) fn build(self) -> Timeline {
        self.trace.build()
    }
}

/// What the worker does for one request.
pub(crate) struct Work<'a> {
    trace: &'a mut TraceBuilder,
    next_id: &'a mut u32,
    /// How far host and device have come.
    pub(crate) host: i64,
    pub(crate) device: i64,
}

impl Work<'_> {
    fn id(&mut self) -> u32 {
        *self.next_id += 1;
        *self.next_id
    }

    /// When the request was begun, before anything was done for it.
    pub(crate) fn now(&self) -> i64 {
        self.host
    }

    /// The host is at something that no trace shows.
    pub(crate) fn think(&mut self, ns: i64) -> &mut Self {
        self.host += ns;
        self
    }

    /// Launches a kernel.
    pub(crate) fn kernel(&mut self, name: &str, ns: i64) -> &mut Self {
        let id = self.id();
        let call = self.host..self.host + 5 * US;
        let run = self.device.max(call.end + 2 * US);
        self.trace.api_call("cudaLaunchKernel", call.clone(), id).kernel(name, run..run + ns, id);
        self.host = call.end;
        self.device = run + ns;
        self
    }

    /// Launches a copy to the device that takes `ns`, on the stream of the kernels or beside them.
    pub(crate) fn upload(&mut self, memory: MemoryKind, ns: i64, is_beside: bool) -> &mut Self {
        let id = self.id();
        let call = self.host..self.host + 5 * US;
        let start = call.end + 2 * US;
        let start = if is_beside { start } else { start.max(self.device) };
        self.trace.api_call("cudaMemcpyAsync", call.clone(), id);
        self.trace.stream(0, if is_beside { 20 } else { 7 });
        self.trace.memcpy(MemcpyKind::HtoD, 64 << 20, start..start + ns, id).stream(0, 7);
        let copies = &mut self.trace.timeline_mut().memcpys;
        if let Some(source) = copies.source_memory.last_mut() {
            *source = memory.code();
        }
        self.host = call.end;
        if !is_beside {
            self.device = start + ns;
        }
        self
    }

    /// Waits for the device.
    pub(crate) fn wait(&mut self) -> &mut Self {
        let end = self.host.max(self.device) + US;
        self.call("cudaStreamSynchronize", end - self.host)
    }

    /// A call that takes the host `ns`.
    pub(crate) fn call(&mut self, name: &str, ns: i64) -> &mut Self {
        let id = self.id();
        self.trace.api_call(name, self.host..self.host + ns, id);
        self.host += ns;
        self
    }
}

/// What a detector says of a capture, beside a run from before a change if there is one.
pub(crate) fn detect(id: &str, server: Server, before: Option<Server>) -> Detection {
    let (timeline, then) = (server.build(), before.map(Server::build));
    let analyses = |timeline: &Timeline| {
        let analysis = Analysis::of(timeline, &AnalysisOptions::default());
        let requests = Requests::of(timeline, &analysis, &RequestOptions::default());
        (analysis, requests)
    };
    let now = analyses(&timeline);
    let before = then.as_ref().map(analyses);
    let mut case = Case::of(&timeline, &now.0, &now.1);
    if let (Some(timeline), Some((analysis, requests))) = (&then, &before) {
        case = case.with_baseline(Case::of(timeline, analysis, requests));
    }
    detector(id).expect("a detector").detect(&case)
}

/// What `look` sees of a server's capture.
pub(crate) fn with_case<T>(server: Server, look: impl FnOnce(&Case<'_>) -> T) -> T {
    let timeline = server.build();
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    let requests = Requests::of(&timeline, &analysis, &RequestOptions::default());
    look(&Case::of(&timeline, &analysis, &requests))
}

/// Holds a detector to what it must find and what it must leave alone.
pub(crate) fn assert_told_apart(id: &str, faulty: Server, healthy: Server) {
    let found = detect(id, faulty, None);
    assert!(matches!(found, Detection::Found(_)), "{id}: {found:?}");
    let left = detect(id, healthy, None);
    assert!(matches!(left, Detection::Clear(_)), "{id}: {left:?}");
}

/// Nearest-rank 95th percentile.
pub(crate) fn p95_of(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[(values.len() * 95).div_ceil(100) - 1]
}

/// Holds p95 without what a detector found to that of a server that never had it.
pub(crate) fn assert_counterfactual(id: &str, faulty: Server, healthy: Server) {
    let truth = with_case(healthy, |case| case.percentile(95)) as f64;
    let (p95, without) = with_case(faulty, |case| {
        let found = detector(id).expect("a detector").detect(case);
        let Detection::Found(finding) = found else { panic!("{id}: {found:?}") };
        (case.percentile(95) as f64, p95_of(case.without(&[&finding.removal])) as f64)
    });
    assert!(p95 > 1.25 * truth, "{id}: {p95} is not slow, against {truth}");
    assert!((without / truth - 1.0).abs() < 0.1, "{id}: {without}, not {truth}; it was {p95}");
}
