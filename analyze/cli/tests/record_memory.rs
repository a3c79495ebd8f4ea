//! What joining a large recording takes: rows go from file to file, so memory does not grow with them.

mod support;

use std::process::Stdio;

use support::{Bench, built, compiled};
use underspan_model::ProblemKind;
use underspan_native::{ReadOptions, Reader};

/// Launches of each of two processes.
const N_LAUNCHES: u64 = 1_200_000;
/// Joined in memory these rows take 200 MiB; from file to file it is 15.
const MOST_BYTES: u64 = 48 << 20;

const HOST: &str = r#"
#include <dlfcn.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  void *cuda = dlopen(argv[1], RTLD_NOW);
  if (!cuda) return 1;
  int (*init)(unsigned) = dlsym(cuda, "cuInit");
  int (*get)(void **, void *, const char *) = dlsym(cuda, "cuModuleGetFunction");
  int (*launch)(void *, int, int, int, int, int, int, unsigned, void *, void **, void **) =
      dlsym(cuda, "cuLaunchKernel");
  void (*next)(unsigned long, unsigned, int) = dlsym(cuda, "fake_driver_next");
  int (*wait_all)(void) = dlsym(cuda, "cuCtxSynchronize");
  void *kernel;
  if (init(0) || get(&kernel, 0, "void scan<int>(int*)")) return 1;
  for (long i = 0, n = atol(argv[2]); i < n; i++) {
    next(100 + i % 7, 32, 0);
    if (launch(kernel, 8, 1, 1, 64, 1, 1, 0, 0, 0, 0)) return 2;
    if (i % 10000 == 9999) wait_all();
  }
  return wait_all();
}
"#;

/// The most memory that a process had so far, in bytes.
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[test]
fn joining_from_file_to_file_takes_no_memory_for_rows() {
    let bench = Bench::new().with("UNDERSPAN_MEMORY", "10000000");
    let host = compiled(&bench, "host", HOST, &["-O1"]);
    let driver = built("deps/libfake_driver.so");
    let (n, both) = (N_LAUNCHES.to_string(), r#""$0" "$@" & "$0" "$@"; e=$?; wait $! && exit $e"#);
    let words = ["record", "-o", "cap.uspan", "--no-hook", "--no-otlp", "--"];
    let host = ["sh", "-c", both, &host, &driver, &n];
    let mut recording = bench
        .command(&[&words[..], &host[..]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("underspan starts");
    let mut peak = 0;
    while recording.try_wait().expect("a child").is_none() {
        peak = peak.max(peak_bytes(recording.id()).unwrap_or(0));
        std::thread::yield_now();
    }
    let output = recording.wait_with_output().expect("it ends");
    let said = support::stderr(&output);
    assert!(output.status.success(), "{said}");

    let reader = Reader::open(&bench.path("cap.uspan"), &ReadOptions::default());
    let reader = reader.unwrap_or_else(|error| panic!("{error}: {said}"));
    let problems = &reader.head().expect("lists").problems;
    let lost =
        problems.count(ProblemKind::BufferStarved) + problems.count(ProblemKind::RecordDropped);
    let description = underspan_native::describe(&bench.path("cap.uspan")).expect("a capture");
    let kernels = description
        .tables
        .iter()
        .find(|table| table.kind == Some(underspan_model::tables::TableKind::Kernel));
    let n_kernels = kernels.map_or(0, |table| table.rows);
    assert_eq!(n_kernels + lost, 2 * N_LAUNCHES, "{said}");
    assert!(n_kernels > N_LAUNCHES, "too few to tell: {said}");
    assert!(peak > 1 << 20 && peak < MOST_BYTES, "{peak} bytes for {n_kernels} kernels: {said}");
}
