//! Graphs: recorded from a stream, made executable, launched as a whole.

use std::ffi::c_void;
use std::ptr;

use cupti_sys::{GraphData, ResourceCallback};
use fake_cupti::FakeCupti;

use crate::record::Work;

/// `CU_GRAPH_NODE_TYPE_KERNEL`, `_MEMCPY` and `_MEMSET`.
const KERNEL_NODE: u32 = 0;
const COPY_NODE: u32 = 1;
const FILL_NODE: u32 = 2;

/// A node: what it does and how long that takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) work: Work,
    pub(crate) duration_ns: u64,
}

/// A graph, executable or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct GraphState {
    pub(crate) id: u32,
    pub(crate) nodes: Vec<Node>,
}

impl GraphState {
    /// Adds a node and tells the subscriber.
    pub(crate) fn add(&mut self, node: Node, cupti: Option<FakeCupti>) {
        self.nodes.push(node);
        if let Some(cupti) = cupti {
            let data =
                GraphData { node: pointer(node.id), node_type: type_of(&node), ..self.data() };
            cupti.graph_event(ResourceCallback::GRAPHNODE_CREATED, &data);
        }
    }

    /// The executable graph `id` of this one, with nodes numbered by `next_node`.
    pub(crate) fn instantiate(
        &self,
        id: u32,
        mut next_node: impl FnMut() -> u64,
        cupti: Option<FakeCupti>,
    ) -> Self {
        let nodes: Vec<Node> =
            self.nodes.iter().map(|node| Node { id: next_node(), ..*node }).collect();
        if let Some(cupti) = cupti {
            for (node, original) in nodes.iter().zip(&self.nodes) {
                let data = GraphData {
                    graph: pointer(id.into()),
                    original_graph: pointer(self.id.into()),
                    node: pointer(node.id),
                    original_node: pointer(original.id),
                    node_type: type_of(node),
                    graph_exec: pointer(id.into()),
                    ..self.data()
                };
                cupti.graph_event(ResourceCallback::GRAPHNODE_CLONED, &data);
            }
            let data = GraphData { graph_exec: pointer(id.into()), ..self.data() };
            cupti.graph_event(ResourceCallback::GRAPHEXEC_CREATED, &data);
        }
        Self { id, nodes }
    }

    /// What the subscriber gets to know of a graph.
    pub(crate) fn data(&self) -> GraphData {
        GraphData {
            graph: pointer(self.id.into()),
            original_graph: ptr::null_mut(),
            node: ptr::null_mut(),
            original_node: ptr::null_mut(),
            node_type: KERNEL_NODE,
            dependency: ptr::null_mut(),
            graph_exec: ptr::null_mut(),
        }
    }
}

fn type_of(node: &Node) -> u32 {
    match node.work {
        Work::Kernel(_) => KERNEL_NODE,
        Work::Copy { .. } => COPY_NODE,
        Work::Fill { .. } => FILL_NODE,
    }
}

fn pointer(id: u64) -> *mut c_void {
    ptr::without_provenance_mut(usize::try_from(id).unwrap_or(0))
}
