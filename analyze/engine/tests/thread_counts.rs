//! The number of threads changes no result.

use underspan_engine::trace_builder::TraceBuilder;
use underspan_engine::{Analysis, AnalysisOptions};
use underspan_model::Timeline;
use underspan_model::tables::{AnnotationKind, MemcpyKind};

/// Large enough for several chunks: steps with graph launches, eager launches and copies on three
/// streams, overlapping across chunk boundaries.
fn serving(n_steps: i64) -> Timeline {
    let mut trace = TraceBuilder::new();
    for step in 0..n_steps {
        let at = step * 10_000;
        let id = 100 + step as u32 * 10;
        trace
            .stream(0, 7)
            .annotation(AnnotationKind::User, "execute_context_0(0)_generation_4(4)", at..at + 900)
            .api_call("cudaMemcpyAsync", at + 10..at + 20, id)
            .memcpy(MemcpyKind::HtoD, 4096, at + 60..at + 90, id)
            .api_call("cudaGraphLaunch", at + 100..at + 150, id + 1);
        for kernel in 0..60 {
            let start = at + 200 + kernel * 120;
            let names = ["gemm", "norm", "attention", "ncclDevKernel_AllReduce"];
            trace.stream(0, 7 + kernel as u64 % 3).kernel(
                names[kernel as usize % 4],
                start..start + 80 + (step * 7 + kernel * 13) % 200,
                id + 1,
            );
        }
        trace.launch("sample", at + 800..at + 805, at + 9_000..at + 9_040 + step % 90);
    }
    trace.build()
}

fn analyze(timeline: &Timeline, n_threads: usize) -> String {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
    let analysis = pool.install(|| Analysis::of(timeline, &AnalysisOptions::default()));
    format!("{analysis:#?}")
}

#[test]
fn one_two_and_four_threads_say_the_same() {
    let timeline = serving(6_000);
    assert!(timeline.kernels.len() > 2 << 17, "several chunks");
    let one = analyze(&timeline, 1);
    for n_threads in [2, 4] {
        // Not assert_eq: a failure would print everything.
        assert!(analyze(&timeline, n_threads) == one, "{n_threads} threads differ from one");
    }
}
