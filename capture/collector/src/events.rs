//! What application threads hand to the writer: annotations, and what the Python hook reports.
//!
//! Lists are bounded and one of several is chosen by thread, so that threads rarely meet and the
//! events of one thread stay in order. A full list loses events and counts them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::thread_id;

const N_LISTS: usize = 16;
const LIST_LIMIT: usize = 1 << 14;
/// Graphs have thousands of nodes, which come at once.
const GRAPH_NODE_LIMIT: usize = 1 << 18;
/// Bytes of text and payload that may wait in one list.
const LIST_LIMIT_BYTES: usize = 16 << 20;

/// A text of an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Own(Box<str>),
    /// A number from [`register`].
    Registered(usize),
}

/// Something that happened on an application thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEvent {
    /// The system's id of the thread.
    pub tid: i64,
    /// What happened.
    pub body: HostEventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEventBody {
    /// An annotation ended, or was a mark.
    Annotation {
        /// An [`underspan_model::tables::AnnotationKind`] by its code.
        kind: u8,
        /// Start, on the clock of the capture.
        start_ns: i64,
        /// End.
        end_ns: i64,
        /// Domain, a number from [`register`]; none for the default domain.
        domain: Option<usize>,
        /// The text.
        text: Text,
    },
    /// A thread got a name.
    ThreadName(Box<str>),
    /// A step began.
    StepBegin {
        /// Its number.
        step_id: u64,
        /// When.
        time_ns: i64,
        /// Members, as the hook counts them.
        n_members: u32,
        /// As in `underspan.h`.
        flags: u32,
    },
    /// The delta of the step that this thread began last.
    Members(Box<[u8]>),
    /// A step ended.
    StepEnd {
        /// Its number.
        step_id: u64,
        /// When.
        time_ns: i64,
    },
    /// A request record.
    Request(Box<[u8]>),
    /// The annotations that are open on this thread from here on, outermost first, with ` > `
    /// between them.
    GraphContext(Box<str>),
    /// This thread captured a node of a graph.
    GraphNodeCreated {
        /// Its number.
        node: u64,
        /// When.
        time_ns: i64,
    },
    /// A node was made of another one: in a clone of its graph, or in an executable graph.
    GraphNodeCloned {
        /// Its number.
        node: u64,
        /// That of the other.
        original: u64,
    },
    /// A note.
    Note {
        /// When.
        time_ns: i64,
        /// JSON.
        text: Box<str>,
    },
}

impl HostEventBody {
    fn n_bytes(&self) -> usize {
        match self {
            Self::Annotation { text: Text::Own(text), .. }
            | Self::ThreadName(text)
            | Self::GraphContext(text)
            | Self::Note { text, .. } => text.len(),
            Self::Members(bytes) | Self::Request(bytes) => bytes.len(),
            _ => 0,
        }
    }

    fn is_of_graph(&self) -> bool {
        matches!(
            self,
            Self::GraphContext(_) | Self::GraphNodeCreated { .. } | Self::GraphNodeCloned { .. }
        )
    }

    fn is_of_hook(&self) -> bool {
        !self.is_of_graph() && !matches!(self, Self::Annotation { .. } | Self::ThreadName(_))
    }
}

#[derive(Debug)]
struct List {
    events: Vec<HostEvent>,
    n_bytes: usize,
}

static LISTS: [Mutex<List>; N_LISTS] =
    [const { Mutex::new(List { events: Vec::new(), n_bytes: 0 }) }; N_LISTS];
static REGISTRY: Mutex<Vec<Box<str>>> = Mutex::new(Vec::new());
static IS_RECORDING: AtomicBool = AtomicBool::new(false);
static LOST_ANNOTATIONS: AtomicU64 = AtomicU64::new(0);
static LOST_HOOK_RECORDS: AtomicU64 = AtomicU64::new(0);
static LOST_GRAPH_NODES: AtomicU64 = AtomicU64::new(0);
static KEYFRAME_EPOCH: AtomicU64 = AtomicU64::new(1);

/// Whether events are taken now.
#[inline]
pub fn is_recording() -> bool {
    IS_RECORDING.load(Ordering::Relaxed)
}

/// Starts or stops taking events.
pub fn set_recording(on: bool) {
    IS_RECORDING.store(on, Ordering::Release);
    want_keyframes();
}

/// Grows whenever deltas of the hook can no longer build upon what came before.
pub fn keyframe_epoch() -> u64 {
    KEYFRAME_EPOCH.load(Ordering::Acquire)
}

/// Has the hook describe every batch anew.
pub fn want_keyframes() {
    KEYFRAME_EPOCH.fetch_add(1, Ordering::AcqRel);
}

/// Hands an event over; whether there was room.
pub fn push(body: HostEventBody) -> bool {
    let tid = thread_id();
    let n_bytes = body.n_bytes();
    let (is_of_hook, is_of_graph) = (body.is_of_hook(), body.is_of_graph());
    let limit = if is_of_graph { GRAPH_NODE_LIMIT } else { LIST_LIMIT };
    let mut list = lock(&LISTS[tid as usize % N_LISTS]);
    if list.events.len() < limit && list.n_bytes + n_bytes <= LIST_LIMIT_BYTES {
        list.n_bytes += n_bytes;
        list.events.push(HostEvent { tid, body });
        return true;
    }
    drop(list);
    if is_of_hook {
        LOST_HOOK_RECORDS.fetch_add(1, Ordering::Relaxed);
        want_keyframes();
    } else if is_of_graph {
        lose_graph_node();
    } else {
        LOST_ANNOTATIONS.fetch_add(1, Ordering::Relaxed);
    }
    false
}

/// Moves everything that waits into `events`.
pub fn take(events: &mut Vec<HostEvent>) {
    for list in &LISTS {
        let mut list = lock(list);
        events.append(&mut list.events);
        list.n_bytes = 0;
    }
}

/// Counts a node of a graph of which nobody will know where it was captured.
pub fn lose_graph_node() {
    LOST_GRAPH_NODES.fetch_add(1, Ordering::Relaxed);
}

/// How much found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Annotations.
    pub annotations: u64,
    /// Records of the hook.
    pub hook_records: u64,
    /// Nodes of graphs and their clones.
    pub graph_nodes: u64,
}

/// Takes how much found no room since the last call.
pub fn take_lost() -> Lost {
    let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
    Lost {
        annotations: take(&LOST_ANNOTATIONS),
        hook_records: take(&LOST_HOOK_RECORDS),
        graph_nodes: take(&LOST_GRAPH_NODES),
    }
}

/// Keeps a text for the life of the process; answers its number.
pub fn register(text: Box<str>) -> usize {
    let mut registry = lock(&REGISTRY);
    registry.push(text);
    registry.len() - 1
}

/// Calls `read` with the text of a number.
pub fn with_registered<T>(number: usize, read: impl FnOnce(&str) -> T) -> Option<T> {
    lock(&REGISTRY).get(number).map(|text| read(text))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
