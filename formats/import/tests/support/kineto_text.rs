//! Importing a document that is given as text, and showing what came of it as text.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use underspan_import::{
    ImportError, ImportOptions, Importer, InputFile, KinetoImporter, NoProgress,
};
use underspan_model::tables::{AnnotationKind, ApiDomain, CpuOpKind};
use underspan_model::{NONE_U32, NONE_U64, ShapeId, StreamId, StringId, ThreadId, Timeline};

/// How a document lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    /// Several gzip members, cut at every so many bytes.
    GzipMembers(usize),
    Zstd,
}

pub(crate) fn pack(text: &[u8], packing: Packing) -> Vec<u8> {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    };
    match packing {
        Packing::Plain => text.to_vec(),
        Packing::Gzip => gzip(text),
        Packing::GzipMembers(length) => text.chunks(length).flat_map(gzip).collect(),
        Packing::Zstd => zstd::encode_all(text, 1).expect("writing to memory"),
    }
}

/// Imports bytes as the file `trace.json`.
pub(crate) fn import_bytes(
    bytes: &[u8],
    importer: KinetoImporter,
    options: &ImportOptions,
) -> Result<Timeline, ImportError> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("trace.json");
    std::fs::write(&path, bytes).expect("the test's file is written");
    import_file(&path, importer, options)
}

pub(crate) fn import_file(
    path: &Path,
    importer: KinetoImporter,
    options: &ImportOptions,
) -> Result<Timeline, ImportError> {
    importer.import(&InputFile::open(path)?, options, &NoProgress)
}

pub(crate) fn import(text: &str) -> Result<Timeline, ImportError> {
    import_bytes(text.as_bytes(), KinetoImporter::new(), &ImportOptions::default())
}

/// The timeline of a sound document, as text.
pub(crate) fn shown(text: &str) -> String {
    match import(text) {
        Ok(timeline) => show(&timeline),
        Err(error) => panic!("{error}"),
    }
}

