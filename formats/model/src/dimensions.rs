//! Processes, devices, streams, threads and counter tracks of a capture, found by identity.

use hashbrown::HashMap;

use crate::tables::{
    ClockAnchorTable, CounterTrack, CounterTrackTable, Device, DeviceTable, GraphNodeTable,
    Process, ProcessTable, PropertyTable, Source, SourceTable, Stream, StreamTable, Table, Thread,
    ThreadTable,
};
use crate::{CounterTrackId, DeviceId, ProcessId, SourceId, StreamId, StringId, ThreadId};

type Index<K> = HashMap<K, u32, foldhash::fast::FixedState>;

/// The dimension lists. Rows of the big tables point into them by index.
///
/// The `*_id` methods find an entry by what identifies it and add it when it is new; the lists
/// themselves are readable, and names and other facts may be set on entries later.
#[derive(Debug, Clone, Default)]
pub struct Dimensions {
    /// Input files and recordings.
    pub sources: SourceTable,
    /// Facts about sources.
    pub properties: PropertyTable,
    /// Processes.
    pub processes: ProcessTable,
    /// Devices.
    pub devices: DeviceTable,
    /// Streams.
    pub streams: StreamTable,
    /// Threads.
    pub threads: ThreadTable,
    /// Counter tracks.
    pub counter_tracks: CounterTrackTable,
    /// Simultaneous clock readings.
    pub clock_anchors: ClockAnchorTable,
    /// Nodes of executable graphs. Rows are only ever added.
    pub graph_nodes: GraphNodeTable,
    process_index: Index<(u32, i64)>,
    device_index: Index<(u32, u32)>,
    stream_index: Index<(u32, u32, u32, u64)>,
    thread_index: Index<(u32, i64)>,
    track_index: Index<(u32, u32, u32, u32, u32)>,
}

impl Dimensions {
    /// Every list, in the order in which they refer to each other.
    pub fn tables(&self) -> [&dyn Table; 9] {
        [
            &self.sources,
            &self.properties,
            &self.processes,
            &self.devices,
            &self.streams,
            &self.threads,
            &self.counter_tracks,
            &self.clock_anchors,
            &self.graph_nodes,
        ]
    }

    /// Adds a source.
    pub fn add_source(&mut self, source: Source) -> SourceId {
        let id = SourceId::from_index(self.sources.len());
        self.sources.push(source);
        id
    }

    /// The process `pid` of `source`.
    pub fn process_id(&mut self, source: SourceId, pid: i64) -> ProcessId {
        let next = self.processes.len() as u32;
        let id = *self.process_index.entry((source.raw(), pid)).or_insert(next);
        if id == next {
            self.processes.push(Process { source: source.raw(), pid, ..Process::default() });
        }
        ProcessId::from_raw(id)
    }

    /// The device that `source` calls `ordinal`.
    pub fn device_id(&mut self, source: SourceId, ordinal: u32) -> DeviceId {
        let next = self.devices.len() as u32;
        let id = *self.device_index.entry((source.raw(), ordinal)).or_insert(next);
        if id == next {
            self.devices.push(Device { source: source.raw(), ordinal, ..Device::default() });
        }
        DeviceId::from_raw(id)
    }

    /// A stream by process, device, context number and stream number.
    pub fn stream_id(
        &mut self,
        process: ProcessId,
        device: DeviceId,
        context_id: u32,
        stream_id: u64,
    ) -> StreamId {
        let next = self.streams.len() as u32;
        let key = (process.raw(), device.raw(), context_id, stream_id);
        let id = *self.stream_index.entry(key).or_insert(next);
        if id == next {
            self.streams.push(Stream {
                process: process.raw(),
                device: device.raw(),
                context_id,
                stream_id,
            });
        }
        StreamId::from_raw(id)
    }

    /// The thread `tid` of `process`.
    pub fn thread_id(&mut self, process: ProcessId, tid: i64) -> ThreadId {
        let next = self.threads.len() as u32;
        let id = *self.thread_index.entry((process.raw(), tid)).or_insert(next);
        if id == next {
            self.threads.push(Thread { process: process.raw(), tid, ..Thread::default() });
        }
        ThreadId::from_raw(id)
    }

    /// The counter track with this name, unit and subject.
    pub fn counter_track_id(
        &mut self,
        name: StringId,
        unit: StringId,
        device: DeviceId,
        process: ProcessId,
    ) -> CounterTrackId {
        let (device, process) = (device.raw(), process.raw());
        let track = CounterTrack {
            name: name.raw(),
            unit: unit.raw(),
            device,
            process,
            ..CounterTrack::default()
        };
        self.counter_track(track)
    }

