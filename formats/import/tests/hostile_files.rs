//! What is no file, no trace or a trace under a false name: one clear line each, and no waiting.

#[path = "support/nsys_export.rs"]
mod nsys_export;
mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use underspan_import::ImportError;
use underspan_native::WriteOptions;

/// The smallest Kineto trace with a kernel.
const KINETO: &str = r#"{"schemaVersion": 1, "traceEvents": [
  {"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": 10, "dur": 5,
   "args": {"device": 0, "stream": 7, "correlation": 3}}]}"#;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn write(folder: &Path, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a file can be written");
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// What is said of a path that cannot be imported.
fn refusal(folder: &Path, name: &str) -> String {
    let error = support::import(&folder.join(name)).expect_err("it cannot be imported");
    let message = support::message_in(folder, &error);
    assert!(!message.contains('\n'), "one line: {message}");
    message
}

fn kernels(path: &Path) -> usize {
    support::import(path).expect("a trace").kernels.len()
}

#[test]
fn what_is_no_file_is_refused_without_being_opened() {
    let folder = folder();
    let pipe = folder.path().join("pipe.json");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    // Opening a pipe that nobody writes to would wait for ever.
    assert_eq!(refusal(folder.path(), "pipe.json"), "pipe.json: expected a file, found a pipe");
    assert_eq!(
        refusal(Path::new("/dev"), "zero"),
        "zero: expected a file, found a device",
        "reading it would never end"
    );
    std::fs::create_dir(folder.path().join("inner")).expect("a folder can be made");
    assert_eq!(refusal(folder.path(), "inner"), "inner: expected a file, found a folder");
    let missing = refusal(folder.path(), "missing.json");
    assert!(missing.starts_with("missing.json: cannot be read: "), "{missing}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_to_files_and_nowhere_else() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let real = write(folder.path(), "real.json", KINETO.as_bytes());
    let link = folder.path().join("link");
    symlink(&real, &link).expect("a link can be made");
    assert_eq!(kernels(&link), 1);
    symlink(folder.path().join("b"), folder.path().join("a")).expect("a link can be made");
    symlink(folder.path().join("a"), folder.path().join("b")).expect("a link can be made");
    assert!(refusal(folder.path(), "a").starts_with("a: cannot be read: "));
    symlink("/dev/null", folder.path().join("null")).expect("a link can be made");
    assert_eq!(refusal(folder.path(), "null"), "null: expected a file, found a device");
    symlink(folder.path(), folder.path().join("dir")).expect("a link can be made");
    assert_eq!(refusal(folder.path(), "dir"), "dir: expected a file, found a folder");
}

#[test]
fn files_without_content_are_said_to_be_empty() {
    let folder = folder();
    write(folder.path(), "empty.json", b"");
    assert_eq!(refusal(folder.path(), "empty.json"), "empty.json: the file is empty");
    write(folder.path(), "blank.json", b" \n\t ");
    let blank = refusal(folder.path(), "blank.json");
    assert!(blank.contains("found nothing but white space"), "{blank}");
    write(folder.path(), "empty.json.gz", &gzip(b""));
    refusal(folder.path(), "empty.json.gz");
}

#[test]
fn a_false_name_does_not_matter() {
    let folder = folder();
    let export =
        nsys_export::export(folder.path(), nsys_export::RECENT, &nsys_export::kernel(1, 10, 20, 3));
    let database = std::fs::read(&export).expect("it can be read");
    let capture = folder.path().join("made.uspan");
    let timeline = support::import(&export).expect("a trace");
    underspan_native::write_timeline(&capture, &timeline, &WriteOptions::default())
        .expect("a capture can be written");
    let capture = std::fs::read(&capture).expect("it can be read");
    for (name, content, format) in [
        ("a.json", database.as_slice(), "nsys_sqlite"),
        ("a.sqlite", KINETO.as_bytes(), "kineto_json"),
        ("a.uspan", &gzip(KINETO.as_bytes()), "kineto_json"),
        ("a.json.gz", KINETO.as_bytes(), "kineto_json"),
        ("a", KINETO.as_bytes(), "kineto_json"),
        ("b.json.gz", &capture, "nsys_sqlite"),
    ] {
        let timeline = support::import(&write(folder.path(), name, content)).expect("a trace");
        assert_eq!((timeline.info.format.as_str(), timeline.kernels.len()), (format, 1), "{name}");
    }
}

#[test]
fn other_content_is_named() {
    let folder = folder();
    for (content, expected) in [
        (
            &br#"{"schema": "1.1.0-chakra.0.0.4", "pid": 1, "nodes": [{"id": 1}]}"#[..],
            "this is a PyTorch execution trace; it holds operators and no times of GPU work; give \
             the Kineto trace of the same run",
        ),
        (b"PK\x03\x04rest", "this is a zip archive; unpack it and give the files or the folder"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
            "this is a Git LFS pointer; fetch the file it stands for: git lfs pull",
        ),
    ] {
        write(folder.path(), "a.json", content);
        assert_eq!(refusal(folder.path(), "a.json"), format!("a.json: {expected}"));
    }
    write(folder.path(), "a.nsys-rep", b"\x01\x02\x03");
    assert_eq!(
        refusal(folder.path(), "a.nsys-rep"),
        "a.nsys-rep: this is an Nsight Systems report; convert it: nsys export --type sqlite FILE"
    );
    for content in [&b"hello, world"[..], b"\x00\x01\x02\x03", b"{\"a\": 1}", b"[1, 2, 3]", b"42"] {
        write(folder.path(), "a.json", content);
        let message = refusal(folder.path(), "a.json");
        assert!(message.starts_with("a.json: "), "{message}");
    }
}

#[test]
fn the_real_files_that_are_no_traces_are_refused_in_one_line() {
    let Some(corpus) = support::corpus() else { return };
    let mut refused = 0;
    for kind in ["nvidia_smi", "requests", "triton", "trt", "xplane"] {
        for entry in std::fs::read_dir(corpus.join(kind)).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            // Importers of more formats may come.
            let Err(error) = support::import(&path) else { continue };
            let message = support::message(&error);
            println!("{message}");
            assert!(error.is_other_content() && !message.contains('\n'), "{message}");
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused} files were refused");
}

#[test]
fn a_cut_or_damaged_stream_is_refused_or_counted_and_never_silent() {
    let folder = folder();
    let events: String = (0..2_000)
        .map(|at| {
            format!(
                r#",{{"ph":"X","cat":"kernel","name":"k{}","pid":0,"tid":7,"ts":{at},"dur":1}}"#,
                at * 7_919 % 1_000
            )
        })
        .collect();
    let whole = format!(r#"{{"schemaVersion":1,"traceEvents":[{}]}}"#, &events[1..]);
    for packed in [whole.as_bytes().to_vec(), gzip(whole.as_bytes()), zstd_of(whole.as_bytes())] {
        for cut in [1, 5, packed.len() / 3, packed.len() / 2, packed.len() - 9, packed.len() - 1] {
            let path = write(folder.path(), "cut.json", &packed[..cut]);
            match support::import(&path) {
                Ok(timeline) => assert!(!timeline.problems.is_empty(), "a cut at {cut}"),
                Err(error) => assert!(!support::message(&error).contains('\n')),
            }
        }
        for at in (20..packed.len()).step_by(packed.len() / 40) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            // A flipped letter in a name is another name; that it is no panic is all there is.
            let _ = support::import(&write(folder.path(), "damaged.json", &damaged));
        }
    }
}

fn zstd_of(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.include_checksum(true).expect("an option");
    encoder.write_all(content).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[test]
fn nesting_without_end_does_not_end_the_process() {
    let folder = folder();
    for (name, open) in [("a.json", "["), ("b.json", "{\"a\":"), ("c.json", "[{\"a\":")] {
        let deep = open.repeat(200_000);
        write(folder.path(), name, deep.as_bytes());
        refusal(folder.path(), name);
        let within = format!(
            r#"{{"schemaVersion":1,"traceEvents":[{{"ph":"X","cat":"kernel","args":{deep}"#
        );
        write(folder.path(), name, within.as_bytes());
        let _ = support::import(&folder.path().join(name));
    }
}

#[test]
fn a_name_with_a_line_break_still_makes_one_line() {
    let folder = folder();
    let path = write(folder.path(), "a\nb\u{1b}[31m.json", b"nothing");
    let message = support::message(&support::import(&path).expect_err("it is no trace"));
    assert!(!message.contains('\n') && !message.contains('\u{1b}'), "{message}");
    assert!(matches!(support::import(&path), Err(ImportError::Unrecognised { .. })));
}
