//! Samples of devices and processes as rows.

use std::collections::HashMap;

use underspan_model::tables::{Counter, CounterKind, CounterTrack, Property};
use underspan_model::{
    ClockDomain, CounterTrackId, DeviceId, NONE_U32, ProblemKind, ProcessId, SourceId, Timeline,
};

use crate::ImportError;
use crate::importer::timeline_of;
use crate::input::InputFile;

/// Most devices and processes. A machine has fewer.
const SUBJECT_LIMIT: usize = 65_536;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) device: DeviceId,
    pub(super) process: ProcessId,
}

/// Samples of devices and processes, on their way to rows.
pub(super) struct Samples {
    pub(super) timeline: Timeline,
    source: SourceId,
    source_name: String,
    tracks: HashMap<(usize, Subject), CounterTrackId>,
    by_uuid: HashMap<String, DeviceId>,
}

impl Samples {
    pub(super) fn new(input: &InputFile, format: &str) -> Self {
        let (mut timeline, source) = timeline_of(input, format);
        timeline.info.clock = ClockDomain::Realtime;
        Self {
            timeline,
            source,
            source_name: input.name().into_owned(),
            tracks: HashMap::new(),
            by_uuid: HashMap::new(),
        }
    }

    pub(super) fn problem(&mut self, kind: ProblemKind, example: impl FnOnce() -> String) {
        self.timeline.problems.record(kind, &self.source_name, 1, example);
    }

    /// The device of a number, or of a unique id when the number is not printed.
    pub(super) fn device(&mut self, index: Option<u32>, uuid: Option<&str>) -> DeviceId {
        let device = match (index, uuid) {
            (Some(index), _) if self.has_room() => {
                self.timeline.dimensions.device_id(self.source, index)
            }
            (None, Some(uuid)) => match self.by_uuid.get(uuid) {
                Some(device) => *device,
                None if self.has_room() => {
                    let index = self.timeline.dimensions.devices.len() as u32;
                    self.timeline.dimensions.device_id(self.source, index)
                }
                None => DeviceId::NONE,
            },
            _ => DeviceId::NONE,
        };
        if let Some(uuid) = uuid.filter(|_| !device.is_none()) {
            self.by_uuid.insert(uuid.to_owned(), device);
            let uuid = self.timeline.strings.intern(uuid);
            self.timeline.dimensions.devices.uuid[device.index()] = uuid.raw();
        }
        device
    }

    /// The process of a number. Of its name the last part of a path is kept.
    pub(super) fn process(&mut self, pid: i64, name: Option<&str>) -> ProcessId {
        if !self.has_room() {
            return ProcessId::NONE;
        }
        let process = self.timeline.dimensions.process_id(self.source, pid);
        let name = name.map(|name| name.rsplit(['/', '\\']).next().unwrap_or(name).trim());
        if let Some(name) = name.filter(|name| !name.is_empty())
            && self.timeline.dimensions.processes.name[process.index()] == NONE_U32
        {
            let name = self.timeline.strings.intern(name);
            self.timeline.dimensions.processes.name[process.index()] = name.raw();
        }
        process
    }

    fn has_room(&self) -> bool {
        let dimensions = &self.timeline.dimensions;
        dimensions.devices.len() < SUBJECT_LIMIT && dimensions.processes.len() < SUBJECT_LIMIT
    }

    /// One sample of the column `column`, whose track is named `name`.
    pub(super) fn sample(
        &mut self,
        column: usize,
        name: &str,
        unit: &str,
        subject: Subject,
        time_ns: i64,
        value: f64,
    ) {
        let track = match self.tracks.get(&(column, subject)) {
            Some(track) => *track,
            None => {
                let track = self.timeline.dimensions.counter_track(CounterTrack {
                    name: self.timeline.strings.intern(name).raw(),
                    unit: self.timeline.strings.intern(unit).raw(),
                    device: subject.device.raw(),
                    process: subject.process.raw(),
                    source: self.source.raw(),
                    kind: CounterKind::Gauge.code(),
                });
                self.tracks.insert((column, subject), track);
                track
            }
        };
        self.timeline.counters.push(Counter { time_ns, track: track.raw(), value });
    }

    /// A fact of the source, written down once.
    pub(super) fn fact(&mut self, key: &str, value: &str) {
        let key = self.timeline.strings.intern(key).raw();
        if self.timeline.dimensions.properties.key.contains(&key) {
            return;
        }
        let value = self.timeline.strings.intern(value).raw();
        let source = self.source.raw();
        self.timeline.dimensions.properties.push(Property { source, key, value });
    }

    pub(super) fn finish(mut self, input: &InputFile) -> Result<Timeline, ImportError> {
        let has_facts = !self.timeline.dimensions.properties.is_empty()
            || !self.timeline.dimensions.devices.is_empty()
            || !self.timeline.dimensions.processes.is_empty();
        if self.timeline.counters.is_empty() && !has_facts {
            return Err(ImportError::Malformed {
                path: input.path().to_owned(),
                offset: 0,
                expected: "at least one sample".to_owned(),
                found: "none".to_owned(),
            });
        }
        self.timeline.sort();
        Ok(self.timeline)
    }
}