    /// The counter track with the name, unit, subject and source of `track`; what else `track`
    /// says is taken when it is new.
    pub fn counter_track(&mut self, track: CounterTrack) -> CounterTrackId {
        let next = self.counter_tracks.len() as u32;
        let id = *self.track_index.entry(track_key(&track)).or_insert(next);
        if id == next {
            self.counter_tracks.push(track);
        }
        CounterTrackId::from_raw(id)
    }

    /// What a report calls a device: its ordinal, with its source in front where work ran on the
    /// devices of that ordinal of two sources. One that was only sampled (by NVML, say) is taken
    /// for the device that work ran on.
    pub fn device_label(&self, id: DeviceId) -> String {
        let Some(device) = self.devices.get(id.index()) else { return "?".to_owned() };
        let has_work = |at: &u32| {
            let ordinal = self.devices.ordinal.get(*at as usize);
            ordinal == Some(&device.ordinal)
        };
        let mut with_work: Vec<u32> =
            self.streams.device.iter().copied().filter(has_work).collect();
        with_work.sort_unstable();
        with_work.dedup();
        match with_work.len() {
            ..2 => device.ordinal.to_string(),
            _ => format!("{}:{}", device.source, device.ordinal),
        }
    }

    /// The device a stream runs on; none for an unknown stream.
    pub fn device_of_stream(&self, id: StreamId) -> DeviceId {
        self.streams.device.get(id.index()).copied().map_or(DeviceId::NONE, DeviceId::from_raw)
    }

    /// The process that owns a stream; none for an unknown stream.
    pub fn process_of_stream(&self, id: StreamId) -> ProcessId {
        self.streams.process.get(id.index()).copied().map_or(ProcessId::NONE, ProcessId::from_raw)
    }

    /// The process of a thread; none for an unknown thread.
    pub fn process_of_thread(&self, id: ThreadId) -> ProcessId {
        self.threads.process.get(id.index()).copied().map_or(ProcessId::NONE, ProcessId::from_raw)
    }

    /// Rebuilds the identity lookups after the lists were filled directly (from a file).
    /// Of two entries with one identity the first is found.
    pub fn rebuild_lookups(&mut self) {
        fn rebuild<K: std::hash::Hash + Eq>(index: &mut Index<K>, keys: impl Iterator<Item = K>) {
            index.clear();
            for (at, key) in keys.enumerate() {
                index.entry(key).or_insert(at as u32);
            }
        }
        rebuild(&mut self.process_index, self.processes.iter().map(|p| (p.source, p.pid)));
        rebuild(&mut self.device_index, self.devices.iter().map(|d| (d.source, d.ordinal)));
        rebuild(
            &mut self.stream_index,
            self.streams.iter().map(|s| (s.process, s.device, s.context_id, s.stream_id)),
        );
        rebuild(&mut self.thread_index, self.threads.iter().map(|t| (t.process, t.tid)));
        rebuild(&mut self.track_index, self.counter_tracks.iter().map(|t| track_key(&t)));
    }
}

fn track_key(track: &CounterTrack) -> (u32, u32, u32, u32, u32) {
    (track.name, track.unit, track.device, track.process, track.source)
}

/// Equal when all lists are; lookups follow from them.
impl PartialEq for Dimensions {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
            && self.properties == other.properties
            && self.processes == other.processes
            && self.devices == other.devices
            && self.streams == other.streams
            && self.threads == other.threads
            && self.counter_tracks == other.counter_tracks
            && self.clock_anchors == other.clock_anchors
            && self.graph_nodes == other.graph_nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_was_only_sampled_is_the_one_that_worked() {
        let mut dimensions = Dimensions::default();
        let [trace, counters, other] = [0, 1, 2].map(SourceId::from_raw);
        let process = dimensions.process_id(trace, 1);
        let worked = dimensions.device_id(trace, 0);
        let sampled = dimensions.device_id(counters, 0);
        dimensions.stream_id(process, worked, 1, 7);
        assert_eq!([worked, sampled].map(|id| dimensions.device_label(id)), ["0", "0"]);
        let second = dimensions.device_id(other, 0);
        dimensions.stream_id(process, second, 1, 7);
        assert_eq!([worked, second].map(|id| dimensions.device_label(id)), ["0:0", "2:0"]);
    }
}
