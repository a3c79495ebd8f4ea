//! What a collector that waits to be armed adds to a launch: the double's driver launches kernels in
//! processes with and without it, in turns.
#![expect(clippy::print_stdout, reason = "prints figures")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use fake_driver::{Cuda, LaunchShape, built_library};

const N_LAUNCHES: u32 = 200_000;
/// Processes of each kind.
const N_RUNS: usize = 21;
/// Set in those processes.
const ROLE: &str = "UNDERSPAN_BENCH_LAUNCHES";

fn main() {
    let driver = built_library().expect("the double was built along with the bench");
    if std::env::var_os(ROLE).is_some() {
        println!("{:.2}", launches_ns(&driver));
        return;
    }
    let collector = driver.with_file_name("libunderspan_collector.so");
    let mut ns: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for run in 0..2 * N_RUNS {
        let injected = run % 2 == 1;
        ns[run % 2].push(in_process(injected.then_some(&collector)));
    }
    let [without, with] = ns.map(|mut ns| {
        ns.sort_unstable_by(f64::total_cmp);
        (ns[0], ns[N_RUNS / 2])
    });
    for (name, (fastest, median)) in [("without", without), ("dormant", with)] {
        println!(
            "{name:<8} {fastest:>7.1} ns a launch in the fastest run, {median:.1} in the median"
        );
    }
    // Others' work on the machine slows some runs down, and none is faster for it.
    println!(
        "ratio    {:.3} of the fastest, {:.3} of medians",
        with.0 / without.0,
        with.1 / without.1
    );
}

/// Nanoseconds of a launch in a new process.
fn in_process(collector: Option<&PathBuf>) -> f64 {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.env(ROLE, "1").env("UNDERSPAN_MODE", "dormant").env_remove("CUDA_INJECTION64_PATH");
    if let Some(collector) = collector {
        assert!(collector.is_file(), "{} was not built", collector.display());
        command.env("CUDA_INJECTION64_PATH", collector);
    }
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    })
}

fn launches_ns(driver: &Path) -> f64 {
    let cuda = Cuda::start(driver).expect("the double starts");
    let stream = cuda.stream().expect("a stream");
    let kernel = cuda.function("void scan<int>(int*)").expect("a kernel");
    let shape = LaunchShape { grid: [8, 1, 1], block: [64, 1, 1], shared_bytes: 0, registers: 32 };
    let launch = || cuda.launch(kernel, &shape, stream, 1).expect("it takes work");
    (0..N_LAUNCHES / 10).for_each(|_| launch());
    let started = Instant::now();
    (0..N_LAUNCHES).for_each(|_| launch());
    started.elapsed().as_nanos() as f64 / f64::from(N_LAUNCHES)
}
