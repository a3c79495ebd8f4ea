//! Every Kineto trace of the shared corpus against facts that were counted from the JSON by
//! another program. Prints the table of what was compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use underspan_import::{ImportOptions, NoProgress, import_path};
use underspan_model::tables::{AnnotationKind, CpuOpKind, MemcpyKind};
use underspan_model::{DeviceId, NONE_U32, NONE_U64, ShapeId, StreamId, StringId, Timeline};

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("UNDERSPAN_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let corpus = shared.join("corpus");
    if corpus.join("facts.json").is_file() {
        return Some(corpus);
    }
    println!("skipped: ../shared absent");
    None
}

#[test]
fn tables_say_what_the_files_say() {
    let Some(corpus) = shared() else { return };
    let facts = std::fs::read(corpus.join("facts.json")).expect("facts.json can be read");
    let facts: Value = serde_json::from_slice(&facts).expect("facts.json is JSON");
    let mut failures = Vec::new();
    println!(
        "{:<58} {:>8} {:>8} {:>7} {:>8}  result",
        "file", "events", "kernels", "copies", "calls"
    );
    for (name, facts) in facts.as_object().expect("facts by file") {
        if facts["format"] != "kineto_json" {
            continue;
        }
        let timeline = import_path(&corpus.join(name), &ImportOptions::default(), &NoProgress)
            .unwrap_or_else(|error| panic!("{error}"));
        let before = failures.len();
        let found = found(&timeline);
        for (key, found) in found.as_object().expect("an object") {
            let expected = expected(facts, key);
            let is_equal = match key.as_str() {
                // The facts list the five longest of each kind.
                "annotations" => is_subset(&expected, found),
                _ => *found == expected,
            };
            if !is_equal {
                failures.push(format!("{name}: {key}\n  expected {expected}\n  found    {found}"));
            }
        }
        println!(
            "{:<58} {:>8} {:>8} {:>7} {:>8}  {}",
            name,
            timeline.event_count(),
            timeline.kernels.len(),
            timeline.memcpys.len(),
            timeline.api_calls.len(),
            if failures.len() == before { "equal" } else { "DIFFERENT" }
        );
        for problem in timeline.problems.iter() {
            println!("    {} × {} ({})", problem.count, problem.kind.name(), problem.example);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_execution_trace_is_refused_by_name() {
    let Some(corpus) = shared() else { return };
    let path = corpus.join("kineto/k14b_benchmark_simple_add_et.json.gz");
    let error = import_path(&path, &ImportOptions::default(), &NoProgress).expect_err("no trace");
    let message = error.to_string();
    assert!(message.contains("execution trace"), "{message}");
}

/// What a file's facts say under a key of [`found`].
fn expected(facts: &Value, key: &str) -> Value {
    let by_category = |categories: &[&str]| {
        let counts = &facts["events_by_ph_cat"];
        let count = |name: &&str| counts[format!("X/{name}")].as_u64().unwrap_or(0);
        json!(categories.iter().map(count).sum::<u64>())
    };
    match key {
        "api_calls" => by_category(&["cuda_runtime", "cuda_driver", "Runtime"]),
        "cpu_ops" => by_category(&["cpu_op", "Operator"]),
        "python_functions" => by_category(&["python_function"]),
        "syncs" => by_category(&["cuda_sync"]),
        "overheads" => by_category(&["overhead"]),
        "devices" => {
            let mut devices = facts["devices"].clone();
            for device in devices.as_object_mut().into_iter().flat_map(|d| d.values_mut()) {
                // Unions and fractions are the engine's to compute.
                let device = device.as_object_mut().expect("an object");
                device.retain(|key, _| {
                    matches!(
                        &**key,
                        "kernel_count"
                            | "kernel_time_ns"
                            | "memcpy_count"
                            | "memset_count"
                            | "streams"
                            | "window_ns"
                    )
                });
            }
            if devices.is_null() { json!({}) } else { devices }
        }
        "top5_kernels" => facts[key].clone(),
        "described_devices" => facts["device_properties"].as_u64().unwrap_or(0).into(),
        "annotations" => totals(&facts[key]),
        "kernels_with_correlation"
        | "kernels_with_external_id"
        | "correlated_kernels"
        | "distinct_launches"
        | "max_kernels_per_launch"
        | "kernels_starting_before_launch"
        | "launch_to_start_ns"
        | "correlated_gpu_ops"
        | "gpu_ops"
        | "kernels_external_id_matches_cpu_op"
        | "kernels_external_id_equals_correlation" => facts["correlation"][key].clone(),
        "rank" => facts["distributed"]["rank"].clone(),
        "flows" => {
            let mut flows: BTreeMap<&str, u64> = BTreeMap::new();
            for (key, count) in facts["events_by_ph_cat"].as_object().expect("an object") {
                if let Some(category) = key.strip_prefix("s/").or_else(|| key.strip_prefix("f/")) {
                    *flows.entry(category).or_default() += count.as_u64().expect("a count");
                }
            }
            json!(flows)
        }
        key => facts[key].clone(),
    }
}

/// Annotations by kind and name, whatever order the facts list them in.
fn totals(annotations: &Value) -> Value {
    let mut totals: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (kind, rows) in annotations.as_object().expect("an object") {
        for row in rows.as_array().expect("rows") {
            let name = row["name"].as_str().expect("a name");
            let total =
                (row["count"].as_u64().expect("a count"), row["total_ns"].as_u64().expect("ns"));
            totals.insert(format!("{kind}/{name}"), total);
        }
    }
    json!(totals)
}

fn is_subset(part: &Value, whole: &Value) -> bool {
    part.as_object().expect("an object").iter().all(|(key, value)| whole.get(key) == Some(value))
}

/// What the tables say.
fn found(t: &Timeline) -> Value {
    let text = |id: u32| t.strings.resolve_or_empty(StringId::from_raw(id));
    let kernel_name = |shape: u32| {
        let shape = t.shapes.resolve(ShapeId::from_raw(shape)).expect("every kernel has a shape");
        t.strings.resolve_or_empty(shape.name)
    };
    let mut names: HashMap<&str, (u64, u64)> = HashMap::new();
    for kernel in t.kernels.iter() {
        let total = names.entry(kernel_name(kernel.shape)).or_default();
        *total = (total.0 + 1, total.1 + kernel.duration_ns);
    }
    let mut top: Vec<_> = names.iter().collect();
    top.sort_by_key(|(name, (_, ns))| (std::cmp::Reverse(*ns), **name));
    let top: Vec<_> = top
        .iter()
        .take(5)
        .map(|(name, (count, ns))| json!({"name": name, "count": count, "total_ns": ns}))
        .collect();

    let mut memcpy: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for copy in t.memcpys.iter() {
        let total = memcpy.entry(MemcpyKind::from_code(copy.kind).as_str()).or_default();
        total[0] += 1;
        match copy.bytes {
            NONE_U64 => total[1] += 1,
            bytes => total[2] += bytes,
        }
    }
    let memcpy: BTreeMap<_, _> = memcpy
        .into_iter()
        .map(|(kind, [count, missing, bytes])| {
            (kind, json!({"count": count, "bytes": bytes, "bytes_missing": missing}))
        })
        .collect();

    let mut annotations: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut distinct: BTreeMap<&str, u64> = BTreeMap::new();
    for row in t.annotations.iter() {
        let kind = AnnotationKind::from_code(row.kind).as_str();
        let total = annotations.entry(format!("{kind}/{}", text(row.name))).or_default();
        *distinct.entry(kind).or_default() += u64::from(total.0 == 0);
        *total = (total.0 + 1, total.1 + row.duration_ns);
    }

    let kinds = |wanted: CpuOpKind| t.cpu_ops.kind.iter().filter(|k| **k == wanted.code()).count();
    let properties: HashMap<&str, &str> =
        t.dimensions.properties.iter().map(|p| (text(p.key), text(p.value))).collect();
    let number =
        |key: &str| properties.get(key).map_or(Value::Null, |v| json!(v.parse::<u64>().ok()));
    let flows: BTreeMap<&str, Value> = properties
        .keys()
        .filter_map(|key| Some((key.strip_prefix("flow_events.")?, number(key))))
        .collect();
    let described = t.dimensions.devices.memory_bytes.iter().filter(|b| **b != NONE_U64).count();
    let rank = t.dimensions.processes.rank.iter().find(|rank| **rank != NONE_U32);
    let mut found = json!({
        "kernel_count": t.kernels.len(),
        "kernel_time_ns": t.kernels.duration_ns.iter().sum::<u64>(),
        "distinct_kernel_names": names.len(),
        "top5_kernels": top,
        "memcpy": memcpy,
        "annotations": json!(annotations),
        "distinct_annotations": distinct,
        "devices": devices(t),
        "api_calls": t.api_calls.len(),
        "syncs": t.syncs.len(),
        "overheads": t.overheads.len(),
        "cpu_ops": kinds(CpuOpKind::Operator),
        "python_functions": kinds(CpuOpKind::PythonFunction),
        "baseTimeNanoseconds": number("baseTimeNanoseconds"),
        "schemaVersion": number("schemaVersion"),
        "cuda_driver_version": number("cuda_driver_version"),
        "cupti_version": number("cupti_version"),
        "trace_id": properties.get("trace_id"),
        "described_devices": described,
        "flows": flows,
        "rank": rank,
    });
    correlation(t, found.as_object_mut().expect("an object"));
    found
}

fn device_of(t: &Timeline, stream: u32) -> (String, u64) {
    let stream = t.dimensions.streams.get(StreamId::from_raw(stream).index()).expect("a stream");
    let device = DeviceId::from_raw(stream.device);
    let ordinal = t.dimensions.devices.ordinal[device.index()];
    (ordinal.to_string(), stream.stream_id)
}

fn devices(t: &Timeline) -> Value {
    #[derive(Default)]
    struct Device {
        kernels: (u64, u64),
        memcpys: u64,
        memsets: u64,
        streams: BTreeSet<String>,
        window: Option<(i64, i64)>,
    }
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    let mut note = |stream: u32, start: i64, duration: u64, table: u8| {
        let (device, stream) = device_of(t, stream);
        let device = devices.entry(device).or_default();
        device.streams.insert(stream.to_string());
        let end = start + duration as i64;
        let window = device.window.get_or_insert((start, end));
        *window = (window.0.min(start), window.1.max(end));
        match table {
            0 => device.kernels = (device.kernels.0 + 1, device.kernels.1 + duration),
            1 => device.memcpys += 1,
            _ => device.memsets += 1,
        }
    };
    t.kernels.iter().for_each(|k| note(k.stream, k.start_ns, k.duration_ns, 0));
    t.memcpys.iter().for_each(|k| note(k.stream, k.start_ns, k.duration_ns, 1));
    t.memsets.iter().for_each(|k| note(k.stream, k.start_ns, k.duration_ns, 2));
    let devices: BTreeMap<_, _> = devices
        .into_iter()
        .map(|(ordinal, device)| {
            let (start, end) = device.window.unwrap_or_default();
            let device = json!({
                "kernel_count": device.kernels.0,
                "kernel_time_ns": device.kernels.1,
                "memcpy_count": device.memcpys,
                "memset_count": device.memsets,
                "streams": device.streams,
                "window_ns": end - start,
            });
            (ordinal, device)
        })
        .collect();
    json!(devices)
}

fn correlation(t: &Timeline, found: &mut serde_json::Map<String, Value>) {
    let calls: HashMap<u32, i64> = t
        .api_calls
        .iter()
        .filter(|call| call.correlation_id != NONE_U32)
        .map(|call| (call.correlation_id, call.start_ns))
        .collect();
    let operators: BTreeSet<u64> = t
        .cpu_ops
        .iter()
        .filter(|op| op.kind == CpuOpKind::Operator.code())
        .map(|op| op.external_id)
        .collect();
    let mut launches: HashMap<u32, u64> = HashMap::new();
    let mut delays = Vec::new();
    let mut before = 0;
    for kernel in t.kernels.iter() {
        if let Some(start) = calls.get(&kernel.correlation_id) {
            *launches.entry(kernel.correlation_id).or_default() += 1;
            delays.push(kernel.start_ns - start);
            before += u64::from(kernel.start_ns < *start);
        }
    }
    delays.sort_unstable();
    let nearest = |p: f64| delays[((delays.len() as f64 * p).ceil() as usize).max(1) - 1];
    let ops = |column: &[u32]| column.iter().filter(|id| calls.contains_key(id)).count();
    let mut put = |key: &str, value: Value| found.insert(key.to_owned(), value);
    put("kernels_with_correlation", json!(count(&t.kernels.correlation_id, NONE_U32)));
    put("kernels_with_external_id", json!(count(&t.kernels.external_id, NONE_U64)));
    let k = &t.kernels;
    let matches = k.external_id.iter().filter(|id| **id != NONE_U64 && operators.contains(id));
    put("kernels_external_id_matches_cpu_op", json!(matches.count()));
    let equal = k.external_id.iter().zip(&k.correlation_id).filter(|(a, b)| **a == u64::from(**b));
    put("kernels_external_id_equals_correlation", json!(equal.count()));
    put("correlated_kernels", json!(delays.len()));
    put("distinct_launches", json!(launches.len()));
    put("max_kernels_per_launch", json!(launches.values().max().copied().unwrap_or(0)));
    put("kernels_starting_before_launch", json!(before));
    put("gpu_ops", json!(k.len() + t.memcpys.len() + t.memsets.len()));
    let correlated = ops(&t.kernels.correlation_id)
        + ops(&t.memcpys.correlation_id)
        + ops(&t.memsets.correlation_id);
    put("correlated_gpu_ops", json!(correlated));
    if !delays.is_empty() {
        put(
            "launch_to_start_ns",
            json!({
                "n": delays.len(), "min": delays[0], "max": delays[delays.len() - 1],
                "p50": nearest(0.5), "p99": nearest(0.99), "sum": delays.iter().sum::<i64>(),
            }),
        );
    }
}

fn count<T: PartialEq + Copy>(column: &[T], none: T) -> usize {
    column.iter().filter(|value| **value != none).count()
}
