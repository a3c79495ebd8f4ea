//! CUPTI's records as rows of the capture's tables.

use hashbrown::HashMap;
use underspan_cupti::{Api, ApiCall, Record, TimeFault};
use underspan_model::tables::{
    ApiCall as ApiRow, ApiDomain, ClockAnchor, GraphLaunch, Kernel, Memcpy, Memset, Overhead, Sync,
};
use underspan_model::{
    KernelShape, NONE_U32, NONE_U64, ProblemKind, ProcessId, SourceId, StreamId, StringId, Timeline,
};

use super::memory::OwnMemory;
use cupti_sys::ActivityKind;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Text of names beyond which new ones are not kept: a host that makes up a name for each request
/// must not fill the memory.
const TEXT_LIMIT_BYTES: usize = 64 << 20;
const OPEN_EXTERNAL_IDS: usize = 1 << 16;

/// Shapes found again without hashing all of them.
const N_RECENT: usize = 1024;

/// What tells the shapes of kernel records apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ShapeKey {
    name_address: u64,
    grid: [i32; 3],
    block: [i32; 3],
    shared_bytes: [i32; 2],
    registers: u16,
}

/// A shape that was seen lately.
#[derive(Clone, Copy, Debug)]
struct RecentShape {
    key: ShapeKey,
    shape: u32,
}

impl Default for RecentShape {
    fn default() -> Self {
        Self { key: ShapeKey::default(), shape: NONE_U32 }
    }
}

/// Turns records into rows of a timeline that the writer empties into the file.
#[derive(Debug)]
pub struct Rows {
    /// Rows not yet written, and everything they refer to.
    pub timeline: Timeline,
    source: SourceId,
    process: ProcessId,
    ledger_source: String,
    memory: OwnMemory,
    names: Map<u64, StringId>,
    recent_shapes: Box<[RecentShape]>,
    call_names: Map<(u8, u32), StringId>,
    external_ids: Map<u32, u64>,
    last_stream: Option<((u32, u32, u32), StreamId)>,
    context_device: Map<u32, u32>,
    n_rows: u64,
}

impl Rows {
    /// Rows of process `pid`, recorded into the source named `source_name`.
    pub fn new(pid: u32, source_name: &str) -> Self {
        let mut timeline = Timeline::new();
        timeline.info.format = "uspan".to_owned();
        timeline.info.clock = underspan_model::ClockDomain::Realtime;
        let name = timeline.strings.intern(source_name).raw();
        let format = timeline.strings.intern("uspan").raw();
        let source = timeline.dimensions.add_source(underspan_model::tables::Source {
            name,
            format,
            ..Default::default()
        });
        let process = timeline.dimensions.process_id(source, i64::from(pid));
        describe_process(&mut timeline, process);
        Self {
            timeline,
            source,
            process,
            ledger_source: format!("process {pid}"),
            memory: OwnMemory::open(),
            names: Map::default(),
            recent_shapes: vec![RecentShape::default(); N_RECENT].into_boxed_slice(),
            call_names: Map::default(),
            external_ids: Map::default(),
            last_stream: None,
            context_device: Map::default(),
            n_rows: 0,
        }
    }

    /// Rows made so far, written ones included.
    pub fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The process, as rows refer to it.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Counts a problem.
    pub fn problem(&mut self, kind: ProblemKind, count: u64, example: impl FnOnce() -> String) {
        self.timeline.problems.record(kind, &self.ledger_source, count, example);
    }

    /// Notes a fact about the recording.
    pub fn property(&mut self, key: &str, value: &str) {
        let key = self.timeline.strings.intern(key).raw();
        let value = self.timeline.strings.intern(value).raw();
        let source = self.source.raw();
        self.timeline.dimensions.properties.push(underspan_model::tables::Property {
            source,
            key,
            value,
        });
    }

    /// Adds a reading of the clocks.
    pub fn anchor(&mut self, anchor: ClockAnchor) {
        let process = self.process.raw();
        self.timeline.dimensions.clock_anchors.push(ClockAnchor { process, ..anchor });
    }

