//! Clocks, power and load beside a recording, from a double of NVML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use underspan_model::{NONE_U32, ProblemKind, StringId, Timeline, Trust};

use crate::support::{Bench, server, stderr};

/// Compiles the double into a folder.
pub(crate) fn double(folder: &Path) -> PathBuf {
    let library = folder.join("libnvidia-ml.so.1");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/nvml.c");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.expect("a C compiler").success());
    library
}

/// The values of each track: `NAME[UNIT] DEVICE`, and `PID` behind it for those of a process.
fn values(capture: &Timeline) -> BTreeMap<String, Vec<f64>> {
    let text = |id: u32| capture.strings.resolve_or_empty(StringId::from_raw(id)).to_owned();
    let dimensions = &capture.dimensions;
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in capture.counters.iter() {
        let track = dimensions.counter_tracks.get(row.track as usize).expect("a track");
        let name = format!("{}[{}]", text(track.name), text(track.unit));
        if name.starts_with("underspan.") {
            continue;
        }
        let device = dimensions.devices.ordinal[track.device as usize];
        let process = match track.process {
            NONE_U32 => String::new(),
            process => format!(" {}", dimensions.processes.pid[process as usize]),
        };
        values.entry(format!("{name} {device}{process}")).or_default().push(row.value);
    }
    values
}

#[test]
fn what_nvml_tells_is_in_the_capture_under_the_names_of_nvidia_smi() {
    let bench = Bench::new();
    let library = double(bench.dir.path());
    let bench = bench.with("UNDERSPAN_NVML", &library);
    let output = bench.record(&[], &[&server(), "steady", "--seconds", "1.2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    let values = values(&capture);
    for (track, value) in [
        ("clocks.current.sm[MHz] 0", 1200.0),
        ("clocks.current.sm[MHz] 1", 1980.0),
        ("clocks.current.memory[MHz] 0", 2619.0),
        ("clocks_event_reasons.active[] 0", 32.0),
        ("power.draw[W] 0", 312.5),
        ("enforced.power.limit[W] 0", 700.0),
        ("temperature.gpu[] 1", 88.0),
        ("utilization.gpu[%] 0", 97.0),
        ("utilization.memory[%] 0", 41.0),
        ("memory.used[MiB] 0", 51_200.0),
        ("used_gpu_memory[MiB] 0 4242", 3072.0),
        ("pmon.sm[%] 0 4242", 63.0),
        ("pmon.mem[%] 0 4242", 12.0),
    ] {
        let found = values.get(track).unwrap_or_else(|| panic!("{track} in {values:?}"));
        assert!(found.iter().all(|found| *found == value), "{track}: {found:?}");
    }
    // About ten a second; never more.
    let n_samples = values["clocks.current.sm[MHz] 0"].len();
    assert!((3..=60).contains(&n_samples), "{n_samples}");
    assert_eq!(values["pmon.sm[%] 0 4242"].len(), 1, "each sample of a process once");
    assert!(!values.contains_key("power.draw[W] 1"));
    let missing: Vec<_> = capture
        .problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::MissingEvidence)
        .map(|problem| problem.example)
        .collect();
    assert!(missing.iter().any(|what| what.contains("power.draw of device 1")), "{missing:?}");
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", capture.problems);
}

#[test]
fn without_nvml_the_missing_evidence_is_written_down() {
    let bench = Bench::new().with("UNDERSPAN_NVML", "/nonexistent/libnvidia-ml.so.1");
    let output = bench.record(&[], &[&server(), "steady", "--seconds", "0.3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    let nvml = capture.problems.iter().find(|problem| problem.source == "NVML");
    let nvml = nvml.unwrap_or_else(|| panic!("{:?}", capture.problems));
    assert_eq!(nvml.kind, ProblemKind::MissingEvidence);
    assert!(nvml.example.contains("no clocks and no power"), "{}", nvml.example);
}

#[test]
fn captures_of_a_flight_recorder_hold_the_last_clocks_and_spans() {
    let bench = Bench::new();
    let library = double(bench.dir.path());
    let bench = bench.with("UNDERSPAN_NVML", &library);
    let server = server();
    let words = ["arm", "-o", "cap.uspan", "--", &server, "steady", "--seconds", "1.5"];
    let failing = bench.command(&[&words[..], &["--exit", "4"]].concat()).output();
    let failing = failing.expect("it ends");
    assert_eq!(failing.status.code(), Some(4), "{}", stderr(&failing));
    let path = bench.path("cap-1.uspan");
    let capture = underspan_native::read_timeline(&path).expect("a capture");
    assert!(!capture.steps.is_empty() && !capture.spans.is_empty(), "{}", stderr(&failing));
    let values = values(&capture);
    assert!(values["clocks.current.sm[MHz] 0"].len() >= 3, "{values:?}");
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", capture.problems);
}
