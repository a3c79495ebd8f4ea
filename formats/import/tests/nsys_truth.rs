//! Every real Nsight Systems export of `../shared/corpus` imports to the numbers that an
//! independent computation gives for it (`facts.json`).

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use underspan_model::tables::{AnnotationKind, MemcpyKind};
use underspan_model::{NONE_U32, NONE_U64, ShapeId, StreamId, StringId, ThreadId, Timeline};

#[test]
fn every_real_export_equals_its_facts() {
    let Some(corpus) = support::corpus() else { return };
    let facts = std::fs::read(corpus.join("facts.json")).expect("facts.json is readable");
    let facts: Value = serde_json::from_slice(&facts).expect("facts.json is JSON");
    let mut checked = 0;
    for (file, expected) in facts.as_object().expect("one object per file") {
        if expected["format"] != "nsys_sqlite" {
            continue;
        }
        let timeline = support::import(&corpus.join(file)).expect("a real export imports");
        let found = summary(&timeline);
        for (key, value) in found.as_object().expect("an object") {
            assert_eq!(*value, expected_part(key, expected), "{file}: {key}");
        }
        println!(
            "{file}: {} kernels, {} ns, {} annotations, as in facts.json",
            timeline.kernels.len(),
            timeline.kernels.duration_ns.iter().sum::<u64>(),
            timeline.annotations.len(),
        );
        checked += 1;
    }
    assert!(checked >= 6, "the corpus holds at least six exports, {checked} were checked");
}

/// The part of the facts that goes with a key of [`summary`].
fn expected_part(key: &str, facts: &Value) -> Value {
    match key {
        "devices" => {
            let mut devices = facts["devices"].clone();
            for (_, device) in devices.as_object_mut().expect("devices by number") {
                let device = device.as_object_mut().expect("a device");
                device.remove("idle_fraction");
            }
            devices
        }
        "correlated_kernels" => facts["correlation"]["correlated_kernels"].clone(),
        "launch_to_start_sum" => facts["correlation"]["launch_to_start_ns"]["sum"].clone(),
        "closed_nvtx_ranges" => match &facts["nvtx"] {
            Value::Null => json!(0),
            nvtx => nvtx["push_pop_or_range_closed"].clone(),
        },
        key => facts[key].clone(),
    }
}

/// The same quantities from the imported tables, by the definitions of the facts.
fn summary(timeline: &Timeline) -> Value {
    let kernels = &timeline.kernels;
    let names: BTreeSet<_> =
        kernels.shape.iter().map(|shape| kernel_name(timeline, *shape)).collect();
    let closed = timeline
        .annotations
        .iter()
        .filter(|row| {
            matches!(
                row.annotation_kind(),
                AnnotationKind::NvtxPushPop | AnnotationKind::NvtxStartEnd
            )
        })
        .count();
    let (correlated, launch_to_start_sum) = correlation(timeline);
    json!({
        "format": timeline.info.format,
        "kernel_count": kernels.len(),
        "kernel_time_ns": kernels.duration_ns.iter().sum::<u64>(),
        "distinct_kernel_names": names.len(),
        "devices": devices(timeline),
        "memcpy": copies(timeline),
        "sync": {
            "count": timeline.syncs.len(),
            "total_ns": timeline.syncs.duration_ns.iter().sum::<u64>(),
        },
        "correlated_kernels": correlated,
        "launch_to_start_sum": launch_to_start_sum,
        "closed_nvtx_ranges": closed,
        "top5_kernels": top5(timeline),
        "file_bytes": timeline.dimensions.sources.file_bytes[0],
    })
}

fn kernel_name(timeline: &Timeline, shape: u32) -> StringId {
    timeline.shapes.resolve(ShapeId::from_raw(shape)).expect("a kernel has a shape").name
}

#[derive(Default)]
struct Device {
    kernels: Vec<(i64, u64)>,
    copies: usize,
    fills: usize,
    all: Vec<(i64, u64)>,
    streams: BTreeSet<u64>,
}

fn devices(timeline: &Timeline) -> Value {
    let mut devices = BTreeMap::<u32, Device>::new();
    let mut add = |stream: u32, start_ns: i64, duration_ns: u64, kind: u8| {
        let stream = timeline.dimensions.streams.get(stream as usize).expect("a known stream");
        let device = devices.entry(stream.device).or_default();
        device.streams.insert(stream.stream_id);
        device.all.push((start_ns, duration_ns));
        match kind {
            0 => device.kernels.push((start_ns, duration_ns)),
            1 => device.copies += 1,
            _ => device.fills += 1,
        }
    };
    for row in timeline.kernels.iter() {
        add(row.stream, row.start_ns, row.duration_ns, 0);
    }
    for row in timeline.memcpys.iter() {
        add(row.stream, row.start_ns, row.duration_ns, 1);
    }
    for row in timeline.memsets.iter() {
        add(row.stream, row.start_ns, row.duration_ns, 2);
    }
    let mut out = serde_json::Map::new();
    for (device, work) in devices {
        let ordinal = timeline.dimensions.devices.ordinal[device as usize];
        let first = work.all.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let last = work.all.iter().map(|(start, len)| start + *len as i64).max().unwrap_or(0);
        let mut streams: Vec<_> = work.streams.iter().map(u64::to_string).collect();
        streams.sort();
        out.insert(
            ordinal.to_string(),
            json!({
                "kernel_count": work.kernels.len(),
                "kernel_time_ns": work.kernels.iter().map(|(_, len)| len).sum::<u64>(),
                "kernel_busy_union_ns": union(work.kernels),
                "gpu_busy_union_ns": union(work.all),
                "window_ns": last - first,
                "window_start_ns": first,
                "memcpy_count": work.copies,
                "memset_count": work.fills,
                "streams": streams,
            }),
        );
    }
    Value::Object(out)
}

