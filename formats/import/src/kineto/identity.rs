//! Processes, threads, devices, streams and counter tracks of a trace, from what its rows name.
//!
//! Kineto files device work under the device's number, not under the process that launched it. A
//! trace is of one process, so its streams are that process's; in a trace put together from
//! several, work belongs to the process whose call has its correlation id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use underspan_model::tables::{CounterKind, CounterTrack};
use underspan_model::{DeviceId, NONE_U32, NONE_U64, ProblemKind, ProcessId, StringId, Timeline};

use super::assembly::Assembly;
use super::counters::is_of_process;
use super::facts::{DeviceFacts, Facts};
use super::lane::{IdKey, StreamKey, ThreadKey, TrackKey, TrackName};

/// Makes the dimension lists and points all rows into them.
pub(super) fn build(assembly: &mut Assembly, facts: &Facts) {
    let owners = owners(assembly);
    let pids = processes(assembly, &owners, facts);
    threads(assembly, &pids);
    devices(assembly, facts);
    streams(assembly, &owners, &pids);
    tracks(assembly, &pids);
    names(assembly, &pids);
}

/// Which processes launched work.
struct Owners {
    /// The process most calls were made by.
    main: Option<IdKey>,
    /// The process of each correlation id, when several made calls; none where several used it.
    by_correlation: HashMap<u32, Option<IdKey>>,
}

fn owners(assembly: &Assembly) -> Owners {
    let threads = assembly.threads.as_slice();
    let pid_of = |thread: u32| threads.get(thread as usize).map(|key| key.pid);
    let busiest = |columns: &[&[u32]]| {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for thread in columns.iter().copied().flatten() {
            *counts.entry(*thread).or_default() += 1;
        }
        let mut pids: BTreeMap<IdKey, u64> = BTreeMap::new();
        for (thread, count) in counts {
            if let Some(pid) = pid_of(thread) {
                *pids.entry(pid).or_default() += count;
            }
        }
        let main = pids.iter().max_by_key(|(pid, count)| (**count, std::cmp::Reverse(**pid)));
        (main.map(|(pid, _)| *pid), pids.len())
    };
    let timeline = &assembly.timeline;
    let calls = &timeline.api_calls;
    let (main, n_callers) = busiest(&[&calls.thread]);
    let main = main.or_else(|| busiest(&[&timeline.cpu_ops.thread]).0);
    let main = main.or_else(|| busiest(&[&timeline.annotations.thread]).0);
    let mut by_correlation = HashMap::new();
    if n_callers > 1 {
        for (correlation, thread) in calls.correlation_id.iter().zip(&calls.thread) {
            let pid = pid_of(*thread);
            by_correlation
                .entry(*correlation)
                .and_modify(|known| {
                    if *known != pid {
                        *known = None;
                    }
                })
                .or_insert(pid);
        }
        by_correlation.remove(&NONE_U32);
    }
    Owners { main, by_correlation }
}

/// The number a process or thread id is stored as. Text ids get numbers no system gives out.
struct IdNumbers {
    texts: HashMap<u32, i64>,
}

impl IdNumbers {
    fn of(assembly: &Assembly, ids: impl Iterator<Item = IdKey>) -> Self {
        let text = |id: u32| assembly.timeline.strings.resolve_or_empty(StringId::from_raw(id));
        let mut texts: Vec<u32> = ids
            .filter_map(|id| match id {
                IdKey::Text(text) => Some(text),
                _ => None,
            })
            .collect();
        texts.sort_by_key(|id| text(*id));
        texts.dedup();
        Self { texts: texts.into_iter().zip(i64::MIN..).collect() }
    }

    fn get(&self, id: IdKey) -> i64 {
        match id {
            IdKey::Absent => 0,
            IdKey::Number(number) => number,
            IdKey::Text(text) => self.texts.get(&text).copied().unwrap_or(i64::MIN),
        }
    }
}

