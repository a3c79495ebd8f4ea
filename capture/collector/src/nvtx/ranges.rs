//! Ranges that have begun and not ended.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use underspan_model::tables::AnnotationKind;

use crate::events::{self, HostEventBody, Text};
use crate::process::{realtime_ns, thread_id};

/// Ranges across threads that may be open at once.
const OPEN_LIMIT: usize = 1 << 16;

/// A range that began while nothing was recorded has no start and no text.
#[derive(Debug)]
struct Pushed {
    domain: Option<usize>,
    begun: Option<(i64, Text)>,
}

type Started = HashMap<u64, (Option<usize>, i64, Text), foldhash::fast::FixedState>;

static STARTED: Mutex<Started> =
    Mutex::new(HashMap::with_hasher(foldhash::fast::FixedState::with_seed(1)));
static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static N_OPEN: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static STACK: RefCell<Vec<Pushed>> = const { RefCell::new(Vec::new()) };
    /// Grows with every change of the stack.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Recorded ranges that have not ended.
pub(crate) fn n_open_ranges() -> u64 {
    N_OPEN.load(Ordering::Relaxed).max(0) as u64
}

/// Begins a range on this thread; answers how many of the domain are open around it.
pub(super) fn push(domain: Option<usize>, text: impl FnOnce() -> Text) -> c_int {
    let begun = events::is_recording().then(|| {
        N_OPEN.fetch_add(1, Ordering::Relaxed);
        (realtime_ns(), text())
    });
    let depth = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        let depth = stack.iter().filter(|pushed| pushed.domain == domain).count();
        stack.push(Pushed { domain, begun });
        changed();
        depth
    });
    depth.map_or(0, |depth| c_int::try_from(depth).unwrap_or(c_int::MAX))
}

/// Ends the last range of the domain on this thread; answers how many are left, or a negative
/// number when there was none.
pub(super) fn pop(domain: Option<usize>) -> c_int {
    let popped = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        let at = stack.iter().rposition(|pushed| pushed.domain == domain)?;
        let popped = stack.remove(at);
        changed();
        Some((popped, stack.iter().filter(|pushed| pushed.domain == domain).count()))
    });
    let Ok(Some((popped, depth))) = popped else { return -1 };
    if let Some((start_ns, text)) = popped.begun {
        finish(AnnotationKind::NvtxPushPop, domain, start_ns, text);
    }
    c_int::try_from(depth).unwrap_or(c_int::MAX)
}

/// The recorded ranges that are open on this thread, outermost first, with ` > ` between them, and
/// a number for that state; `None` when it is still the state `known`. The number of a thread that
/// never had a range is 0.
pub(crate) fn open_context(known: u64) -> Option<(u64, String)> {
    let state = STATE.try_with(Cell::get).ok().filter(|state| *state != known)?;
    let context = STACK.try_with(|stack| {
        let stack = stack.borrow();
        let mut context = String::new();
        for (_, text) in stack.iter().filter_map(|pushed| pushed.begun.as_ref()) {
            if !context.is_empty() {
                context.push_str(" > ");
            }
            match text {
                Text::Own(text) => context.push_str(text),
                Text::Registered(number) => {
                    events::with_registered(*number, |text| context.push_str(text));
                }
            }
        }
        context
    });
    context.ok().map(|context| (state, context))
}

fn changed() {
    // A thread that ends has no more nodes.
    let _ = STATE.try_with(|state| state.set(state.get() + 1));
}

/// Begins a range that may end on any thread; answers its id, or 0 when it is not recorded.
pub(super) fn start(domain: Option<usize>, text: impl FnOnce() -> Text) -> u64 {
    if !events::is_recording() {
        return 0;
    }
    let (start_ns, text) = (realtime_ns(), text());
    let mut started = started();
    if started.len() >= OPEN_LIMIT {
        return 0;
    }
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    started.insert(id, (domain, start_ns, text));
    N_OPEN.fetch_add(1, Ordering::Relaxed);
    id
}

/// Ends a range by its id.
pub(super) fn end(id: u64) {
    let found = if id == 0 { None } else { started().remove(&id) };
    if let Some((domain, start_ns, text)) = found {
        finish(AnnotationKind::NvtxStartEnd, domain, start_ns, text);
    }
}

/// Names a thread.
pub(super) fn name_thread(tid: u32, name: Box<str>) {
    // The event carries the calling thread's id, which is the usual case of this call.
    if i64::from(tid) == thread_id() {
        events::push(HostEventBody::ThreadName(name));
    }
}

fn finish(kind: AnnotationKind, domain: Option<usize>, start_ns: i64, text: Text) {
    N_OPEN.fetch_sub(1, Ordering::Relaxed);
    let end_ns = realtime_ns();
    let kind = kind.code();
    events::push(HostEventBody::Annotation { kind, start_ns, end_ns, domain, text });
}

fn started() -> MutexGuard<'static, Started> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}
