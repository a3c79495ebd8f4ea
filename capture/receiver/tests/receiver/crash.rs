//! What was acknowledged is in the file, however the process ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use prost::Message;

use crate::support::{imported, post, receiver, spans};

const FOLDER: &str = "UNDERSPAN_TEST_CRASH_FOLDER";

/// The process that is killed: run by the test below, and by itself it has nothing to do.
#[test]
fn a_receiver_that_waits_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let receiver = receiver(Path::new(&folder));
    println!("\nport {}", receiver.http_port());
    // Until the other side is gone, should it not kill.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "crash::a_receiver_that_waits_to_be_killed", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let port = lines
        .find_map(|line| line.expect("text").strip_prefix("port ")?.parse().ok())
        .expect("its port");
    for export in 0..50 {
        let body = spans(export * 20, 20).encode_to_vec();
        let headers = ["Content-Type: application/x-protobuf"];
        assert_eq!(post(port, "/v1/traces", &headers, &body).status, 200);
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    let expected: Vec<u64> = (1..=1000).collect();
    assert_eq!(imported(&[folder.path().join("spans.otlp.pb")]), expected);
}
