use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Compare two captures: what got slower, which multiplies changed precision
///
/// Kernels are aligned by role and position, so that renamed kernels are still compared.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan diff before.uspan after.uspan
  underspan diff old.json.gz new.json.gz --format markdown -o diff.md
  underspan diff before.uspan after.uspan --gate --max-slowdown 3     exit 1 when over 3 % slower
  underspan diff --before fp16.graph.json fp16.profile.json --after fp32.graph.json fp32.profile.json

Several files of one side (ranks, or a TensorRT engine's layers and times) go into a folder, or are
named with --before and --after.")]
pub(crate) struct DiffArgs {
    /// The capture before
    #[arg(value_name = "A", required_unless_present = "before", requires = "b")]
    pub(crate) a: Option<PathBuf>,

    /// The capture after
    #[arg(value_name = "B")]
    pub(crate) b: Option<PathBuf>,

    /// Files of the capture before
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "after", conflicts_with_all = ["a", "b"])]
    pub(crate) before: Vec<PathBuf>,

    /// Files of the capture after
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "before", conflicts_with_all = ["a", "b"])]
    pub(crate) after: Vec<PathBuf>,

    /// Output format
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(crate) format: DiffFormat,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Rows per table
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) top: usize,

    /// Exit 1 when a threshold is passed
    #[arg(long)]
    pub(crate) gate: bool,

    /// Threshold: kernel time per step, or a latency beyond noise, this much longer, in percent
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    pub(crate) max_slowdown: f64,

    /// Threshold: multiply time that fell to a wider type or off tensor cores, in percent
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    pub(crate) max_fallback: f64,
}

/// How `diff` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people at a terminal
    Text,
    /// One object, stable and versioned
    Json,
    /// For issues and chat
    Markdown,
}
