use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Inputs;

/// Say why requests were slow, what the GPU did and where the time went
///
/// Traces, request spans, metrics, GPU samples and a declaration of the engine's settings are told
/// by content and joined. With spans the report begins with a verdict: model, runtime, hardware,
/// outside, mixed, none, or inconclusive and why.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan analyze trace.json.gz
  underspan analyze incident/                            traces, spans and counters of one run
  underspan analyze after/ --baseline before/            why p95 grew
  underspan analyze rank0.json.gz rank1.json.gz          several ranks of one job
  underspan analyze incident/ --gpu-price 2.50/h --slo ttft=500ms,e2e=5s --target 99.9
  underspan analyze trace.json.gz --declared bf16        name multiplies that fell back
  underspan analyze run.uspan --format markdown -o report.md
  underspan analyze incident/ --format html -o report.html
  underspan analyze incident/ --webhook https://alerts.example/underspan
  underspan analyze run.uspan --format json | jq .verdict")]
pub(crate) struct AnalyzeArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,

    /// The same kind of run from before a change; a folder `baseline` in PATH is one
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) baseline: Vec<PathBuf>,

    /// Price of one GPU, such as 2.50/h; a usual one for the product when only asked for the cost
    #[arg(long, value_name = "PRICE", num_args = 0..=1, default_missing_value = "usual")]
    pub(crate) gpu_price: Option<String>,

    /// Limits that requests are to keep: ttft=500ms,itl=50ms,e2e=5s. itl is each time between two
    /// tokens where the steps of a request are known, and their mean (tpot) otherwise
    #[arg(long, value_name = "LIMITS")]
    pub(crate) slo: Option<String>,

    /// Share of requests that have to keep them, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, requires = "slo")]
    pub(crate) target: f64,

    /// Type the model is meant to compute in (bf16, fp16, fp8, int8, …), or its config.json
    #[arg(long, value_name = "TYPE|FILE")]
    pub(crate) declared: Option<String>,

    /// Output format
    #[arg(long, value_enum, default_value_t = AnalyzeFormat::Text)]
    pub(crate) format: AnalyzeFormat,

    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Also send the verdict there as JSON, for alerting: an http or https address
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,

    /// Rows per table
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) top: usize,
}

/// How `analyze` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzeFormat {
    /// For people at a terminal
    Text,
    /// One object, stable and versioned
    Json,
    /// For issues and chat
    Markdown,
    /// One file for a browser, with pictures of the slowest requests
    Html,
}
