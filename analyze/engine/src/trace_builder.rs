//! Tiny timelines made by hand, for tests of whatever reads a [`Timeline`].
//!
//! ```
//! use underspan_engine::trace_builder::TraceBuilder;
//!
//! let mut trace = TraceBuilder::new();
//! trace.launch("gemm", 0..5, 8..20).stream(0, 13).launch("nccl", 5..9, 10..30);
//! assert_eq!(trace.build().kernels.len(), 2);
//! ```

use std::ops::Range;

use underspan_model::tables::{
    Annotation, AnnotationKind, ApiCall, ApiDomain, CpuOp, CpuOpKind, GraphLaunch, Kernel, Memcpy,
    MemcpyKind, Memset, Source, Sync, SyncKind,
};
use underspan_model::{
    KernelShape, NONE_U32, ProcessId, SourceId, StreamId, StringId, ThreadId, Timeline,
};

/// Builds a [`Timeline`] row by row. Times are nanoseconds, spans half-open.
///
/// Rows belong to the process, thread and stream chosen last; at first process 1, thread 1,
/// stream 7 of device 0.
#[derive(Debug, Clone)]
pub struct TraceBuilder {
    timeline: Timeline,
    source: SourceId,
    process: ProcessId,
    thread: ThreadId,
    stream: StreamId,
    next_correlation_id: u32,
}

impl TraceBuilder {
    /// An empty timeline of one source.
    pub fn new() -> Self {
        let mut timeline = Timeline::new();
        timeline.info.format = "test".to_owned();
        let name = timeline.strings.intern("test").raw();
        let source = timeline.dimensions.add_source(Source { name, ..Source::default() });
        let mut builder = Self {
            timeline,
            source,
            process: ProcessId::NONE,
            thread: ThreadId::NONE,
            stream: StreamId::NONE,
            next_correlation_id: 1_000,
        };
        builder.process(1);
        builder
    }

    /// Continues in process `pid`, on its thread 1 and its stream 7 of device 0.
    pub fn process(&mut self, pid: i64) -> &mut Self {
        self.process = self.timeline.dimensions.process_id(self.source, pid);
        self.thread(1).stream(0, 7)
    }

    /// Continues on another thread of the process.
    pub fn thread(&mut self, tid: i64) -> &mut Self {
        self.thread = self.timeline.dimensions.thread_id(self.process, tid);
        self
    }

    /// Continues on another stream of the process.
    pub fn stream(&mut self, device_ordinal: u32, stream: u64) -> &mut Self {
        let dimensions = &mut self.timeline.dimensions;
        let device = dimensions.device_id(self.source, device_ordinal);
        self.stream = dimensions.stream_id(self.process, device, 1, stream);
        self
    }

    /// An API call and the kernel it launches, under a fresh correlation id.
    pub fn launch(&mut self, kernel: &str, call: Range<i64>, run: Range<i64>) -> &mut Self {
        let id = self.next_correlation_id;
        self.next_correlation_id += 1;
        self.api_call("cudaLaunchKernel", call, id).kernel(kernel, run, id)
    }