/// Processes by id, in order of their numbers.
fn processes(
    assembly: &mut Assembly,
    owners: &Owners,
    facts: &Facts,
) -> BTreeMap<IdKey, ProcessId> {
    let tracks = assembly.tracks.as_slice().iter().filter(|key| is_of_process(key));
    let ids: Vec<IdKey> = assembly
        .threads
        .as_slice()
        .iter()
        .map(|key| key.pid)
        .chain(tracks.map(|key| key.pid))
        .collect();
    let numbers = IdNumbers::of(assembly, ids.iter().copied());
    let mut numbered: Vec<(i64, IdKey)> = ids.iter().map(|id| (numbers.get(*id), *id)).collect();
    numbered.sort_unstable();
    let mut pids = BTreeMap::new();
    for (number, id) in numbered {
        let dimensions = &mut assembly.timeline.dimensions;
        let process = dimensions.process_id(assembly.source, number);
        pids.insert(id, process);
        if let IdKey::Text(text) = id {
            dimensions.processes.name[process.index()] = text;
        }
    }
    let main = owners.main.and_then(|id| pids.get(&id));
    if let (Some(process), Some(rank)) = (main, facts.rank) {
        assembly.timeline.dimensions.processes.rank[process.index()] = rank;
    }
    pids
}

fn threads(assembly: &mut Assembly, pids: &BTreeMap<IdKey, ProcessId>) {
    let keys: Vec<ThreadKey> = assembly.threads.as_slice().to_vec();
    let numbers = IdNumbers::of(assembly, keys.iter().map(|key| key.tid));
    let mut order: Vec<(ProcessId, i64, usize)> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| (pids[&key.pid], numbers.get(key.tid), at))
        .collect();
    order.sort_unstable();
    let mut ids = vec![NONE_U32; keys.len()];
    let Timeline { dimensions, api_calls, overheads, annotations, cpu_ops, .. } =
        &mut assembly.timeline;
    for (process, tid, at) in order {
        let thread = dimensions.thread_id(process, tid);
        ids[at] = thread.raw();
        if let IdKey::Text(text) = keys[at].tid {
            dimensions.threads.name[thread.index()] = text;
        }
    }
    for column in
        [&mut api_calls.thread, &mut overheads.thread, &mut annotations.thread, &mut cpu_ops.thread]
    {
        renumber(column, &ids);
    }
}

fn renumber(column: &mut [u32], ids: &[u32]) {
    for value in column.iter_mut().filter(|value| **value != NONE_U32) {
        *value = ids[*value as usize];
    }
}

fn devices(assembly: &mut Assembly, facts: &Facts) {
    let streams = assembly.streams.as_slice().iter().map(|key| key.device);
    let used: BTreeSet<u32> = streams.filter(|device| *device != NONE_U32).collect();
    let tracked = assembly.tracks.as_slice().iter().map(|key| key.device);
    let mut ordinals = used.clone();
    ordinals.extend(tracked.filter(|device| *device != NONE_U32));
    ordinals.extend(facts.devices.keys());
    for ordinal in ordinals {
        let described = facts.devices.get(&ordinal);
        let device = assembly.timeline.dimensions.device_id(assembly.source, ordinal);
        if let Some(described) = described {
            describe(&mut assembly.timeline, device, described);
        } else if used.contains(&ordinal) {
            assembly
                .tallies
                .add(ProblemKind::MissingDeviceProperties, 1, || format!("device {ordinal}"));
        }
    }
}

fn describe(timeline: &mut Timeline, device: DeviceId, facts: &DeviceFacts) {
    let name = facts.name.as_ref().map_or(NONE_U32, |name| timeline.strings.intern(name).raw());
    let (devices, at) = (&mut timeline.dimensions.devices, device.index());
    devices.name[at] = name;
    devices.memory_bytes[at] = facts.memory_bytes.unwrap_or(NONE_U64);
    devices.compute_capability[at] = facts.compute_capability.unwrap_or(NONE_U32);
    devices.sm_count[at] = facts.sm_count.unwrap_or(NONE_U32);
}

