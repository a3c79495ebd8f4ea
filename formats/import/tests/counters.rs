//! Metrics and `nvidia-smi` output in every way they are printed.

mod support;

use underspan_import::{ImportOptions, NoProgress, import_paths};
use underspan_model::tables::CounterKind;
use underspan_model::{ClockDomain, ProblemKind, StringId, Timeline};

fn import_as(name: &str, content: &str) -> Timeline {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("written");
    support::import(&path).unwrap_or_else(|error| panic!("{}", support::message(&error)))
}

fn import(content: &str) -> Timeline {
    import_as("file", content)
}

fn text(timeline: &Timeline, id: u32) -> String {
    timeline.strings.resolve_or_empty(StringId::from_raw(id)).to_owned()
}

/// Each sample as one line: time in milliseconds, track, unit, device, process, value.
fn samples(timeline: &Timeline) -> Vec<String> {
    let line = |row: underspan_model::tables::Counter| {
        let track = timeline.dimensions.counter_tracks.get(row.track as usize).expect("a track");
        let device = timeline.dimensions.devices.get(track.device as usize);
        let process = timeline.dimensions.processes.get(track.process as usize);
        format!(
            "{} {} [{}] gpu {} pid {} = {}",
            row.time_ns / 1_000_000,
            text(timeline, track.name),
            text(timeline, track.unit),
            device.map_or("-".to_owned(), |device| device.ordinal.to_string()),
            process.map_or("-".to_owned(), |process| process.pid.to_string()),
            row.value
        )
    };
    timeline.counters.iter().map(line).collect()
}

fn property(timeline: &Timeline, key: &str) -> Option<String> {
    let rows = timeline.dimensions.properties.iter();
    rows.filter(|p| text(timeline, p.key) == key).map(|p| text(timeline, p.value)).last()
}

#[test]
fn queries_of_several_devices_with_and_without_units() {
    let with = "timestamp, index, uuid, name, clocks.current.sm [MHz], clocks_throttle_reasons.active, \
        utilization.gpu [%], pstate, persistence_mode, driver_version, memory.total [MiB]\n\
        2026/12/18 07:55:46.880, 0, GPU-a, NVIDIA A10, 1695 MHz, 0x0000000000000004, 7 %, P0, Enabled, 590.48.01, 23028 MiB\n\
        2026/12/18 07:55:46.881, 1, GPU-b, NVIDIA A10, [N/A], 0x0000000000000000, 0 %, P8, Disabled, 590.48.01, 23028 MiB\n";
    let timeline = import(with);
    let expected = [
        "1797580546880 clocks.current.sm [MHz] gpu 0 pid - = 1695",
        "1797580546880 clocks_event_reasons.active [] gpu 0 pid - = 4",
        "1797580546880 utilization.gpu [%] gpu 0 pid - = 7",
        "1797580546880 pstate [] gpu 0 pid - = 0",
        "1797580546880 persistence_mode [] gpu 0 pid - = 1",
        "1797580546880 memory.total [MiB] gpu 0 pid - = 23028",
        "1797580546881 clocks_event_reasons.active [] gpu 1 pid - = 0",
        "1797580546881 utilization.gpu [%] gpu 1 pid - = 0",
        "1797580546881 pstate [] gpu 1 pid - = 8",
        "1797580546881 persistence_mode [] gpu 1 pid - = 0",
        "1797580546881 memory.total [MiB] gpu 1 pid - = 23028",
    ];
    assert_eq!(samples(&timeline), expected);
    assert_eq!(timeline.info.clock, ClockDomain::Realtime);
    assert_eq!(property(&timeline, "device.0.driver_version").as_deref(), Some("590.48.01"));
    let devices: Vec<_> = timeline
        .dimensions
        .devices
        .iter()
        .map(|d| (text(&timeline, d.uuid), text(&timeline, d.name), d.memory_bytes >> 20))
        .collect();
    let device = |uuid: &str| (uuid.to_owned(), "NVIDIA A10".to_owned(), 23_028);
    assert_eq!(devices, [device("GPU-a"), device("GPU-b")]);
    let without = with.replace(" MHz,", ",").replace(" %,", ",").replace(" MiB\n", "\n");
    assert_eq!(samples(&import(&without)), expected);
    // Windows line ends, and a second start of the tool in the same file.
    let header = with.lines().next().expect("a header");
    let again = format!("{}{header}\r\n", with.replace('\n', "\r\n"));
    assert_eq!(samples(&import(&again)), expected);
}

