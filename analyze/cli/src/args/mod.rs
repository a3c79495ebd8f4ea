//! Arguments as typed. The doc comments are the help.

mod amount;
mod analyze;
mod arm;
mod classify;
mod completions;
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

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub(crate) use analyze::{AnalyzeArgs, AnalyzeFormat};
pub(crate) use arm::ArmArgs;
pub(crate) use classify::{ClassifyArgs, ClassifyFormat};
pub(crate) use completions::CompletionsArgs;
pub(crate) use demo::DemoArgs;
pub(crate) use diff::{DiffArgs, DiffFormat};
pub(crate) use doctor::DoctorArgs;
pub(crate) use explain::{ExplainArgs, ExplainFormat, Which};
pub(crate) use explain_finding::ExplainFindingArgs;
pub(crate) use export::{ExportArgs, ExportFormat, ExportWhat};
pub(crate) use import::ImportArgs;
pub(crate) use info::{InfoArgs, InfoFormat};
pub(crate) use record::RecordArgs;
pub(crate) use recover::RecoverArgs;
pub(crate) use stats::{StatsArgs, StatsFormat};
pub(crate) use verify::VerifyArgs;
pub(crate) use view::{RenderArgs, ViewArgs};

/// Why was this request slow: model, runtime, hardware, or outside?
///
/// underspan reads what a GPU did (PyTorch profiler traces, Nsight Systems exports, its own .uspan
/// captures) and reports where the time went; `record` makes such captures.
#[derive(Debug, Parser)]
#[command(name = "underspan", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
EXAMPLES
  underspan record -o cap.uspan -- vllm serve …  what a server does on the GPU
  underspan analyze trace.json.gz              what the GPU did and where the time went
  underspan explain captures/ --slowest 1%     where the time of the slowest requests went
  underspan info trace.json.gz --format json   the same as exact numbers
  underspan import rank*.json.gz -o run.uspan  one compact file out of many

Exit codes: 0 done · 1 a check did not pass · 2 error";

/// Options of every command.
#[derive(Debug, ClapArgs)]
pub(crate) struct Global {
    /// Threads to use [default: one per core]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,

    /// Columns of text output [default: the terminal's, 120 elsewhere]
    #[arg(long, global = true, value_name = "COLUMNS")]
    pub(crate) width: Option<usize>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Record(RecordArgs),
    Arm(ArmArgs),
    Demo(DemoArgs),
    Info(InfoArgs),
    Analyze(AnalyzeArgs),
    Explain(ExplainArgs),
    ExplainFinding(ExplainFindingArgs),
    Stats(StatsArgs),
    Import(ImportArgs),
    Export(ExportArgs),
    Classify(ClassifyArgs),
    Diff(DiffArgs),
    View(ViewArgs),
    Render(RenderArgs),
    Verify(VerifyArgs),
    Recover(RecoverArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
}

/// The traces to read.
#[derive(Debug, ClapArgs)]
pub(crate) struct Inputs {
    /// Trace files, or folders of them; several are joined into one capture
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// Read a trace that ends early up to the cut, instead of refusing it
    #[arg(long)]
    pub(crate) accept_truncated: bool,
}
