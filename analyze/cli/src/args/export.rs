use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Inputs;

/// Write what a capture holds for other tools
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan export run.uspan --to json --what members        every request in every engine step
  underspan export run.uspan --to json --what requests       every request, as explain prints it")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// Target format
    #[arg(long, value_enum)]
    pub(crate) to: ExportFormat,

    /// What to write
    #[arg(long, value_enum)]
    pub(crate) what: ExportWhat,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Formats of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON document
    Json,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportWhat {
    /// Every (request, step) pair
    Members,
    /// Every request with its parts and steps
    Requests,
}
