//! Where nodes of graphs were captured: known for kernels of every replay, at node level only.

mod support;

use cupti_sys::{CUDA_12_9, CUDA_13_3, Toolkit};
use support::{Bench, problems};
use underspan_model::{NONE_U64, StringId, Timeline};
use underspan_native::{read_segments, read_timeline};

/// A graph of three nodes below the annotation that `nvtx` leaves open, replayed five times.
const ACTIONS: [&str; 4] = ["init", "nvtx", "graph=3,5", "unknown-graph"];

fn bench(toolkit: Toolkit, kinds: &str) -> Bench {
    Bench::of(toolkit).with("UNDERSPAN_KINDS", kinds)
}

/// Number and annotations of each node that is known.
fn known(capture: &Timeline) -> Vec<(u64, &str)> {
    let text = |id| capture.strings.resolve_or_empty(StringId::from_raw(id));
    let nodes = &capture.dimensions.graph_nodes;
    nodes.iter().map(|row| (row.graph_node_id, text(row.context))).collect()
}

const LAYERS: [(u64, &str); 3] =
    [(1001, "outer > layer 1"), (1002, "outer > layer 2"), (1003, "outer > layer 3")];

#[test]
fn kernels_of_replays_have_their_layer_and_thread() {
    for (toolkit, backend) in [(CUDA_12_9, "v1"), (CUDA_13_3, "v1"), (CUDA_13_3, "user-defined")] {
        let bench = bench(toolkit, "node").with("UNDERSPAN_BACKEND", backend);
        let outcome = bench.run(&ACTIONS);
        outcome.assert_well();
        let capture = bench.capture();
        assert_eq!(known(&capture), LAYERS, "{backend}: {:?}", problems(&capture));
        let in_graphs = |id: &&u64| (1001..=1003).contains(*id);
        assert_eq!(capture.kernels.graph_node_id.iter().filter(in_graphs).count(), 15);
        assert_eq!(capture.kernels.len(), 16, "and one that nobody saw captured");
        let outer = capture.annotations.thread[0];
        for node in capture.dimensions.graph_nodes.iter() {
            assert_eq!((node.thread, node.process, node.step_id), (outer, 0, NONE_U64));
            assert!(node.captured_ns > capture.annotations.start_ns[0], "the clock of the capture");
        }
    }
}

#[test]
fn nothing_is_remembered_at_graph_level_or_without_a_subscription() {
    for (kinds, policy, n_kernels) in [("lite", "hold", 0), ("node", "yield", 16)] {
        let bench = bench(CUDA_12_9, kinds).with("UNDERSPAN_SUBSCRIBE", policy);
        let outcome = bench.run(&[&ACTIONS[..], &["graphs=1"]].concat());
        outcome.assert_well();
        let capture = bench.capture();
        assert_eq!(known(&capture), [], "{kinds}, {policy}");
        assert_eq!(capture.kernels.len(), n_kernels, "{kinds}, {policy}");
    }
}

#[test]
fn nodes_without_annotations_have_their_step_and_thread() {
    let bench = bench(CUDA_12_9, "node");
    bench.run(&["init", "graph=2,1"]).assert_well();
    let capture = bench.capture();
    assert_eq!(known(&capture), [(1001, ""), (1002, "")]);
    let threads = &capture.dimensions.graph_nodes.thread;
    assert!(threads.iter().all(|thread| (*thread as usize) < capture.dimensions.threads.len()));
}

#[test]
fn a_ring_forgets_kernels_and_not_where_they_came_from() {
    let bench = bench(CUDA_12_9, "node")
        .with("UNDERSPAN_MODE", "ring")
        .with("UNDERSPAN_RING_MS", "20")
        .with("UNDERSPAN_RING_SEGMENTS", "2")
        .with_socket();
    let mut host = bench.start(&["init", "nvtx", "graph=3,5", "wait", "kernels=7", "wait"]);
    host.until("waiting");
    // Until the segment of that time is gone.
    let first = bench.path("cap.uspan").join("00000000.uspan");
    while !first.exists() {
        bench.ask("flush");
    }
    while first.exists() {
        bench.ask("flush");
    }
    host.go_on();
    host.until("waiting");
    let dump = bench.path("dump");
    let answer = bench.ask(&format!("dump {}", dump.display()));
    assert!(answer.contains("\"ok\":true"), "{answer}");
    let mut segments: Vec<_> =
        std::fs::read_dir(&dump).expect("a folder").map(|file| file.expect("it").path()).collect();
    segments.sort();
    let last = read_timeline(segments.last().expect("a segment")).expect("it reads");
    assert_eq!(known(&last), LAYERS, "each segment reads by itself");
    let joined = read_segments(&segments).expect("they continue each other");
    assert_eq!(known(&joined), LAYERS);
    assert!(joined.kernels.graph_node_id.iter().all(|node| *node == NONE_U64), "overwritten");
    host.go_on();
    host.finish().assert_well();
}
