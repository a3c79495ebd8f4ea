//! The capture that samples go into.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use underspan_model::tables::{Counter, CounterKind, CounterTrack, Property, Source};
use underspan_model::{ClockDomain, CounterTrackId, ProcessId, SourceId, Timeline};
use underspan_native::{Error, Result, WriteOptions, Writer};

use super::Card;

const FORMAT: &str = "nvml";

/// A file of counters, complete up to its last flush.
pub(super) struct Piece {
    writer: Writer<File>,
    pub(super) rows: Rows,
}

/// Samples that are not in the file yet, and what they refer to.
pub(super) struct Rows {
    timeline: Timeline,
    source: SourceId,
    tracks: HashMap<(&'static str, u32, Option<u32>), CounterTrackId>,
}

/// Nanoseconds of the wall clock since the epoch.
pub(super) fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

impl Piece {
    /// A new file that describes `cards`.
    pub(super) fn create(path: &Path, cards: &[Card<'_>]) -> Result<Self> {
        let mut rows = Rows::new();
        cards.iter().for_each(|card| rows.describe(card));
        let mut writer = Writer::create(path, &WriteOptions::default())?;
        writer.write_info(&rows.timeline.info)?;
        Ok(Self { writer, rows })
    }

    /// Puts everything into the file.
    pub(super) fn flush(&mut self) -> Result<()> {
        let timeline = &mut self.rows.timeline;
        timeline.sort();
        let Timeline { strings, shapes, dimensions, counters, .. } = timeline;
        self.writer.write_dictionaries(strings, shapes, dimensions)?;
        self.writer.write_rows(counters, 0..counters.len())?;
        counters.clear();
        self.writer.flush()
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> std::result::Result<(), Error> {
        self.flush()?;
        self.writer.finish().map(drop)
    }
}

impl Rows {
    fn new() -> Self {
        let mut timeline = Timeline::new();
        FORMAT.clone_into(&mut timeline.info.format);
        timeline.info.clock = ClockDomain::Realtime;
        let source = Source {
            name: timeline.strings.intern("NVML").raw(),
            format: timeline.strings.intern(FORMAT).raw(),
            clock: ClockDomain::Realtime.code(),
            ..Source::default()
        };
        let source = timeline.dimensions.add_source(source);
        Self { timeline, source, tracks: HashMap::new() }
    }

    fn describe(&mut self, card: &Card<'_>) {
        let Timeline { strings, dimensions, .. } = &mut self.timeline;
        let device = dimensions.device_id(self.source, card.index).index();
        let devices = &mut dimensions.devices;
        devices.name[device] = strings.intern(&card.name).raw();
        devices.uuid[device] = strings.intern(&card.uuid).raw();
        devices.compute_capability[device] = card.compute_capability;
        devices.memory_bytes[device] = card.memory_bytes;
        for (key, value) in &card.facts {
            let key = strings.intern(&format!("device.{}.{key}", card.index)).raw();
            let value = strings.intern(value).raw();
            dimensions.properties.push(Property { source: self.source.raw(), key, value });
        }
    }

    /// Adds a sample of `(name, unit)`, of a device or of a process on it.
    pub(super) fn push(
        &mut self,
        time_ns: i64,
        (name, unit): (&'static str, &str),
        device: u32,
        pid: Option<u32>,
        value: f64,
    ) {
        let (source, timeline) = (self.source, &mut self.timeline);
        let track = *self.tracks.entry((name, device, pid)).or_insert_with(|| {
            let Timeline { strings, dimensions, .. } = timeline;
            let process =
                pid.map_or(ProcessId::NONE, |pid| dimensions.process_id(source, pid.into()));
            let device = dimensions.device_id(source, device);
            dimensions.counter_track(CounterTrack {
                name: strings.intern(name).raw(),
                unit: strings.intern(unit).raw(),
                device: device.raw(),
                process: process.raw(),
                source: source.raw(),
                kind: CounterKind::Gauge.code(),
            })
        });
        self.timeline.counters.push(Counter { time_ns, track: track.raw(), value });
    }
}
