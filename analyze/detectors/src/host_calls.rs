//! Calls that stop a thread, by thread and time.

use hashbrown::HashMap;
use underspan_engine::CallKind;
use underspan_model::{NONE_U32, StringId, Timeline};

use crate::step_facts::Lag;

/// A call counts as having stopped the host at the end of work when it returns this close to it.
const SYNC_NEAR_NS: i64 = 2_000;

/// An asynchronous copy that takes the host longer than this waited for the device: it reads into
/// memory that is not pinned.
const COPY_BLOCKS_FROM_NS: u64 = 40_000;

/// What a call that stops its thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Waits for the device.
    Sync,
    /// Copies, and returns when the data has arrived.
    Copy,
    /// Takes or gives back memory.
    Allocate,
    /// Makes a graph ready to launch.
    InstantiateGraph,
    /// Loads or compiles code.
    LoadCode,
}

/// One such call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopCall {
    /// Entry.
    pub start_ns: i64,
    /// Return.
    pub end_ns: i64,
    /// What it does.
    pub stop: Stop,
    /// Row of the API call table.
    pub row: u32,
}

/// The calls of a capture that stop their thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopCalls {
    by_thread: HashMap<u32, Vec<StopCall>>,
}

/// A time in which the device was idle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
    /// When the call began that launched what ended it: what the thread did later is not its cause.
    pub(crate) launch_ns: i64,
}

impl Idle {
    /// One that no launch is known to have ended.
    pub(crate) const fn until(from_ns: i64, to_ns: i64) -> Self {
        Self { from_ns, to_ns, launch_ns: to_ns }
    }
}

/// How an idle time was split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    /// The parts, which sum to it.
    pub(crate) lag: Lag,
    /// Row of the first call that stopped the thread; none without one.
    pub(crate) first_stop: u32,
}

impl Split {
    fn note(&mut self, call: &StopCall) {
        if self.first_stop == NONE_U32 {
            self.first_stop = call.row;
        }
    }
}

impl Stop {
    /// What the call named `name` does; `None` for one that does not stop its thread.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let verb = ["cuda", "cu", "hip"].iter().find_map(|api| name.strip_prefix(api))?;
        let starts = |words: &[&str]| words.iter().any(|word| verb.starts_with(word));
        // Stream-ordered allocation takes from a pool and stops nothing.
        if starts(&["MallocAsync", "FreeAsync", "MemAllocAsync", "MemFreeAsync", "MallocFromPool"])
        {
            return None;
        }
        if starts(&["Malloc", "Free", "HostAlloc", "HostRegister", "HostUnregister", "HostMalloc"])
            || starts(&["HostFree", "MemAlloc", "MemFree", "MemHost", "MemCreate", "MemMap"])
            || starts(&["MemUnmap", "MemRelease", "MemSetAccess", "MemAddress", "FreeHost"])
        {
            return Some(Self::Allocate);
        }
        if starts(&["GraphInstantiate", "GraphExecUpdate", "StreamEndCapture"]) {
            return Some(Self::InstantiateGraph);
        }
        if starts(&["ModuleLoad", "ModuleUnload", "LibraryLoad", "LibraryUnload", "LinkCreate"])
            || starts(&["LinkAdd", "LinkComplete", "ModuleGetFunction", "KernelGetFunction"])
        {
            return Some(Self::LoadCode);
        }
        match CallKind::of(name) {
            CallKind::Synchronize => Some(Self::Sync),
            CallKind::Transfer if verb.starts_with("Memcpy") && !verb.contains("Async") => {
                Some(Self::Copy)
            }
            _ => None,
        }
    }
}