    /// Adds a sample of one of the collector's own counters.
    pub fn own_counter(&mut self, name: &str, unit: &str, time_ns: i64, value: f64) {
        let strings = &mut self.timeline.strings;
        let (name, unit) = (strings.intern(name).raw(), strings.intern(unit).raw());
        let track = underspan_model::tables::CounterTrack {
            name,
            unit,
            process: self.process.raw(),
            kind: underspan_model::tables::CounterKind::Total.code(),
            ..Default::default()
        };
        let track = self.timeline.dimensions.counter_track(track).raw();
        self.timeline.counters.push(underspan_model::tables::Counter { time_ns, track, value });
    }

    /// Forgets texts by address, since what they belonged to may be gone.
    pub fn forget_names(&mut self) {
        self.names.clear();
        self.recent_shapes.fill(RecentShape::default());
    }

    /// The id of a text, or that of a stand-in once there are too many.
    pub fn intern(&mut self, text: &str) -> StringId {
        if self.timeline.strings.text_bytes() > TEXT_LIMIT_BYTES
            && self.timeline.strings.find(text).is_none()
        {
            self.problem(ProblemKind::UnusableField, 1, || {
                "a name beyond the limit of 64 MiB of distinct names".to_owned()
            });
            return self.timeline.strings.intern("(too many names)");
        }
        self.timeline.strings.intern(text)
    }

    /// The thread of this process with this id.
    pub fn thread(&mut self, tid: i64) -> u32 {
        self.timeline.dimensions.thread_id(self.process, tid).raw()
    }

    /// Names a thread.
    pub fn name_thread(&mut self, tid: i64, name: &str) {
        let name = self.intern(name).raw();
        let thread = self.thread(tid) as usize;
        if let Some(slot) = self.timeline.dimensions.threads.name.get_mut(thread) {
            *slot = name;
        }
    }

    /// Adds one record. One whose times are no measurement is counted and left out.
    #[inline]
    pub fn add(&mut self, record: &Record, api: &Api) {
        if let Some(fault) = record.time_fault() {
            return self.note_fault(record, fault);
        }
        self.n_rows += 1;
        match record {
            Record::Kernel(r) => {
                let (shape, stream) =
                    (self.shape(r), self.stream(r.device_id, r.context_id, r.stream_id));
                let (graph_id, graph_node_id) = graph(r.graph_id, r.graph_node_id);
                self.timeline.kernels.push(Kernel {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream: stream.raw(),
                    shape,
                    correlation_id: r.correlation_id,
                    external_id: NONE_U64,
                    graph_id,
                    graph_node_id,
                });
            }
            Record::Memcpy(r) => {
                let (graph_id, graph_node_id) = graph(r.graph_id, r.graph_node_id);
                let stream = self.stream(r.device_id, r.context_id, r.stream_id).raw();
                self.timeline.memcpys.push(Memcpy {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream,
                    bytes: r.bytes,
                    kind: r.copy_kind,
                    source_memory: r.src_kind,
                    destination_memory: r.dst_kind,
                    correlation_id: r.correlation_id,
                    external_id: NONE_U64,
                    graph_id,
                    graph_node_id,
                });
            }
            Record::MemcpyPtoP(r) => {
                let (graph_id, graph_node_id) = graph(r.graph_id, r.graph_node_id);
                let stream = self.stream(r.device_id, r.context_id, r.stream_id).raw();
                self.timeline.memcpys.push(Memcpy {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream,
                    bytes: r.bytes,
                    kind: r.copy_kind,
                    source_memory: r.src_kind,
                    destination_memory: r.dst_kind,
                    correlation_id: r.correlation_id,
                    external_id: NONE_U64,
                    graph_id,
                    graph_node_id,
                });
            }
            Record::Memset(r) => {
                let (graph_id, graph_node_id) = graph(r.graph_id, r.graph_node_id);
                let stream = self.stream(r.device_id, r.context_id, r.stream_id).raw();
                self.timeline.memsets.push(Memset {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream,
                    bytes: r.bytes,
                    memory: u8::try_from(r.memory_kind).unwrap_or(0),
                    correlation_id: r.correlation_id,
                    external_id: NONE_U64,
                    graph_id,
                    graph_node_id,
                });
            }
            Record::Api(r) => {
                let is_driver = r.kind == ActivityKind::DRIVER;
                let name = self.call_name(is_driver, r.cbid, api);
                let thread = self.thread(i64::from(r.thread_id));
                let external_id = match self.external_ids.is_empty() {
                    true => NONE_U64,
                    false => self.external_ids.remove(&r.correlation_id).unwrap_or(NONE_U64),
                };
                let domain = if is_driver { ApiDomain::Driver } else { ApiDomain::Runtime };
                self.timeline.api_calls.push(ApiRow {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    thread,
                    name: name.raw(),
                    correlation_id: r.correlation_id,
                    external_id,
                    domain: domain.code(),
                    return_value: r.return_value,
                });
            }
            Record::Sync(r) => {
                let device = self.context_device.get(&r.context_id).copied();
                let stream = match device {
                    Some(device) if r.stream_id != NONE_U32 => {
                        self.stream(device, r.context_id, r.stream_id)
                    }
                    _ => StreamId::NONE,
                };
                self.timeline.syncs.push(Sync {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream: stream.raw(),
                    kind: u8::try_from(r.sync_type).unwrap_or(0),
                    event_id: r.event_id,
                    correlation_id: r.correlation_id,
                });
            }
            Record::GraphTrace(r) => {
                let stream = self.stream(r.device_id, r.context_id, r.stream_id).raw();
                self.timeline.graph_launches.push(GraphLaunch {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    stream,
                    correlation_id: r.correlation_id,
                    graph_id: r.graph_id,
                });
            }
            Record::Overhead(r) => {
                let name = overhead_name(r.overhead_kind);
                let name = self.timeline.strings.intern(&name).raw();
                let is_thread = r.object_kind == Some(cupti_sys::ObjectKind::THREAD.0);
                let thread = if is_thread { self.thread(i64::from(r.thread_id)) } else { NONE_U32 };
                self.timeline.overheads.push(Overhead {
                    start_ns: r.start_ns as i64,
                    duration_ns: r.end_ns - r.start_ns,
                    thread,
                    name,
                });
            }
            Record::ExternalCorrelation(r) => {
                self.n_rows -= 1;
                if self.external_ids.len() >= OPEN_EXTERNAL_IDS {
                    self.external_ids.clear();
                }
                self.external_ids.insert(r.correlation_id, r.external_id);
            }
            Record::Device(r) => {
                self.n_rows -= 1;
                self.describe_device(r);
            }
            Record::Context(_) | Record::Stream(_) | Record::Name(_) => self.n_rows -= 1,
            other => {
                self.n_rows -= 1;
                let kind = other.kind();
                self.problem(ProblemKind::UnknownRecordKind, 1, || format!("{kind}"));
            }
        }
    }