#[test]
fn queries_of_processes_name_them_without_their_folders() {
    let timeline = import(
        "timestamp, gpu_uuid, pid, process_name, used_gpu_memory [MiB]\n\
        2026/12/18 07:55:46.000, GPU-b, 41, /home/someone/venv/bin/python3, 500 MiB\n\
        2026/12/18 07:55:47.000, GPU-a, 42, C:\\tools\\serve.exe, 600 MiB\n",
    );
    let expected = [
        "1797580546000 used_gpu_memory [MiB] gpu 0 pid 41 = 500",
        "1797580547000 used_gpu_memory [MiB] gpu 1 pid 42 = 600",
    ];
    assert_eq!(samples(&timeline), expected);
    let names: Vec<_> =
        timeline.dimensions.processes.iter().map(|p| text(&timeline, p.name)).collect();
    assert_eq!(names, ["python3", "serve.exe"]);
    assert!(timeline.strings.iter().all(|text| !text.contains("someone")));
}

#[test]
fn a_query_without_times_is_facts_of_devices() {
    let timeline =
        import("index, name, driver_version, compute_cap\n0, NVIDIA H100, 590.48.01, 9.0\n");
    assert!(timeline.counters.is_empty());
    assert_eq!(timeline.dimensions.devices.compute_capability, [90]);
    assert_eq!(property(&timeline, "device.0.driver_version").as_deref(), Some("590.48.01"));
}

#[test]
fn tables_of_processes_with_dates() {
    let timeline = import(
        "#Date       Time        gpu         pid   type     sm    mem    fb    command \n\
         #YYYYMMDD   HH:MM:SS    Idx           #    C/G      %      %    MB    name \n\
          20261218   07:55:47        0        6007      C      1      -   410    my server \n\
          20261218   07:55:47        1           -      -      -      -     -    -  \n\
         #Date       Time        gpu         pid   type     sm    mem    fb    command \n\
          20261218   07:55:48        0        6007      C      3      2   410    my server \n",
    );
    let expected = [
        "1797580547000 pmon.sm [%] gpu 0 pid 6007 = 1",
        "1797580547000 pmon.fb [MB] gpu 0 pid 6007 = 410",
        "1797580548000 pmon.sm [%] gpu 0 pid 6007 = 3",
        "1797580548000 pmon.mem [%] gpu 0 pid 6007 = 2",
        "1797580548000 pmon.fb [MB] gpu 0 pid 6007 = 410",
    ];
    assert_eq!(samples(&timeline), expected);
    let names: Vec<_> =
        timeline.dimensions.processes.iter().map(|p| text(&timeline, p.name)).collect();
    assert_eq!(names, ["my server"]);
}

#[test]
fn tables_without_a_date_count_from_midnight_and_without_a_time_hold_nothing() {
    let timeline = import(
        "#Time        gpu    pwr  gtemp     sm \n#HH:MM:SS    Idx      W      C      % \n\
         23:59:59       0     70     55      4 \n 00:00:01       0     71     55      - \n",
    );
    let expected = [
        "86399000 dmon.pwr [W] gpu 0 pid - = 70",
        "86399000 dmon.gtemp [C] gpu 0 pid - = 55",
        "86399000 dmon.sm [%] gpu 0 pid - = 4",
        "86401000 dmon.pwr [W] gpu 0 pid - = 71",
        "86401000 dmon.gtemp [C] gpu 0 pid - = 55",
    ];
    assert_eq!(samples(&timeline), expected);
    assert_eq!(timeline.info.clock, ClockDomain::SourceRelative);
    let timeline = import(
        "# gpu        pid  type    sm   command\n# Idx          #   C/G     %   name\n    0       1234     C    55   python\n",
    );
    assert!(timeline.counters.is_empty());
    assert_eq!(timeline.dimensions.processes.pid, [1234]);
    assert_eq!(timeline.problems.count(ProblemKind::MissingTimestamp), 1);
}

