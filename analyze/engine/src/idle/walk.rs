//! The walk over device work that finds gaps and sums them.

use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use underspan_model::give_up_if_cancelled;
use underspan_model::{NONE_U32, Timeline};

use super::gap::{CUT_AFTER_NS, Gap, GapSplitter, IdleClass, SplitGap};
use crate::work_reach::Lanes;
use crate::work_runs::WorkRun;
use crate::{DeviceWork, Occupancy, WorkItem, WorkKind};

/// A walk over the items of a chunk in order of start.
///
/// Nearly all gaps are short and lie between items of one launch. What those need is kept in
/// few numbers of the device at hand; every other gap takes [`GapWalk::add_other`].
pub(super) struct GapWalk<'a> {
    splitter: GapSplitter<'a>,
    siblings: &'a Siblings,
    /// How far the work of each device reaches; that of the device at hand only between devices.
    ends: Vec<i64>,
    lanes: Vec<LaneIdle>,
    n_longest: usize,
}

/// What a plain gap of the device at hand needs.
#[derive(Clone, Copy)]
struct Plain {
    /// The launch whose work is queued from `enqueued_ns` on.
    call: u32,
    enqueued_ns: i64,
    /// Longer gaps are not plain.
    below_ns: u64,
    n: u64,
    length: u64,
}

/// Where a walk is.
struct At {
    /// The stream of the last item.
    stream_column: Option<u32>,
    stream: usize,
    /// The device at hand, how far its work reaches and its plain gaps.
    lane: usize,
    end: i64,
    plain: Plain,
}

impl At {
    fn new(walk: &GapWalk<'_>) -> Self {
        let plain = Plain {
            call: NONE_U32,
            enqueued_ns: i64::MAX,
            below_ns: walk.lanes[0].below_ns(),
            n: 0,
            length: 0,
        };
        Self { stream_column: None, stream: 0, lane: 0, end: walk.ends[0], plain }
    }
}

impl GapWalk<'_> {
    /// Sums the gaps before the items of a chunk, per device.
    pub(super) fn of_chunk(
        timeline: &Timeline,
        splitter: &GapSplitter<'_>,
        siblings: &Siblings,
        occupancy: &Occupancy,
        chunk: usize,
        n_longest: usize,
    ) -> Vec<LaneIdle> {
        give_up_if_cancelled();
        let reach = occupancy.reach();
        let lanes = reach.lanes();
        let mut walk = GapWalk {
            splitter: splitter.clone(),
            siblings,
            ends: reach.of_devices_before(chunk),
            lanes: vec![LaneIdle::new(n_longest); lanes.n_devices()],
            n_longest,
        };
        // Where in each table the last run was.
        let (mut at, mut near) = (At::new(&walk), [(0, 0); 3]);
        let work = DeviceWork::of(timeline);
        let Some(runs) = occupancy.runs_of(chunk) else {
            work.for_each_run_in(&reach.chunks()[chunk], |kind, rows| {
                walk.add_rows(&mut at, lanes, &work, kind, rows, &mut near[kind as usize]);
            });
            return walk.into_lanes(at);
        };
        for run in runs {
            let (kind, row) = (run.first.kind, run.first.row as usize);
            let (near, rows) = (&mut near[kind as usize], row..row + run.n as usize);
            let (call, end) = walk.splitter.correlation.run_at(kind, row, near);
            walk.add(&mut at, lanes, call, &run.first);
            let are_added =
                rows.len() == 1 || end >= rows.end && walk.add_plain(&mut at, call, run);
            if !are_added {
                walk.add_rows(&mut at, lanes, &work, kind, row + 1..rows.end, near);
            }
        }
        walk.into_lanes(at)
    }

    fn into_lanes(mut self, mut at: At) -> Vec<LaneIdle> {
        self.lanes[at.lane].add_plain(&mut at.plain);
        self.lanes
    }

    /// Adds rows of a table one by one.
    fn add_rows(
        &mut self,
        at: &mut At,
        lanes: &Lanes,
        work: &DeviceWork<'_>,
        kind: WorkKind,
        rows: Range<usize>,
        near: &mut (usize, usize),
    ) {
        for row in rows {
            let (call, _) = self.splitter.correlation.run_at(kind, row, near);
            self.add(at, lanes, call, &work.item(kind, row));
        }
    }

    /// Adds the gaps within rows of a call, the first of which has been added. Does nothing where one
    /// may not be plain.
    #[inline]
    fn add_plain(&mut self, at: &mut At, call: u32, run: &WorkRun) -> bool {
        if at.end != run.first.end_ns {
            return false;
        }
        let plain = &mut at.plain;
        if plain.call != call || at.end < plain.enqueued_ns {
            (plain.call, plain.enqueued_ns) = (call, self.splitter.enqueued_ns(at.end, call));
        }
        if at.end < plain.enqueued_ns || run.longest_ns >= plain.below_ns {
            return false;
        }
        plain.n += u64::from(run.n_gaps);
        plain.length = plain.length.saturating_add(run.idle_ns);
        at.end = run.end_ns;
        true
    }

    /// Adds the gap that an item ends, if it ends one.
    #[inline]
    fn add(&mut self, at: &mut At, lanes: &Lanes, call: u32, item: &WorkItem) {
        if at.stream_column != Some(item.stream) {
            at.stream_column = Some(item.stream);
            at.stream = lanes.stream_lane(item.stream);
            let next = lanes.device_lane(at.stream);
            if next != at.lane {
                self.ends[at.lane] = at.end;
                self.lanes[at.lane].add_plain(&mut at.plain);
                at.lane = next;
                at.end = self.ends[next];
                at.plain.below_ns = self.lanes[next].below_ns();
            }
        }
        if item.start_ns > at.end {
            let length = item.start_ns.wrapping_sub(at.end) as u64;
            let plain = &mut at.plain;
            if call == plain.call && at.end >= plain.enqueued_ns && length < plain.below_ns {
                plain.n += 1;
                plain.length = plain.length.saturating_add(length);
            } else if at.end != i64::MIN {
                self.add_other(at, call, item, length);
            }
        }
        at.end = item.end_ns.max(at.end);
    }

    /// Adds the gap that `item` ends on the device at hand, by looking at its launch.
    #[inline(never)]
    fn add_other(&mut self, at: &mut At, call: u32, item: &WorkItem, length: u64) {
        let (from, plain) = (at.end, &mut at.plain);
        (plain.call, plain.enqueued_ns) = (call, self.splitter.enqueued_ns(from, call));
        if call != NONE_U32 && from >= plain.enqueued_ns && length < plain.below_ns {
            plain.n += 1;
            plain.length = plain.length.saturating_add(length);
            return;
        }
        let ends = &self.ends;
        let devices = || self.siblings.of_stream(at.stream).iter();
        let is_quiet_since = |at| devices().all(|device| ends[*device as usize] <= at);
        let split = self.splitter.split(from, item, call, is_quiet_since);
        self.lanes[at.lane].add(&split, item, self.n_longest);
        plain.below_ns = self.lanes[at.lane].below_ns();
    }
}

