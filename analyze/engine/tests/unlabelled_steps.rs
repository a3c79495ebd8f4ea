//! Engines that label no steps: found from what their threads launch, copy back and wait for.

use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions, RequestOptions, Requests};
use underspan_model::ClockDomain;
use underspan_model::tables::{MemcpyKind, Span, SpanKind};

const US: i64 = 1_000;
const MS: i64 = 1_000_000;
const N: i64 = 40;

/// How a rank runs its iterations.
#[derive(Clone, Copy)]
struct Rank {
    /// Waits for the device in the middle of each iteration.
    n_waits: i64,
    /// Whether it copies what it made to the host.
    reads_back: bool,
    has_collectives: bool,
}

/// One iteration every five milliseconds on each rank.
fn steps_of(ranks: &[Rank]) -> usize {
    let mut trace = TraceBuilder::new();
    trace.timeline_mut().info.clock = ClockDomain::Realtime;
    let mut id = 0;
    for (rank, way) in ranks.iter().enumerate() {
        trace.process(rank as i64 + 1).stream(rank as u32, 7);
        for iteration in 0..N {
            let mut now = iteration * 5 * MS;
            let launch = |trace: &mut TraceBuilder, name: &str, now: i64, id: &mut u32| {
                *id += 1;
                trace.api_call("cudaLaunchKernel", now..now + 5 * US, *id);
                trace.kernel(name, now + 8 * US..now + 100 * US, *id);
                now + 110 * US
            };
            for part in 0..=way.n_waits {
                now = launch(&mut trace, "gemm", now, &mut id);
                now = launch(&mut trace, "gemm", now, &mut id);
                if way.has_collectives {
                    let name = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(x)";
                    now = launch(&mut trace, name, now, &mut id);
                }
                if part == way.n_waits && way.reads_back {
                    id += 1;
                    trace.api_call("cudaMemcpyAsync", now..now + 5 * US, id);
                    trace.memcpy(MemcpyKind::DtoH, 256, now + 8 * US..now + 10 * US, id);
                    now += 12 * US;
                }
                id += 1;
                trace.api_call("cudaStreamSynchronize", now..now + 20 * US, id);
                now += 30 * US;
            }
        }
    }
    let t = trace.timeline_mut();
    for rank in 0..ranks.len() {
        t.dimensions.processes.rank[rank] = rank as u32;
    }
    serving(trace).steps.len()
}

/// The requests of a trace that was made while one request was served.
fn serving(mut trace: TraceBuilder) -> Requests {
    trace.timeline_mut().spans.push(Span {
        start_ns: -MS,
        duration_ns: (N * 5 * MS + 2 * MS) as u64,
        trace_id_low: 1,
        span_id: 1,
        kind: SpanKind::Server.code(),
        ..Span::default()
    });
    let timeline = trace.build();
    let analysis = Analysis::of(&timeline, &AnalysisOptions::default());
    Requests::of(&timeline, &analysis, &RequestOptions::default())
}

const PLAIN: Rank = Rank { n_waits: 0, reads_back: true, has_collectives: false };

#[test]
fn waits_end_a_step_and_those_before_its_result_stall_it() {
    let n = N as usize;
    assert_eq!(steps_of(&[PLAIN]), n);
    assert_eq!(steps_of(&[Rank { n_waits: 3, ..PLAIN }]), n, "three stalls in each");
    // Of a thread that never copies anything back every wait ends a step.
    assert_eq!(steps_of(&[Rank { n_waits: 3, reads_back: false, ..PLAIN }]), 4 * n);
}

#[test]
fn ranks_that_compute_together_run_the_same_steps() {
    let together = Rank { has_collectives: true, ..PLAIN };
    assert_eq!(steps_of(&[together, together]), N as usize);
    assert_eq!(steps_of(&[PLAIN, PLAIN]), 2 * N as usize, "two replicas");
    let other = Rank { n_waits: 1, reads_back: false, ..together };
    assert_eq!(steps_of(&[together, other]), 3 * N as usize, "not as many steps");
}

/// A launch of `ns` on the device and the wait for it, by a thread on a stream of its own.
fn work(trace: &mut TraceBuilder, thread: i64, start: i64, ns: i64, id: &mut u32) {
    *id += 1;
    trace.thread(thread).stream(0, thread as u64);
    trace.api_call("cudaLaunchKernel", start..start + 5 * US, *id);
    trace.kernel("gemm", start + 8 * US..start + ns, *id);
    trace.api_call("cudaLaunchKernel", start + 5 * US..start + 10 * US, *id + 1_000);
    trace.kernel("gemm", start + ns..start + ns + US, *id + 1_000);
    trace.api_call("cudaStreamSynchronize", start + 10 * US..start + ns + 10 * US, *id + 2_000);
}

/// Lengths of the steps of two threads, the second of which begins `apart` after the first.
fn two_threads(apart: i64) -> Vec<u64> {
    let mut trace = TraceBuilder::new();
    trace.timeline_mut().info.clock = ClockDomain::Realtime;
    trace.process(1);
    let mut id = 0;
    for at in 0..N {
        work(&mut trace, 1, at * 5 * MS, MS, &mut id);
        work(&mut trace, 2, at * 5 * MS + apart, MS, &mut id);
    }
    let requests = serving(trace);
    requests.steps.iter().map(|step| step.window.duration().as_ns()).collect()
}

#[test]
fn threads_that_work_at_once_each_take_their_whole_time() {
    for apart in [2 * MS, 300 * US] {
        let lengths = two_threads(apart);
        assert_eq!(lengths.len(), 2 * N as usize);
        assert!(lengths.iter().all(|ns| *ns >= MS as u64), "{apart} apart: {lengths:?}");
    }
}