    #[cold]
    fn note_fault(&mut self, record: &Record, fault: TimeFault) {
        let kind = match fault {
            TimeFault::Zero | TimeFault::Unfinished => ProblemKind::ZeroTimestamp,
            TimeFault::Inverted => ProblemKind::InvertedTimestamp,
        };
        let what = record.kind();
        self.problem(kind, 1, || match fault {
            TimeFault::Unfinished => format!("a record of {what} that had not ended"),
            _ => format!("a record of {what}"),
        });
    }

    #[inline]
    fn shape(&mut self, r: &underspan_cupti::Kernel) -> u32 {
        let key = ShapeKey {
            name_address: r.name_address,
            grid: [r.grid_x, r.grid_y, r.grid_z],
            block: [r.block_x, r.block_y, r.block_z],
            shared_bytes: [r.static_shared_bytes, r.dynamic_shared_bytes],
            registers: r.registers_per_thread,
        };
        let mixed = r.name_address ^ ((r.grid_x as u64) << 7) ^ ((r.grid_y as u64) << 3);
        let slot = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % N_RECENT;
        if let Some(recent) = self.recent_shapes.get(slot)
            && recent.key == key
            && recent.shape != NONE_U32
        {
            return recent.shape;
        }
        let shape = self.intern_shape(&key);
        if let Some(recent) = self.recent_shapes.get_mut(slot) {
            *recent = RecentShape { key, shape };
        }
        shape
    }

    fn intern_shape(&mut self, key: &ShapeKey) -> u32 {
        let name = match self.names.get(&key.name_address) {
            Some(name) => *name,
            None => self.name_at(key.name_address),
        };
        let unsigned = |n: i32| n.max(0) as u32;
        let shape = KernelShape {
            name,
            grid: key.grid.map(unsigned),
            block: key.block.map(unsigned),
            static_shared_bytes: unsigned(key.shared_bytes[0]),
            dynamic_shared_bytes: unsigned(key.shared_bytes[1]),
            registers_per_thread: u32::from(key.registers),
        };
        self.timeline.shapes.intern(shape).raw()
    }

