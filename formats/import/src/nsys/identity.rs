//! Processes, threads, streams and devices by the numbers Nsight Systems gives them.
//!
//! A global id packs hardware, virtual machine, process and thread into 64 bits: `HW << 56 |
//! VM << 48 | PID << 24 | TID` (Nsight Systems exporter documentation, "Common SQLite examples").
//! Numbers of correlation, contexts and streams are unique within a process only.

use hashbrown::HashMap;
use underspan_model::tables::Source;
use underspan_model::{
    DeviceId, Dimensions, NONE_U32, NONE_U64, ProcessId, SourceId, StreamId, ThreadId,
};

use super::devices::DeviceMap;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The process part of a global id, with machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GlobalPid(u64);

impl GlobalPid {
    /// From a `globalPid` or `globalTid`.
    pub(super) fn of(global_id: i64) -> Self {
        Self((global_id as u64) >> 24)
    }

    /// The process id as its machine gives it.
    pub(super) fn pid(self) -> i64 {
        (self.0 & 0xFF_FFFF) as i64
    }

    fn machine(self) -> u16 {
        (self.0 >> 24) as u16
    }
}

/// Where a row of device work says it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The process; `None` when the row does not say.
    pub(super) process: Option<GlobalPid>,
    /// The device's number within the process; [`NONE_U32`] when the row does not say.
    pub(super) device: u32,
    /// The context's number within the process, or [`NONE_U32`].
    pub(super) context: u32,
    /// The stream's number within the context, or [`NONE_U64`].
    pub(super) stream: u64,
}

/// Every identity met so far.
#[derive(Debug)]
pub(super) struct Identity {
    source: SourceId,
    sources: Map<u16, SourceId>,
    processes: Map<GlobalPid, ProcessId>,
    threads: Map<i64, ThreadId>,
    streams: Map<Place, StreamId>,
    context_devices: Map<(Option<GlobalPid>, u32), u32>,
    devices: DeviceMap,
    last_thread: Option<(i64, ThreadId)>,
    last_stream: Option<(Place, StreamId)>,
}

impl Identity {
    pub(super) fn new(source: SourceId, devices: DeviceMap) -> Self {
        Self {
            source,
            sources: Map::default(),
            processes: Map::default(),
            threads: Map::default(),
            streams: Map::default(),
            context_devices: Map::default(),
            devices,
            last_thread: None,
            last_stream: None,
        }
    }

    /// What device numbers mean.
    pub(super) fn devices(&self) -> &DeviceMap {
        &self.devices
    }

    /// A process.
    pub(super) fn process(&mut self, dimensions: &mut Dimensions, global: GlobalPid) -> ProcessId {
        if let Some(id) = self.processes.get(&global) {
            return *id;
        }
        let source = self.source_of(dimensions, global);
        let id = dimensions.process_id(source, global.pid());
        self.processes.insert(global, id);
        id
    }

    /// Every process met so far.
    pub(super) fn processes(&self) -> impl Iterator<Item = (GlobalPid, ProcessId)> {
        self.processes.iter().map(|(global, id)| (*global, *id))
    }

    /// A thread.
    pub(super) fn thread(&mut self, dimensions: &mut Dimensions, global_tid: i64) -> ThreadId {
        if let Some((last, id)) = self.last_thread
            && last == global_tid
        {
            return id;
        }
        let id = match self.threads.get(&global_tid) {
            Some(id) => *id,
            None => {
                let process = self.process(dimensions, GlobalPid::of(global_tid));
                let id = dimensions.thread_id(process, global_tid & 0xFF_FFFF);
                self.threads.insert(global_tid, id);
                id
            }
        };
        self.last_thread = Some((global_tid, id));
        id
    }

    /// The thread with this `globalTid`, when a row came from it.
    pub(super) fn known_thread(&self, global_tid: i64) -> Option<ThreadId> {
        self.threads.get(&global_tid).copied()
    }

    /// The stream that device work ran on.
    pub(super) fn stream(&mut self, dimensions: &mut Dimensions, place: Place) -> StreamId {
        if let Some((last, id)) = self.last_stream
            && last == place
        {
            return id;
        }
        let id = match self.streams.get(&place) {
            Some(id) => *id,
            None => self.add_stream(dimensions, place),
        };
        self.last_stream = Some((place, id));
        id
    }

    /// The stream that was waited for. Synchronization records name device 0 whatever device the
    /// context is on, so the device is that of the context's other work where there is any.
    pub(super) fn synced_stream(&mut self, dimensions: &mut Dimensions, place: Place) -> StreamId {
        if place.stream == NONE_U64 {
            return StreamId::NONE;
        }
        let device = self.context_devices.get(&(place.process, place.context)).copied();
        self.stream(dimensions, Place { device: device.unwrap_or(place.device), ..place })
    }

    /// The device with this number on the machine a GPU metric was sampled on.
    pub(super) fn sampled_device(&mut self, dimensions: &mut Dimensions, gpu: u32) -> DeviceId {
        dimensions.device_id(self.source, self.devices.ordinal_of_gpu(gpu))
    }

    fn add_stream(&mut self, dimensions: &mut Dimensions, place: Place) -> StreamId {
        let (process, source) = match place.process {
            Some(global) => {
                let process = self.process(dimensions, global);
                (process, self.source_of(dimensions, global))
            }
            None => (ProcessId::NONE, self.source),
        };
        let device = if place.device == NONE_U32 {
            DeviceId::NONE
        } else {
            let pid = place.process.map(GlobalPid::pid);
            dimensions.device_id(source, self.devices.ordinal(pid, place.device))
        };
        let id = dimensions.stream_id(process, device, place.context, place.stream);
        self.streams.insert(place, id);
        self.context_devices.entry((place.process, place.context)).or_insert(place.device);
        id
    }

    /// The source a machine's processes and devices belong to. A report can cover several virtual
    /// machines, each with its own process numbers; every one after the first is a source of its
    /// own.
    fn source_of(&mut self, dimensions: &mut Dimensions, global: GlobalPid) -> SourceId {
        let machine = global.machine();
        if let Some(source) = self.sources.get(&machine) {
            return *source;
        }
        let source = if self.sources.is_empty() {
            self.source
        } else {
            let main = dimensions.sources.get(self.source.index()).unwrap_or_default();
            dimensions.add_source(Source { ..main })
        };
        self.sources.insert(machine, source);
        source
    }
}