    /// A runtime API call.
    pub fn api_call(&mut self, name: &str, span: Range<i64>, correlation_id: u32) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        let name = self.intern(name);
        self.timeline.api_calls.push(ApiCall {
            start_ns,
            duration_ns,
            thread: self.thread.raw(),
            name: name.raw(),
            correlation_id,
            domain: ApiDomain::Runtime.code(),
            ..ApiCall::default()
        });
        self
    }

    /// A kernel of which only the name is known.
    pub fn kernel(&mut self, name: &str, span: Range<i64>, correlation_id: u32) -> &mut Self {
        let name = self.intern(name);
        self.kernel_of_shape(KernelShape::named(name), span, correlation_id)
    }

    /// A kernel with a launch shape; names come from [`TraceBuilder::intern`].
    pub fn kernel_of_shape(
        &mut self,
        shape: KernelShape,
        span: Range<i64>,
        correlation_id: u32,
    ) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        let shape = self.timeline.shapes.intern(shape);
        self.timeline.kernels.push(Kernel {
            start_ns,
            duration_ns,
            stream: self.stream.raw(),
            shape: shape.raw(),
            correlation_id,
            ..Kernel::default()
        });
        self
    }

    /// A copy; `bytes` may be [`NONE_U64`](underspan_model::NONE_U64).
    pub fn memcpy(
        &mut self,
        kind: MemcpyKind,
        bytes: u64,
        span: Range<i64>,
        correlation_id: u32,
    ) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        self.timeline.memcpys.push(Memcpy {
            start_ns,
            duration_ns,
            stream: self.stream.raw(),
            bytes,
            kind: kind.code(),
            correlation_id,
            ..Memcpy::default()
        });
        self
    }

    /// A fill.
    pub fn memset(&mut self, bytes: u64, span: Range<i64>, correlation_id: u32) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        self.timeline.memsets.push(Memset {
            start_ns,
            duration_ns,
            stream: self.stream.raw(),
            bytes,
            correlation_id,
            ..Memset::default()
        });
        self
    }

    /// A wait record.
    pub fn sync(&mut self, kind: SyncKind, span: Range<i64>, correlation_id: u32) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        self.timeline.syncs.push(Sync {
            start_ns,
            duration_ns,
            stream: self.stream.raw(),
            kind: kind.code(),
            correlation_id,
            ..Sync::default()
        });
        self
    }

    /// A graph launch traced as a whole.
    pub fn graph_launch(
        &mut self,
        graph_id: u32,
        span: Range<i64>,
        correlation_id: u32,
    ) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        self.timeline.graph_launches.push(GraphLaunch {
            start_ns,
            duration_ns,
            stream: self.stream.raw(),
            correlation_id,
            graph_id,
        });
        self
    }

    /// An annotation: on the stream when it is a device-side one, otherwise on the thread.
    pub fn annotation(&mut self, kind: AnnotationKind, name: &str, span: Range<i64>) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        let name = self.intern(name).raw();
        let on_device = kind == AnnotationKind::GpuUser;
        self.timeline.annotations.push(Annotation {
            start_ns,
            duration_ns,
            thread: if on_device { NONE_U32 } else { self.thread.raw() },
            stream: if on_device { self.stream.raw() } else { NONE_U32 },
            name,
            kind: kind.code(),
            ..Annotation::default()
        });
        self
    }

    /// A framework operator.
    pub fn cpu_op(&mut self, name: &str, span: Range<i64>, external_id: u64) -> &mut Self {
        let (start_ns, duration_ns) = start_and_duration(span);
        let name = self.intern(name).raw();
        self.timeline.cpu_ops.push(CpuOp {
            start_ns,
            duration_ns,
            thread: self.thread.raw(),
            name,
            kind: CpuOpKind::Operator.code(),
            external_id,
            ..CpuOp::default()
        });
        self
    }

    /// The id of a name, as shapes need it.
    pub fn intern(&mut self, name: &str) -> StringId {
        self.timeline.strings.intern(name)
    }

    /// The timeline so far, to set what the builder has no method for.
    pub fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// The timeline, sorted.
    pub fn build(&self) -> Timeline {
        let mut timeline = self.timeline.clone();
        timeline.sort();
        timeline
    }
}

impl Default for TraceBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn start_and_duration(span: Range<i64>) -> (i64, u64) {
    (span.start, u64::try_from(span.end.saturating_sub(span.start)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_belong_to_what_was_chosen_last() {
        let mut trace = TraceBuilder::new();
        trace.launch("a", 0..1, 5..9).process(2).stream(1, 3).launch("b", 1..2, 3..4);
        let t = trace.build();
        assert_eq!(t.kernels.start_ns, [3, 5], "rows come out sorted");
        let devices: Vec<_> = t
            .kernels
            .stream
            .iter()
            .map(|s| t.dimensions.device_of_stream(StreamId::from_raw(*s)).raw())
            .collect();
        assert_eq!(devices, [1, 0]);
        let pids: Vec<_> = t
            .api_calls
            .thread
            .iter()
            .map(|thread| t.dimensions.process_of_thread(ThreadId::from_raw(*thread)).index())
            .map(|process| t.dimensions.processes.pid[process])
            .collect();
        assert_eq!(pids, [1, 2]);
    }
}
