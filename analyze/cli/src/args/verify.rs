use std::path::PathBuf;

use clap::Args;

/// Check a .uspan file chunk by chunk
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan verify run.uspan && echo intact

Exit codes: 0 intact · 1 damaged, see the list · 2 not a .uspan file")]
pub(crate) struct VerifyArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
}