/// Streams in order of process, device, context and number.
fn streams(assembly: &mut Assembly, owners: &Owners, pids: &BTreeMap<IdKey, ProcessId>) {
    let keys = with_contexts(assembly.streams.as_slice());
    let main = owners.main.and_then(|id| pids.get(&id).copied()).unwrap_or(ProcessId::NONE);
    let process_of = |correlation: u32| match owners.by_correlation.get(&correlation) {
        Some(Some(id)) => pids.get(id).copied().unwrap_or(main),
        _ => main,
    };
    let Timeline { dimensions, kernels, memcpys, memsets, syncs, annotations, .. } =
        &mut assembly.timeline;
    let nobody = vec![NONE_U32; annotations.stream.len()];
    let columns = [
        (&mut kernels.stream, &kernels.correlation_id),
        (&mut memcpys.stream, &memcpys.correlation_id),
        (&mut memsets.stream, &memsets.correlation_id),
        (&mut syncs.stream, &syncs.correlation_id),
        (&mut annotations.stream, &nobody),
    ];
    let mut ids: BTreeMap<(ProcessId, StreamKey), u32> = BTreeMap::new();
    for (streams, correlations) in &columns {
        let mut last = None;
        for (stream, correlation) in streams.iter().zip(correlations.iter()) {
            let Some(key) = keys.get(*stream as usize) else { continue };
            let id = (process_of(*correlation), *key);
            if last.replace(id) != Some(id) {
                ids.insert(id, NONE_U32);
            }
        }
    }
    for ((process, key), id) in &mut ids {
        let device = match key.device {
            NONE_U32 => DeviceId::NONE,
            ordinal => dimensions.device_id(assembly.source, ordinal),
        };
        *id = dimensions.stream_id(*process, device, key.context, key.stream).raw();
    }
    for (streams, correlations) in columns {
        let mut last = None;
        for (stream, correlation) in streams.iter_mut().zip(correlations) {
            let Some(key) = keys.get(*stream as usize) else { continue };
            let wanted = (process_of(*correlation), *key);
            if let Some((known, id)) = last
                && known == wanted
            {
                *stream = id;
                continue;
            }
            *stream = ids.get(&wanted).copied().unwrap_or(NONE_U32);
            last = Some((wanted, *stream));
        }
    }
}

/// Gives a stream that is named without its context (device-side annotations) the context of the
/// stream with the same number on the same device.
fn with_contexts(keys: &[StreamKey]) -> Vec<StreamKey> {
    let mut contexts: HashMap<(u32, u64), u32> = HashMap::new();
    for key in keys.iter().filter(|key| key.context != NONE_U32) {
        let context = contexts.entry((key.device, key.stream)).or_insert(key.context);
        *context = key.context.min(*context);
    }
    let complete = |key: &StreamKey| match contexts.get(&(key.device, key.stream)) {
        Some(&context) if key.context == NONE_U32 => StreamKey { context, ..*key },
        _ => *key,
    };
    keys.iter().map(complete).collect()
}

fn tracks(assembly: &mut Assembly, pids: &BTreeMap<IdKey, ProcessId>) {
    let keys: Vec<TrackKey> = assembly.tracks.as_slice().to_vec();
    let mut ids = Vec::with_capacity(keys.len());
    let Timeline { strings, dimensions, counters, .. } = &mut assembly.timeline;
    for key in keys {
        let (name, unit) = match key.name {
            TrackName::MemoryAllocated => ("allocator: allocated".to_owned(), "bytes"),
            TrackName::MemoryReserved => ("allocator: reserved".to_owned(), "bytes"),
            TrackName::Named { name, series } => {
                let text = |id| strings.resolve_or_empty(StringId::from_raw(id));
                (format!("{}: {}", text(name), text(series)), "")
            }
        };
        let unit = if unit.is_empty() { StringId::NONE } else { strings.intern(unit) };
        let name = strings.intern(&name);
        let process = match is_of_process(&key) {
            true => pids.get(&key.pid).copied().unwrap_or(ProcessId::NONE),
            false => ProcessId::NONE,
        };
        let device = match key.device {
            NONE_U32 => DeviceId::NONE,
            ordinal => dimensions.device_id(assembly.source, ordinal),
        };
        let track = CounterTrack {
            name: name.raw(),
            unit: unit.raw(),
            device: device.raw(),
            process: process.raw(),
            source: assembly.source.raw(),
            kind: CounterKind::Gauge.code(),
        };
        ids.push(dimensions.counter_track(track).raw());
    }
    renumber(&mut counters.track, &ids);
}

/// Names of processes and threads, from the trace's own labels. The last label counts.
fn names(assembly: &mut Assembly, pids: &BTreeMap<IdKey, ProcessId>) {
    let numbers = IdNumbers::of(assembly, assembly.threads.as_slice().iter().map(|key| key.tid));
    let known: HashMap<(ProcessId, IdKey), i64> = assembly
        .threads
        .as_slice()
        .iter()
        .map(|key| ((pids[&key.pid], key.tid), numbers.get(key.tid)))
        .collect();
    let dimensions = &mut assembly.timeline.dimensions;
    for label in &assembly.labels {
        let Some(&process) = pids.get(&label.pid) else { continue };
        match label.tid {
            None => dimensions.processes.name[process.index()] = label.text,
            Some(tid) => {
                let Some(&tid) = known.get(&(process, tid)) else { continue };
                let thread = dimensions.thread_id(process, tid);
                dimensions.threads.name[thread.index()] = label.text;
            }
        }
    }
}
