//! One gap, and how it is split.

use std::hint::select_unpredictable;

use underspan_model::tables::MemcpyKind;
use underspan_model::{DurationNs, Interval, NONE_U32, Timeline, TimestampNs};

use super::host_calls::HostCalls;
use crate::{Correlation, Unlaunched, WorkItem, WorkKind};

/// Waits longer than this end by themselves: launched work starts on an idle device, and a
/// blocked host wakes when the device is done, within microseconds. What takes longer waits for
/// something else.
pub(super) const CUT_AFTER_NS: u64 = 1_000_000;

/// What kept the next work of a device from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdleClass {
    /// Its launch was under way: the thread was in a launching or other API call, or the call
    /// had just returned.
    Launch,
    /// The thread that launched it was outside any API call, running code of its own.
    HostWork,
    /// The thread that launched it was blocked in a call that waits for device work.
    HostWait,
    /// It had been launched and did not start: a dependency, or the device's own scheduling.
    QueueWait,
    /// It had been launched, or the host was blocked, for far longer than that takes, while no
    /// device of the process did anything in the capture: what was waited for is not in the
    /// capture. It was cut away (the capture is a part of a longer run), or belongs to another
    /// process.
    Cut,
    /// The call that launched it is not in the capture.
    Unknown,
}

impl IdleClass {
    /// Every class, in the order of arrays indexed by class.
    pub const ALL: [Self; 6] =
        [Self::Launch, Self::HostWork, Self::HostWait, Self::QueueWait, Self::Cut, Self::Unknown];

    /// The name reports and JSON use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::HostWork => "host_work",
            Self::HostWait => "host_wait",
            Self::QueueWait => "queue_wait",
            Self::Cut => "cut",
            Self::Unknown => "unknown",
        }
    }

    /// Position in arrays indexed by class.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A stretch in which a device did nothing, between two in which it worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When.
    pub interval: Interval,
    /// Its length by [`IdleClass`], in the order of its `ALL`. The parts sum to the length.
    pub parts: [DurationNs; IdleClass::ALL.len()],
    /// The work that ends it.
    pub next: WorkItem,
}

impl Gap {
    /// The class of the largest part; of equal parts the first in order.
    pub fn class(&self) -> IdleClass {
        IdleClass::ALL[largest(&self.parts.map(DurationNs::as_ns))]
    }
}

#[inline]
fn largest(parts: &[u64; IdleClass::ALL.len()]) -> usize {
    let (mut largest, mut length) = (0, parts[0]);
    for (at, part) in parts.iter().enumerate().skip(1) {
        // Which one it is differs from gap to gap.
        let is_larger = *part > length;
        largest = select_unpredictable(is_larger, at, largest);
        length = select_unpredictable(is_larger, *part, length);
    }
    largest
}

/// A gap as raw nanoseconds.
pub(super) struct SplitGap {
    start_ns: i64,
    end_ns: i64,
    pub(super) parts: [u64; IdleClass::ALL.len()],
}

impl SplitGap {
    fn add(&mut self, class: IdleClass, from: i64, to: i64) {
        self.parts[class.index()] += length(from, to);
    }

    pub(super) fn length(&self) -> u64 {
        length(self.start_ns, self.end_ns)
    }

    pub(super) fn largest(&self) -> usize {
        largest(&self.parts)
    }

    pub(super) fn to_gap(&self, next: &WorkItem) -> Gap {
        Gap {
            interval: Interval::new(
                TimestampNs::from_ns(self.start_ns),
                TimestampNs::from_ns(self.end_ns),
            ),
            parts: self.parts.map(DurationNs::from_ns),
            next: *next,
        }
    }
}

/// Splits gaps by what the host did.
#[derive(Clone)]
pub(super) struct GapSplitter<'a> {
    calls: &'a HostCalls<'a>,
    pub(super) correlation: &'a Correlation,
    timeline: &'a Timeline,
    /// The launch looked at last: graphs ask for one many times.
    launch: LaunchSpan,
}

/// When work of a launch is on its way and when it is waiting.
#[derive(Clone, Copy)]
struct LaunchSpan {
    call: u32,
    start_ns: i64,
    end_ns: i64,
    /// From when on what has not started is enqueued: from the end of the call, or from its
    /// first work on.
    enqueued_ns: i64,
    /// Whether the first work has been looked for.
    is_first_known: bool,
}

impl<'a> GapSplitter<'a> {
    pub(super) fn new(
        calls: &'a HostCalls<'a>,
        correlation: &'a Correlation,
        timeline: &'a Timeline,
    ) -> Self {
        let nothing = LaunchSpan {
            call: NONE_U32,
            start_ns: 0,
            end_ns: 0,
            enqueued_ns: i64::MAX,
            is_first_known: true,
        };
        Self { calls, correlation, timeline, launch: nothing }
    }

