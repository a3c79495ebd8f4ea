use std::path::PathBuf;

use clap::{Args, ValueEnum};
use underspan_report::StatsReport;

use super::Inputs;

/// Print one table of statistics
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan stats trace.json.gz --report kernels
  underspan stats trace.json.gz --report gaps --format csv > gaps.csv
  underspan stats trace.json.gz --report streams --format json")]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// The table
    #[arg(long, value_parser = parse_report, default_value = "kernels", value_name = "NAME", help = report_help())]
    pub(crate) report: StatsReport,

    /// Output format
    #[arg(long, value_enum, default_value_t = StatsFormat::Text)]
    pub(crate) format: StatsFormat,

    /// Most rows; all when absent
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// How `stats` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    /// For people
    Text,
    /// Comma-separated, times in nanoseconds
    Csv,
    /// An array of objects, times in nanoseconds
    Json,
    /// For issues and chat
    Markdown,
}

fn parse_report(name: &str) -> Result<StatsReport, String> {
    StatsReport::from_name(name).ok_or_else(|| format!("expected one of {}", names()))
}

fn names() -> String {
    StatsReport::ALL.iter().map(|report| report.name()).collect::<Vec<_>>().join(", ")
}

fn report_help() -> String {
    let lines = StatsReport::ALL.iter().map(|r| format!("{}: {}", r.name(), r.title()));
    format!("The table to print [{}]", lines.collect::<Vec<_>>().join("; "))
}
