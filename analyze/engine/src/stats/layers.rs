//! Kernels by the annotations around the call that launched them; of kernels that a graph replays,
//! around the call that was captured.

use std::collections::HashMap;

use underspan_model::tables::AnnotationKind;
use underspan_model::{NONE_U32, NONE_U64, StreamId, StringId, Timeline};

use super::DurationStats;
use super::grouped::{Grouping, group_durations};
use crate::{Correlation, WorkKind};

/// Statistics of the kernels of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStats {
    /// The annotations, outermost first, with ` > ` between them.
    pub layer: String,
    /// The statistics.
    pub stats: DurationStats,
}

/// Kernel durations by layer; most total time first, equal totals in order of the layers. Kernels
/// of which no layer is known are left out.
pub fn layer_stats(timeline: &Timeline, correlation: &Correlation) -> Vec<LayerStats> {
    let mut layers = Layers::default();
    let by_node = nodes(timeline, &mut layers);
    let by_call = calls(timeline, &mut layers);
    if layers.names.is_empty() {
        return Vec::new();
    }
    let kernels = &timeline.kernels;
    let of_call = |row: usize| {
        let call = correlation.calls(WorkKind::Kernel).get(row)?;
        by_call.get(*call as usize).copied()
    };
    let of_node = |row: usize| {
        let node = kernels.graph_node_id.get(row).copied().filter(|node| *node != NONE_U64)?;
        let stream = StreamId::from_raw(*kernels.stream.get(row)?);
        let process = timeline.dimensions.process_of_stream(stream).raw();
        Some(by_node.get(&(process, node)).copied().unwrap_or(NONE_U32))
    };
    // What was around the launch of a graph says nothing of the layers in it.
    let keys: Vec<u32> = (0..kernels.len())
        .map(|row| of_node(row).or_else(|| of_call(row)).unwrap_or(NONE_U32))
        .collect();
    let n_layers = layers.names.len() as u32;
    let slots: Vec<u32> = (0..=n_layers).collect();
    let bounds: Vec<usize> = (0..=slots.len()).collect();
    let grouping = Grouping { slots: &slots, bounds: &bounds };
    let found = group_durations(&keys, &kernels.duration_ns, grouping);
    let known = layers.names.into_iter().zip(found);
    let mut rows: Vec<_> =
        known.filter_map(|(layer, group)| Some(LayerStats { layer, stats: group.all? })).collect();
    rows.sort_by(|a, b| b.stats.total.cmp(&a.stats.total).then_with(|| a.layer.cmp(&b.layer)));
    rows
}

/// Layers by their numbers.
#[derive(Default)]
struct Layers {
    names: Vec<String>,
    by_name: HashMap<String, u32>,
    /// By the number of the layer around it and its own name.
    by_step: HashMap<(u32, u32), u32>,
}

impl Layers {
    fn named(&mut self, name: &str) -> u32 {
        if let Some(layer) = self.by_name.get(name) {
            return *layer;
        }
        let layer = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), layer);
        layer
    }

    /// The layer of an annotation within another layer.
    fn within(&mut self, around: u32, name: u32, timeline: &Timeline) -> u32 {
        if let Some(layer) = self.by_step.get(&(around, name)) {
            return *layer;
        }
        let own = timeline.strings.resolve_or_empty(StringId::from_raw(name));
        let full = match self.names.get(around as usize) {
            Some(around) => format!("{around} > {own}"),
            None => own.to_owned(),
        };
        let layer = self.named(&full);
        self.by_step.insert((around, name), layer);
        layer
    }
}

/// The layer of each node of a graph that was captured within annotations.
fn nodes(timeline: &Timeline, layers: &mut Layers) -> HashMap<(u32, u64), u32> {
    let nodes = timeline.dimensions.graph_nodes.iter();
    nodes
        .filter_map(|node| {
            let context = timeline.strings.resolve(StringId::from_raw(node.context))?;
            Some(((node.process, node.graph_node_id), layers.named(context)))
        })
        .collect()
}

