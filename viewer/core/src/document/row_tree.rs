//! The rows of the timeline: groups and, in them, what ran on each stream, thread and process.

use std::collections::BTreeMap;

use underspan_model::tables::{CounterTrack, TableKind};
use underspan_model::{DeviceId, NONE_U32, ProcessId, StringId, ThreadId, Timeline};
use underspan_native::Track;

use super::{CounterSeries, Derived};

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// A heading over other rows.
    Group,
    /// Events of one table: the position among the document's tracks, and the table.
    Events {
        /// Position among the document's tracks.
        track: usize,
        /// The table.
        table: TableKind,
    },
    /// Samples: the position among the document's series.
    Counter(usize),
    /// What the analysis found; not in sight before it is there.
    Derived(Derived),
}

/// One row of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The same whenever the capture is opened: what saved views refer to.
    pub(crate) id: String,
    /// What stands at its left.
    pub(crate) title: String,
    pub(crate) kind: RowKind,
    /// Position of the heading above it.
    pub(crate) parent: Option<usize>,
    /// How far it is indented.
    pub(crate) level: u8,
    pub(crate) n_events: u64,
    /// Time in which any of its events ran.
    pub(crate) busy_ns: u64,
}

/// All rows, each behind its heading: requests, steps, devices, processes, counters.
pub(crate) fn rows_of(
    timeline: &Timeline,
    tracks: &[Track],
    counters: &[CounterSeries],
) -> Vec<Row> {
    let mut rows = Rows { timeline, tracks, rows: Vec::new() };
    rows.requests();
    rows.steps();
    rows.devices();
    rows.processes();
    rows.counters(counters);
    rows.rows
}

/// Device, process, stream number, stream, place of the table: the order of the rows of devices.
type RowPlace = (u32, u32, u64, u32, usize);

struct Rows<'a> {
    timeline: &'a Timeline,
    tracks: &'a [Track],
    rows: Vec<Row>,
}

