//! `underspan record` on servers that run on the GPU double.

mod support;

use std::io::{BufRead, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use support::{Bench, built, compiled, processes, server, stderr};
use underspan_model::{NONE_U32, NONE_U64, ProblemKind, Trust};
use underspan_native::read_timeline;

#[test]
fn spawned_workers_become_one_capture_with_right_parents() {
    let bench = Bench::new();
    let server = server();
    let child = bench.recording(&[], &[&server, "steady", "--seconds", "0.5", "--workers", "3"]);
    let launcher = i64::from(child.id());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 workers ended, 0 of them badly"));
    let capture = bench.capture();
    let processes = processes(&capture);
    let (root, ..) = *processes.iter().find(|row| row.2 == launcher).expect("the command");
    let mut ranks: Vec<u32> =
        processes.iter().filter(|row| row.2 == root).map(|(_, _, _, rank)| *rank).collect();
    ranks.sort_unstable();
    assert_eq!((ranks, processes.len()), (vec![0, 1, 2], 4), "{processes:?}");
    assert!(processes.iter().all(|row| row.1 == "fake-server"), "{processes:?}");
    assert!(!capture.steps.is_empty() && !capture.step_members.is_empty());
    assert!(!capture.request_identities.is_empty() && !capture.graph_launches.is_empty());
    let mut streams: Vec<_> = capture.kernels.stream.clone();
    streams.sort_unstable();
    streams.dedup();
    assert_eq!(streams.len(), 3, "one compute stream of each worker");
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", capture.problems);
    assert!(bench.files().iter().all(|name| !name.contains("parts")), "{:?}", bench.files());
}

#[test]
fn exit_codes_pass_through() {
    let bench = Bench::new();
    let server = server();
    let output =
        bench.record(&["--kinds", "api"], &[&server, "steady", "--seconds", "0.1", "--exit", "7"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    let capture = bench.capture();
    assert!(capture.api_calls.len() > 100 && !capture.syncs.is_empty());
    assert!(capture.graph_launches.is_empty(), "node by node");
    let n_in_graphs = capture.kernels.graph_id.iter().filter(|id| **id != NONE_U32).count();
    assert!(n_in_graphs > 0 && n_in_graphs < capture.kernels.len());
    let captured = &capture.dimensions.graph_nodes.graph_node_id;
    let captured: std::collections::HashSet<_> = captured.iter().copied().collect();
    let mut nodes = capture.kernels.graph_node_id.iter().filter(|node| **node != NONE_U64);
    assert!(nodes.all(|node| captured.contains(node)), "where each node was captured");
    let info = bench.command(&["info", "cap.uspan", "--format", "json"]).output().expect("it ends");
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).expect("JSON");
    let graphs = &info["graphs"];
    assert_eq!(graphs["kernels_with_captured_node"], n_in_graphs, "{graphs}");
    assert_eq!(graphs["captured_nodes_with_call"], graphs["captured_nodes"], "{graphs}");
    let not_found = bench.record(&["--force"], &["/nonexistent/program"]);
    assert_eq!(not_found.status.code(), Some(2));
    assert!(stderr(&not_found).contains("/nonexistent/program"), "{}", stderr(&not_found));
    assert!(bench.files().iter().all(|name| !name.contains("parts")), "{:?}", bench.files());
}

#[test]
fn signals_reach_the_command_and_its_end_is_told() {
    for (signal, number) in [("TERM", 15), ("INT", 2), ("USR1", 10), ("HUP", 1)] {
        let bench = Bench::new();
        let server = server();
        let child = bench.recording(&[], &[&server, "steady", "--forever"]);
        bench.until_recorded(1);
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.expect("run kill").success());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.signal(), Some(number), "{signal}: {}", stderr(&output));
        let capture = bench.capture();
        assert!(capture.graph_launches.len() + capture.kernels.len() > 0, "{signal}");
        // It may have had more to write, which is said in the file and at the end.
        assert_eq!(capture.problems.trust(), Trust::Partial, "{signal}: {:?}", capture.problems);
        assert_eq!(capture.problems.count(ProblemKind::UnfinishedFile), 1, "{signal}");
        let said = stderr(&output);
        assert!(said.contains("1 process killed before it wrote its last events"), "{said}");
    }
}

