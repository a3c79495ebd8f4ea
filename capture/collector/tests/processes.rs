//! Whatever happens to the process, the file reads and the host runs on.

mod support;

use cupti_sys::{CUDA_12_4, CUDA_12_9};
use support::{Bench, lost, n_records, problems};
use underspan_model::{ProblemKind, Trust};
use underspan_native::read_timeline;

#[test]
fn a_dormant_collector_makes_no_cupti_call() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_MODE", "dormant").with_socket();
    let mut host = bench.start(&["init", "wait", "kernels=10", "calls-of=cuptiGetVersion"]);
    host.until("waiting");
    let status = bench.ask("status");
    assert!(status.contains("\"armed\":false") && status.contains("\"mode\":\"dormant\""));
    host.go_on();
    let outcome = host.finish();
    outcome.assert_well();
    assert_eq!((outcome.number("produced"), outcome.number("calls")), (0, 0));
    assert!(!bench.path("cap.uspan").exists());
}

#[test]
fn a_dormant_collector_can_be_armed_and_disarmed() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_MODE", "dormant").with_socket();
    let mut host = bench.start(&[
        "init",
        "kernels=10",
        "wait",
        "kernels=20",
        "wait",
        "kernels=40",
        "wait",
        "kernels=80",
    ]);
    for (request, ok) in [("arm lite", true), ("disarm", true), ("arm", true)] {
        host.until("waiting");
        let answer = bench.ask(request);
        assert!(answer.contains(&format!("\"ok\":{ok}")), "{request}: {answer}");
        if request == "arm" {
            let refused = bench.ask("set-kinds node");
            assert!(refused.contains("graph level"), "{refused}");
        }
        host.go_on();
    }
    let outcome = host.finish();
    outcome.assert_well();
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 100, "{:?}", problems(&capture));
    assert_eq!(outcome.number("produced"), 100);
    assert_eq!(capture.problems.count(ProblemKind::CollectionGap), 1);
}

#[test]
fn killed_at_any_moment_the_file_reads_to_its_last_whole_chunk() {
    // Each round kills at another moment; the kernel decides where exactly. More rounds on demand.
    let n_rounds = std::env::var("UNDERSPAN_KILLS").ok().and_then(|text| text.parse().ok());
    for round in 0..n_rounds.unwrap_or(40_u64) {
        let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_FLUSH_MS", "1");
        let mut host = bench.start(&["init", "batches=500,400", "wait"]);
        let stop = format!("batch {}", round * 7919 % 400);
        host.until(&stop);
        host.child.kill().expect("kill");
        let outcome = host.finish();
        assert!(!outcome.status.success());
        let n_emitted = (outcome.lines.len() as u64 - 1) * 500;
        let capture = match read_timeline(&bench.path("cap.uspan")) {
            Ok(capture) => capture,
            // Killed before the file header was written.
            Err(_) if n_emitted < 2000 => continue,
            Err(error) => panic!("round {round}: {error}"),
        };
        assert_ne!(capture.problems.trust(), Trust::Damaged, "{:?}", problems(&capture));
        let mut ids = capture.kernels.correlation_id.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), capture.kernels.len(), "no kernel twice");
        assert!(ids.last().is_none_or(|id| u64::from(*id) < n_emitted + 500));
        // On a busy machine the pool may have been full; then the ledger says so.
        let accounted = n_records(&capture) + lost(&capture);
        assert!(
            accounted < n_emitted + 500,
            "{accounted} of {n_emitted}: {:?}",
            problems(&capture)
        );
    }
}

#[test]
fn the_end_without_exit_handlers_loses_only_what_was_not_flushed() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    let mut host = bench.start(&["init", "kernels=300", "wait", "kernels=50", "quit=3"]);
    host.until("waiting");
    assert!(bench.ask("flush").contains("\"ok\":true"));
    host.go_on();
    let outcome = host.finish();
    assert_eq!(outcome.status.code(), Some(3));
    let capture = bench.capture();
    assert!((300..=350).contains(&capture.kernels.len()));
    let torn = capture.problems.iter().find(|p| p.kind == ProblemKind::UnfinishedFile);
    let torn = torn.expect("the file says that it is not all");
    assert!(torn.example.contains("rows end at 20"), "{torn:?}");
    assert_eq!(capture.problems.trust(), Trust::Partial);
}

#[test]
fn exit_codes_pass_through_and_the_file_is_whole() {
    let bench = Bench::of(CUDA_12_9);
    let outcome = bench.run(&["init", "kernels=123", "exit=7"]);
    assert_eq!(outcome.status.code(), Some(7));
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 123);
    assert_eq!(capture.problems.trust(), Trust::Full, "{:?}", problems(&capture));
    assert!(!capture.dimensions.clock_anchors.is_empty());
    assert_eq!(outcome.lines.iter().filter(|line| line.starts_with("init")).count(), 1);
}

#[test]
fn a_forked_child_records_nothing_and_breaks_nothing() {
    let bench = Bench::of(CUDA_12_4);
    let outcome = bench.run(&["init", "kernels=100", "fork=50", "fork=50", "kernels=100"]);
    outcome.assert_well();
    assert_eq!(outcome.lines.iter().filter(|line| *line == "child 0").count(), 2);
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 200);
    let files = std::fs::read_dir(bench.dir.path()).expect("a folder");
    let captures = files.filter(|file| {
        file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().contains("uspan"))
    });
    assert_eq!(captures.count(), 1);
}

