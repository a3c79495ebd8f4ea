//! What recording costs and whether every record is accounted for, on the double.
//!
//! `soak COLLECTOR FILE RECORDS [RATE]` records kernels as a serving process makes them, RATE a
//! second (as fast as the collector can follow when 0), and prints figures as `name value` lines.
//! `UNDERSPAN_CUPTI` names the double.
#![expect(unsafe_code, reason = "loads libraries and calls C functions")]
#![expect(clippy::print_stdout, reason = "prints figures")]

#[path = "../tests/support/serving.rs"]
mod serving;

use std::ffi::c_int;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use fake_cupti::{Counter, FakeCupti};
use underspan_cupti::{Library, Origin};
use underspan_model::{ProblemKind, Severity};

/// Records between two looks at the clock.
const BATCH: u64 = 200;
/// Records that may be under way when there is no rate.
const MOST_WAITING: u64 = 400_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [collector, file, records, ..] = arguments.as_slice() else {
        panic!("soak COLLECTOR FILE RECORDS [RATE]");
    };
    let n_records: u64 = records.parse().expect("a number of records");
    let rate: u64 = arguments.get(3).map_or(0, |rate| rate.parse().expect("a rate"));
    if collector == "check" {
        return check(Path::new(file), n_records);
    }
    let socket = format!("{file}.sock");
    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::set_var("UNDERSPAN_MODE", "stream");
        std::env::set_var("UNDERSPAN_OUTPUT", file);
        std::env::set_var("UNDERSPAN_SOCKET", &socket);
        std::env::set_var("UNDERSPAN_EXIT_MS", "30000");
    }
    let gpu = double();
    // SAFETY: the collector, loaded as the driver loads it.
    let library = unsafe { Library::open(Path::new(collector), Origin::Environment) };
    let library = library.expect("the collector");
    let init = library.symbol(c"InitializeInjection");
    assert!(!init.is_null(), "it has an entry");
    // SAFETY: the function of that name, whose type CUDA defines.
    let init: extern "C" fn() -> c_int = unsafe { std::mem::transmute(init) };
    let before = resident_kib();
    init();
    let names = serving::LAYER.map(|(name, ..)| gpu.load_module(name.to_str().expect("UTF-8")).1);
    let mut kernels = serving::records(names);
    let started = Instant::now();
    let cpu_before = cpu_seconds();
    let mut n = 0;
    while n < n_records {
        for record in kernels.by_ref().take(BATCH as usize) {
            gpu.emit(&record);
        }
        n += BATCH;
        if rate > 0 {
            let due = Duration::from_secs_f64(n as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        } else if n.is_multiple_of(MOST_WAITING / 4) {
            while n - number(&ask(&socket, "status"), "records") > MOST_WAITING {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu_before;
    let peak = resident_kib();
    let stopping = Instant::now();
    ask(&socket, "disarm");
    let stop_ms = stopping.elapsed().as_millis();
    let status = ask(&socket, "status");
    let produced = gpu.count(Counter::Produced);
    println!("produced {produced}");
    println!("seconds {elapsed:.2}");
    println!("records_per_second {:.0}", produced as f64 / elapsed);
    println!("collector_cpu_percent {:.2}", 100.0 * cpu / elapsed);
    println!("collector_ns_per_record {:.0}", 1e9 * cpu / produced as f64);
    println!("callback_p99_ns {}", number(&status, "callback_p99_ns"));
    println!("stop_ms {stop_ms}");
    let buffers_kib = number(&status, "buffers") * 4096;
    println!("resident_above_pool_mib {}", (peak.saturating_sub(before + buffers_kib)) / 1024);
    println!("pool_mib {}", buffers_kib / 1024);
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    println!("bytes_per_record {:.2}", bytes as f64 / produced as f64);
}

fn double() -> FakeCupti {
    let path = std::env::var_os("UNDERSPAN_CUPTI").expect("UNDERSPAN_CUPTI names the double");
    // SAFETY: the double; its initializers do nothing.
    let library = unsafe { Library::open(Path::new(&path), Origin::Environment) };
    let library = library.expect("the double");
    // SAFETY: the double's own functions; it is never unloaded.
    unsafe { FakeCupti::resolve(|name| library.symbol(name)) }.expect("a double")
}

fn ask(socket: &str, line: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the control socket");
    stream.write_all(format!("{line}\n").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The number behind `"key":` in an answer.
fn number(answer: &str, key: &str) -> u64 {
    let after = answer.split_once(&format!("\"{key}\":")).map_or("", |(_, after)| after);
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().unwrap_or(0)
}

/// CPU time of the collector's threads.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("tasks").flatten();
    let ns: u64 = tasks
        .filter(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.starts_with("us-")
        })
        .filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    ns as f64 / 1e9
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// Rows and losses of a file must add up.
fn check(file: &Path, n_produced: u64) {
    let reader = underspan_native::Reader::open(file, &Default::default()).expect("it opens");
    let description = underspan_native::describe(file).expect("it opens");
    let rows = description.tables.iter();
    let kernels = rows.filter(|t| t.kind == Some(underspan_model::tables::TableKind::Kernel));
    let n_kernels: u64 = kernels.map(|table| table.rows).sum();
    let problems = &reader.head().expect("readable").problems;
    let losses = problems.iter().filter(|problem| {
        problem.kind.severity() >= Severity::Loss && problem.kind != ProblemKind::CollectionGap
    });
    let n_lost: u64 = losses.map(|problem| problem.count).sum();
    println!("rows {n_kernels}\nlost {n_lost}\nproduced {n_produced}");
    assert_eq!(n_kernels + n_lost, n_produced, "every record is accounted for");
}