#[test]
fn a_handled_signal_ends_in_the_commands_own_way() {
    let bench = Bench::new();
    let script = "import os, signal, sys\n\
                  signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n\
                  print('ready', flush=True)\n\
                  signal.pause()";
    let mut child = bench.recording(&["--no-hook"], &["python3", "-c", script]);
    let mut ready = [0; 6];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("a line");
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
    assert!(stderr(&output).contains("nothing was recorded"), "{}", stderr(&output));
    assert!(!bench.path("cap.uspan").exists() && !bench.path("cap.uspan.parts").exists());
}

/// A host in Python: a process that launches, and a spawned child that does so too.
const PYTHON: &str = r#"
import ctypes, multiprocessing, sys

def launch(n):
    cuda = ctypes.CDLL(sys.argv[1])
    assert cuda.cuInit(0) == 0
    stream, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    assert cuda.cuStreamCreate(ctypes.byref(stream), 0) == 0
    assert cuda.cuModuleGetFunction(ctypes.byref(kernel), None, b"void gemm<float>(float*)") == 0
    for _ in range(n):
        assert cuda.cuLaunchKernel(kernel, 4, 1, 1, 128, 1, 1, 0, stream, None, None) == 0
    assert cuda.cuStreamSynchronize(stream) == 0

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=launch, args=(30,))
    child.start()
    launch(70)
    child.join()
    sys.exit(child.exitcode)
"#;

#[test]
fn a_python_host_and_its_spawned_child_are_recorded() {
    let bench = Bench::new();
    let script = bench.path("server.py");
    std::fs::write(&script, PYTHON).expect("write the script");
    let script = script.to_str().expect("UTF-8").to_owned();
    let output = bench.record(&[], &["python3", &script, &built("deps/libfake_driver.so")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 100, "{}", stderr(&output));
    let processes = processes(&capture);
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(processes.iter().any(|child| processes.iter().any(|parent| parent.0 == child.2)));
}

/// A host in C: forks in the middle, and what the children do is nothing.
const C_HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  void *cuda = dlopen(argv[1], RTLD_NOW);
  if (!cuda) return puts(dlerror()), 1;
  int (*init)(unsigned) = dlsym(cuda, "cuInit");
  int (*get)(void **, void *, const char *) = dlsym(cuda, "cuModuleGetFunction");
  int (*launch)(void *, int, int, int, int, int, int, unsigned, void *, void **, void **) =
      dlsym(cuda, "cuLaunchKernel");
  int (*wait_all)(void) = dlsym(cuda, "cuCtxSynchronize");
  void *kernel;
  if (init(0) || get(&kernel, 0, "void scan<int>(int*)")) return 1;
  for (int i = 0; i < 50; i++) launch(kernel, 8, 1, 1, 64, 1, 1, 0, 0, 0, 0);
  int n_children = atoi(argv[2]), n_well = 0, status;
  for (int i = 0; i < n_children; i++) {
    pid_t child = fork();
    if (child == 0) {
      if (i % 3 == 0) _exit(0);
      if (i % 3 == 1) exit(0);
      execl("/bin/true", "true", (char *)0);
      _exit(1);
    }
  }
  for (int i = 0; i < n_children; i++) n_well += wait(&status) > 0 && status == 0;
  for (int i = 0; i < 50; i++) launch(kernel, 8, 1, 1, 64, 1, 1, 0, 0, 0, 0);
  wait_all();
  return n_well == n_children ? 0 : 3;
}
"#;

