//! Where kernels that graphs replay were captured: of each node the call that made it.

use hashbrown::{HashMap, HashSet};
use rayon::prelude::*;
use underspan_model::{NONE_I64, NONE_U32, NONE_U64, StreamId, Timeline};

type Set<T> = HashSet<T, foldhash::fast::FixedState>;
type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Calls that are looked at for one that is around a time: a runtime call may have made several
/// driver calls before it.
const MOST_NESTED: usize = 8;

/// The API call (row) that each node of a graph was captured from, in the order of
/// [`Dimensions::graph_nodes`](underspan_model::Dimensions::graph_nodes): the outermost that ran on
/// the node's thread at that time; [`NONE_U32`] where calls were not recorded then.
pub fn captured_calls(timeline: &Timeline) -> Vec<u32> {
    let (nodes, calls) = (&timeline.dimensions.graph_nodes, &timeline.api_calls);
    if nodes.is_empty() {
        return Vec::new();
    }
    let wanted: Set<u32> = nodes.thread.iter().copied().collect();
    let mut by_thread: Map<u32, Vec<u32>> = Map::default();
    for (row, thread) in calls.thread.iter().enumerate() {
        if wanted.contains(thread) {
            by_thread.entry(*thread).or_default().push(row as u32);
        }
    }
    let start_ns = |row: u32| calls.start_ns[row as usize];
    let end_ns = |row: u32| start_ns(row).saturating_add_unsigned(calls.duration_ns[row as usize]);
    let call_at = |thread: u32, time_ns: i64| {
        let rows = by_thread.get(&thread)?;
        let n_begun = rows.partition_point(|row| start_ns(*row) <= time_ns);
        let mut last = rows[n_begun.saturating_sub(MOST_NESTED)..n_begun].iter();
        last.find(|row| end_ns(**row) >= time_ns).copied()
    };
    let known = nodes.thread.iter().zip(&nodes.captured_ns);
    known
        .map(|(thread, time_ns)| {
            let call = (*time_ns != NONE_I64).then(|| call_at(*thread, *time_ns)).flatten();
            call.unwrap_or(NONE_U32)
        })
        .collect()
}

/// Kernels of which it is known where they were captured.
pub(crate) fn n_captured_kernels(timeline: &Timeline) -> u64 {
    let nodes = &timeline.dimensions.graph_nodes;
    if nodes.is_empty() {
        return 0;
    }
    let known: Set<(u32, u64)> =
        nodes.process.iter().copied().zip(nodes.graph_node_id.iter().copied()).collect();
    let kernels = &timeline.kernels;
    let is_known = |(node, stream): (&u64, &u32)| {
        let process = || timeline.dimensions.process_of_stream(StreamId::from_raw(*stream));
        *node != NONE_U64 && known.contains(&(process().raw(), *node))
    };
    let rows = kernels.graph_node_id.par_iter().zip(&kernels.stream);
    rows.with_min_len(1 << 16).filter(|(node, stream)| is_known((node, stream))).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::tables::GraphNode;

    fn node(graph_node_id: u64, thread: u32, captured_ns: i64) -> GraphNode {
        GraphNode { process: 0, graph_node_id, thread, captured_ns, ..GraphNode::default() }
    }

    #[test]
    fn a_node_was_captured_by_the_outermost_call_of_its_thread() {
        let mut trace = TraceBuilder::new();
        trace
            .api_call("cudaStreamBeginCapture", 0..5, 1)
            .api_call("cudaLaunchKernel", 10..30, 2)
            .api_call("cuLaunchKernel", 12..28, 3)
            .api_call("cudaLaunchKernel", 40..60, 4)
            .thread(2)
            .api_call("cudaStreamSynchronize", 0..100, 5);
        let mut timeline = trace.build();
        let nodes =
            [node(1, 0, 20), node(2, 0, 29), node(3, 0, 35), node(4, 0, 40), node(5, 1, 20)];
        nodes.iter().for_each(|node| timeline.dimensions.graph_nodes.push(*node));
        timeline.dimensions.graph_nodes.push(node(6, 0, NONE_I64));
        let name = |row: &u32| timeline.api_calls.correlation_id.get(*row as usize).copied();
        let found: Vec<_> = captured_calls(&timeline).iter().map(name).collect();
        assert_eq!(found, [Some(2), Some(2), None, Some(4), Some(5), None]);
    }

    #[test]
    fn kernels_are_counted_by_node_and_process() {
        let mut timeline = TraceBuilder::new().kernel("a", 0..5, 1).kernel("b", 6..9, 2).build();
        timeline.kernels.graph_node_id = vec![7, 8];
        assert_eq!(n_captured_kernels(&timeline), 0);
        timeline.dimensions.graph_nodes.push(node(7, 0, 0));
        timeline.dimensions.graph_nodes.push(GraphNode { process: 1, ..node(8, 0, 0) });
        assert_eq!(n_captured_kernels(&timeline), 1, "the other is of another process");
    }
}
