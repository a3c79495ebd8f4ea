//! Writes the traces of simulated servers.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;
use underspan_simulator::{
    Case, Container, EngineKind, Plant, Recording, Scenario, Score, Subject, Trap, Trial,
    TrialOptions, render, run_trials, to_timeline, write_kineto, write_truth,
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
        /// Record as the project's own collector and hook would: .uspan with exact members
        #[arg(long)]
        native: bool,
        /// Keep the files small: few layers, short answers
        #[arg(long)]
        small: bool,
    },
    /// Write the labelled cases of the whole matrix
    MatrixCases {
        /// Folder that gets cases/NAME and truth/NAME.json
        #[arg(short, long)]
        output: PathBuf,
        #[command(flatten)]
        extent: Extent,
    },
    /// Run the matrix through the built `underspan` binary and print how right it is
    Matrix {
        #[command(flatten)]
        extent: Extent,
        /// The binary; beside this one unless given
        #[arg(long, env = "UNDERSPAN_BINARY")]
        binary: Option<PathBuf>,
        /// Only cases whose name contains one of these
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Cases at the same time
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Keep the cases and their truth in this folder
        #[arg(long)]
        keep: Option<PathBuf>,
        /// List what was not right
        #[arg(long)]
        misses: bool,
        /// Also write the tables into this page
        #[arg(long)]
        page: Option<PathBuf>,
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
    /// Record as the project's own collector and hook would: .uspan with exact members
    #[arg(long)]
    native: bool,
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
        Command::Case { engine, plant, severity, seed, output, native, small } => {
            let Some(engine) = EngineKind::from_name(&engine) else {
                bail!("no engine is called {engine:?}: vllm, triton or pytorch");
            };
            let subject = match (Plant::from_id(&plant), Trap::from_name(&plant)) {
                (Some(plant), _) => Subject::Fault(plant, severity),
                (None, Some(trap)) => Subject::Clean(trap),
                (None, None) => bail!("no plant or trap is called {plant:?}"),
            };
            let case = Case { engine, subject, seed, is_small: small };
            write_case(&case, container(native), &output)
        }
        Command::MatrixCases { output, extent } => {
            let container = container(extent.native);
            extent.cases().iter().try_for_each(|case| write_case(case, container, &output))
        }
        Command::Matrix { extent, binary, only, jobs, keep, misses, page } => {
            let mut cases = extent.cases();
            cases.retain(|case| {
                let name = case.name();
                only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))
            });
            let binary = binary.map_or_else(binary_beside_this, Ok)?;
            let keeps_cases = keep.is_some();
            let process = std::process::id();
            let temporary = || std::env::temp_dir().join(format!("underspan-matrix-{process}"));
            let folder = keep.unwrap_or_else(temporary);
            let container = container(extent.native);
            let options = TrialOptions { binary, folder, keeps_cases, jobs, container };
            matrix(&cases, &options, misses, page.as_deref().map(|page| (page, extent)))
        }
        Command::Samples { folder } => samples(&folder),
    }
}

impl Extent {
    fn cases(self) -> Vec<Case> {
        underspan_simulator::matrix(self.first_seed, self.seeds, self.quick)
    }
}

fn binary_beside_this() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let binary = own.with_file_name("underspan");
    if !binary.exists() {
        bail!("{} does not exist: build it, or give --binary", binary.display());
    }
    Ok(binary)
}

fn matrix(
    cases: &[Case],
    options: &TrialOptions,
    lists_misses: bool,
    page: Option<(&Path, Extent)>,
) -> Result<()> {
    let n = cases.len();
    let progress = |done: usize, _: &Trial| {
        if done.is_multiple_of(25) || done == n {
            let _ = writeln!(std::io::stderr(), "{done} of {n}");
        }
    };
    let trials = run_trials(cases, options, &progress);
    if !options.keeps_cases {
        let _ = std::fs::remove_dir_all(&options.folder);
    }
    let score = Score::of(&trials?);
    let tables = render(&score);
    let mut out = std::io::stdout().lock();
    write!(out, "{tables}")?;
    for failure in &score.failures {
        writeln!(out, "no answer: {failure}")?;
    }
    if lists_misses {
        for miss in &score.misses {
            writeln!(out, "{miss}")?;
        }
    }
    if let Some((page, extent)) = page {
        let Extent { first_seed, seeds, quick, .. } = extent;
        let quick = if quick { " --quick" } else { "" };
        let of = format!("--first-seed {first_seed} --seeds {seeds}{quick}");
        let text = format!("{}{tables}", PAGE_HEAD.replace("EXTENT", &of));
        std::fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
    }
    Ok(())
}

const PAGE_HEAD: &str = "\
# How right the verdicts are

Measured on the project's own planted faults: simulated vLLM-like, Triton-like and plain PyTorch
servers, 19 faults at three severities, clean servers that look suspicious, two faults at once, and
damaged captures. The simulator shares no code with the detectors; the binary reads the same public
formats that an operator hands over. Regenerate this page with

```sh
cargo build --release -p underspan
cargo run --release -p underspan-simulator -- matrix EXTENT --page docs/verdict-accuracy.md
```

Thresholds were set on other seeds than these. A simulator is not a GPU: these figures say how well the verdicts follow from evidence of the shape
modelled there, not how often they are right in production.

";

fn container(is_native: bool) -> Container {
    if is_native { Container::Native } else { Container::Kineto }
}

fn write_case(case: &Case, container: Container, output: &Path) -> Result<()> {
    if !case.is_possible() {
        bail!("{} makes no sense", case.name());
    }
    let truth = case.write(&output.join("cases"), container)?;
    write_truth(output, &truth.name, &truth.document)
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
    for sample in underspan_simulator::SAMPLES {
        sample.case.write_into(&folder.join(sample.path), sample.container)?;
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
