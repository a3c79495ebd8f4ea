//! What CUPTI tells about nodes of graphs: handed to the writer with the thread's annotations.
//!
//! A node is created by the call that the application makes while it captures, and cloned when the
//! graph is made executable; kernels of a replay carry the clone's number. The callbacks come on
//! the thread of those calls, a handful of nanoseconds each, and only where graphs are built.
#![expect(unsafe_code, reason = "asks CUPTI for the numbers of nodes")]

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::OnceLock;

use cupti_sys::{GraphData, ResourceCallback};
use underspan_cupti::Api;

use crate::events::{self, HostEventBody};
use crate::nvtx::open_context;
use crate::process::realtime_ns;

/// Callbacks to turn on.
pub(crate) const CALLBACKS: [ResourceCallback; 2] =
    [ResourceCallback::GRAPHNODE_CREATED, ResourceCallback::GRAPHNODE_CLONED];

static API: OnceLock<&'static Api> = OnceLock::new();

thread_local! {
    /// The state of this thread's annotations that the writer knows of.
    static TOLD: Cell<u64> = const { Cell::new(0) };
}

/// Names the library that numbers are asked of. The first answer counts.
pub(crate) fn set_api(api: &'static Api) {
    let _ = API.set(api);
}

/// One of [`CALLBACKS`]; everything else is no matter.
pub(crate) fn on_callback(callback: ResourceCallback, graph: &GraphData) {
    let Some(api) = API.get() else { return };
    let number = |node: *mut c_void| {
        // SAFETY: the library's own node, alive during its callback.
        (!node.is_null()).then(|| unsafe { api.graph_node_id(node) }.ok()).flatten()
    };
    let Some(node) = number(graph.node) else { return };
    let event = match callback {
        ResourceCallback::GRAPHNODE_CREATED => {
            // A node with another's annotations would be worse than one with none.
            if !tell_context() {
                events::lose_graph_node();
                return;
            }
            HostEventBody::GraphNodeCreated { node, time_ns: realtime_ns() }
        }
        ResourceCallback::GRAPHNODE_CLONED => {
            let Some(original) = number(graph.original_node) else { return };
            HostEventBody::GraphNodeCloned { node, original }
        }
        _ => return,
    };
    events::push(event);
}

/// Tells the writer which annotations are open on this thread, if it does not know; whether it
/// knows now.
fn tell_context() -> bool {
    let told = TOLD.try_with(|told| {
        let Some((state, context)) = open_context(told.get()) else { return true };
        let is_taken = events::push(HostEventBody::GraphContext(context.into()));
        if is_taken {
            told.set(state);
        }
        is_taken
    });
    told.unwrap_or(false)
}
