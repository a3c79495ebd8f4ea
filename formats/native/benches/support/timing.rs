//! Timing on machines that do other things too.

use std::time::{Duration, Instant};

const RUNS: usize = 15;
const PASSES: usize = 7;

/// The quickest of several runs: what else runs on the machine can only make it slower.
pub fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

/// Goes over many chunks several times, takes the quickest time of each chunk, and returns the sum
/// of those: what one pass takes when nothing else runs. `pass` calls its argument after each
/// chunk.
pub fn by_chunk(mut pass: impl FnMut(&mut dyn FnMut())) -> Duration {
    let mut quickest: Vec<Duration> = Vec::new();
    for _ in 0..PASSES {
        let (mut chunk, mut began) = (0, Instant::now());
        pass(&mut || {
            let took = began.elapsed();
            match quickest.get_mut(chunk) {
                Some(best) => *best = took.min(*best),
                None => quickest.push(took),
            }
            (chunk, began) = (chunk + 1, Instant::now());
        });
    }
    quickest.iter().sum()
}
