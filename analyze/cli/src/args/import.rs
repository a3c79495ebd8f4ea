use std::path::PathBuf;

use clap::Args;

use super::Inputs;

/// Store traces as one compact .uspan file
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan import trace.json.gz                       writes trace.uspan
  underspan import rank0.json.gz rank1.json.gz -o job.uspan
  underspan import report.sqlite -o report.uspan --repack")]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// File to write [default: the input's name with .uspan]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Take longer to make the file smaller
    #[arg(long)]
    pub(crate) repack: bool,
}
