//! Several files and folders become one timeline.

#[path = "support/nsys_export.rs"]
mod nsys_export;
mod support;

use std::path::{Path, PathBuf};

use underspan_import::{ImportError, ImportOptions, Imported, NoProgress, import_paths};
use underspan_model::{ClockDomain, ProblemKind, StreamId, Trust};
use underspan_native::WriteOptions;

fn trace(rank: u32, start: u64) -> String {
    format!(
        r#"{{"schemaVersion": 1, "distributedInfo": {{"rank": {rank}}},
        "baseTimeNanoseconds": 1700000000000000000, "traceEvents": [
        {{"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": {start}.000,
        "dur": 5, "args": {{"device": 0, "stream": 7, "correlation": 3}}}}]}}"#
    )
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder can be made");
    }
    std::fs::write(&path, content).expect("a file can be written");
    path
}

fn import(paths: &[PathBuf]) -> Result<Imported, ImportError> {
    import_paths(paths, &ImportOptions::default(), &NoProgress)
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(name).collect()
}

#[test]
fn files_join_in_order_of_time_with_their_processes_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = [
        write(folder.path(), "rank0.json", &trace(0, 50)),
        write(folder.path(), "rank1.json", &trace(1, 20)),
    ];
    let imported = import(&paths).expect("two traces");
    let timeline = imported.timeline;
    assert_eq!(timeline.kernels.len(), 2);
    assert!(timeline.kernels.start_ns.is_sorted());
    let sources: Vec<_> = timeline
        .kernels
        .stream
        .iter()
        .map(|stream| {
            let device = timeline.dimensions.device_of_stream(StreamId::from_raw(*stream));
            timeline.dimensions.devices.source[device.index()]
        })
        .collect();
    assert_eq!(sources, [1, 0]);
    assert_eq!(names(&imported.read), ["rank0.json", "rank1.json"]);
}

#[test]
fn a_folder_gives_its_traces_and_names_the_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "b/rank1.json", &trace(1, 20));
    write(folder.path(), "a/rank0.json", &trace(0, 50));
    write(folder.path(), "notes.txt", "nothing to see");
    write(folder.path(), "empty.json", "");
    write(folder.path(), ".hidden.json", &trace(2, 50));
    let imported = import(&[folder.path().to_owned()]).expect("two traces");
    assert_eq!(names(&imported.read), ["rank0.json", "rank1.json"]);
    let skipped: Vec<_> = imported.skipped.iter().map(|error| error.path().to_owned()).collect();
    assert_eq!(names(&skipped), ["empty.json", "notes.txt"]);
    assert_eq!(imported.timeline.problems.trust(), Trust::Full, "no trace was left out");
}

#[test]
fn a_damaged_trace_in_a_folder_is_a_loss_and_named_it_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "good.json", &trace(0, 50));
    let export = nsys_export::export(folder.path(), nsys_export::RECENT, "");
    let content = std::fs::read(&export).expect("it can be read");
    std::fs::write(&export, &content[..content.len() / 2]).expect("it can be written");
    let imported = import(&[folder.path().to_owned()]).expect("one trace");
    let problems = &imported.timeline.problems;
    assert_eq!(problems.count(ProblemKind::UnreadableFile), 1);
    assert_eq!(problems.trust(), Trust::Partial);
    for problem in problems.iter() {
        let own = folder.path().to_string_lossy();
        assert!(!problem.example.contains(own.as_ref()), "no folder: {}", problem.example);
    }
    assert!(import(std::slice::from_ref(&export)).is_err());
}

#[cfg(unix)]
#[test]
fn a_file_found_twice_is_read_once_and_circles_of_links_end() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), "a.json", &trace(0, 50));
    symlink(&path, folder.path().join("again.json")).expect("a link can be made");
    symlink(folder.path(), folder.path().join("circle")).expect("a link can be made");
    symlink(folder.path().join("gone"), folder.path().join("dangling")).expect("a link");
    let imported = import(&[path, folder.path().to_owned()]).expect("one trace");
    assert_eq!(imported.timeline.kernels.len(), 1);
    assert_eq!(imported.read.len(), 1);
    assert_eq!(imported.skipped.len(), 1);
}

#[test]
fn a_capture_made_from_a_trace_beside_it_does_not_count_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), "a.json", &trace(0, 50));
    let timeline = support::import(&path).expect("a trace");
    let capture = folder.path().join("a.uspan");
    underspan_native::write_timeline(&capture, &timeline, &WriteOptions::default())
        .expect("a capture can be written");
    let imported = import(&[folder.path().to_owned()]).expect("one trace");
    assert_eq!((imported.timeline.kernels.len(), imported.skipped.len()), (1, 1));
    assert_eq!(
        support::message_in(folder.path(), &imported.skipped[0]),
        "a.uspan: holds what was read from a.json"
    );
    // Alone it is what it is.
    assert_eq!(import(&[capture]).expect("a capture").timeline.kernels.len(), 1);
}

#[test]
fn nothing_to_import_is_an_error_that_says_what_could_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "notes.txt", "nothing to see");
    let error = import(&[folder.path().to_owned()]).expect_err("no trace");
    let message = support::message(&error);
    assert!(message.contains("no trace found in 1 file(s); expected "), "{message}");
    assert!(message.contains("Nsight Systems") && message.contains(".uspan"), "{message}");
    assert!(import(&[]).is_err());
}

#[test]
fn exports_with_a_session_start_meet_traces_with_wall_clock_times() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = "INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (1700000000000000000, 'x');";
    let rows = [start, &nsys_export::kernel(1, 30_000, 30_500, 3)].concat();
    let export = nsys_export::export(folder.path(), nsys_export::RECENT, &rows);
    let path = write(folder.path(), "a.json", &trace(0, 50));
    let timeline = import(&[path, export]).expect("two traces").timeline;
    assert_eq!(timeline.info.format, "kineto_json+nsys_sqlite");
    assert_eq!(timeline.info.clock, ClockDomain::Realtime);
    let base = 1_700_000_000_000_000_000;
    assert_eq!(timeline.kernels.start_ns, [base + 30_000, base + 50_000]);
}