#[test]
fn metrics_with_times_become_series_of_their_kind() {
    let timeline = import(
        "# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).\n# TYPE DCGM_FI_DEV_GPU_TEMP gauge\n\
         DCGM_FI_DEV_GPU_TEMP{gpu=\"1\",UUID=\"GPU-b\",Hostname=\"h\",modelName=\"NVIDIA A10\"} 55 1772006400125\n\
         # TYPE vllm:prompt_tokens counter\n# UNIT vllm:prompt_tokens tokens\n\
         vllm:prompt_tokens_total{model_name=\"m\",engine=\"0\"} 7 1772006400.125\n\
         vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} 9 1772006401.125\n\
         # TYPE lat histogram\nlat_bucket{le=\"0.5\"} 3 1772006400.125 # {trace_id=\"a\"} 0.4\n\
         lat_bucket{le=\"+Inf\"} 4 1772006400.125\nlat_sum 2.5 1772006400.125\n# EOF\n",
    );
    let expected = [
        "1772006400125 DCGM_FI_DEV_GPU_TEMP{Hostname=\"~1\",UUID=\"GPU-b\",gpu=\"1\",modelName=\"NVIDIA A10\"} [C] gpu 1 pid - = 55",
        "1772006400125 vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} [tokens] gpu - pid - = 7",
        "1772006400125 lat_bucket{le=\"0.5\"} [] gpu - pid - = 3",
        "1772006400125 lat_bucket{le=\"+Inf\"} [] gpu - pid - = 4",
        "1772006400125 lat_sum [] gpu - pid - = 2.5",
        "1772006401125 vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} [tokens] gpu - pid - = 9",
    ];
    assert_eq!(samples(&timeline), expected);
    let kinds: Vec<_> = timeline
        .dimensions
        .counter_tracks
        .kind
        .iter()
        .map(|kind| CounterKind::from_code(*kind))
        .collect();
    let bucket = CounterKind::HistogramBucket;
    assert_eq!(kinds, [CounterKind::Gauge, CounterKind::Total, bucket, bucket, CounterKind::Total]);
    assert_eq!(timeline.dimensions.counter_tracks.source, [0; 5]);
}

#[test]
fn a_scrape_has_the_time_its_name_holds_or_none() {
    let scrape = "# TYPE up gauge\nup 1\n# TYPE down gauge\ndown 0\n";
    let named = import_as("metrics_1772006400125000000.txt", scrape);
    assert_eq!(named.counters.time_ns, [1_772_006_400_125_000_000; 2]);
    assert_eq!(named.info.clock, ClockDomain::Realtime);
    let unnamed = import_as("metrics.txt", scrape);
    assert_eq!(unnamed.info.clock, ClockDomain::SourceRelative);
    assert_eq!(unnamed.problems.count(ProblemKind::MissingEvidence), 2);
    // Beside files that have times, it is put at their end.
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.txt"), scrape).expect("written");
    let series = "# TYPE b gauge\nb 1 1772006400\nb 2 1772006500\n";
    std::fs::write(dir.path().join("b.txt"), series).expect("written");
    let paths = [dir.path().to_owned()];
    let joined = import_paths(&paths, &ImportOptions::default(), &NoProgress).expect("imports");
    assert_eq!(joined.timeline.info.clock, ClockDomain::Realtime);
    let expected = [
        "1772006400000 b [] gpu - pid - = 1",
        "1772006500000 up [] gpu - pid - = 1",
        "1772006500000 down [] gpu - pid - = 0",
        "1772006500000 b [] gpu - pid - = 2",
    ];
    assert_eq!(samples(&joined.timeline), expected);
}

#[test]
fn declarations_keep_every_value_by_its_path() {
    let timeline = import(
        r#"{"gpus": 2, "engine": {"name": "triton", "dynamic_batching": {"preferred": [4, 8]},
        "eager": false, "note": null}}"#,
    );
    for (key, value) in [
        ("declared.gpus", "2"),
        ("declared.engine.name", "triton"),
        ("declared.engine.dynamic_batching.preferred.1", "8"),
        ("declared.engine.eager", "false"),
    ] {
        assert_eq!(property(&timeline, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(timeline.dimensions.properties.len(), 5);
    // A request to a server has a model too, and a prompt: it is no declaration.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("request.json");
    std::fs::write(&path, r#"{"model": "m", "messages": [{"content": "a secret"}]}"#)
        .expect("written");
    let error = support::import(&path).expect_err("no declaration");
    assert!(!support::message(&error).contains("a secret"));
}

#[test]
fn clock_readings_one_or_many() {
    let one = r#"{"realtime_ns": 1772006400125000001, "monotonic_ns": 5}"#;
    let two =
        format!("[{one}, {{\"monotonic_ns\": \"7\", \"realtime_ns\": 9, \"uncertainty_ns\": 40}}]");
    for (content, n) in [(one.to_owned(), 1), (two.clone(), 2), (format!("{one}\n{one}\n"), 2)] {
        let timeline = import(&content);
        let anchors = &timeline.dimensions.clock_anchors;
        assert_eq!(anchors.len(), n);
        assert_eq!(
            (anchors.realtime_ns[0], anchors.monotonic_ns[0]),
            (1_772_006_400_125_000_001, 5)
        );
    }
    assert_eq!(import(&two).dimensions.clock_anchors.uncertainty_ns, [u64::MAX, 40]);
}