    /// From when on the work of a call is queued for sure: a gap that begins then is queue wait as a
    /// whole.
    #[inline]
    pub(super) fn enqueued_ns(&mut self, from: i64, call: u32) -> i64 {
        if call == NONE_U32 {
            return i64::MAX;
        }
        if call != self.launch.call {
            let (start_ns, end_ns) = self.calls.span(call);
            self.launch =
                LaunchSpan { call, start_ns, end_ns, enqueued_ns: end_ns, is_first_known: false };
        } else if from < self.launch.enqueued_ns && !self.launch.is_first_known {
            self.look_for_first();
        }
        self.launch.enqueued_ns
    }

    #[cold]
    fn look_for_first(&mut self) {
        self.launch.is_first_known = true;
        let first = self.correlation.launches().first_start_of(self.launch.call);
        if let Some(first) = first {
            let after = first.as_ns().saturating_add(1);
            self.launch.enqueued_ns = after.clamp(self.launch.start_ns, self.launch.end_ns);
        }
    }

    /// Splits the gap from `from` to the start of `next`, which is later and was launched by `call`.
    ///
    /// `is_quiet_since` says whether no device of the process has worked since an instant.
    pub(super) fn split(
        &mut self,
        from: i64,
        next: &WorkItem,
        call: u32,
        is_quiet_since: impl Fn(i64) -> bool,
    ) -> SplitGap {
        let to = next.start_ns;
        let mut gap = SplitGap { start_ns: from, end_ns: to, parts: [0; IdleClass::ALL.len()] };
        // A wait that takes too long for what the capture shows.
        let wait = |class: IdleClass, from: i64, to: i64| -> IdleClass {
            let is_cut = length(from, to) > CUT_AFTER_NS && is_quiet_since(from);
            if is_cut { IdleClass::Cut } else { class }
        };
        if call == NONE_U32 {
            let class = match self.why_unlaunched(next) {
                Unlaunched::BeforeCapture => wait(IdleClass::QueueWait, from, to),
                _ => IdleClass::Unknown,
            };
            gap.add(class, from, to);
            return gap;
        }
        let (call_start, call_end) = self.calls.span(call);
        if call_start <= from && (call_end <= from || self.was_enqueued_by(call, from, next)) {
            gap.add(wait(IdleClass::QueueWait, from, to), from, to);
            return gap;
        }

        // From the launching call on.
        let launch = call_start.clamp(from, to);
        let queued = call_end.clamp(launch, to);
        if length(queued, to) > CUT_AFTER_NS {
            gap.add(IdleClass::Launch, launch, queued);
            gap.add(wait(IdleClass::QueueWait, queued, to), queued, to);
        } else {
            gap.add(IdleClass::Launch, launch, to);
        }

        // Before it: backwards over what its thread did.
        let mut until = launch;
        for host_call in self.calls.before(call, from) {
            if until == from {
                break;
            }
            let (start, end) = (host_call.start_ns.max(from), host_call.end_ns.min(until));
            let start = start.min(end);
            gap.add(IdleClass::HostWork, end, until);
            let class = if host_call.blocks {
                wait(IdleClass::HostWait, start, end)
            } else {
                IdleClass::Launch
            };
            gap.add(class, start, end);
            until = start;
        }
        gap.add(IdleClass::HostWork, from, until);
        gap
    }

    /// Whether a call that is still running at `at` has enqueued `next` already: earlier work of
    /// the same launch ran before, or the call waits for the data it asked for.
    fn was_enqueued_by(&self, call: u32, at: i64, next: &WorkItem) -> bool {
        let first = self.correlation.launches().first_start_of(call);
        let kind = match next.kind {
            WorkKind::Memcpy => self.timeline.memcpys.kind.get(next.row as usize).copied(),
            _ => None,
        };
        let reads_back = kind.map(MemcpyKind::from_code) == Some(MemcpyKind::DtoH);
        first.is_some_and(|first| first.as_ns() < at) || reads_back && self.calls.blocks(call)
    }

    fn why_unlaunched(&self, item: &WorkItem) -> Unlaunched {
        let ids = match item.kind {
            WorkKind::Kernel => &self.timeline.kernels.correlation_id,
            WorkKind::Memcpy => &self.timeline.memcpys.correlation_id,
            WorkKind::Memset => &self.timeline.memsets.correlation_id,
        };
        let id = ids.get(item.row as usize).copied().unwrap_or(NONE_U32);
        self.correlation.why_unlaunched(item.stream, id)
    }
}

/// `to - from` where that is positive.
fn length(from: i64, to: i64) -> u64 {
    if to > from { to.wrapping_sub(from) as u64 } else { 0 }
}