/// The layer of each API call; [`NONE_U32`] outside annotations.
fn calls(timeline: &Timeline, layers: &mut Layers) -> Vec<u32> {
    let annotations = &timeline.annotations;
    let is_around_calls = |row: &usize| {
        let kind = AnnotationKind::from_code(annotations.kind[*row]);
        matches!(kind, AnnotationKind::NvtxPushPop | AnnotationKind::User)
            && annotations.thread[*row] != NONE_U32
            && annotations.duration_ns[*row] > 0
    };
    let rows: Vec<usize> = (0..annotations.len()).filter(is_around_calls).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    // Both tables are in order of start. Of annotations that start together the longest is around
    // the others.
    let end_ns = |row: usize| {
        annotations.start_ns[row].saturating_add_unsigned(annotations.duration_ns[row])
    };
    let mut rows = rows;
    rows.sort_by_key(|row| (annotations.start_ns[*row], std::cmp::Reverse(end_ns(*row))));
    let mut open: HashMap<u32, Vec<(i64, u32)>> = HashMap::new();
    let mut next = rows.into_iter().peekable();
    let calls = &timeline.api_calls;
    let mut of_calls = Vec::with_capacity(calls.len());
    for (start_ns, thread) in calls.start_ns.iter().zip(&calls.thread) {
        while let Some(row) = next.next_if(|row| annotations.start_ns[*row] <= *start_ns) {
            let stack = open.entry(annotations.thread[row]).or_default();
            close(stack, annotations.start_ns[row]);
            let around = stack.last().map_or(NONE_U32, |(_, layer)| *layer);
            stack.push((end_ns(row), layers.within(around, annotations.name[row], timeline)));
        }
        let layer = open.get_mut(thread).and_then(|stack| {
            close(stack, *start_ns);
            stack.last().map(|(_, layer)| *layer)
        });
        of_calls.push(layer.unwrap_or(NONE_U32));
    }
    of_calls
}

/// Takes away what has ended.
fn close(stack: &mut Vec<(i64, u32)>, now_ns: i64) {
    while stack.last().is_some_and(|(end_ns, _)| *end_ns <= now_ns) {
        stack.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_builder::TraceBuilder;
    use underspan_model::tables::GraphNode;

    fn layers(timeline: &Timeline) -> Vec<(String, u64, u64)> {
        let rows = layer_stats(timeline, &Correlation::of(timeline));
        rows.into_iter().map(|row| (row.layer, row.stats.count, row.stats.total.as_ns())).collect()
    }

    #[test]
    fn direct_launches_belong_to_the_annotations_around_them() {
        let mut trace = TraceBuilder::new();
        trace
            .annotation(AnnotationKind::NvtxPushPop, "model", 0..100)
            .annotation(AnnotationKind::NvtxPushPop, "layer 0", 10..40)
            .annotation(AnnotationKind::NvtxPushPop, "layer 1", 40..70)
            .launch("a", 12..14, 200..210)
            .launch("b", 40..42, 210..230)
            .launch("c", 90..92, 230..235)
            .launch("d", 100..102, 240..300)
            .thread(2)
            .launch("e", 20..22, 300..400);
        let told = |name: &str, total| (name.to_owned(), 1, total);
        let expected = [told("model > layer 1", 20), told("model > layer 0", 10), told("model", 5)];
        assert_eq!(layers(&trace.build()), expected);
    }

    #[test]
    fn replayed_kernels_belong_to_where_they_were_captured() {
        let mut trace = TraceBuilder::new();
        trace.annotation(AnnotationKind::NvtxPushPop, "step 7", 0..1000).launch("a", 5..9, 20..30);
        let context = trace.intern("model > layer 0").raw();
        let mut timeline = trace.build();
        let whole = timeline.kernels.get(0).expect("a kernel");
        for (start_ns, graph_node_id) in [(40, 5), (60, 6), (80, 5), (90, 404)] {
            let duration_ns = 7;
            let kernel = underspan_model::tables::Kernel {
                start_ns,
                duration_ns,
                graph_node_id,
                graph_id: 1,
                ..whole
            };
            timeline.kernels.push(kernel);
        }
        for (graph_node_id, context) in [(5, context), (6, NONE_U32)] {
            let node = GraphNode { process: 0, graph_node_id, context, ..GraphNode::default() };
            timeline.dimensions.graph_nodes.push(node);
        }
        timeline.sort();
        let expected = [("model > layer 0".to_owned(), 2, 14), ("step 7".to_owned(), 1, 10)];
        assert_eq!(layers(&timeline), expected, "not the annotation around the replay");
    }

    #[test]
    fn without_annotations_there_are_no_layers() {
        let timeline = TraceBuilder::new().launch("a", 5..9, 20..30).build();
        assert_eq!(layers(&timeline), []);
    }
}