#[test]
fn a_storm_of_forks_changes_nothing() {
    let bench = Bench::new();
    let host = compiled(&bench, "host", C_HOST, &[]);
    let output = bench.record(&["--no-hook"], &[&host, &built("deps/libfake_driver.so"), "400"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 100);
    assert_eq!(capture.dimensions.processes.len(), 1, "{:?}", processes(&capture));
}

#[test]
fn another_tool_is_refused_or_loaded_as_well() {
    let bench = Bench::new();
    let marker = bench.path("other-was-here");
    let source = format!(
        "#include <stdio.h>\nint InitializeInjection(void) {{ fclose(fopen(\"{}\", \"w\")); return 1; }}",
        marker.display()
    );
    let other = compiled(&bench, "libother.so", &source, &["-shared", "-fPIC"]);
    let bench = bench.with("CUDA_INJECTION64_PATH", &other);
    let server = server();
    let host = [server.as_str(), "steady", "--seconds", "0.1"];
    let refused = bench.record(&[], &host);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("libother.so") && stderr(&refused).contains("--chain"));
    assert!(refused.stdout.is_empty(), "the command was not run");
    let both = bench.record(&["--chain"], &host);
    assert_eq!(both.status.code(), Some(0), "{}", stderr(&both));
    assert!(marker.exists());
    assert!(!bench.capture().steps.is_empty());
}

#[test]
fn what_prevents_recording_is_a_line_and_the_server_runs() {
    let server = server();
    let host = [server.as_str(), "steady", "--seconds", "0.1", "--exit", "5"];
    let served = |output: &std::process::Output| {
        assert_eq!(output.status.code(), Some(5), "{}", stderr(output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("served"), "{}", stderr(output));
    };
    let bench = Bench::new();
    let unwritable = bench
        .command(&[&["record", "-o", "/proc/nowhere/x.uspan", "--"], &host[..]].concat())
        .output();
    let unwritable = unwritable.expect("it ends");
    served(&unwritable);
    assert_eq!(stderr(&unwritable).lines().count(), 1, "{}", stderr(&unwritable));
    assert!(stderr(&unwritable).contains("/proc/nowhere"), "{}", stderr(&unwritable));
    let bench = Bench::new().with("UNDERSPAN_CUPTI", "/nonexistent/libcupti.so");
    let no_cupti = bench.record(&[], &host);
    served(&no_cupti);
    assert!(stderr(&no_cupti).contains("not recording"), "{}", stderr(&no_cupti));
    let bench = Bench::new().with("FAKE_CUPTI_SCRIPT", "subscriber nsys");
    let second = bench.record(&[], &host);
    served(&second);
    assert!(stderr(&second).contains("another profiler"), "{}", stderr(&second));
    let bench = Bench::new().with("UNDERSPAN_COLLECTOR", "/nonexistent/c.so");
    let no_collector = bench.record(&[], &host);
    served(&no_collector);
    assert!(stderr(&no_collector).contains("/nonexistent/c.so"), "{}", stderr(&no_collector));
}

#[test]
fn an_existing_capture_is_not_overwritten_unasked() {
    let bench = Bench::new();
    std::fs::write(bench.path("cap.uspan"), "precious").expect("write");
    let server = server();
    let host = [server.as_str(), "steady", "--seconds", "0.1"];
    let refused = bench.record(&[], &host);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert_eq!(std::fs::read(bench.path("cap.uspan")).expect("read"), b"precious");
    assert_eq!(bench.record(&["--force"], &host).status.code(), Some(0));
    assert!(!bench.capture().steps.is_empty());
}

#[test]
fn a_limited_recording_is_complete_while_the_command_runs() {
    for options in [["--duration", "300ms"], ["--max-size", "1K"]] {
        let bench = Bench::new();
        let server = server();
        let child = bench.recording(&options, &[&server, "steady", "--forever"]);
        while !bench.path("cap.uspan").exists() {
            std::thread::yield_now();
        }
        let capture = bench.capture();
        assert!(!capture.steps.is_empty(), "{options:?}");
        let pid = child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill").success());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.signal(), Some(15), "{}", stderr(&output));
        assert!(stderr(&output).contains("runs on"), "{}", stderr(&output));
    }
}

#[test]
fn a_delayed_recording_begins_later() {
    let bench = Bench::new();
    let server = server();
    let host = [server.as_str(), "steady", "--seconds", "1.2"];
    let output = bench.record(&["--delay", "600ms"], &host);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    let first = capture.steps.step_id.iter().min().copied();
    assert!(first.is_some_and(|first| first > 0), "the first steps were not recorded: {first:?}");
}

#[test]
fn a_ring_keeps_the_end() {
    let bench = Bench::new().with("UNDERSPAN_RING_SEGMENTS", "2");
    let server = server();
    let host = [server.as_str(), "steady", "--seconds", "1.5"];
    let output = bench.record(&["--mode", "ring", "--last", "300ms"], &host);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let capture = bench.capture();
    let first = capture.steps.step_id.iter().min().copied();
    assert!(first.is_some_and(|first| first > 0), "{first:?}");
    assert!(capture.problems.count(ProblemKind::RingOverwritten) > 0);
}

#[test]
fn pieces_stay_when_the_capture_cannot_be_written() {
    let bench = Bench::new();
    let server = server();
    // Nobody below this shell can write files beyond 32 KiB: as on a full disk.
    let script = format!(
        "ulimit -f 64; exec '{}' record -o cap.uspan --kinds api -- '{server}' steady --seconds 1.5",
        env!("CARGO_BIN_EXE_underspan")
    );
    let mut shell = bench.command(&[]);
    let environment: Vec<_> = shell
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    shell = Command::new("sh");
    let output = shell
        .args(["-c", &format!("trap '' XFSZ; {script}")])
        .envs(environment)
        .current_dir(bench.dir.path())
        .output()
        .expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("served"), "{text}");
    if bench.path("cap.uspan").exists() {
        let capture = bench.capture();
        assert!(capture.problems.count(ProblemKind::WriteFailed) > 0, "{:?}", capture.problems);
    } else {
        assert!(text.contains("underspan import"), "{text}");
        assert!(bench.path("cap.uspan.parts").is_dir(), "{:?}", bench.files());
    }
}

