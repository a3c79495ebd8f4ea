//! Written + lost = produced, whatever goes wrong.

mod support;

use cupti_sys::{CUDA_12_4, CUDA_12_9, CUDA_13_5, Toolkit};
use support::{Bench, lost, n_records, problems};
use underspan_model::{ProblemKind, ShapeId, StringId};

#[track_caller]
fn assert_accounted(toolkit: Toolkit, actions: &[&str]) -> underspan_model::Timeline {
    let bench = Bench::of(toolkit);
    let outcome = bench.run(&[&["init"], actions].concat());
    outcome.assert_well();
    let capture = bench.capture();
    let (written, lost) = (n_records(&capture), lost(&capture));
    assert_eq!(
        written + lost,
        outcome.number("produced"),
        "CUDA {toolkit}, {actions:?}: {:?}",
        problems(&capture)
    );
    capture
}

#[test]
fn nothing_is_lost_when_nothing_goes_wrong() {
    let mut first = None;
    for profile in fake_cupti::PROFILES {
        let actions = ["kernels=20000", "copies=500", "graphs=30"];
        let capture = assert_accounted(profile.toolkit, &actions);
        assert_eq!(capture.problems.trust(), underspan_model::Trust::Full);
        assert_eq!(capture.kernels.len(), 20_000, "CUDA {}", profile.toolkit);
        assert_eq!((capture.memcpys.len(), capture.graph_launches.len()), (500, 30));
        let kernel = capture.kernels.get(19_999).expect("a row");
        let shape = capture.shapes.resolve(ShapeId::from_raw(kernel.shape)).expect("a shape");
        assert_eq!(
            capture.strings.resolve(shape.name),
            Some("void gemm<128, 64>(float const*, float*)")
        );
        assert_eq!((shape.grid, shape.block), ([128, 0, 0], [256, 0, 0]));
        assert_eq!((kernel.duration_ns, kernel.correlation_id), (700, 19_999));
        // Whatever the layout, the rows are the same.
        let tables = (capture.kernels, capture.memcpys, capture.graph_launches);
        let expected = first.get_or_insert_with(|| tables.clone());
        assert!(*expected == tables, "CUDA {}", profile.toolkit);
    }
}

#[test]
fn user_defined_records_give_the_same_rows() {
    let capture_of = |backend: &str| {
        let bench = Bench::of(CUDA_13_5).with("UNDERSPAN_BACKEND", backend);
        let outcome = bench.run(&["init", "kernels=5000", "copies=50"]);
        outcome.assert_well();
        let capture = bench.capture();
        assert_eq!(n_records(&capture) + lost(&capture), outcome.number("produced"));
        (capture.kernels, capture.memcpys)
    };
    assert!(capture_of("v1") == capture_of("user-defined"));
}

#[test]
fn many_threads_and_any_order_lose_nothing() {
    for script in ["order lifo", "order shuffle 3", "deliver inline", "deliver flush"] {
        let script = format!("script={script}");
        let capture = assert_accounted(CUDA_12_9, &[&script, "threads=8,10000"]);
        let mut ids = capture.kernels.correlation_id.clone();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..80_000), "{script}");
    }
}

#[test]
fn bad_times_are_counted_and_left_out() {
    let capture = assert_accounted(CUDA_12_9, &["script=times zero every 10", "kernels=1000"]);
    assert_eq!(capture.problems.count(ProblemKind::ZeroTimestamp), 100);
    let capture = assert_accounted(CUDA_12_9, &["script=times inverted every 4", "kernels=1000"]);
    assert_eq!(capture.problems.count(ProblemKind::InvertedTimestamp), 250);
    assert_eq!(capture.kernels.len(), 750);
    let capture = assert_accounted(CUDA_13_5, &["script=times zero after 300", "kernels=1000"]);
    assert_eq!(capture.kernels.len(), 300);
}

#[test]
fn work_that_runs_at_the_end_is_counted_as_unfinished() {
    let capture = assert_accounted(CUDA_12_9, &["kernels=10", "running", "kernels=10"]);
    assert_eq!(capture.kernels.len(), 20);
    assert_eq!(capture.problems.count(ProblemKind::ZeroTimestamp), 1);
}

#[test]
fn damaged_buffers_are_counted() {
    let capture = assert_accounted(CUDA_12_9, &["script=truncate 8", "kernels=100"]);
    assert!(capture.problems.count(ProblemKind::MalformedEvent) > 0);
    // A buffer that claims too much has lost nothing.
    let actions = ["script=overfull 4096;deliver flush", "kernels=100"];
    let capture = assert_accounted(CUDA_12_9, &actions);
    assert_eq!(capture.kernels.len(), 100);
}

#[test]
fn a_starved_pool_counts_every_record() {
    for toolkit in [CUDA_12_4, CUDA_12_9, CUDA_13_5] {
        let bench = Bench::of(toolkit)
            .with("UNDERSPAN_BUFFER_BYTES", "4096")
            .with("UNDERSPAN_BUFFERS", "1")
            .with("UNDERSPAN_BUFFERS_MAX", "1")
            .with("UNDERSPAN_FLUSH_MS", "60000");
        let outcome = bench.run(&["init", "script=deliver flush", "kernels=30000"]);
        outcome.assert_well();
        let capture = bench.capture();
        let (written, lost) = (n_records(&capture), lost(&capture));
        assert_eq!(written + lost, 30_000, "CUDA {toolkit}: {:?}", problems(&capture));
        assert!(written > 0 && lost > 0, "CUDA {toolkit}: {written} written, {lost} lost");
        assert_eq!(capture.problems.trust(), underspan_model::Trust::Partial);
    }
}

#[test]
fn records_of_unknown_kinds_are_counted() {
    // Module and function records have no view.
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_KINDS", "api");
    let outcome = bench.run(&["init", "kernels=10", "calls=20"]);
    outcome.assert_well();
    let capture = bench.capture();
    assert_eq!((capture.kernels.len(), capture.api_calls.len()), (10, 20));
    let name = StringId::from_raw(capture.api_calls.name[0]);
    assert_eq!(capture.strings.resolve(name), Some("cudaLaunchKernel"));
    assert_eq!(n_records(&capture) + lost(&capture), outcome.number("produced"));
}

#[test]
fn names_follow_their_module() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    let mut host = bench.start(&["init", "kernels=5", "wait", "module=softmax", "kernels=5"]);
    host.until("waiting");
    assert!(bench.ask("flush").contains("\"ok\":true"));
    host.go_on();
    host.finish().assert_well();
    let capture = bench.capture();
    let names: Vec<_> = capture
        .kernels
        .shape
        .iter()
        .map(|shape| {
            let shape = capture.shapes.resolve(ShapeId::from_raw(*shape)).expect("a shape");
            capture.strings.resolve_or_empty(shape.name).split('<').next().unwrap_or_default()
        })
        .collect();
    assert_eq!(names, [["void gemm"; 5], ["softmax"; 5]].concat());
}
