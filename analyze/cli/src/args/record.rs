use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use underspan_launcher::{Kinds, Mode};

use super::amount::{parse_bytes, parse_duration};

/// What is decided when a process starts.
const RECORD_ONLY: [&str; 7] =
    ["mode", "delay", "max_size", "overhead_budget", "no_hook", "no_otlp", "chain"];

/// Record what a command does on the GPU
///
/// Runs the command unchanged with a collector in it and every process it starts. Signals and the
/// exit code pass through. When it ends, or the time is over, everything becomes one capture.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan record -o cap.uspan -- vllm serve MODEL
  underspan record --delay 2m --duration 30s -- python3 server.py
  underspan record --kinds node --max-size 2G -- python3 -m sglang.launch_server …
  underspan record --pid 4242 --last 30s -o slow.uspan    a server started with `underspan arm`")]
pub(crate) struct RecordArgs {
    /// File to write [default: capture.uspan, or the next free number]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Record everything, or keep the last seconds only
    #[arg(long, value_enum, default_value_t = RecordMode::Stream, value_name = "MODE")]
    pub(crate) mode: RecordMode,

    #[command(flatten)]
    pub(crate) what: WhatToRecord,

    /// Stop recording after this time; the command runs on
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,

    /// Start recording after this time
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) delay: Option<Duration>,

    /// Stop recording at this size of all files
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES")]
    pub(crate) max_size: Option<u64>,

    /// What ring mode keeps, or what to take of it with --pid [default: 30s, everything there]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) last: Option<Duration>,

    /// Record a running process and those below it, started with `underspan arm` or `record`
    #[arg(long, value_name = "PID", conflicts_with_all = RECORD_ONLY)]
    pub(crate) pid: Option<u32>,

    /// Program and arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND",
        required_unless_present = "pid",
        conflicts_with = "pid"
    )]
    pub(crate) command: Vec<OsString>,
}

/// What to record, and how.
#[derive(Debug, Args)]
pub(crate) struct WhatToRecord {
    /// How much detail
    #[arg(long, value_enum, default_value_t = RecordKinds::Lite, value_name = "KINDS")]
    pub(crate) kinds: RecordKinds,

    /// Most that recording may cost, in percent of one core; above it, detail is given up
    #[arg(long, value_parser = parse_percent, value_name = "PERCENT")]
    pub(crate) overhead_budget: Option<f64>,

    /// Leave Python alone: no engine steps
    #[arg(long)]
    pub(crate) no_hook: bool,

    /// Leave OpenTelemetry exports alone: no request spans
    #[arg(long)]
    pub(crate) no_otlp: bool,

    /// Load another tool's injection library as well
    #[arg(long)]
    pub(crate) chain: bool,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|percent| percent.is_finite() && *percent > 0.0)
        .ok_or_else(|| format!("expected a percentage above 0, found {text:?}"))
}

/// How a command is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordMode {
    /// Everything
    Stream,
    /// The last seconds
    Ring,
}

/// How much detail is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordKinds {
    /// Kernels, copies and fills; CUDA graphs as wholes
    Lite,
    /// The same, graphs kernel by kernel
    Node,
    /// The same, and calls and waits of the host
    Api,
    /// Graphs as wholes, and calls and waits of the host
    #[value(name = "lite+api")]
    LiteApi,
}

impl RecordMode {
    /// As the launcher has it.
    pub(crate) const fn mode(self) -> Mode {
        match self {
            Self::Stream => Mode::Stream,
            Self::Ring => Mode::Ring,
        }
    }
}

impl RecordKinds {
    /// As the launcher has it.
    pub(crate) const fn kinds(self) -> Kinds {
        match self {
            Self::Lite => Kinds::Lite,
            Self::Node => Kinds::Node,
            Self::Api => Kinds::Api,
            Self::LiteApi => Kinds::LiteApi,
        }
    }
}