#[test]
fn an_armed_server_gives_its_last_seconds_when_asked() {
    let bench = Bench::new();
    let server = server();
    let trigger = bench.path("trigger");
    let trigger_path = trigger.to_str().expect("UTF-8");
    let words = ["arm", "-o", "cap.uspan", "--last", "2s", "--trigger-file", trigger_path, "--"];
    let mut armed = bench.command(&[&words[..], &[&server, "steady", "--forever"]].concat());
    let armed = armed.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = armed.spawn().expect("underspan starts");
    let pid = child.id().to_string();
    let segments = || {
        let parts = bench.path("cap.uspan.parts");
        let rings = std::fs::read_dir(parts).into_iter().flatten().flatten();
        let rings = rings.filter(|ring| ring.file_name() != "hook" && ring.file_name() != "otlp");
        let files = rings.flat_map(|ring| std::fs::read_dir(ring.path()).into_iter().flatten());
        files.flatten().filter(|file| file.metadata().is_ok_and(|file| file.len() > 5000)).count()
    };
    while segments() == 0 {
        std::thread::yield_now();
    }
    let live = underspan_launcher::live_files(&pid).expect("a recorder");
    assert!(live.iter().all(|ring| ring.is_dir()) && !live.is_empty(), "{live:?}");
    let unknown = underspan_launcher::live_files("/nowhere.sock").expect_err("no socket");
    assert!(unknown.to_string().contains("/nowhere.sock"), "{unknown}");
    // The process that is named and all below it: here the server that `arm` runs.
    let words = ["record", "--pid", &pid, "--last", "10s", "-o", "taken.uspan"];
    let output = bench.command(&words).output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let taken = read_timeline(&bench.path("taken.uspan")).expect("a capture");
    assert!(!taken.steps.is_empty() && taken.steps.len() <= taken.step_members.len());
    std::fs::write(&trigger, "").expect("touch");
    while !bench.path("cap-1.uspan").exists() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").arg(&pid).status().expect("kill").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.signal(), Some(15), "{}", stderr(&output));
    let last = read_timeline(&bench.path("cap-2.uspan")).expect("the end was bad");
    assert!(!last.steps.is_empty());
}