impl StopCalls {
    /// Finds the calls.
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let mut of_name: HashMap<u32, Option<Stop>> = HashMap::new();
        let mut by_thread: HashMap<u32, Vec<StopCall>> = HashMap::new();
        let calls = &timeline.api_calls;
        for row in 0..calls.len() {
            let name = calls.name[row];
            let stop = *of_name.entry(name).or_insert_with(|| {
                Stop::of(timeline.strings.resolve_or_empty(StringId::from_raw(name)))
            });
            let blocks = calls.duration_ns[row] >= COPY_BLOCKS_FROM_NS;
            let text = || timeline.strings.resolve_or_empty(StringId::from_raw(name));
            let stop = match stop {
                None if blocks && CallKind::of(text()) == CallKind::Transfer => Some(Stop::Copy),
                stop => stop,
            };
            let Some(stop) = stop else { continue };
            let start_ns = calls.start_ns[row];
            by_thread.entry(calls.thread[row]).or_default().push(StopCall {
                start_ns,
                end_ns: start_ns.saturating_add_unsigned(calls.duration_ns[row]),
                stop,
                row: row as u32,
            });
        }
        Self { by_thread }
    }

    /// Splits a time in which the device was idle, until a launch of `thread` ended it, by what
    /// stopped the thread.
    ///
    /// Time in calls of the allocator, of graphs and of code counts as theirs, and a gap in which
    /// code was loaded is the loading's as a whole, since compiling comes before it. What is left is
    /// a wait's when the thread waited in it or into it, and otherwise the host's own. `is_between`
    /// says that the gap lies before or after a step: a wait that began before it is the one for the
    /// step's results, which is needed.
    pub(crate) fn split(&self, thread: u32, idle: Idle, is_between: bool) -> Split {
        let Idle { from_ns, to_ns, launch_ns } = idle;
        let mut split = Split { lag: Lag::default(), first_stop: NONE_U32 };
        let mut rest = to_ns.saturating_sub(from_ns).max(0) as u64;
        let mut has_waited = false;
        let mut has_loaded = false;
        for call in self.around(thread, from_ns - SYNC_NEAR_NS, to_ns) {
            let within = (call.end_ns.min(to_ns) - call.start_ns.max(from_ns)).max(0) as u64;
            let within = within.min(rest);
            let sum = match call.stop {
                Stop::Sync | Stop::Copy => {
                    let is_before = call.start_ns < launch_ns;
                    if is_before && (!is_between || call.start_ns >= from_ns) {
                        has_waited = true;
                        split.note(call);
                    }
                    continue;
                }
                Stop::Allocate => &mut split.lag.allocate_ns,
                Stop::InstantiateGraph => &mut split.lag.instantiate_ns,
                Stop::LoadCode => {
                    has_loaded = true;
                    &mut split.lag.load_ns
                }
            };
            *sum += within;
            rest -= within;
            if within > 0 {
                split.note(call);
            }
        }
        let sum = match (has_loaded, has_waited) {
            (true, _) => &mut split.lag.load_ns,
            (_, true) => &mut split.lag.sync_ns,
            _ => &mut split.lag.host_ns,
        };
        *sum += rest;
        split
    }

    /// The calls of a thread that are under way at any time within `[from, to)`, or end at `from`,
    /// in order of start.
    pub(crate) fn around(&self, thread: u32, from_ns: i64, to_ns: i64) -> &[StopCall] {
        let Some(calls) = self.by_thread.get(&thread) else { return &[] };
        let to = calls.partition_point(|call| call.start_ns < to_ns);
        // Calls of one thread nest seldom and shallowly: look back until one has ended before.
        let mut first = to;
        while first > 0 && calls[first - 1].end_ns >= from_ns {
            first -= 1;
        }
        &calls[first..to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_engine::trace_builder::TraceBuilder;

    #[test]
    fn names_tell_what_stops_a_thread() {
        for (name, stop) in [
            ("cudaStreamSynchronize", Some(Stop::Sync)),
            ("cuCtxSynchronize", Some(Stop::Sync)),
            ("cudaMemcpy", Some(Stop::Copy)),
            ("cudaMemcpyAsync", None),
            ("cudaMalloc", Some(Stop::Allocate)),
            ("cudaMallocAsync", None),
            ("hipFree", Some(Stop::Allocate)),
            ("cuMemAlloc_v2", Some(Stop::Allocate)),
            ("cudaGraphInstantiate", Some(Stop::InstantiateGraph)),
            ("cuModuleLoadDataEx", Some(Stop::LoadCode)),
            ("cudaLaunchKernel", None),
            ("write", None),
        ] {
            assert_eq!(Stop::of(name), stop, "{name}");
        }
    }

    #[test]
    fn calls_are_found_by_thread_and_time() {
        let mut trace = TraceBuilder::new();
        trace
            .api_call("cudaStreamSynchronize", 10..20, 0)
            .api_call("cudaLaunchKernel", 20..25, 0)
            .api_call("cudaMalloc", 30..40, 0);
        trace.thread(2).api_call("cudaFree", 12..15, 0);
        let timeline = trace.build();
        let calls = StopCalls::of(&timeline);
        let found = |thread, from, to| -> Vec<Stop> {
            calls.around(thread, from, to).iter().map(|call| call.stop).collect()
        };
        assert_eq!(found(0, 20, 35), [Stop::Sync, Stop::Allocate]);
        assert_eq!(found(0, 21, 30), []);
        assert_eq!(found(1, 0, 100), [Stop::Allocate]);
        assert_eq!(found(9, 0, 100), []);
    }
}
