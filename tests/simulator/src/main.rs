//! Writes the traces of simulated servers.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;
use underspan_simulator::{
    Case, EngineKind, Plant, Recording, Scenario, Subject, Trap, to_timeline, write_kineto,
};

/// Simulated GPU servers whose truth is known.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios
    List,
    /// Write one scenario; the format follows from the file's ending
    Write {
        /// Name of the scenario
        scenario: String,
        /// File to write: .uspan, .json or .json.gz
        #[arg(short, long)]
        output: PathBuf,
        /// Seed of everything random
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Process to write where a scenario has several and the format holds one
        #[arg(long, default_value_t = 0)]
        process: usize,
    },
    /// Write one labelled case: a folder in public formats, and its truth beside it
    Case {
        /// vllm, triton or pytorch
        #[arg(long)]
        engine: String,
        /// D1 to D19, or the name of a trap that only looks wrong
        #[arg(long)]
        plant: String,
        /// How bad: 1, 2 or 3
        #[arg(long, default_value_t = 1.0)]
        severity: f64,
        /// Seed of everything random
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder that gets cases/NAME and truth/NAME.json
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Write the labelled cases of the whole matrix
    MatrixCases {
        /// Folder that gets cases/NAME and truth/NAME.json
        #[arg(short, long)]
        output: PathBuf,
        #[command(flatten)]
        extent: Extent,
    },
    /// Write every file of sample-traces/
    Samples {
        /// The folder
        folder: PathBuf,
    },
}

/// How much of the matrix.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Extent {
    /// Seeds per plant, severity and engine
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// First seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// One seed, severities 1 and 3
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::List => {
            let mut out = std::io::stdout().lock();
            Scenario::ALL.iter().try_for_each(|s| writeln!(out, "{}", s.name()))?;
            Ok(())
        }
        Command::Write { scenario, output, seed, process } => {
            let Some(scenario) = Scenario::from_name(&scenario) else {
                bail!("no scenario is called {scenario:?}; `list` shows them");
            };
            write(&scenario.run(seed), process, &output)
        }
        Command::Case { engine, plant, severity, seed, output } => {
            let Some(engine) = EngineKind::from_name(&engine) else {
                bail!("no engine is called {engine:?}: vllm, triton or pytorch");
            };
            let subject = match (Plant::from_id(&plant), Trap::from_name(&plant)) {
                (Some(plant), _) => Subject::Fault(plant, severity),
                (None, Some(trap)) => Subject::Clean(trap),
                (None, None) => bail!("no plant or trap is called {plant:?}"),
            };
            write_case(&Case { engine, subject, seed }, &output)
        }
        Command::MatrixCases { output, extent } => matrix_cases(&output, extent),
        Command::Samples { folder } => samples(&folder),
    }
}

fn matrix_cases(output: &Path, extent: Extent) -> Result<()> {
    for case in underspan_simulator::matrix(extent.first_seed, extent.seeds, extent.quick) {
        write_case(&case, output)?;
    }
    Ok(())
}

fn write_case(case: &Case, output: &Path) -> Result<()> {
    if !case.is_possible() {
        bail!("{} makes no sense", case.name());
    }
    let truth = case.write(&output.join("cases"))?;
    let folder = output.join("truth");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.json", truth.name));
    std::fs::write(&path, serde_json::to_string_pretty(&truth.document)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Seed of every committed sample.
const SAMPLE_SEED: u64 = 1;

fn samples(folder: &Path) -> Result<()> {
    let run = |scenario: Scenario| scenario.run(SAMPLE_SEED);
    write(&run(Scenario::ContinuousBatching), 0, &folder.join("continuous-batching.json.gz"))?;
    write(&run(Scenario::EagerFp32), 0, &folder.join("eager-fp32.uspan"))?;
    write(&run(Scenario::LaunchBound), 0, &folder.join("launch-bound.json.gz"))?;
    let ranks = run(Scenario::StragglerRank);
    let ranks_folder = folder.join("straggler-rank");
    std::fs::create_dir_all(&ranks_folder)?;
    for rank in 0..ranks.len() {
        write(&ranks, rank, &ranks_folder.join(format!("trace.rank{rank}.json.gz")))?;
    }
    Ok(())
}

fn write(recordings: &[Recording], process: usize, path: &Path) -> Result<()> {
    let one = || recordings.get(process).context("the scenario has no such process");
    let name = path.to_string_lossy();
    if name.ends_with(".uspan") {
        let options = underspan_native::WriteOptions::default();
        underspan_native::write_timeline(path, &to_timeline(recordings), &options)?;
    } else if name.ends_with(".json.gz") {
        let mut out = GzEncoder::new(create(path)?, Compression::best());
        write_kineto(one()?, &mut out)?;
        out.finish()?.flush()?;
    } else if name.ends_with(".json") {
        let mut out = create(path)?;
        write_kineto(one()?, &mut out)?;
        out.flush()?;
    } else {
        bail!("{name}: the ending must be .uspan, .json or .json.gz");
    }
    Ok(())
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}
