//! The workload on the driver double, with the collector in it; and where there is no driver.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use underspan_model::tables::MemcpyKind;
use underspan_model::{NONE_U64, Trust};
use underspan_native::read_timeline;

/// Runs the workload; libraries are looked for in `libraries`.
fn workload(libraries: &Path, rounds: &str, variables: &[(&str, &Path)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gpu-workload"))
        .arg(rounds)
        .env_clear()
        .env("LD_LIBRARY_PATH", libraries)
        .envs(variables.iter().copied())
        .output()
        .expect("it starts")
}

/// A library that was built along with the running test.
fn built(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a path");
    let found = program.ancestors().skip(1).take(3).map(|dir| dir.join(name));
    let mut found = found.filter(|path| path.is_file());
    found.next().unwrap_or_else(|| panic!("{name} was not built along with the test"))
}

#[test]
fn the_collector_records_what_the_workload_says_it_did() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let driver = fake_driver::built_library().expect("the double");
    std::os::unix::fs::symlink(driver, dir.path().join("libcuda.so")).expect("a link");
    let newest = *fake_cupti::PROFILES.last().expect("a release");
    let cupti = fake_cupti::Release(newest).write(dir.path()).expect("a double");
    let output = dir.path().join("cap.uspan");
    let done = workload(
        dir.path(),
        "20",
        &[
            ("CUDA_INJECTION64_PATH", &built("libunderspan_collector.so")),
            ("UNDERSPAN_CUPTI", &cupti),
            ("UNDERSPAN_MODE", Path::new("stream")),
            ("UNDERSPAN_KINDS", Path::new("node")),
            ("UNDERSPAN_OUTPUT", &output),
            ("UNDERSPAN_EXIT_MS", Path::new("30000")),
        ],
    );
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let told = [
        "\"streams\":5,\"kernels\":80,\"copies\":{\"to_device\":80,\"to_host\":80}",
        // The double computes nothing and has no cuBLAS.
        "\"computed\":false,\"graph\":{\"nodes\":16,\"replays\":20},\"products\":null",
    ];
    assert!(told.iter().all(|part| said.contains(part)), "{said}");
    let capture = read_timeline(&output).expect("a capture");
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", capture.problems);
    let nodes = &capture.kernels.graph_node_id;
    let n_in_graphs = nodes.iter().filter(|node| **node != NONE_U64).count();
    assert_eq!((capture.kernels.len() - n_in_graphs, n_in_graphs), (80, 16 * 20));
    let known = &capture.dimensions.graph_nodes.graph_node_id;
    assert_eq!(known.len(), 16, "where each node was captured");
    assert!(nodes.iter().all(|node| *node == NONE_U64 || known.contains(node)));
    let n_copies = |kind: MemcpyKind| {
        capture
            .memcpys
            .iter()
            .filter(|copy| copy.direction() == kind && copy.bytes == 1 << 18)
            .count()
    };
    assert_eq!((n_copies(MemcpyKind::HtoD), n_copies(MemcpyKind::DtoH)), (80, 80));
    assert_eq!(capture.dimensions.streams.len(), 5);
}

#[test]
fn without_a_driver_it_says_so_and_ends_well() {
    if Path::new("/proc/driver/nvidia").exists() {
        println!("skipped: this machine has a driver");
        return;
    }
    let dir = tempfile::TempDir::new().expect("a folder");
    let done = workload(dir.path(), "20", &[]);
    assert!(done.status.success());
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(said, "skipped: no CUDA driver (libcuda.so) on this machine\n");
    let wrong = workload(dir.path(), "many", &[]);
    assert!(!wrong.status.success() && wrong.stdout.is_empty());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("many"));
}
