//! The control socket answers its owner and nobody else, in whole lines only.

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use cupti_sys::CUDA_12_9;
use support::Bench;

#[test]
fn the_socket_is_its_owners_and_goes_with_the_process() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    let mut host = bench.start(&["init", "wait"]);
    host.until("waiting");
    assert!(bench.ask("status").contains("\"armed\":true"));
    let facts = std::fs::metadata(bench.path("sock")).expect("a socket");
    assert!(facts.file_type().is_socket());
    assert_eq!(facts.permissions().mode() & 0o777, 0o600);
    host.go_on();
    host.finish().assert_well();
    assert!(!bench.path("sock").exists());
}

#[test]
fn garbage_and_half_messages_are_refused_and_the_socket_lives_on() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    let mut host = bench.start(&["init", "kernels=10", "wait"]);
    host.until("waiting");
    let long = vec![b'a'; 1 << 20];
    for bytes in [&b"arm"[..], b"", b"\n", b"\xff\xfe\n", b"{\"command\":\"arm\"}\n", &long] {
        let reply = bench.send(bytes);
        assert!(reply.is_empty() || reply.starts_with("{\"ok\":false"), "{reply}");
    }
    // A client that says nothing is let go.
    let mut silent = UnixStream::connect(bench.path("sock")).expect("the socket");
    let mut reply = String::new();
    silent.read_to_string(&mut reply).expect("an answer");
    assert!(reply.contains("did not end in time"), "{reply}");
    // One that leaves does no harm.
    let mut gone = UnixStream::connect(bench.path("sock")).expect("the socket");
    gone.write_all(b"status\n").expect("written");
    drop(gone);
    assert!(bench.ask("status").contains("\"ok\":true"));
    host.go_on();
    host.finish().assert_well();
    assert_eq!(bench.capture().kernels.len(), 10);
}

#[test]
fn a_taken_path_is_left_alone() {
    let bench = Bench::of(CUDA_12_9).with_socket();
    std::fs::write(bench.path("sock"), "somebody's file").expect("write");
    let outcome = bench.run(&["init", "kernels=10"]);
    outcome.assert_well();
    assert!(outcome.stderr.contains("no control socket"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(bench.path("sock")).expect("read"), "somebody's file");
    assert_eq!(bench.capture().kernels.len(), 10);
}
