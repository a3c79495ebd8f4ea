use std::path::PathBuf;

use clap::Args;

/// Record a simulated server on a machine without a GPU, and analyze it
///
/// Everything but the GPU is real: the launcher, the collector in the server's process, the file
/// and the analysis. The server batches continuously, on a double of the CUDA driver and of CUPTI.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan demo
  underspan demo --scenario list
  underspan demo --scenario pageable-uploads -o uploads.uspan")]
pub(crate) struct DemoArgs {
    /// What is the matter with the server; `list` shows what there is
    #[arg(long, default_value = "long-prompts", value_name = "NAME")]
    pub(crate) scenario: String,

    /// How long it serves, in seconds
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,

    /// File to write [default: demo.uspan, or the next free number]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}
