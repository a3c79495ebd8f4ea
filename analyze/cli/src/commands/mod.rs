//! One file per command: arguments in, effect out.

mod analyze;
mod arm;
mod classify;
mod completions;
mod declared;
mod demo;
mod diff;
mod doctor;
mod explain;
mod explain_finding;
mod export;
mod import;
mod info;
mod record;
mod recover;
mod stats;
mod verify;
mod view;

use anyhow::{Context, Result};
use underspan_import::{ImportOptions, Imported};

use crate::args::{Args, Command, Global, Inputs};
use crate::exit::Outcome;
use crate::terminal::{self, ImportProgress};

/// Runs what was asked for.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    use_threads(&args.global)?;
    let global = &args.global;
    match &args.command {
        Command::Arm(args) => arm::run(args),
        Command::Demo(args) => demo::run(args, global),
        Command::Record(args) => record::run(args),
        Command::Info(args) => info::run(args, global),
        Command::Analyze(args) => analyze::run(args, global),
        Command::Stats(args) => stats::run(args, global),
        Command::Explain(args) => explain::run(args, global),
        Command::ExplainFinding(args) => explain_finding::run(args, global),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Classify(args) => classify::run(args, global),
        Command::Diff(args) => diff::run(args, global),
        Command::View(args) => view::view(&args.rest),
        Command::Render(args) => view::run(Some("render"), &args.rest),
        Command::Verify(args) => verify::run(args, global),
        Command::Recover(args) => recover::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Completions(args) => completions::run(args),
    }
}

fn use_threads(global: &Global) -> Result<()> {
    let Some(threads) = global.threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads asked for")
}

/// Reads and joins the inputs, and says which files of a folder were passed over.
fn load(inputs: &Inputs) -> Result<Imported> {
    let progress = ImportProgress::new();
    let mut options = ImportOptions::default();
    options.accept_truncated = inputs.accept_truncated;
    let imported = underspan_import::import_paths(&inputs.paths, &options, &progress);
    progress.finish();
    let imported = imported?;
    for skipped in &imported.skipped {
        terminal::note(&format!("passed over: {}", skipped.in_short()));
    }
    Ok(imported)
}
