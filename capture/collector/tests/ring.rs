//! The flight recorder keeps the last segments, each readable by itself.

mod support;

use std::path::{Path, PathBuf};

use cupti_sys::CUDA_12_9;
use support::Bench;
use underspan_model::{ProblemKind, Trust};
use underspan_native::{read_segments, read_timeline};

fn paths(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths
}

fn segments(folder: &Path) -> Vec<underspan_model::Timeline> {
    paths(folder).iter().map(|path| read_timeline(path).expect("a readable segment")).collect()
}

#[test]
fn the_last_segments_are_kept_and_can_be_dumped() {
    let bench = Bench::of(CUDA_12_9)
        .with("UNDERSPAN_MODE", "ring")
        .with("UNDERSPAN_RING_MS", "2")
        .with("UNDERSPAN_RING_SEGMENTS", "2")
        .with_socket();
    const ROUNDS: usize = 20;
    let actions: Vec<_> = (0..ROUNDS).flat_map(|_| ["kernels=100", "wait"]).collect();
    let mut host = bench.start(&[&["init"], &actions[..]].concat());
    for round in 0..ROUNDS {
        host.until("waiting");
        assert!(bench.ask("flush").contains("\"ok\":true"));
        if round == ROUNDS - 1 {
            let dump = bench.path("dumped");
            let answer = bench.ask(&format!("dump {}", dump.display()));
            assert!(answer.contains("\"ok\":true,\"segments\":"), "{answer}");
            let again = bench.ask(&format!("dump {}", dump.display()));
            assert!(again.contains("\"ok\":false"), "an existing folder is left alone: {again}");
            let dumped = segments(&dump);
            assert!((1..=3).contains(&dumped.len()), "{}", dumped.len());
            let last = dumped.iter().flat_map(|s| s.kernels.correlation_id.iter()).max();
            assert_eq!(last, Some(&(ROUNDS as u32 * 100 - 1)), "the newest kernels are there");
            // Together they are one recording of one process.
            let joined = read_segments(paths(&dump)).expect("readable");
            let n_kernels: usize = dumped.iter().map(|segment| segment.kernels.len()).sum();
            assert_eq!(joined.kernels.len(), n_kernels);
            assert_eq!(
                (joined.dimensions.processes.len(), joined.dimensions.streams.len()),
                (1, 1)
            );
            let ids = &joined.kernels.correlation_id;
            assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
            for segment in &dumped {
                assert_ne!(segment.problems.trust(), Trust::Damaged);
            }
        }
        host.go_on();
    }
    host.finish().assert_well();
    let kept = segments(&bench.path("cap.uspan"));
    assert!(kept.len() <= 4, "{}", kept.len());
    let overwritten = kept.iter().map(|s| s.problems.count(ProblemKind::RingOverwritten)).max();
    assert!(overwritten > Some(0), "old segments went, and the ledger says so");
}

#[test]
fn after_a_kill_the_ring_still_reads() {
    let bench = Bench::of(CUDA_12_9).with("UNDERSPAN_MODE", "ring").with_socket();
    let mut host = bench.start(&["init", "kernels=500", "wait"]);
    host.until("waiting");
    assert!(bench.ask("flush").contains("\"ok\":true"));
    host.child.kill().expect("kill");
    assert!(!host.finish().status.success());
    let kept = segments(&bench.path("cap.uspan"));
    assert_eq!(kept.iter().map(|segment| segment.kernels.len()).sum::<usize>(), 500);
}
