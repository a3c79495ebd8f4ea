use std::path::PathBuf;

use clap::Args;

/// Save what is whole in a damaged or unfinished .uspan file
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan recover killed.uspan -o saved.uspan")]
pub(crate) struct RecoverArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,

    /// File to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Replace the output file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}