    #[cold]
    fn name_at(&mut self, address: u64) -> StringId {
        let name = match self.memory.text(address) {
            Some(text) => self.intern(&text),
            None => {
                self.problem(ProblemKind::UnresolvedString, 1, || {
                    format!("a kernel's name at {address:#x}")
                });
                StringId::NONE
            }
        };
        self.names.insert(address, name);
        name
    }

    #[inline]
    fn stream(&mut self, device: u32, context: u32, stream: u32) -> StreamId {
        let key = (device, context, stream);
        if let Some((last, id)) = self.last_stream
            && last == key
        {
            return id;
        }
        let dimensions = &mut self.timeline.dimensions;
        let device_id = dimensions.device_id(self.source, device);
        let id = dimensions.stream_id(self.process, device_id, context, u64::from(stream));
        self.context_device.insert(context, device);
        self.last_stream = Some((key, id));
        id
    }

    fn call_name(&mut self, is_driver: bool, cbid: u32, api: &Api) -> StringId {
        let key = (u8::from(is_driver), cbid);
        if let Some(name) = self.call_names.get(&key) {
            return *name;
        }
        let call = if is_driver { ApiCall::Driver(cbid) } else { ApiCall::Runtime(cbid) };
        let text = api.call_name(call).map(|name| name.to_string_lossy().into_owned());
        let text = text.unwrap_or_else(|| format!("call {cbid}"));
        // `cudaLaunchKernel_v7000` is `cudaLaunchKernel` as of CUDA 7.0.
        let plain = text.rsplit_once("_v").filter(|(_, version)| {
            version.len() >= 4 && version.bytes().all(|byte| byte.is_ascii_digit())
        });
        let name = self.timeline.strings.intern(plain.map_or(text.as_str(), |(name, _)| name));
        self.call_names.insert(key, name);
        name
    }

    fn describe_device(&mut self, r: &underspan_cupti::Device) {
        let name = self.memory.text(r.name_address);
        let name = name.map_or(NONE_U32, |name| self.timeline.strings.intern(&name).raw());
        let uuid = self.timeline.strings.intern(&uuid_text(&r.uuid)).raw();
        let id = self.timeline.dimensions.device_id(self.source, r.id).index();
        let devices = &mut self.timeline.dimensions.devices;
        let facts = [
            (&mut devices.name, name),
            (&mut devices.uuid, uuid),
            (
                &mut devices.compute_capability,
                r.compute_capability_major * 10 + r.compute_capability_minor,
            ),
            (&mut devices.sm_count, r.n_multiprocessors),
        ];
        for (column, value) in facts {
            if let Some(slot) = column.get_mut(id) {
                *slot = value;
            }
        }
        if let Some(slot) = devices.memory_bytes.get_mut(id) {
            *slot = r.memory_bytes;
        }
    }
}

/// Writes down what this process knows of itself: its name, its parent, its rank.
fn describe_process(timeline: &mut Timeline, process: ProcessId) {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let name = timeline.strings.intern(name.trim_end()).raw();
    let ranks = ["RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"];
    let rank = ranks.iter().find_map(|name| std::env::var(name).ok()?.parse::<u32>().ok());
    let processes = &mut timeline.dimensions.processes;
    let at = process.index();
    if let Some(slot) = processes.name.get_mut(at) {
        *slot = name;
    }
    if let Some(slot) = processes.parent_pid.get_mut(at) {
        *slot = i64::from(std::os::unix::process::parent_id());
    }
    if let (Some(slot), Some(rank)) = (processes.rank.get_mut(at), rank) {
        *slot = rank;
    }
}

/// Graph and node as the capture has them: none outside graphs.
fn graph(graph_id: u32, node_id: u64) -> (u32, u64) {
    (if graph_id == 0 { NONE_U32 } else { graph_id }, if node_id == 0 { NONE_U64 } else { node_id })
}

/// `CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL` as `command_buffer_full`.
fn overhead_name(kind: u32) -> String {
    let kind = cupti_sys::OverheadKind(kind);
    match kind.c_name() {
        Some(name) => name.trim_start_matches("CUPTI_ACTIVITY_OVERHEAD_").to_ascii_lowercase(),
        None => format!("overhead {}", kind.0),
    }
}

/// `GPU-` and the usual grouping, as `nvidia-smi` writes it.
fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = "GPU".to_owned();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 0 | 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
