//! A serving process for machines without a GPU: continuous batching in real time on the driver
//! double. It knows nothing of underspan but what any server could: it calls the driver, which
//! loads what is injected, tells an engine hook about its steps where there is one, and exports
//! its requests' spans where OpenTelemetry is configured.

mod engine;
mod hook;
mod pace;
mod scenario;
mod spans;

use std::error::Error;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use self::engine::Engine;
use self::scenario::Scenario;
use crate::{Cuda, built_library};

const USAGE: &str = "\
usage: fake-server SCENARIO [--seconds S] [--workers N] [--seed N] [--exit CODE] [--forever]
       fake-server list";

struct Options {
    scenario: Scenario,
    seconds: f64,
    n_workers: u32,
    seed: u64,
    exit_code: u8,
}

/// Serves as the words of the command line say.
pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match parse(words).map(|options| options.map(|options| run(&options))) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Ok(code))) => ExitCode::from(code),
        Ok(Some(Err(error))) => complain(&error.to_string()),
        Err(error) => complain(&format!("{error}\n{USAGE}")),
    }
}

#[expect(clippy::print_stderr, reason = "a program")]
fn complain(text: &str) -> ExitCode {
    eprintln!("fake-server: {text}");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let first = words.next().ok_or("no scenario")?;
    if first == "list" {
        list();
        return Ok(None);
    }
    let scenario =
        Scenario::from_name(&first).ok_or_else(|| format!("no scenario is called {first:?}"))?;
    let mut options = Options { scenario, seconds: 5.0, n_workers: 0, seed: 1, exit_code: 0 };
    while let Some(word) = words.next() {
        if word == "--forever" {
            options.seconds = f64::INFINITY;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} takes a value"))?;
        let invalid = || format!("{word}: {value:?} is no value for it");
        match word.as_str() {
            "--seconds" => options.seconds = value.parse().map_err(|_| invalid())?,
            "--workers" => options.n_workers = value.parse().map_err(|_| invalid())?,
            "--seed" => options.seed = value.parse().map_err(|_| invalid())?,
            "--exit" => options.exit_code = value.parse().map_err(|_| invalid())?,
            _ => return Err(format!("no option is called {word:?}")),
        }
    }
    Ok(Some(options))
}

#[expect(clippy::print_stdout, reason = "a program")]
fn list() {
    for scenario in Scenario::ALL {
        println!("{:<16} {}", scenario.name(), scenario.what());
    }
}

/// Serves, itself or through workers; answers the exit code.
fn run(options: &Options) -> Result<u8, Box<dyn Error>> {
    if options.n_workers > 0 {
        let workers: Vec<Child> =
            (0..options.n_workers).map(|rank| worker(options, rank)).collect::<Result<_, _>>()?;
        let mut failed = 0;
        for mut worker in workers {
            failed += u8::from(!worker.wait()?.success());
        }
        say(&format!("{} workers ended, {failed} of them badly", options.n_workers));
        return Ok(if failed == 0 { options.exit_code } else { 1 });
    }
    let library = built_library().ok_or("libfake_driver.so is not beside this program")?;
    let cuda = Cuda::start(&library)?;
    let duration = Duration::try_from_secs_f64(options.seconds).unwrap_or(Duration::MAX);
    let served = Engine::new(cuda, options.scenario.settings(), options.seed)?.serve(duration)?;
    say(&format!("served {} requests in {} steps", served.n_requests, served.n_steps));
    Ok(options.exit_code)
}

fn worker(options: &Options, rank: u32) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(options.scenario.name())
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--seed", &(options.seed + u64::from(rank)).to_string()])
        .env("RANK", rank.to_string())
        .env("WORLD_SIZE", options.n_workers.to_string())
        .stdin(Stdio::null())
        .spawn()
}

#[expect(clippy::print_stdout, reason = "a program")]
fn say(text: &str) {
    println!("{text}");
}