#[test]
fn each_process_gets_a_file_of_its_own() {
    let bench = Bench::of(CUDA_12_9);
    for n in [10, 20] {
        bench.run(&["init", &format!("kernels={n}")]).assert_well();
    }
    let mut n_kernels = Vec::new();
    for file in std::fs::read_dir(bench.dir.path()).expect("a folder") {
        let path = file.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cap.uspan")) {
            n_kernels.push(read_timeline(&path).expect("a capture").kernels.len());
        }
    }
    n_kernels.sort_unstable();
    assert_eq!(n_kernels, [10, 20], "the first file was not overwritten");
}

#[test]
fn without_a_usable_cupti_the_host_runs_on() {
    let cases: [(&str, &str); 5] = [
        ("subscriber nsys", "another profiler is subscribed"),
        ("fail cuptiActivityRegisterCallbacks 15", "cuptiActivityRegisterCallbacks"),
        ("lie stride 10 4", "not recording"),
        ("fail cuptiActivityEnable 33", "cuptiActivityEnable"),
        ("fail cuptiSubscribe 39", "another profiler"),
    ];
    for (script, complaint) in cases {
        let bench = Bench::of(CUDA_12_9).with("FAKE_CUPTI_SCRIPT", script);
        let outcome = bench.run(&["init", "kernels=10"]);
        outcome.assert_well();
        assert!(outcome.lines.contains(&"init 1".to_owned()), "{script}");
        if !script.contains("RegisterCallbacks") {
            assert!(outcome.stderr.contains(complaint), "{script}: {}", outcome.stderr);
            assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        }
    }
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_CUPTI", "/nonexistent/libcupti.so");
    let outcome = bench.run(&["init"]);
    assert!(outcome.status.success());
    assert!(outcome.stderr.contains("not recording"), "{}", outcome.stderr);
}

#[test]
fn a_driver_that_is_not_up_yet_is_tried_again() {
    let script = "fail cuptiSubscribe 15 times 2";
    let bench = Bench::of(CUDA_12_9).with("FAKE_CUPTI_SCRIPT", script).with_socket();
    let mut host = bench.start(&["init", "wait", "kernels=10"]);
    host.until("waiting");
    while !bench.ask("status").contains("\"armed\":true") {}
    host.go_on();
    host.finish().assert_well();
    assert_eq!(bench.capture().kernels.len(), 10);
}

#[test]
fn the_libcupti_that_is_named_wins_over_the_one_in_the_process() {
    let other = Bench::of(CUDA_12_4);
    let bench = Bench::of(CUDA_12_9);
    let load = format!("load={}", other.path("libcupti.so.12").display());
    let outcome = bench.run(&[&load, "init", "kernels=10"]);
    outcome.assert_well();
    assert!(outcome.lines.contains(&"load true".to_owned()), "{:?}", outcome.lines);
    let capture = bench.capture();
    assert_eq!(capture.kernels.len(), 10, "the named one's records");
    let told = capture.problems.iter().find(|p| p.kind == ProblemKind::SecondLibcupti);
    let told = told.expect("two that work");
    assert_eq!(told.example, "libcupti.so.12 (API 22) is in the process too");
    assert!(outcome.stderr.contains(&told.example), "{}", outcome.stderr);
}

#[test]
fn a_full_disk_loses_rows_and_says_so() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    let actions =
        ["init", "kernels=1000", "wait", "limit=200000", "kernels=400000", "wait", "kernels=1000"];
    let mut host = bench.start(&actions);
    host.until("waiting");
    assert!(bench.ask("flush").contains("\"ok\":true"));
    host.go_on();
    host.until("waiting");
    assert!(bench.ask("status").contains("\"ok\":true"));
    host.go_on();
    let outcome = host.finish();
    outcome.assert_well();
    let capture = bench.capture();
    let failed = capture.problems.count(ProblemKind::WriteFailed);
    assert!(failed > 0 && capture.kernels.len() >= 1000, "{:?}", problems(&capture));
    assert!(outcome.stderr.contains("rows cannot be written"), "{}", outcome.stderr);
    // Rows of the collector's own are among those that failed.
    assert!(n_records(&capture) + failed + lost(&capture) >= outcome.number("produced"));
    assert_eq!(capture.problems.count(ProblemKind::CorruptChunk), 0, "{:?}", problems(&capture));
}

#[test]
fn an_unwritable_folder_is_one_line_and_nothing_more() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_OUTPUT", "/proc/nowhere/cap.uspan");
    let outcome = bench.run(&["init", "kernels=10"]);
    outcome.assert_well();
    assert_eq!(outcome.number("produced"), 0, "nothing is recorded that cannot be kept");
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("/proc/nowhere"), "{}", outcome.stderr);
}

#[test]
fn a_takeover_by_another_profiler_is_noticed() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_TAKEOVER_MS", "20").with_socket();
    let actions = ["init", "kernels=100", "wait", "kernels=1", "takeover", "kernels=50", "wait"];
    let mut host = bench.start(&[&actions[..], &["takeover-end"]].concat());
    host.until("waiting");
    assert!(bench.ask("flush").contains("\"ok\":true"));
    host.go_on();
    host.until("waiting");
    while bench.ask("status").contains("\"losses\":0") {
        bench.ask("flush");
    }
    host.go_on();
    let outcome = host.finish();
    outcome.assert_well();
    let capture = bench.capture();
    assert_eq!(capture.problems.count(ProblemKind::ProfilerTakeover), 1);
    assert!(capture.kernels.len() as u64 + outcome.number("stolen") == outcome.number("produced"));
}
