//! `underspan demo`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use underspan_launcher::{Ending, Kinds, RecordOptions, find_beside, find_collector};

use super::record::{Watcher, free_path};
use super::{analyze, explain};
use crate::args::{Args, Command, DemoArgs, Global};
use crate::exit::Outcome;
use crate::terminal;

/// The serving process and what it needs.
const SERVER: &str = "fake-server";
const DRIVER: &str = "libfake_driver.so";
const CUPTI: &str = "libfake_cupti.so";
/// How all of it is built.
const BUILD: [&str; 7] =
    ["build", "-p", "fake-driver", "-p", "fake-cupti", "-p", "underspan-collector"];

pub(super) fn run(args: &DemoArgs, global: &Global) -> Result<Outcome> {
    let (server, cupti) = doubles()?;
    if args.scenario == "list" {
        let listed = process::Command::new(&server).arg("list").status();
        let listed = listed.with_context(|| format!("{}", server.display()))?;
        ensure!(listed.success(), "{} cannot list its scenarios", server.display());
        return Ok(Outcome::Done);
    }
    let output = free_path(args.output.as_deref(), args.force, "demo")?;
    terminal::note(&format!(
        "underspan: a simulated server serves for {} s ({}); what follows is what a real one would \
         give: underspan record --kinds api -- SERVER",
        args.seconds, args.scenario
    ));
    let options = RecordOptions {
        command: vec![
            server.into_os_string(),
            args.scenario.clone().into(),
            "--seconds".into(),
            args.seconds.to_string().into(),
        ],
        output: output.clone(),
        kinds: Kinds::Api,
        extra_variables: vec![("UNDERSPAN_CUPTI", cupti.into_os_string())],
        ..RecordOptions::default()
    };
    let recorded = underspan_launcher::record(&options, &mut Watcher::new(output.clone()))?;
    match recorded.ending {
        Ending::Code(0) => {}
        ending => bail!("the simulated server ended with {}", ending.code()),
    }
    let capture = output.as_os_str();
    run_command(&["analyze".as_ref(), capture, "--top".as_ref(), "6".as_ref()], global)?;
    run_command(&["explain".as_ref(), capture, "--slowest".as_ref(), "1".as_ref()], global)
}

/// Runs another command, as if it had been typed.
fn run_command(words: &[&OsStr], global: &Global) -> Result<Outcome> {
    let typed = std::iter::once(OsStr::new("underspan")).chain(words.iter().copied());
    match Args::try_parse_from(typed)?.command {
        Command::Analyze(args) => analyze::run(&args, global),
        Command::Explain(args) => explain::run(&args, global),
        _ => bail!("not a command of the demo"),
    }
}

/// The serving process and the double of CUPTI. In a Cargo build they are built when they are
/// missing.
fn doubles() -> Result<(PathBuf, PathBuf)> {
    let found = || -> Option<(PathBuf, PathBuf)> {
        find_collector().ok()?;
        find_beside(DRIVER)?;
        Some((find_beside(SERVER)?, find_beside(CUPTI)?))
    };
    if let Some(found) = found() {
        return Ok(found);
    }
    let profile = profile().map_or(String::new(), |profile| format!(" {profile}"));
    let by_hand = format!("cargo {}{profile}", BUILD.join(" "));
    // `cargo run` says which Cargo it is.
    if let Some(cargo) = std::env::var_os("CARGO") {
        terminal::note(&format!("underspan: building the simulated server: {by_hand}"));
        let built = process::Command::new(cargo).args(BUILD).args(self::profile()).status();
        ensure!(built.is_ok_and(|status| status.success()), "it cannot be built: {by_hand}");
    }
    found().with_context(|| {
        format!("{SERVER}, {DRIVER}, {CUPTI} or the collector is missing; build them: {by_hand}")
    })
}

/// The profile that this program was built with, as Cargo is told it.
fn profile() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent().and_then(Path::file_name)?.to_string_lossy().into_owned();
    let profile = if folder == "debug" { "dev" } else { &folder };
    Some(format!("--profile={profile}"))
}