/// Which devices a process uses.
pub(super) struct Siblings {
    /// Lists of devices, one for each process with streams and an empty one.
    devices: Vec<Vec<u32>>,
    /// Which list, per stream lane.
    list_of_stream: Vec<u32>,
}

impl Siblings {
    pub(super) fn of(timeline: &Timeline, lanes: &Lanes) -> Self {
        let mut devices = vec![Vec::new()];
        let mut lists: HashMap<u32, u32, FixedState> = HashMap::default();
        let mut list_of_stream = Vec::with_capacity(lanes.n_streams());
        for (stream, process) in timeline.dimensions.streams.process.iter().enumerate() {
            let list = *lists.entry(*process).or_insert(devices.len() as u32);
            if list as usize == devices.len() {
                devices.push(Vec::new());
            }
            devices[list as usize].push(lanes.device_lane(stream) as u32);
            list_of_stream.push(list);
        }
        list_of_stream.push(0);
        for list in &mut devices {
            list.sort_unstable();
            list.dedup();
        }
        Self { devices, list_of_stream }
    }

    /// The devices of the process that a stream belongs to.
    fn of_stream(&self, lane: usize) -> &[u32] {
        &self.devices[self.list_of_stream[lane] as usize]
    }
}

/// Sums of one device, of one chunk or several.
#[derive(Debug, Clone, Default)]
pub(super) struct LaneIdle {
    pub(super) by_class: [u64; IdleClass::ALL.len()],
    pub(super) gaps_by_class: [u64; IdleClass::ALL.len()],
    /// At most twice as many gaps as are wanted; the wanted ones are among them.
    longest: Vec<Gap>,
    /// Gaps shorter than this are not wanted.
    threshold: u64,
}

impl LaneIdle {
    pub(super) fn new(n_longest: usize) -> Self {
        Self { threshold: if n_longest == 0 { u64::MAX } else { 0 }, ..Self::default() }
    }

    /// Below which length a gap need not be looked at: it is neither wanted nor a cut.
    fn below_ns(&self) -> u64 {
        self.threshold.min(CUT_AFTER_NS)
    }

    /// Moves plain gaps, all of them queue wait, to the sums.
    fn add_plain(&mut self, plain: &mut Plain) {
        let class = IdleClass::QueueWait.index();
        self.gaps_by_class[class] += std::mem::take(&mut plain.n);
        let length = std::mem::take(&mut plain.length);
        self.by_class[class] = self.by_class[class].saturating_add(length);
    }

    fn add(&mut self, split: &SplitGap, item: &WorkItem, n_longest: usize) {
        for (total, part) in self.by_class.iter_mut().zip(split.parts) {
            *total = total.saturating_add(part);
        }
        self.gaps_by_class[split.largest()] += 1;
        if split.length() >= self.threshold && n_longest > 0 {
            self.longest.push(split.to_gap(item));
            if self.longest.len() >= 2 * n_longest {
                self.keep_longest(n_longest);
                self.threshold =
                    self.longest.last().map_or(0, |gap| gap.interval.duration().as_ns());
            }
        }
    }

    fn keep_longest(&mut self, n_longest: usize) {
        self.longest
            .sort_by_key(|gap| (std::cmp::Reverse(gap.interval.duration()), gap.interval.start()));
        self.longest.truncate(n_longest);
    }

    pub(super) fn into_longest(mut self, n_longest: usize) -> Vec<Gap> {
        self.keep_longest(n_longest);
        self.longest
    }

    /// Adds the sums of a later chunk.
    pub(super) fn merge(&mut self, other: Self) {
        for (total, part) in self.by_class.iter_mut().zip(other.by_class) {
            *total = total.saturating_add(part);
        }
        for (total, part) in self.gaps_by_class.iter_mut().zip(other.gaps_by_class) {
            *total += part;
        }
        self.longest.extend(other.longest);
    }
}
