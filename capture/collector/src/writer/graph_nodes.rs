//! Where nodes of graphs were captured, as rows of the capture.

use hashbrown::HashMap;
use underspan_model::tables::GraphNode;
use underspan_model::{NONE_U32, NONE_U64, ProblemKind};

use super::rows::Rows;

/// Nodes that are remembered. A server has some hundred thousand; one that builds graphs for ever
/// must not fill the memory.
const MOST: usize = 1 << 20;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Nodes by their numbers.
#[derive(Debug, Default)]
pub(super) struct GraphNodes {
    /// Annotations that are open on a thread, by its system id.
    contexts: Map<i64, u32>,
    origins: Map<u64, Origin>,
    /// Clones whose originals were not told of yet: threads' events come list by list.
    early: Vec<(u64, u64)>,
    is_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    captured_ns: i64,
    thread: u32,
    context: u32,
    step_id: u64,
}

impl GraphNodes {
    /// Takes note of the annotations that are open on a thread from here on.
    pub(super) fn context(&mut self, rows: &mut Rows, tid: i64, context: &str) {
        let context = if context.is_empty() { NONE_U32 } else { rows.intern(context).raw() };
        self.contexts.insert(tid, context);
    }

    /// A thread captured a node, during this step if it was in one.
    pub(super) fn created(
        &mut self,
        rows: &mut Rows,
        tid: i64,
        node: u64,
        time_ns: i64,
        step_id: Option<u64>,
    ) {
        let context = self.contexts.get(&tid).copied().unwrap_or(NONE_U32);
        let thread = rows.thread(tid);
        let step_id = step_id.unwrap_or(NONE_U64);
        self.remember(rows, node, Origin { captured_ns: time_ns, thread, context, step_id });
    }

    /// A graph was cloned or made executable: `node` does what `original` does.
    pub(super) fn cloned(&mut self, rows: &mut Rows, node: u64, original: u64) {
        match self.origins.get(&original).copied() {
            Some(origin) => self.add(rows, node, origin),
            None => self.early.push((node, original)),
        }
    }

    /// After the events of all threads were taken. A clone whose original is not known by now was
    /// made of a graph from before the recording.
    pub(super) fn settle(&mut self, rows: &mut Rows, n_early_before: usize) {
        let mut early = std::mem::take(&mut self.early);
        let mut at = 0;
        early.retain(|&(node, original)| {
            let waited = at < n_early_before;
            at += 1;
            match self.origins.get(&original).copied() {
                Some(origin) => {
                    self.add(rows, node, origin);
                    false
                }
                // Its original may be in a list that was taken a moment earlier.
                None => !waited,
            }
        });
        self.early = early;
    }

    /// Clones that wait for their originals.
    pub(super) fn n_early(&self) -> usize {
        self.early.len()
    }

    fn add(&mut self, rows: &mut Rows, node: u64, origin: Origin) {
        self.remember(rows, node, origin);
        if self.is_full {
            return;
        }
        let process = rows.process().raw();
        rows.timeline.dimensions.graph_nodes.push(GraphNode {
            process,
            graph_node_id: node,
            captured_ns: origin.captured_ns,
            thread: origin.thread,
            context: origin.context,
            step_id: origin.step_id,
        });
    }

    fn remember(&mut self, rows: &mut Rows, node: u64, origin: Origin) {
        self.is_full = self.origins.len() >= MOST;
        if self.is_full {
            rows.problem(ProblemKind::MissingEvidence, 1, || {
                format!("where a node of a graph was captured: more than {MOST} are not kept")
            });
            return;
        }
        self.origins.insert(node, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_model::StringId;

    /// Number and annotations of each row.
    fn known(rows: &Rows) -> Vec<(u64, String)> {
        let text = |id| rows.timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
        let nodes = &rows.timeline.dimensions.graph_nodes;
        nodes.iter().map(|row| (row.graph_node_id, text(row.context))).collect()
    }

    #[test]
    fn clones_are_known_by_what_their_originals_were() {
        let mut rows = Rows::new(7, "test");
        let mut nodes = GraphNodes::default();
        nodes.context(&mut rows, 1, "model > layer 0");
        nodes.created(&mut rows, 1, 10, 5, Some(3));
        nodes.created(&mut rows, 2, 11, 6, None);
        nodes.context(&mut rows, 1, "");
        nodes.created(&mut rows, 1, 12, 7, None);
        assert!(known(&rows).is_empty(), "originals run nowhere");
        for (node, original) in [(20, 10), (21, 11), (22, 12), (30, 20)] {
            nodes.cloned(&mut rows, node, original);
        }
        let layer = "model > layer 0".to_owned();
        let none = String::new;
        assert_eq!(known(&rows), [(20, layer.clone()), (21, none()), (22, none()), (30, layer)]);
        let first = rows.timeline.dimensions.graph_nodes.get(0).expect("a row");
        assert_eq!((first.captured_ns, first.step_id), (5, 3));
    }

    #[test]
    fn a_clone_may_be_told_of_before_its_original_but_not_for_ever() {
        let mut rows = Rows::new(7, "test");
        let mut nodes = GraphNodes::default();
        nodes.cloned(&mut rows, 20, 10);
        nodes.cloned(&mut rows, 21, 999);
        nodes.settle(&mut rows, 0);
        assert_eq!((known(&rows).len(), nodes.n_early()), (0, 2));
        nodes.created(&mut rows, 1, 10, 5, None);
        nodes.settle(&mut rows, 2);
        assert_eq!((known(&rows), nodes.n_early()), (vec![(20, String::new())], 0));
    }
}