/// One line a row, problem and fact.
pub(crate) fn show(t: &Timeline) -> String {
    let mut out = String::new();
    let text = |id: u32| t.strings.resolve_or_empty(StringId::from_raw(id));
    let n32 = |value: u32| if value == NONE_U32 { "-".to_owned() } else { value.to_string() };
    let n64 = |value: u64| if value == NONE_U64 { "-".to_owned() } else { value.to_string() };
    let stream = |id: u32| match t.dimensions.streams.get(StreamId::from_raw(id).index()) {
        Some(s) => {
            let device = t.dimensions.devices.ordinal.get(s.device as usize);
            let pid = t.dimensions.processes.pid.get(s.process as usize);
            format!(
                "stream {}/{}/{} of {}",
                device.map_or("-".to_owned(), u32::to_string),
                n32(s.context_id),
                n64(s.stream_id),
                pid.map_or("-".to_owned(), i64::to_string)
            )
        }
        None => "no stream".to_owned(),
    };
    let thread = |id: u32| match t.dimensions.threads.get(ThreadId::from_raw(id).index()) {
        Some(thread) => {
            let pid = t.dimensions.processes.pid[thread.process as usize];
            format!("thread {}/{}", pid.max(-9), thread.tid.max(-9))
        }
        None => "no thread".to_owned(),
    };
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a string");
    line(format_args!("clock {}", t.info.clock.as_str()));
    for d in t.dimensions.devices.iter() {
        let memory = n64(d.memory_bytes);
        let (cc, sms) = (n32(d.compute_capability), n32(d.sm_count));
        line(format_args!(
            "device {}: {:?} cc {cc} sms {sms} memory {memory}",
            d.ordinal,
            text(d.name)
        ));
    }
    for p in t.dimensions.processes.iter() {
        line(format_args!("process {}: {:?} rank {}", p.pid.max(-9), text(p.name), n32(p.rank)));
    }
    for thread in t.dimensions.threads.iter().filter(|thread| thread.name != NONE_U32) {
        line(format_args!("thread {}: {:?}", thread.tid.max(-9), text(thread.name)));
    }
    for k in t.kernels.iter() {
        let shape = t.shapes.resolve(ShapeId::from_raw(k.shape)).expect("a shape");
        line(format_args!(
            "kernel {}+{} {:?} {} corr {} ext {} grid {:?} block {:?} shared {} regs {} graph {}/{}",
            k.start_ns,
            k.duration_ns,
            t.strings.resolve_or_empty(shape.name),
            stream(k.stream),
            n32(k.correlation_id),
            n64(k.external_id),
            shape.grid,
            shape.block,
            n32(shape.dynamic_shared_bytes),
            n32(shape.registers_per_thread),
            n32(k.graph_id),
            n64(k.graph_node_id)
        ));
    }
    for c in t.memcpys.iter() {
        let (from, to) = c.memories();
        line(format_args!(
            "memcpy {}+{} {} {}->{} {} bytes {} corr {} ext {}",
            c.start_ns,
            c.duration_ns,
            c.direction().as_str(),
            from.as_str(),
            to.as_str(),
            stream(c.stream),
            n64(c.bytes),
            n32(c.correlation_id),
            n64(c.external_id)
        ));
    }
    for m in t.memsets.iter() {
        line(format_args!(
            "memset {}+{} {} bytes {} corr {}",
            m.start_ns,
            m.duration_ns,
            stream(m.stream),
            n64(m.bytes),
            n32(m.correlation_id)
        ));
    }
    for a in t.api_calls.iter() {
        line(format_args!(
            "api {}+{} {} {:?} {} corr {} ext {}",
            a.start_ns,
            a.duration_ns,
            ApiDomain::from_code(a.domain).as_str(),
            text(a.name),
            thread(a.thread),
            n32(a.correlation_id),
            n64(a.external_id)
        ));
    }
    for s in t.syncs.iter() {
        line(format_args!(
            "sync {}+{} {} {} event {} corr {}",
            s.start_ns,
            s.duration_ns,
            s.sync_kind().as_str(),
            stream(s.stream),
            n32(s.event_id),
            n32(s.correlation_id)
        ));
    }
    for o in t.overheads.iter() {
        line(format_args!(
            "overhead {}+{} {:?} {}",
            o.start_ns,
            o.duration_ns,
            text(o.name),
            thread(o.thread)
        ));
    }
    for a in t.annotations.iter() {
        let place = if a.stream == NONE_U32 { thread(a.thread) } else { stream(a.stream) };
        let kind = AnnotationKind::from_code(a.kind).as_str();
        line(format_args!(
            "{kind} {}+{} {:?} {place} ext {}",
            a.start_ns,
            a.duration_ns,
            text(a.name),
            n64(a.external_id)
        ));
    }
    for o in t.cpu_ops.iter() {
        line(format_args!(
            "{} {}+{} {:?} {} ext {} types {} dims {}",
            CpuOpKind::from_code(o.kind).as_str(),
            o.start_ns,
            o.duration_ns,
            text(o.name),
            thread(o.thread),
            n64(o.external_id),
            text(o.input_types),
            text(o.input_dims)
        ));
    }
    for c in t.counters.iter() {
        let track = t.dimensions.counter_tracks.get(c.track as usize).expect("a track");
        let device = t.dimensions.devices.ordinal.get(track.device as usize);
        line(format_args!(
            "counter {} {:?} [{}] device {} = {}",
            c.time_ns,
            text(track.name),
            text(track.unit),
            device.map_or("-".to_owned(), u32::to_string),
            c.value
        ));
    }
    for p in t.dimensions.properties.iter() {
        line(format_args!("property {} = {}", text(p.key), text(p.value)));
    }
    for p in t.problems.iter() {
        line(format_args!("problem {} × {}: {}", p.count, p.kind.name(), p.example));
    }
    out
}
