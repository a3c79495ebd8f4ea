use clap::{Args, ValueEnum};

use super::Inputs;

/// Print what is in a trace: counts, devices, copies, correlation
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan info trace.json.gz
  underspan info report.sqlite --format json | jq .devices
  underspan info run.uspan --format json       the same object as for the trace it was made from")]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// Output format
    #[arg(long, value_enum, default_value_t = InfoFormat::Text)]
    pub(crate) format: InfoFormat,
}

/// How `info` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InfoFormat {
    /// For people
    Text,
    /// One object, stable
    Json,
}
