//! Rows of all parts, in file order, with names, threads and streams numbered for the whole file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use underspan_model::{KernelShape, NONE_U32, ProblemKind, SourceId, StringId, Timeline};

use super::cursor::RawText;
use super::lane::{IdKey, Keys, Lane, StreamKey, ThreadKey, TrackKey, TrackName};
use super::part::{CensusClass, Label, MarkKind, Part, Place, RangeMark, Tallies, WideCorrelation};
use super::text::{TextFaults, compact, decode};

/// Everything read so far. Rows hold the numbers of `threads`, `streams` and `tracks` here; their
/// dimension lists are made when all is read.
pub(super) struct Assembly {
    pub(super) timeline: Timeline,
    pub(super) source: SourceId,
    pub(super) threads: Keys<ThreadKey>,
    pub(super) streams: Keys<StreamKey>,
    pub(super) tracks: Keys<TrackKey>,
    pub(super) marks: Vec<RangeMark>,
    pub(super) labels: Vec<Label>,
    pub(super) wide_correlations: Vec<WideCorrelation>,
    pub(super) recordings: Vec<(i64, u64)>,
    pub(super) tallies: Tallies,
    /// Events that were counted instead of stored, by class, phase and category.
    pub(super) census: BTreeMap<(CensusClass, u8, String), u64>,
    pub(super) n_events: u64,
    lanes: Vec<LaneMap>,
    faulty_texts: HashSet<Box<[u8]>>,
}

/// From a lane's numbers to the file's; [`NONE_U32`] until a row needs one.
#[derive(Default)]
struct LaneMap {
    texts: Vec<u32>,
    values: Vec<u32>,
    shapes: Vec<u32>,
    threads: Vec<u32>,
    streams: Vec<u32>,
    tracks: Vec<u32>,
}

impl Assembly {
    pub(super) fn new(timeline: Timeline, source: SourceId) -> Self {
        Self {
            timeline,
            source,
            threads: Keys::default(),
            streams: Keys::default(),
            tracks: Keys::default(),
            marks: Vec::new(),
            labels: Vec::new(),
            wide_correlations: Vec::new(),
            recordings: Vec::new(),
            tallies: Tallies::default(),
            census: BTreeMap::new(),
            n_events: 0,
            lanes: Vec::new(),
            faulty_texts: HashSet::new(),
        }
    }

    /// Adds the rows of a part, which `lane` parsed, and leaves the part empty.
    pub(super) fn absorb(&mut self, lane_index: usize, lane: &Lane, part: &mut Part) {
        if self.lanes.len() <= lane_index {
            self.lanes.resize_with(lane_index + 1, LaneMap::default);
        }
        let map = std::mem::take(&mut self.lanes[lane_index]);
        let mut numbering = Numbering { assembly: self, lane, map };
        numbering.renumber(part);
        let map = numbering.map;
        self.lanes[lane_index] = map;
        self.append(part);
    }

    fn append(&mut self, part: &mut Part) {
        for mut mark in part.marks.drain(..) {
            if let MarkKind::Begin(Some(place)) = &mut mark.kind {
                *place = moved(&self.timeline, *place);
            }
            self.marks.push(mark);
        }
        for mut wide in part.wide_correlations.drain(..) {
            wide.place = moved(&self.timeline, wide.place);
            self.wide_correlations.push(wide);
        }
        let timeline = &mut self.timeline;
        timeline.kernels.append(&mut part.kernels);
        timeline.memcpys.append(&mut part.memcpys);
        timeline.memsets.append(&mut part.memsets);
        timeline.api_calls.append(&mut part.api_calls);
        timeline.syncs.append(&mut part.syncs);
        timeline.overheads.append(&mut part.overheads);
        timeline.annotations.append(&mut part.annotations);
        timeline.cpu_ops.append(&mut part.cpu_ops);
        timeline.counters.append(&mut part.counters);
        self.recordings.append(&mut part.recordings);
        self.tallies.append(&mut part.tallies);
        self.n_events += part.n_events;
    }

    fn count_faults(&mut self, raw: &[u8], faults: TextFaults) {
        if faults == TextFaults::default() || !self.faulty_texts.insert(raw.into()) {
            return;
        }
        let example = || String::from_utf8_lossy(&raw[..raw.len().min(60)]).into_owned();
        self.tallies.add(ProblemKind::InvalidUtf8, u64::from(faults.is_invalid_utf8), example);
        self.tallies.add(ProblemKind::InvalidEscape, u64::from(faults.is_invalid_escape), example);
    }
}

/// A place in a part as a place in the whole, before the part's rows are added.
fn moved(timeline: &Timeline, place: Place) -> Place {
    Place { row: place.row + timeline.table(place.table).len() as u32, ..place }
}

struct Numbering<'n> {
    assembly: &'n mut Assembly,
    lane: &'n Lane,
    map: LaneMap,
}