#[test]
fn a_dormant_server_records_after_a_trigger_and_an_error_is_one() {
    let bench = Bench::new();
    let server = server();
    let host = ["--", server.as_str(), "steady", "--seconds", "2"];
    let words = ["arm", "-o", "cap.uspan", "--dormant", "--duration", "300ms", "--http", "0"];
    let mut armed = bench.command(&[&words[..], &host].concat());
    let armed = armed.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = armed.spawn().expect("underspan starts");
    let mut lines = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut announced = String::new();
    lines.read_line(&mut announced).expect("a line");
    let (_, after) = announced.split_once("http://").expect("an address");
    let (address, _) = after.split_once("/dump").expect("a path");
    // Not before there is somebody to record.
    bench.until_listening();
    let mut client = std::net::TcpStream::connect(address).expect("it listens");
    client.write_all(b"POST /dump HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut said = String::new();
    lines.read_to_string(&mut said).expect("text");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{said}");
    let capture = read_timeline(&bench.path("cap-1.uspan")).expect("a capture");
    assert!(!capture.steps.is_empty(), "{said}");
    let (first, last) = (capture.steps.start_ns.first(), capture.steps.start_ns.last());
    let length_ns = last.zip(first).map(|(last, first)| last - first).expect("steps");
    assert!(length_ns < 1_500_000_000, "{length_ns} ns of two seconds");
    assert!(!bench.path("cap.uspan.parts").exists(), "{:?}", bench.files());
}

#[test]
fn an_armed_server_that_fails_leaves_its_last_seconds() {
    let bench = Bench::new();
    let server = server();
    let words = ["arm", "-o", "cap.uspan", "--", &server, "steady", "--seconds", "0.3"];
    let well = bench.command(&words).output().expect("it ends");
    assert_eq!(well.status.code(), Some(0), "{}", stderr(&well));
    assert!(bench.files().iter().all(|name| !name.starts_with("cap")), "{:?}", bench.files());
    let failing = bench.command(&[&words[..], &["--exit", "4"]].concat()).output();
    let failing = failing.expect("it ends");
    assert_eq!(failing.status.code(), Some(4), "{}", stderr(&failing));
    let capture = read_timeline(&bench.path("cap-1.uspan")).expect("a capture");
    assert!(!capture.steps.is_empty(), "what came before the error");
}

#[test]
fn the_demo_shows_the_whole_path() {
    let bench = Bench::new();
    let demo = bench.command(&["demo", "--seconds", "1.5", "--scenario", "long-prompts"]).output();
    let demo = demo.expect("it ends");
    let (text, said) = (String::from_utf8_lossy(&demo.stdout).into_owned(), stderr(&demo));
    assert_eq!(demo.status.code(), Some(0), "{said}");
    assert!(text.contains("REQUEST cmpl-") && text.contains("nvjet_tst"), "{text}");
    let capture = read_timeline(&bench.path("demo.uspan")).expect("a capture");
    assert!(capture.api_calls.len() > 100 && !capture.request_identities.is_empty());
    let unknown = bench.command(&["demo", "--scenario", "none-such"]).output();
    let unknown = unknown.expect("it ends");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("none-such"), "{}", stderr(&unknown));
}

#[test]
fn a_process_without_a_collector_is_refused_by_name() {
    let bench = Bench::new();
    // Not this process: other tests may have recorded servers below it.
    let mut child = Command::new("sleep").arg("60").spawn().expect("it starts");
    let pid = child.id().to_string();
    let output = bench.command(&["record", "--pid", &pid, "-o", "x.uspan"]).output();
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let output = output.expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("underspan arm"), "{}", stderr(&output));
}