fn union(mut spans: Vec<(i64, u64)>) -> i64 {
    spans.sort_unstable();
    let (mut total, mut covered_to) = (0, i64::MIN);
    for (start, duration) in spans {
        let end = start + duration as i64;
        total += (end - start.max(covered_to)).max(0);
        covered_to = covered_to.max(end);
    }
    total
}

fn copies(timeline: &Timeline) -> Value {
    let mut out = BTreeMap::<&str, (u64, u64, u64)>::new();
    for row in timeline.memcpys.iter() {
        assert_ne!(row.direction(), MemcpyKind::Unknown);
        let entry = out.entry(row.direction().as_str()).or_default();
        entry.0 += 1;
        if row.bytes == NONE_U64 { entry.2 += 1 } else { entry.1 += row.bytes }
    }
    out.into_iter()
        .map(|(kind, (count, bytes, missing))| {
            (kind.to_owned(), json!({"count": count, "bytes": bytes, "bytes_missing": missing}))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Kernels with an API call of their process and id, and the sum of start differences. Where a
/// call was recorded twice the earlier record counts.
fn correlation(timeline: &Timeline) -> (usize, i64) {
    let mut calls = BTreeMap::<(u32, u32), i64>::new();
    for call in timeline.api_calls.iter() {
        let process = timeline.dimensions.process_of_thread(ThreadId::from_raw(call.thread));
        let start = calls.entry((process.raw(), call.correlation_id)).or_insert(call.start_ns);
        *start = call.start_ns.min(*start);
    }
    let launches: Vec<_> = timeline
        .kernels
        .iter()
        .filter(|kernel| kernel.correlation_id != NONE_U32)
        .filter_map(|kernel| {
            let process = timeline.dimensions.process_of_stream(StreamId::from_raw(kernel.stream));
            let call = calls.get(&(process.raw(), kernel.correlation_id))?;
            Some(kernel.start_ns - call)
        })
        .collect();
    (launches.len(), launches.iter().sum())
}

fn top5(timeline: &Timeline) -> Value {
    let mut by_name = BTreeMap::<StringId, (u64, u64)>::new();
    for row in timeline.kernels.iter() {
        let entry = by_name.entry(kernel_name(timeline, row.shape)).or_default();
        entry.0 += 1;
        entry.1 += row.duration_ns;
    }
    let mut rows: Vec<_> = by_name
        .into_iter()
        .map(|(name, (count, total))| (total, count, timeline.strings.resolve_or_empty(name)))
        .collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.2.cmp(b.2)));
    rows.into_iter()
        .take(5)
        .map(|(total, count, name)| json!({"count": count, "name": name, "total_ns": total}))
        .collect()
}

#[test]
fn nothing_personal_is_taken_from_real_exports() {
    let Some(corpus) = support::corpus() else { return };
    let mut secrets_seen = 0;
    for entry in std::fs::read_dir(corpus.join("nsys")).expect("the folder is there") {
        let path = entry.expect("a readable folder").path();
        let timeline = support::import(&path).expect("a real export imports");
        let secrets = secrets(&path);
        secrets_seen += secrets.len();
        for text in timeline.strings.iter() {
            let folder = ["/home/", concat!("/ro", "ot/"), "\\Users\\"]
                .iter()
                .find(|part| text.contains(**part));
            let secret = secrets.iter().find(|secret| text.contains(secret.as_str()));
            assert_eq!((folder, secret), (None, None), "{}: {text}", path.display());
        }
    }
    assert!(secrets_seen > 100, "the exports hold environments, {secrets_seen} values were found");
}

/// What the export says about the user, the host and the environment, as far as it is long enough
/// to be told from ordinary words.
fn secrets(path: &Path) -> Vec<String> {
    let uri = format!("file:{}?immutable=1", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let database = Connection::open_with_flags(uri, flags).expect("SQLite opens it");
    let mut found = Vec::new();
    for sql in [
        "SELECT value FROM TARGET_INFO_SYSTEM_ENV",
        "SELECT value FROM META_DATA_CAPTURE WHERE name GLOB '*USER_NAME' OR name GLOB '*_DIR'
         OR name GLOB '*ENVIRONMENT*' OR name GLOB '*ARGUMENT_*'",
    ] {
        let Ok(mut statement) = database.prepare(sql) else { continue };
        let mut rows = statement.query([]).expect("it can be asked");
        while let Some(row) = rows.next().expect("it can be read") {
            let value = row.get_ref(0).expect("one column");
            found.extend(value.as_str().map(str::to_owned).ok().filter(|text| text.len() >= 8));
        }
    }
    found
}