impl Rows<'_> {
    fn text(&self, id: u32) -> Option<String> {
        let text = self.timeline.strings.resolve(StringId::from_raw(id));
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn group(&mut self, id: String, title: String, parent: Option<usize>) -> usize {
        let level = parent.and_then(|at| self.rows.get(at)).map_or(0, |row| row.level + 1);
        let kind = RowKind::Group;
        self.rows.push(Row { id, title, kind, parent, level, n_events: 0, busy_ns: 0 });
        self.rows.len() - 1
    }

    fn track(&mut self, at: usize, title: String, parent: usize) {
        let Some(track) = self.tracks.get(at) else { return };
        let Some(group) = self.rows.get_mut(parent) else { return };
        group.n_events += track.events;
        let id = format!("{}/{}", track.kind.name(), track.key);
        let level = group.level + 1;
        self.rows.push(Row {
            id,
            title,
            kind: RowKind::Events { track: at, table: track.kind },
            parent: Some(parent),
            level,
            n_events: track.events,
            busy_ns: track.busy_ns,
        });
    }

    fn of_kind(&self, kind: TableKind) -> Vec<(usize, u32)> {
        let of_kind = self.tracks.iter().enumerate().filter(|(_, track)| track.kind == kind);
        of_kind.map(|(at, track)| (at, track.key)).collect()
    }

    fn requests(&mut self) {
        let tracks = self.of_kind(TableKind::Span);
        if tracks.is_empty() {
            return;
        }
        let cohorts =
            self.group("cohorts".to_owned(), "Slow and typical requests".to_owned(), None);
        self.derived(Derived::SlowRequests, cohorts);
        self.derived(Derived::TypicalRequests, cohorts);
        let group = self.group("requests".to_owned(), "Requests".to_owned(), None);
        for (at, service) in tracks {
            let title = self.text(service).unwrap_or_else(|| "spans".to_owned());
            self.track(at, title, group);
        }
    }

    fn steps(&mut self) {
        let tracks = self.of_kind(TableKind::Step);
        let group = self.group("steps".to_owned(), "Engine steps".to_owned(), None);
        if tracks.is_empty() {
            self.derived(Derived::Steps, group);
        }
        for (at, process) in tracks {
            let title = self.process_title(process);
            self.track(at, title, group);
        }
    }

    fn derived(&mut self, derived: Derived, parent: usize) {
        let level = self.rows.get(parent).map_or(0, |row| row.level + 1);
        self.rows.push(Row {
            id: format!("derived/{derived:?}"),
            title: derived.title().to_owned(),
            kind: RowKind::Derived(derived),
            parent: Some(parent),
            level,
            n_events: 0,
            busy_ns: 0,
        });
    }

    fn process_title(&self, process: u32) -> String {
        let Some(process) = self.timeline.dimensions.processes.get(process as usize) else {
            return "unknown process".to_owned();
        };
        let rank = match process.rank {
            NONE_U32 => String::new(),
            rank => format!("rank {rank} · "),
        };
        match self.text(process.name) {
            Some(name) => format!("{rank}{name} ({})", process.pid),
            None => format!("{rank}process {}", process.pid),
        }
    }

    fn devices(&mut self) {
        const KINDS: [(TableKind, &str); 5] = [
            (TableKind::Kernel, ""),
            (TableKind::GraphLaunch, " · graphs"),
            (TableKind::Memcpy, " · copies"),
            (TableKind::Memset, " · fills"),
            (TableKind::Sync, " · waits"),
        ];
        let mut order: BTreeMap<RowPlace, (usize, &str)> = BTreeMap::new();
        for (place, (kind, suffix)) in KINDS.iter().enumerate() {
            for (at, key) in self.of_kind(*kind) {
                let stream = self.timeline.dimensions.streams.get(key as usize);
                let (device, process, number) = stream
                    .map_or((NONE_U32, NONE_U32, u64::MAX), |stream| {
                        (stream.device, stream.process, stream.stream_id)
                    });
                order.insert((device, process, number, key, place), (at, suffix));
            }
        }
        let mut groups: BTreeMap<u32, usize> = BTreeMap::new();
        let several = self.several_processes_on_a_device();
        for ((device, process, number, _, _), (at, suffix)) in order {
            let group = match groups.get(&device) {
                Some(group) => *group,
                None => {
                    let group =
                        self.group(format!("gpu/{device}"), self.device_title(device), None);
                    groups.insert(device, group);
                    group
                }
            };
            let owner = match self.timeline.dimensions.processes.get(process as usize) {
                Some(process) if several => format!(" · pid {}", process.pid),
                _ => String::new(),
            };
            let title = match number {
                u64::MAX => format!("no stream{owner}{suffix}"),
                number => format!("stream {number}{owner}{suffix}"),
            };
            self.track(at, title, group);
        }
    }

    fn several_processes_on_a_device(&self) -> bool {
        let streams = &self.timeline.dimensions.streams;
        let mut owner: BTreeMap<u32, u32> = BTreeMap::new();
        streams
            .iter()
            .any(|stream| *owner.entry(stream.device).or_insert(stream.process) != stream.process)
    }

    fn device_title(&self, device: u32) -> String {
        let dimensions = &self.timeline.dimensions;
        let Some(found) = dimensions.devices.get(device as usize) else {
            return "Unknown GPU".to_owned();
        };
        let label = dimensions.device_label(DeviceId::from_raw(device));
        match self.text(found.name) {
            Some(name) => format!("GPU {label} · {name}"),
            None => format!("GPU {label}"),
        }
    }

    fn processes(&mut self) {
        const KINDS: [(TableKind, &str); 4] = [
            (TableKind::Annotation, "annotations"),
            (TableKind::CpuOp, "operators"),
            (TableKind::ApiCall, "API calls"),
            (TableKind::Overhead, "profiler's own cost"),
        ];
        let mut order: BTreeMap<(u32, u32), Vec<(usize, &str)>> = BTreeMap::new();
        for (kind, title) in KINDS {
            for (at, thread) in self.of_kind(kind) {
                let process =
                    self.timeline.dimensions.process_of_thread(ThreadId::from_raw(thread));
                order.entry((process.raw(), thread)).or_default().push((at, title));
            }
        }
        let mut groups: BTreeMap<u32, usize> = BTreeMap::new();
        for ((process, thread), tracks) in order {
            let title = match ProcessId::from_raw(process).is_none() {
                true => "No thread known".to_owned(),
                false => capitalised(&self.process_title(process)),
            };
            let next = self.rows.len();
            let group = *groups.entry(process).or_insert(next);
            if group == next {
                self.group(format!("process/{process}"), title, None);
            }
            let threads = &self.timeline.dimensions.threads;
            let thread_title = match threads.get(thread as usize) {
                Some(thread) => match self.text(thread.name) {
                    Some(name) => name,
                    None => format!("thread {}", thread.tid),
                },
                None => "device side".to_owned(),
            };
            for (at, title) in tracks {
                // What it is first: names of threads are long.
                self.track(at, format!("{title} · {thread_title}"), group);
            }
        }
    }

    fn counters(&mut self, counters: &[CounterSeries]) {
        if counters.is_empty() {
            return;
        }
        let group = self.group("counters".to_owned(), "Counters".to_owned(), None);
        for (at, series) in counters.iter().enumerate() {
            let track = self.timeline.dimensions.counter_tracks.get(series.track as usize);
            let subject = track.map(|track| self.subject(&track)).unwrap_or_default();
            let unit = match series.unit.as_str() {
                "" => String::new(),
                unit => format!(" [{unit}]"),
            };
            // The labels of the only series of its name say nothing.
            let (plain, labels) = series.name.split_at(labels_at(&series.name));
            let n_alike =
                counters.iter().filter(|of| of.name[..labels_at(&of.name)] == *plain).count();
            let name = if n_alike > 1 { format!("{plain}{labels}") } else { plain.to_owned() };
            let title = format!("{name}{unit}{subject}");
            self.rows.push(Row {
                id: format!("counter/{}", series.track),
                title,
                kind: RowKind::Counter(at),
                parent: Some(group),
                level: 1,
                n_events: series.len() as u64,
                busy_ns: 0,
            });
            if let Some(group) = self.rows.get_mut(group) {
                group.n_events += series.len() as u64;
            }
        }
    }

    fn subject(&self, track: &CounterTrack) -> String {
        match DeviceId::from_raw(track.device) {
            device if device.is_none() => String::new(),
            device => format!(" · GPU {}", self.timeline.dimensions.device_label(device)),
        }
    }
}

/// Where the labels of a series of Prometheus begin; its length when it has none.
fn labels_at(name: &str) -> usize {
    name.find('{').unwrap_or(name.len())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