impl Numbering<'_> {
    fn renumber(&mut self, part: &mut Part) {
        self.each(&mut part.kernels.shape, Self::shape);
        self.each(&mut part.kernels.stream, Self::stream);
        self.each(&mut part.memcpys.stream, Self::stream);
        self.each(&mut part.memsets.stream, Self::stream);
        self.each(&mut part.api_calls.thread, Self::thread);
        self.each(&mut part.api_calls.name, Self::text);
        self.each(&mut part.syncs.stream, Self::stream);
        self.each(&mut part.overheads.thread, Self::thread);
        self.each(&mut part.overheads.name, Self::text);
        self.each(&mut part.annotations.thread, Self::thread);
        self.each(&mut part.annotations.stream, Self::stream);
        self.each(&mut part.annotations.name, Self::text);
        self.each(&mut part.cpu_ops.thread, Self::thread);
        self.each(&mut part.cpu_ops.name, Self::text);
        self.each(&mut part.cpu_ops.input_types, Self::value);
        self.each(&mut part.cpu_ops.input_dims, Self::value);
        self.each(&mut part.counters.track, Self::track);
        for mark in &mut part.marks {
            if mark.thread != NONE_U32 {
                mark.thread = self.thread(mark.thread);
            }
        }
        for label in part.labels.drain(..) {
            let label = Label {
                pid: self.id(label.pid),
                tid: label.tid.map(|tid| self.id(tid)),
                text: self.text(label.text),
            };
            self.assembly.labels.push(label);
        }
        for ((class, phase, text), count) in part.census.drain() {
            let text = StringId::from_raw(self.text(text));
            let category = self.assembly.timeline.strings.resolve_or_empty(text).to_owned();
            *self.assembly.census.entry((class, phase, category)).or_default() += count;
        }
    }

    fn each(&mut self, column: &mut [u32], number: impl Fn(&mut Self, u32) -> u32) {
        for value in column.iter_mut().filter(|value| **value != NONE_U32) {
            *value = number(self, *value);
        }
    }

    #[inline]
    fn text(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.texts, local) {
            return number;
        }
        let raw = self.lane.texts.resolve(local);
        let text = RawText { bytes: raw, is_escaped: raw.contains(&b'\\') };
        let (text, faults) = decode(text);
        let number = self.string(text, raw, faults);
        learn(&mut self.map.texts, local, number)
    }

    #[inline]
    fn value(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.values, local) {
            return number;
        }
        let raw = self.lane.values.resolve(local);
        let (text, faults) = compact(raw);
        let number = self.string(text.into(), raw, faults);
        learn(&mut self.map.values, local, number)
    }

    fn string(&mut self, text: Cow<'_, str>, raw: &[u8], faults: TextFaults) -> u32 {
        self.assembly.count_faults(raw, faults);
        self.assembly.timeline.strings.intern(&text).raw()
    }

    fn optional_text(&mut self, local: u32) -> u32 {
        if local == NONE_U32 { NONE_U32 } else { self.text(local) }
    }

    #[inline]
    fn shape(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.shapes, local) {
            return number;
        }
        let Some(&shape) = self.lane.shapes.as_slice().get(local as usize) else { return NONE_U32 };
        let name = StringId::from_raw(self.optional_text(shape.name.raw()));
        let number = self.assembly.timeline.shapes.intern(KernelShape { name, ..shape }).raw();
        learn(&mut self.map.shapes, local, number)
    }

    #[inline]
    fn stream(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.streams, local) {
            return number;
        }
        let number = self.assembly.streams.intern(self.lane.streams.as_slice()[local as usize]);
        learn(&mut self.map.streams, local, number)
    }

    #[inline]
    fn thread(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.threads, local) {
            return number;
        }
        let key = self.lane.threads.as_slice()[local as usize];
        let key = ThreadKey { pid: self.id(key.pid), tid: self.id(key.tid) };
        let number = self.assembly.threads.intern(key);
        learn(&mut self.map.threads, local, number)
    }

    #[inline]
    fn track(&mut self, local: u32) -> u32 {
        if let Some(number) = known(&self.map.tracks, local) {
            return number;
        }
        let key = self.lane.tracks.as_slice()[local as usize];
        let name = match key.name {
            TrackName::Named { name, series } => {
                let name = self.optional_text(name);
                TrackName::Named { name, series: self.text(series) }
            }
            name => name,
        };
        let key = TrackKey { name, pid: self.id(key.pid), ..key };
        let number = self.assembly.tracks.intern(key);
        learn(&mut self.map.tracks, local, number)
    }

    fn id(&mut self, id: IdKey) -> IdKey {
        match id {
            IdKey::Text(text) => IdKey::Text(self.text(text)),
            id => id,
        }
    }
}

#[inline]
fn known(map: &[u32], local: u32) -> Option<u32> {
    map.get(local as usize).copied().filter(|number| *number != NONE_U32)
}

#[cold]
fn learn(map: &mut Vec<u32>, local: u32, number: u32) -> u32 {
    let at = local as usize;
    if map.len() <= at {
        map.resize(at + 1, NONE_U32);
    }
    map[at] = number;
    number
}
